//! The OpenAPI description of an API, made from its endpoints and the types of what they are asked and answer.

use reqwest::StatusCode;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::endpoint::{BodyRule, Endpoint, Guard, Header};
use crate::problem::MEDIA_TYPE;

/// Where schemas stand in the description.
const SCHEMAS: &str = "/components/schemas";
/// What a refusal refers to.
const REFUSAL: &str = "#/components/responses/Problem";

/// A description, as it is served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Description(pub Map<String, Value>);

/// An answer that has no end: server-sent events.
#[derive(Debug, Clone, JsonSchema)]
pub struct EventStream(#[expect(dead_code, reason = "its schema says that a stream is text")] String);

/// What endpoints do not say.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The API's name.
    pub title: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// Name and description of what changes in paths.
    pub path_parameters: &'static [(&'static str, &'static str)],
}

/// A description that is being made.
pub struct OpenApi {
    about: About,
    paths: Map<String, Value>,
    /// Schemas of what is served: what is left out only when read is always there.
    answers: SchemaGenerator,
    /// Schemas of what is read.
    requests: SchemaGenerator,
}

impl OpenApi {
    /// A description without endpoints.
    #[must_use]
    pub fn new(about: About) -> Self {
        let generator = |contract: Contract| {
            let settings = SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = SCHEMAS.into();
                settings.meta_schema = None;
                settings.contract = contract;
            });
            settings.into_generator()
        };
        let (answers, requests) = (generator(Contract::Serialize), generator(Contract::Deserialize));
        Self { about, paths: Map::new(), answers, requests }
    }

    /// Describes an endpoint.
    pub fn add<A: Guard, Q: JsonSchema, B: JsonSchema, R: JsonSchema>(
        &mut self,
        endpoint: &Endpoint<A, Q, B, R>,
    ) {
        let mut operation = json!({
            "operationId": endpoint.id,
            "summary": endpoint.summary,
            "security": endpoint.access.schemes().iter().map(|name| json!({ *name: [] })).collect::<Vec<_>>(),
            "parameters": self.parameters(endpoint),
            "responses": self.responses(endpoint),
        });
        let sentences = [endpoint.access.sentence(), Some(endpoint.description)];
        let sentences: Vec<_> =
            sentences.into_iter().flatten().filter(|sentence| !sentence.is_empty()).collect();
        if !sentences.is_empty() {
            operation["description"] = sentences.join(" ").into();
        }
        if endpoint.body != BodyRule::None {
            let schema = self.requests.subschema_for::<B>();
            let is_required = matches!(endpoint.body, BodyRule::Required { .. });
            operation["requestBody"] =
                json!({ "required": is_required, "content": { "application/json": { "schema": schema } } });
        }
        let method = endpoint.verb.method().as_str().to_lowercase();
        let path = self.paths.entry(endpoint.path).or_insert_with(|| json!({}));
        path[method] = operation;
    }

    /// Gives a type that only a sentence names its schema.
    pub fn mention<T: JsonSchema>(&mut self) {
        self.answers.subschema_for::<T>();
    }

    fn parameters<A, Q: JsonSchema, B, R>(&mut self, endpoint: &Endpoint<A, Q, B, R>) -> Vec<Value> {
        let path =
            endpoint.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let path = path.map(|name| {
            let known = self.about.path_parameters.iter().find(|(known, _)| *known == name);
            let description = known.map_or("", |(_, description)| description);
            json!({
                "name": name, "in": "path", "required": true, "description": description,
                "schema": { "type": "string" },
            })
        });
        let headers = endpoint.headers.iter().map(|Header { name, is_required, description }| {
            json!({
                "name": name, "in": "header", "required": is_required, "description": description,
                "schema": { "type": "string" },
            })
        });
        let mut parameters: Vec<_> = path.chain(headers).collect();
        let query = Q::json_schema(&mut self.requests);
        let required: Vec<&str> = query
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, schema) in query.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let mut parameter = json!({
                "name": name, "in": "query", "required": required.contains(&name.as_str()), "schema": schema,
            });
            // It is said beside the parameter, and is absent rather than null.
            if let Some(schema) = parameter["schema"].as_object_mut() {
                let description = schema.remove("description");
                parameter["description"] = description.unwrap_or_default();
            }
            parameters.push(parameter);
        }
        parameters
    }

    fn responses<A: Guard, Q, B, R: JsonSchema>(
        &mut self,
        endpoint: &Endpoint<A, Q, B, R>,
    ) -> Map<String, Value> {
        let schema = self.answers.subschema_for::<R>();
        let success = json!({
            "description": endpoint.answers, "content": { endpoint.media_type: { "schema": schema } },
        });
        let refusals = refusals(endpoint)
            .into_iter()
            .map(|status| (status.as_str().to_owned(), json!({ "$ref": REFUSAL })));
        std::iter::once((endpoint.status.as_str().to_owned(), success)).chain(refusals).collect()
    }

    /// The whole description. `P` is what refusals say, `security` the schemes by name.
    #[must_use]
    pub fn finish<P: JsonSchema>(mut self, security: &Value) -> Description {
        let problem = self.answers.subschema_for::<P>();
        let mut schemas = self.requests.take_definitions(true);
        schemas.append(&mut self.answers.take_definitions(true));
        let whole = json!({
            "openapi": "3.1.0",
            "info": {
                "title": self.about.title,
                "version": "1",
                "description": self.about.description,
                "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            },
            "paths": self.paths,
            "components": {
                "securitySchemes": security,
                "responses": {
                    "Problem": { "description": "What went wrong.", "content": { MEDIA_TYPE: { "schema": problem } } },
                },
                "schemas": schemas,
            },
        });
        match whole {
            Value::Object(whole) => Description(whole),
            _ => Description(Map::new()),
        }
    }
}

/// The statuses of an endpoint's refusals: those that follow from what it asks for, and its own.
fn refusals<A: Guard, Q, B, R>(endpoint: &Endpoint<A, Q, B, R>) -> Vec<StatusCode> {
    let schemes = endpoint.access.schemes();
    let has_body = endpoint.body != BodyRule::None;
    let mut refusals = vec![(StatusCode::SERVICE_UNAVAILABLE, true)];
    refusals.push((StatusCode::UNAUTHORIZED, !schemes.is_empty()));
    refusals.push((StatusCode::FORBIDDEN, endpoint.access.sentence().is_some()));
    refusals.push((StatusCode::NOT_FOUND, endpoint.path.contains('{')));
    refusals.push((StatusCode::REQUEST_TIMEOUT, has_body));
    refusals.push((StatusCode::PAYLOAD_TOO_LARGE, has_body));
    refusals.push((StatusCode::BAD_REQUEST, has_body || endpoint.path.contains('{')));
    let follow = refusals.into_iter().filter(|(_, is_possible)| *is_possible).map(|(status, _)| status);
    let mut all: Vec<_> = follow.chain(endpoint.refusals.iter().copied()).collect();
    all.sort_unstable();
    all.dedup();
    all
}
