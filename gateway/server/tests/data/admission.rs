//! Who may ask, and for what.

use moorline_admin::ErrorKind;
use serde_json::json;

use super::caller::{CHAT, ask, chat, client, finish, post};
use super::gateway::{Gateway, KEY, document};
use super::provider::Provider;

#[tokio::test]
async fn without_a_declared_key_nothing_is_served() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let url = gateway.url(CHAT);
    let no_key = finish(client().post(&url).body(chat().to_string())).await;
    assert_eq!(no_key.status, 401);
    assert_eq!(no_key.header("www-authenticate"), Some("Bearer"));
    assert_eq!(no_key.json()["error"]["type"], "invalid_request_error");
    let unknown = finish(client().post(&url).bearer_auth("vk-wrong").body(chat().to_string())).await;
    assert_eq!((unknown.status, unknown.error_code().as_str()), (401, "invalid_api_key"));
    let by_hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(KEY));
    assert_eq!(finish(client().post(&url).bearer_auth(by_hash).body(chat().to_string())).await.status, 401);
    let in_query = finish(client().post(format!("{url}?api_key={KEY}")).body(chat().to_string())).await;
    assert_eq!(in_query.status, 401);
    let other_header = finish(client().post(&url).header("x-api-key", KEY).body(chat().to_string())).await;
    assert_eq!(other_header.status, 200);
    let stats = gateway.counted(5).await;
    assert_eq!(stats.total.errors[&ErrorKind::Unauthorized], 4);
    assert_eq!((stats.authentication["missing"], stats.authentication["unknown"]), (2, 2));
    assert_eq!(stats.authentication["accepted"], 1);
}

#[tokio::test]
async fn a_document_without_keys_serves_nobody() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["keys"] = json!([]);
    let gateway = Gateway::start(&document);
    assert_eq!(ask(&gateway, &chat()).await.status, 401);
    assert_eq!(finish(client().get(gateway.url("/v1/models")).bearer_auth(KEY)).await.status, 401);
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn a_key_uses_the_models_it_names_and_a_route_serves_those_it_names() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["models"]["dear"] = document["models"]["m"].clone();
    document["models"]["elsewhere"] = document["models"]["m"].clone();
    document["routes"][0]["models"] = json!(["m", "dear"]);
    document["keys"][0]["models"] = json!(["m", "elsewhere"]);
    let gateway = Gateway::start(&document);
    for (model, status, code) in [
        ("m", 200, ""),
        ("dear", 403, "model_not_allowed"),
        ("elsewhere", 404, "model_not_found"),
        ("none", 404, "model_not_found"),
    ] {
        let reply = ask(&gateway, &json!({"model": model})).await;
        assert_eq!(reply.status, status, "{model}");
        if status != 200 {
            assert_eq!(
                (reply.error_code().as_str(), reply.json()["error"]["param"].clone()),
                (code, json!("model"))
            );
        }
    }
    assert_eq!(provider.request().await.json()["model"], "m");
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn a_path_that_no_route_serves_is_not_found() {
    let provider = Provider::start().await;
    let mut document = document(&provider);
    document["routes"][0]["path"] = json!("/v1/chat/*");
    let gateway = Gateway::start(&document);
    let reply = finish(post(&gateway, "/v1/embeddings").body(r#"{"model":"m","input":"x"}"#)).await;
    assert_eq!((reply.status, reply.error_code().as_str()), (404, "unknown_url"));
}

#[tokio::test]
async fn health_needs_no_key_and_readiness_a_document() {
    let empty = Gateway::start_empty();
    for (path, status) in [("/", 200), ("/healthz", 200), ("/readyz", 503), (CHAT, 503)] {
        let method = if path == CHAT { reqwest::Method::POST } else { reqwest::Method::GET };
        let reply = finish(client().request(method, empty.url(path))).await;
        assert_eq!(reply.status, status, "{path}");
    }
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let ready = finish(client().get(gateway.url("/readyz"))).await;
    assert_eq!((ready.status, ready.header("x-moorline-generation")), (200, Some("1")));
    assert!(ready.header("x-request-id").is_some());
    empty.swap(&document(&provider));
    assert_eq!(finish(client().get(empty.url("/readyz"))).await.status, 200);
}

#[tokio::test]
async fn a_well_formed_request_id_is_kept_and_any_other_is_replaced() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let with =
        |id: &'static str| finish(post(&gateway, CHAT).header("x-request-id", id).body(chat().to_string()));
    assert_eq!(with("abc-1.2_3").await.header("x-request-id"), Some("abc-1.2_3"));
    assert_eq!(provider.request().await.header("x-request-id"), Some("abc-1.2_3"));
    for bad in ["", "a b", "a\"b", "<script>"] {
        let reply = with(bad).await;
        let id = reply.header("x-request-id").unwrap();
        assert!(id != bad && uuid::Uuid::parse_str(id).unwrap().get_version_num() == 7, "{id}");
    }
    let refused = finish(client().get(gateway.url("/nowhere"))).await;
    assert!(refused.header("x-request-id").is_some() && refused.header("x-moorline-generation").is_some());
}
