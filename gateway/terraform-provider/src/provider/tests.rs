use super::*;
use crate::protocol::calls::RawState;

fn provider() -> Provider {
    Provider::new(Connection::from_environment(|_| Some("http://127.0.0.1:1".to_owned())))
}

#[tokio::test]
async fn a_read_under_way_ends_when_terraform_calls_the_run_off() {
    let provider = provider();
    provider.stop_provider().await;
    let state = Value::from(serde_json::json!({"name": "g", "digest": "sha256:0"})).encode();
    let request = ReadResourceRequest {
        type_name: "openai_gateway".to_owned(),
        current_state: Some(state.clone()),
        private: vec![7],
    };
    let answer = provider.read_resource(request).await;
    assert_eq!(answer.diagnostics[0].summary, "Interrupted");
    // As it was last seen, and not gone.
    assert_eq!((answer.new_state, answer.private), (Some(state), vec![7]));
}

#[tokio::test]
async fn state_of_a_newer_release_is_refused_and_of_an_older_one_completed() {
    let upgrade = async |version, json: &str| {
        let raw_state = Some(RawState { json: json.as_bytes().to_vec() });
        let type_name = "openai_gateway".to_owned();
        provider().upgrade_resource_state(UpgradeResourceStateRequest { type_name, version, raw_state }).await
    };
    assert!(upgrade(7, "{}").await.diagnostics[0].is_error());
    let state = Value::decode(upgrade(0, r#"{"name":"g"}"#).await.upgraded_state.as_ref()).unwrap();
    assert_eq!(state.get("name").text(), Some("g"));
    assert_eq!(*state.get("route"), Value::List(Vec::new()));
}

#[tokio::test]
async fn what_the_provider_does_not_have_is_answered_and_explained() {
    let request = ValidateTypeConfigRequest { type_name: "openai_assistant".to_owned(), config: None };
    let answer = provider().validate_resource_config(request).await;
    assert!(answer.diagnostics[0].detail.contains("openai_assistant"));
    let moved = provider().move_resource_state(MoveResourceStateRequest::default()).await;
    assert!(moved.diagnostics[0].is_error());
}

#[tokio::test]
async fn every_type_of_the_metadata_has_a_schema() {
    let metadata = provider().get_metadata().await;
    let schemas = provider().get_provider_schema().await;
    let names: Vec<String> = metadata.resources.into_iter().map(|name| name.type_name).collect();
    assert_eq!(names, schemas.resource_schemas.into_keys().collect::<Vec<_>>());
    assert_eq!(names, ["anthropic_provider", "openai_gateway", "openai_provider"]);
}
