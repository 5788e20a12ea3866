//! The provider: from a call of the protocol to the type it is about, and from its answer to the protocol's.
//!
//! No decision is taken here. Values are decoded, brought to the schema's shape, handed on, and encoded again.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use moorline_config::chain;
use tokio_util::sync::CancellationToken;

use crate::connection::{self, Connection};
use crate::gateway_resource::GatewayResource;
use crate::protocol::calls::{
    ApplyResourceChangeRequest, ApplyResourceChangeResponse, ConfigureProviderRequest, DiagnosticsResponse,
    GetMetadataResponse, GetProviderSchemaResponse, ImportResourceStateRequest, ImportResourceStateResponse,
    ImportedResource, MoveResourceStateRequest, MoveResourceStateResponse, PlanResourceChangeRequest,
    PlanResourceChangeResponse, ReadDataSourceRequest, ReadDataSourceResponse, ReadResourceRequest,
    ReadResourceResponse, ServerCapabilities, StopProviderResponse, TypeName, UpgradeResourceStateRequest,
    UpgradeResourceStateResponse, ValidateProviderConfigRequest, ValidateProviderConfigResponse,
    ValidateTypeConfigRequest,
};
use crate::protocol::{Diagnostic, DynamicValue, ProviderRpc};
use crate::resource::{Applied, Change, Diagnostics, Resource};
use crate::status_data;
use crate::upstream_resource::UpstreamResource;
use crate::value::Value;

const CAPABILITIES: ServerCapabilities = ServerCapabilities {
    plan_destroy: false,
    get_provider_schema_optional: true,
    move_resource_state: false,
};

/// The provider of one Terraform run.
pub struct Provider {
    resources: BTreeMap<&'static str, Box<dyn Resource>>,
    connection: RwLock<Arc<Connection>>,
    stopped: CancellationToken,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Provider").finish_non_exhaustive()
    }
}

impl Provider {
    /// A provider that knows what the environment says, and not yet what its block says.
    #[must_use]
    pub fn new(environment: Connection) -> Self {
        let mut resources: BTreeMap<&'static str, Box<dyn Resource>> = BTreeMap::new();
        resources.insert("openai_gateway", Box::new(GatewayResource));
        resources.insert("openai_provider", Box::new(UpstreamResource::OPENAI));
        resources.insert("anthropic_provider", Box::new(UpstreamResource::ANTHROPIC));
        let connection = RwLock::new(Arc::new(environment));
        Self { resources, connection, stopped: CancellationToken::new() }
    }

    fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.connection.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn resource(&self, name: &str) -> Result<&dyn Resource, Diagnostics> {
        let unknown = || {
            vec![Diagnostic::error("Unknown type", format!("The provider has no resource type `{name}`."))]
        };
        self.resources.get(name).map(AsRef::as_ref).ok_or_else(unknown)
    }

