//! The two small services every go-plugin has beside its own: `plugin.GRPCController`, through which Terraform says
//! that it is done, and `grpc.health.v1.Health`, through which it asks whether we are there.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::server::NamedService;

use crate::protocol::calls::EmptyRequest;
use crate::protocol::service::unary;

type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

/// Nothing.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Empty {}

/// `plugin.GRPCController`.
#[derive(Debug, Clone)]
pub struct ControllerServer {
    stop: CancellationToken,
}

impl ControllerServer {
    /// A controller that cancels the given token when Terraform is done.
    #[must_use]
    pub const fn new(stop: CancellationToken) -> Self {
        Self { stop }
    }
}

impl NamedService for ControllerServer {
    const NAME: &'static str = "plugin.GRPCController";
}

impl Service<http::Request<Body>> for ControllerServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        let stop = self.stop.clone();
        Box::pin(async move {
            if !request.uri().path().ends_with("/Shutdown") {
                return Ok(Status::unimplemented("only Shutdown").into_http());
            }
            let answer = unary(request, |_: EmptyRequest| async { Empty {} }).await;
            stop.cancel();
            Ok(answer)
        })
    }
}

/// `grpc.health.v1.Health`.
#[derive(Debug, Clone, Copy)]
pub struct HealthServer;

/// A health check's answer: 1 is "serving".
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

impl NamedService for HealthServer {
    const NAME: &'static str = "grpc.health.v1.Health";
}

impl Service<http::Request<Body>> for HealthServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Answer {
        Box::pin(async move {
            if !request.uri().path().ends_with("/Check") {
                return Ok(Status::unimplemented("only Check").into_http());
            }
            Ok(unary(request, |_: EmptyRequest| async { HealthCheckResponse { status: 1 } }).await)
        })
    }
}
