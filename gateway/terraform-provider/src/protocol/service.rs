//! The gRPC service `tfplugin6.Provider`: from a call's path to a method of [`ProviderRpc`] and back.
//!
//! Answers carry their errors as diagnostics, so a method cannot fail; gRPC errors are left to what gRPC itself
//! finds wrong (an unreadable message, a call we do not have).

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::calls::{
    ApplyResourceChangeRequest, ApplyResourceChangeResponse, CallFunctionRequest, CallFunctionResponse,
    ConfigureProviderRequest, DiagnosticsResponse, EmptyRequest, FunctionError, GetFunctionsResponse,
    GetMetadataResponse, GetProviderSchemaResponse, ImportResourceStateRequest, ImportResourceStateResponse,
    MoveResourceStateRequest, MoveResourceStateResponse, PlanResourceChangeRequest,
    PlanResourceChangeResponse, ReadDataSourceRequest, ReadDataSourceResponse, ReadResourceRequest,
    ReadResourceResponse, StopProviderResponse, UpgradeResourceStateRequest, UpgradeResourceStateResponse,
    ValidateProviderConfigRequest, ValidateProviderConfigResponse, ValidateTypeConfigRequest,
};

/// Largest message read. A state or a plan of one resource is far below it.
pub const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// The calls of a provider, in the order Terraform makes them.
#[async_trait]
pub trait ProviderRpc: Send + Sync + 'static {
    /// What there is, by name.
    async fn get_metadata(&self) -> GetMetadataResponse;
    /// What there is, in full.
    async fn get_provider_schema(&self) -> GetProviderSchemaResponse;
    /// Whether the provider block is right.
    async fn validate_provider_config(
        &self,
        request: ValidateProviderConfigRequest,
    ) -> ValidateProviderConfigResponse;
    /// Whether a resource block is right.
    async fn validate_resource_config(&self, request: ValidateTypeConfigRequest) -> DiagnosticsResponse;
    /// Whether a data block is right.
    async fn validate_data_resource_config(&self, request: ValidateTypeConfigRequest) -> DiagnosticsResponse;
    /// Stored state in today's form.
    async fn upgrade_resource_state(
        &self,
        request: UpgradeResourceStateRequest,
    ) -> UpgradeResourceStateResponse;
    /// Takes the provider block.
    async fn configure_provider(&self, request: ConfigureProviderRequest) -> DiagnosticsResponse;
    /// A resource as it is.
    async fn read_resource(&self, request: ReadResourceRequest) -> ReadResourceResponse;
    /// What a change would come to.
    async fn plan_resource_change(&self, request: PlanResourceChangeRequest) -> PlanResourceChangeResponse;
    /// Makes a change.
    async fn apply_resource_change(&self, request: ApplyResourceChangeRequest)
    -> ApplyResourceChangeResponse;
    /// Begins managing something that exists.
    async fn import_resource_state(&self, request: ImportResourceStateRequest)
    -> ImportResourceStateResponse;
    /// Takes over the state of another type.
    async fn move_resource_state(&self, request: MoveResourceStateRequest) -> MoveResourceStateResponse;
    /// Asks a data source.
    async fn read_data_source(&self, request: ReadDataSourceRequest) -> ReadDataSourceResponse;
    /// Ends what is under way.
    async fn stop_provider(&self) -> StopProviderResponse;
}

/// Serves a provider over gRPC.
#[derive(Debug)]
pub struct ProviderServer<P>(Arc<P>);

impl<P> ProviderServer<P> {
    /// A server for the given provider.
    #[must_use]
    pub const fn new(provider: Arc<P>) -> Self {
        Self(provider)
    }
}

impl<P> Clone for ProviderServer<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P> NamedService for ProviderServer<P> {
    const NAME: &'static str = "tfplugin6.Provider";
}