    /// Waits for an answer, or for Terraform to call the whole run off.
    async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, Diagnostics>>,
    ) -> Result<T, Diagnostics> {
        tokio::select! {
            // Cancel safe: only reads are given to this function.
            () = self.stopped.cancelled() => Err(vec![Diagnostic::error("Interrupted", "Terraform called the run off.")]),
            done = work => done,
        }
    }

    async fn read(&self, request: &ReadResourceRequest) -> Result<Value, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let state = decode(request.current_state.as_ref())?;
        let connection = self.connection();
        let read = self.unless_stopped(resource.read(&state, &connection)).await?;
        Ok(read.map_or(Value::Null, |state| resource.schema().conform(&state)))
    }

    fn plan(&self, request: &PlanResourceChangeRequest) -> Result<Value, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let next = decode(request.proposed_new_state.as_ref())?;
        if next.is_null() {
            return Ok(Value::Null);
        }
        let config = decode(request.config.as_ref())?;
        let prior = Some(decode(request.prior_state.as_ref())?).filter(|prior| !prior.is_null());
        resource.plan(&Change { prior, config, next })
    }

    async fn apply(&self, request: &ApplyResourceChangeRequest) -> Result<Applied, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let connection = self.connection();
        let prior = Some(decode(request.prior_state.as_ref())?).filter(|prior| !prior.is_null());
        let next = decode(request.planned_state.as_ref())?;
        match (prior, next) {
            (Some(prior), Value::Null) => {
                resource.delete(&prior, &connection).await?;
                Ok(Applied { state: Value::Null, warnings: Vec::new() })
            }
            (None, Value::Null) => Ok(Applied { state: Value::Null, warnings: Vec::new() }),
            (prior, next) => {
                let config = decode(request.config.as_ref())?;
                resource.apply(&Change { prior, config, next }, &connection).await
            }
        }
    }

    fn upgrade(&self, request: &UpgradeResourceStateRequest) -> Result<Value, Diagnostics> {
        let resource = self.resource(&request.type_name)?;
        let stored = request.raw_state.as_ref().map(|raw| raw.json.as_slice()).unwrap_or_default();
        if request.version > crate::schema::VERSION {
            let detail = format!(
                "The state was stored under schema version {}; this release knows {}. Use a newer \
                    release of the provider.",
                request.version,
                crate::schema::VERSION
            );
            return Err(vec![Diagnostic::error("The state is from a newer provider", detail)]);
        }
        let state = Value::from_json(stored).map_err(|error| unreadable(&error))?;
        Ok(resource.schema().conform(&state))
    }
}

fn decode(value: Option<&DynamicValue>) -> Result<Value, Diagnostics> {
    Value::decode(value).map_err(|error| unreadable(&error))
}

fn unreadable(error: &crate::value::ValueError) -> Diagnostics {
    vec![Diagnostic::error("Terraform sent a value we cannot read", chain::of(error))]
}

fn diagnostics(found: Result<Diagnostics, Diagnostics>) -> Diagnostics {
    found.unwrap_or_else(|failed| failed)
}

#[async_trait]
impl ProviderRpc for Provider {
    async fn get_metadata(&self) -> GetMetadataResponse {
        let named = |name: &str| TypeName { type_name: name.to_owned() };
        GetMetadataResponse {
            server_capabilities: Some(CAPABILITIES),
            diagnostics: Vec::new(),
            data_sources: vec![named(status_data::TYPE_NAME)],
            resources: self.resources.keys().map(|name| named(name)).collect(),
        }
    }

    async fn get_provider_schema(&self) -> GetProviderSchemaResponse {
        let resources = self.resources.iter();
        GetProviderSchemaResponse {
            provider: Some(connection::schema().message()),
            resource_schemas: resources
                .map(|(name, each)| ((*name).to_owned(), each.schema().message()))
                .collect(),
            data_source_schemas: BTreeMap::from([(
                status_data::TYPE_NAME.to_owned(),
                status_data::schema().message(),
            )]),
            diagnostics: Vec::new(),
            server_capabilities: Some(CAPABILITIES),
        }
    }

    async fn validate_provider_config(
        &self,
        request: ValidateProviderConfigRequest,
    ) -> ValidateProviderConfigResponse {
        let found = decode(request.config.as_ref()).map(|block| connection::validate(&block));
        ValidateProviderConfigResponse { diagnostics: diagnostics(found) }
    }

    async fn validate_resource_config(&self, request: ValidateTypeConfigRequest) -> DiagnosticsResponse {
        let found = self
            .resource(&request.type_name)
            .and_then(|resource| decode(request.config.as_ref()).map(|config| resource.validate(&config)));
        DiagnosticsResponse { diagnostics: diagnostics(found) }
    }

    async fn validate_data_resource_config(&self, _: ValidateTypeConfigRequest) -> DiagnosticsResponse {
        DiagnosticsResponse::default()
    }

