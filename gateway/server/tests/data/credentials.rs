//! Credentials that must be fetched before they can be shown.

use serde_json::{Value, json};

use super::caller::{ask, chat};
use super::gateway::{Gateway, UPSTREAM_KEY, document};
use super::provider::{Provider, answer};

/// A document whose Azure provider proves itself as a service principal of an authority.
fn principal(azure: &Provider, authority: &Provider) -> Value {
    let mut document = document(azure);
    let host = |provider: &Provider| format!("http://{}", provider.address);
    document["providers"]["p"] = json!({
        "kind": "azure_openai", "base_url": host(azure),
        "entra": {"tenant_id": "tenant", "client_id": "client", "client_secret": "env:SECRET", "authority": host(authority)},
    });
    document
}

#[tokio::test]
async fn a_service_principal_fetches_one_token_for_all_and_shows_it_to_its_provider_only() {
    let (azure, authority) = (Provider::start().await, Provider::start().await);
    let token = json!({"token_type": "Bearer", "access_token": "entra-token", "expires_in": 3600});
    authority.usually(answer(200, &[("content-type", "application/json")], token.to_string().as_bytes()));
    let gateway = Gateway::start(&principal(&azure, &authority));
    let chat = chat();
    let (first, second) = tokio::join!(ask(&gateway, &chat), ask(&gateway, &chat));
    assert_eq!((first.status, second.status), (200, 200), "{}", first.text());
    let asked = authority.request().await;
    assert!(asked.head.starts_with("POST /tenant/oauth2/v2.0/token "), "{}", asked.head);
    let form = String::from_utf8(asked.body).unwrap();
    assert!(form.contains("grant_type=client_credentials") && form.contains("client_id=client"), "{form}");
    assert!(form.contains(&format!("client_secret={UPSTREAM_KEY}")));
    for _ in 0..2 {
        let seen = azure.request().await;
        assert_eq!(seen.header("authorization"), Some("Bearer entra-token"));
        assert!(!format!("{}{}", seen.head, String::from_utf8_lossy(&seen.body)).contains(UPSTREAM_KEY));
    }
    assert_eq!(ask(&gateway, &chat).await.status, 200);
    assert_eq!(authority.requests_left().await, 0, "the token is kept");
}

#[tokio::test]
async fn without_a_token_nothing_is_sent_and_the_caller_is_told_in_general_words() {
    let (azure, authority) = (Provider::start().await, Provider::start().await);
    let gateway = Gateway::start(&principal(&azure, &authority));
    for body in [r#"{"error":"invalid_client"}"#, r#"{"expires_in":1}"#] {
        let status = if body.contains("error") { 401 } else { 200 };
        authority.usually(answer(status, &[("content-type", "application/json")], body.as_bytes()));
        let reply = ask(&gateway, &chat()).await;
        assert_eq!(reply.status, 502, "{}", reply.text());
        assert!(!reply.text().contains(&authority.address.to_string()), "{}", reply.text());
    }
    assert_eq!(azure.requests_left().await, 0);
}
