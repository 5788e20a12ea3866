//! Refusals whose words say more than their status, each in its provider's own protocol.

use serde_json::{Value, json};

use crate::caller::{ask, chat};
use crate::gateway::{Gateway, document};
use crate::provider::{Provider, Step, answer, failing};

/// Model `m` at a provider of this kind, and after it at one that answers.
fn before(refusing: &Provider, kind: Value, good: &Provider) -> Value {
    let mut document = document(refusing);
    document["providers"]["p"] = kind;
    document["providers"]["p"]["base_url"] = json!(refusing.base_url());
    document["providers"]["q"] = json!({"kind": "openai_compatible", "base_url": good.base_url()});
    document["models"]["m"]["targets"] = json!([
        {"provider": "p", "model": "first", "context_window": 1000},
        {"provider": "q", "model": "second", "context_window": 2000},
    ]);
    document
}

fn keyed(kind: &str) -> Value {
    json!({"kind": kind, "api_key": "env:UPSTREAM_KEY"})
}

fn bedrock() -> Value {
    json!({
        "kind": "bedrock", "region": "eu-central-1",
        "aws": {"access_key_id": "env:ID", "secret_access_key": "env:KEY"},
    })
}

#[tokio::test]
async fn a_400_that_says_our_credential_is_not_valid_is_laid_at_the_credential_and_not_at_the_caller() {
    let aws = "IncompleteSignature:http://internal.amazon.com/coral/com.amazon.coral.service/";
    let cases = [
        (
            keyed("gemini"),
            vec![],
            json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "API key not valid.",
                "details": [{"reason": "API_KEY_INVALID"}]}}),
        ),
        (
            keyed("anthropic"),
            vec![],
            json!({"type": "error", "error": {"type": "invalid_request_error",
                "message": "Your credit balance is too low to access the Anthropic API."}}),
        ),
        // The word is in the header alone.
        (bedrock(), vec![("x-amzn-errortype", aws)], json!({"message": "no"})),
    ];
    for (kind, headers, body) in cases {
        let (first, second) = (Provider::start().await, Provider::start().await);
        first.usually(answer(400, &headers, body.to_string().as_bytes()));
        let (gateway, _) = Gateway::start_with_clock(&before(&first, kind, &second));
        for _ in 0..3 {
            assert_eq!(ask(&gateway, &chat()).await.status, 200, "{body}");
            second.request().await;
        }
        first.request().await;
        assert_eq!(first.requests_left().await, 0, "{body}: it is out, once was enough");
    }
}

#[tokio::test]
async fn a_400_that_says_too_much_is_asked_goes_on_to_another_target() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(answer(
        400,
        &[("x-amzn-errortype", "ThrottlingException")],
        br#"{"message": "slow down"}"#,
    ));
    let gateway = Gateway::start(&before(&first, bedrock(), &second));
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    first.request().await;
    second.request().await;
}

#[tokio::test]
async fn statuses_below_500_by_which_a_provider_means_itself_go_on_to_another_target() {
    for (kind, status) in [(keyed("openai"), 408), (bedrock(), 408), (bedrock(), 424)] {
        let (first, second) = (Provider::start().await, Provider::start().await);
        first.usually(failing(status));
        let gateway = Gateway::start(&before(&first, kind, &second));
        assert_eq!(ask(&gateway, &chat()).await.status, 200, "{status}");
        second.request().await;
    }
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(failing(408));
    second.usually(failing(424));
    let gateway = Gateway::start(&before(&first, keyed("openai"), &second));
    assert_eq!(ask(&gateway, &chat()).await.status, 424, "from anybody else it is what it says");
}

#[tokio::test]
async fn a_header_of_aws_s_means_nothing_from_anybody_else() {
    let (first, second) = (Provider::start().await, Provider::start().await);
    first.usually(answer(400, &[("x-amzn-errortype", "AccessDeniedException")], br#"{"message": "no"}"#));
    let gateway = Gateway::start(&before(&first, keyed("openai"), &second));
    assert_eq!(ask(&gateway, &chat()).await.status, 400);
    assert_eq!(second.requests_left().await, 0);
}

#[tokio::test]
async fn a_request_too_long_is_told_by_each_provider_s_own_words_however_they_are_cut() {
    let gemini = json!([{"error": {"code": 400, "status": "INVALID_ARGUMENT",
        "message": "The input token count (1100) exceeds the maximum number of tokens allowed (1000)."}}]);
    let cases = [
        (keyed("gemini"), gemini),
        (bedrock(), json!({"Message": "Input is too long for requested model."})),
        (keyed("cohere"), json!({"message": "too many tokens: size limit exceeded by 42 tokens"})),
        (keyed("openai"), json!({"error": {"message": "no", "code": "context_length_exceeded"}})),
    ];
    for (kind, body) in cases {
        let (first, second) = (Provider::start().await, Provider::start().await);
        let body = body.to_string();
        let [Step::Send(whole)] = &answer(400, &[], body.as_bytes())[..] else { panic!("one step") };
        let (one, two) = whole.split_at(whole.len() - body.len() / 2);
        // The first half was read before the second is sent.
        first.usually(vec![Step::Send(one.to_vec()), Step::UntilTaken, Step::Send(two.to_vec())]);
        let gateway = Gateway::start(&before(&first, kind, &second));
        assert_eq!(ask(&gateway, &chat()).await.status, 200, "{body}");
        assert_eq!(second.request().await.json()["model"], "second", "{body}");
    }
}