    async fn upgrade_resource_state(
        &self,
        request: UpgradeResourceStateRequest,
    ) -> UpgradeResourceStateResponse {
        match self.upgrade(&request) {
            Ok(state) => {
                UpgradeResourceStateResponse { upgraded_state: Some(state.encode()), diagnostics: Vec::new() }
            }
            Err(diagnostics) => UpgradeResourceStateResponse { upgraded_state: None, diagnostics },
        }
    }

    async fn configure_provider(&self, request: ConfigureProviderRequest) -> DiagnosticsResponse {
        let found = decode(request.config.as_ref()).map(|block| {
            let configured = self.connection().configured(&block);
            *self.connection.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(configured);
            connection::validate(&block)
        });
        DiagnosticsResponse { diagnostics: diagnostics(found) }
    }

    async fn read_resource(&self, request: ReadResourceRequest) -> ReadResourceResponse {
        match self.read(&request).await {
            Ok(state) => ReadResourceResponse {
                new_state: Some(state.encode()),
                diagnostics: Vec::new(),
                private: request.private,
            },
            // What could not be read is as it was last seen, and not gone.
            Err(diagnostics) => ReadResourceResponse {
                new_state: request.current_state,
                diagnostics,
                private: request.private,
            },
        }
    }

    async fn plan_resource_change(&self, request: PlanResourceChangeRequest) -> PlanResourceChangeResponse {
        let (planned, diagnostics) = match self.plan(&request) {
            Ok(planned) => (Some(planned.encode()), Vec::new()),
            Err(diagnostics) => (request.prior_state, diagnostics),
        };
        PlanResourceChangeResponse {
            planned_state: planned,
            planned_private: request.prior_private,
            diagnostics,
        }
    }

    async fn apply_resource_change(
        &self,
        request: ApplyResourceChangeRequest,
    ) -> ApplyResourceChangeResponse {
        // A write is never called off half-way: the endpoint's own deadline bounds it.
        let (state, diagnostics) = match self.apply(&request).await {
            Ok(applied) => (Some(applied.state.encode()), applied.warnings),
            Err(diagnostics) => (request.prior_state, diagnostics),
        };
        ApplyResourceChangeResponse { new_state: state, private: request.planned_private, diagnostics }
    }

    async fn import_resource_state(
        &self,
        request: ImportResourceStateRequest,
    ) -> ImportResourceStateResponse {
        let imported = self.resource(&request.type_name).and_then(|resource| {
            let state = resource.schema().conform(&resource.import(&request.id)?).encode();
            Ok(ImportedResource {
                type_name: request.type_name.clone(),
                state: Some(state),
                private: Vec::new(),
            })
        });
        match imported {
            Ok(imported) => {
                ImportResourceStateResponse { imported_resources: vec![imported], diagnostics: Vec::new() }
            }
            Err(diagnostics) => ImportResourceStateResponse { imported_resources: Vec::new(), diagnostics },
        }
    }

    async fn move_resource_state(&self, request: MoveResourceStateRequest) -> MoveResourceStateResponse {
        let detail = format!(
            "A `{}` cannot become a `{}`. Remove it from the state (`terraform state rm`) and import \
                the new one.",
            request.source_type_name, request.target_type_name
        );
        let diagnostics = vec![Diagnostic::error("Moving between types is not supported", detail)];
        MoveResourceStateResponse { target_state: None, diagnostics }
    }

    async fn read_data_source(&self, request: ReadDataSourceRequest) -> ReadDataSourceResponse {
        let connection = self.connection();
        match self.unless_stopped(status_data::read(&connection)).await {
            Ok(state) => ReadDataSourceResponse { state: Some(state.encode()), diagnostics: Vec::new() },
            Err(diagnostics) => ReadDataSourceResponse { state: request.config, diagnostics },
        }
    }

    async fn stop_provider(&self) -> StopProviderResponse {
        self.stopped.cancel();
        StopProviderResponse::default()
    }
}

#[cfg(test)]
mod tests;
