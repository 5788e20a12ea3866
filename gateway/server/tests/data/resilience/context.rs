//! Requests that are longer than a target can hold.

use serde_json::{Value, json};

use crate::caller::{ask, chat};
use crate::gateway::{Gateway, document};
use crate::provider::{Provider, failing, json_answer};

/// What providers say of such a request.
fn too_long() -> Vec<(u16, Value)> {
    vec![
        (
            400,
            json!({"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}}),
        ),
        (
            400,
            json!({"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}}),
        ),
        (400, json!({"message": "Input is too long for requested model."})),
        (
            400,
            json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576)."}}),
        ),
        (400, json!({"message": "too many tokens: size limit exceeded by 42 tokens"})),
        (413, json!({"error": {"message": "This model's maximum context length is 4096 tokens."}})),
    ]
}

/// Model `m` at four targets of one provider, of which the last two hold more than the first.
fn four(provider: &Provider) -> Value {
    let mut document = document(provider);
    document["models"]["m"] = json!({
        "context_window": 8_000,
        "breaker": {"failures": 1},
        "fallback": ["big"],
        "targets": [
            {"provider": "p", "model": "small"},
            {"provider": "p", "model": "as-small"},
            {"provider": "p", "model": "middle", "context_window": 32_000},
        ],
    });
    document["models"]["big"] = json!({"targets": [
        {"provider": "p", "model": "unknown"}, {"provider": "p", "model": "big", "context_window": 128_000},
    ]});
    document["routes"][0]["retry"] = json!({"attempts": 3, "backoff": "1ms"});
    document
}

#[tokio::test]
async fn they_go_on_to_targets_that_hold_more_and_to_no_others() {
    for (status, body) in too_long() {
        let provider = Provider::start().await;
        provider.then(json_answer(status, &body)).then(json_answer(status, &body));
        let gateway = Gateway::start(&four(&provider));
        assert_eq!(ask(&gateway, &chat()).await.status, 200, "{body}");
        for expected in ["small", "middle", "big"] {
            assert_eq!(provider.request().await.json()["model"], expected, "{body}");
        }
        // Nobody's breaker minds, though one failure would have opened it.
        assert_eq!(ask(&gateway, &chat()).await.status, 200, "{body}");
        assert_eq!(provider.request().await.json()["model"], "small");
    }
}

#[tokio::test]
async fn when_nobody_holds_more_they_are_the_caller_s_own() {
    let provider = Provider::start().await;
    let (status, body) = too_long().remove(0);
    provider.usually(json_answer(status, &body));
    let gateway = Gateway::start(&four(&provider));
    let reply = ask(&gateway, &chat()).await;
    assert_eq!((reply.status, reply.json()), (status, body));
    let stats = gateway.counted(1).await;
    assert_eq!(
        (stats.total.faults(), stats.total.errors[&moorline_admin::ErrorKind::UpstreamRefused]),
        (0, 1)
    );
    for _ in 0..3 {
        provider.request().await;
    }
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn they_stay_the_caller_s_own_though_the_larger_target_fails() {
    let provider = Provider::start().await;
    let (status, body) = too_long().remove(0);
    provider.then(json_answer(status, &body)).usually(failing(500));
    let gateway = Gateway::start(&four(&provider));
    assert_eq!(ask(&gateway, &chat()).await.status, status);
}

#[tokio::test]
async fn other_faults_of_the_caller_s_go_nowhere_else() {
    let provider = Provider::start().await;
    provider.usually(failing(400));
    let gateway = Gateway::start(&four(&provider));
    assert_eq!(ask(&gateway, &chat()).await.status, 400);
    provider.request().await;
    assert_eq!(provider.requests_left().await, 0);
}