impl<P: ProviderRpc> tonic::codegen::Service<http::Request<Body>> for ProviderServer<P> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let provider = Arc::clone(&self.0);
        Box::pin(async move { Ok(dispatch(provider, request).await) })
    }
}

async fn dispatch<P: ProviderRpc>(p: Arc<P>, request: http::Request<Body>) -> http::Response<Body> {
    let call = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    tracing::debug!(call, "called");
    match call.as_str() {
        "GetMetadata" => unary(request, |_: EmptyRequest| async move { p.get_metadata().await }).await,
        "GetProviderSchema" => {
            unary(request, |_: EmptyRequest| async move { p.get_provider_schema().await }).await
        }
        "ValidateProviderConfig" => {
            unary(request, |q| async move { p.validate_provider_config(q).await }).await
        }
        "ValidateResourceConfig" => {
            unary(request, |q| async move { p.validate_resource_config(q).await }).await
        }
        "ValidateDataResourceConfig" => {
            unary(request, |q| async move { p.validate_data_resource_config(q).await }).await
        }
        "UpgradeResourceState" => unary(request, |q| async move { p.upgrade_resource_state(q).await }).await,
        "ConfigureProvider" => unary(request, |q| async move { p.configure_provider(q).await }).await,
        "ReadResource" => unary(request, |q| async move { p.read_resource(q).await }).await,
        "PlanResourceChange" => unary(request, |q| async move { p.plan_resource_change(q).await }).await,
        "ApplyResourceChange" => unary(request, |q| async move { p.apply_resource_change(q).await }).await,
        "ImportResourceState" => unary(request, |q| async move { p.import_resource_state(q).await }).await,
        "MoveResourceState" => unary(request, |q| async move { p.move_resource_state(q).await }).await,
        "ReadDataSource" => unary(request, |q| async move { p.read_data_source(q).await }).await,
        "GetFunctions" => unary(request, |_: EmptyRequest| async { GetFunctionsResponse {} }).await,
        "CallFunction" => unary(request, |q| async move { no_such_function(&q) }).await,
        "StopProvider" => unary(request, |_: EmptyRequest| async move { p.stop_provider().await }).await,
        _ => Status::unimplemented(format!("{call} is not part of this provider")).into_http(),
    }
}

fn no_such_function(request: &CallFunctionRequest) -> CallFunctionResponse {
    let text = format!("the provider has no function `{}`", request.name);
    CallFunctionResponse { error: Some(FunctionError { text }) }
}

/// Answers one call of one message for one message.
pub(crate) async fn unary<Q, A, F, Answer>(request: http::Request<Body>, answer: F) -> http::Response<Body>
where
    Q: prost::Message + Default + Send + 'static,
    A: prost::Message + Send + 'static,
    F: FnOnce(Q) -> Answer + Send,
    Answer: Future<Output = A> + Send,
{
    let codec = ProstCodec::<A, Q>::default();
    let mut grpc = Grpc::new(codec).max_decoding_message_size(MESSAGE_BYTES_MAX);
    grpc.unary(Once(Some(answer)), request).await
}

/// A closure as tonic's service of one call.
struct Once<F>(Option<F>);

impl<Q, A, F, Answer> UnaryService<Q> for Once<F>
where
    F: FnOnce(Q) -> Answer,
    Answer: Future<Output = A>,
{
    type Response = A;
    type Future = Answered<Answer>;

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        // tonic calls it once for one request; a second call would find nothing to answer with.
        Answered(self.0.take().map(|answer| Box::pin(answer(request.into_inner()))))
    }
}

/// A closure's answer as tonic's.
struct Answered<Answer>(Option<Pin<Box<Answer>>>);

impl<A, Answer: Future<Output = A>> Future for Answered<Answer> {
    type Output = Result<Response<A>, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Some(answer) => answer.as_mut().poll(context).map(|answer| Ok(Response::new(answer))),
            None => Poll::Ready(Err(Status::internal("one request was handed over twice"))),
        }
    }
}
