//! Numbers at and beyond the ends of what can be counted, from providers and from callers: nothing wraps, nothing is
//! credited, and who used up everything gets nothing more.

use serde_json::{Value, json};

use super::caller::{Reply, client, finish};
use super::gateway::{Gateway, KEY, document};
use super::provider::{DONE, EVENT, Provider, Step, answer, stream};

/// What providers say that a request used, as they write it; and whether that is more than any limit.
const USED: [(&str, bool); 16] = [
    ("18446744073709551615", true),
    ("18446744073709551614", true),
    ("9223372036854775808", true),
    ("9007199254740993", true),
    ("4294967296", true),
    // No numbers of tokens: what was used is estimated.
    ("18446744073709551616", false),
    ("99999999999999999999999999999999999999", false),
    ("-1", false),
    ("-9223372036854775808", false),
    ("1e300", false),
    ("-1e300", false),
    ("0.5", false),
    ("\"9\"", false),
    ("null", false),
    ("[1]", false),
    ("{}", false),
];

/// Answers of providers of two protocols that say they used so much, whole and in a stream.
fn answers(kind: &str, used: &str) -> [Vec<Step>; 2] {
    let json = [("content-type", "application/json")];
    if kind == "anthropic" {
        let usage = format!(
            "\"usage\":{{\"input_tokens\":{used},\"cache_read_input_tokens\":{used},\"output_tokens\":{used}}}"
        );
        let message = format!(
            "{{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,{usage}}}"
        );
        let start =
            format!("event: message_start\ndata: {{\"type\":\"message_start\",\"message\":{message}}}\n\n");
        let block = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
                     event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";
        let delta = format!(
            "event: message_delta\ndata: {{\"type\":\"message_delta\",\"delta\":{{\"stop_reason\":\"end_turn\"}},{usage}}}\n\n"
        );
        let stop = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
        let events = [start.as_bytes(), block.as_bytes(), delta.as_bytes(), stop.as_bytes()];
        return [answer(200, &json, message.as_bytes()), stream(&events)];
    }
    let usage = format!(
        "\"usage\":{{\"prompt_tokens\":{used},\"completion_tokens\":{used},\"total_tokens\":{used},\"prompt_tokens_details\":{{\"cached_tokens\":{used}}}}}"
    );
    let whole = format!(
        "{{\"choices\":[{{\"index\":0,\"message\":{{\"role\":\"assistant\",\"content\":\"x\"}},\"finish_reason\":\"stop\"}}],{usage}}}"
    );
    let last = format!("data: {{\"choices\":[],{usage}}}\n\n");
    // Said twice: the last word counts, and is not added.
    [answer(200, &json, whole.as_bytes()), stream(&[EVENT, last.as_bytes(), last.as_bytes(), DONE])]
}

async fn ask(gateway: &Gateway, streams: bool, more: &Value) -> Reply {
    let mut body =
        json!({"model": "m", "stream": streams, "messages": [{"role": "user", "content": "ping"}]});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let request = client().post(gateway.url("/v1/chat/completions")).bearer_auth(KEY);
    finish(request.header("content-type", "application/json").body(body.to_string())).await
}

fn limited(provider: &Provider, kind: &str) -> Value {
    let mut document = document(provider);
    document["providers"]["p"]["kind"] = json!(kind);
    document["models"]["m"]["price"] = json!({"input": 1000, "output": 1000, "cached_input": 1000});
    document["keys"][0]["limits"] = json!([
        {"budget": 1000, "window": "1d"}, {"tokens": 1_000_000, "window": "1d"}, {"budget": 1000, "window": "1d", "algorithm": "sliding"},
    ]);
    document
}

#[tokio::test]
async fn no_usage_that_a_provider_tells_overflows_is_credited_or_lets_more_pass() {
    for kind in ["openai_compatible", "anthropic"] {
        for (used, is_all) in USED {
            for streams in [false, true] {
                let case = format!("{kind} {used} {streams}");
                let provider = Provider::start().await;
                provider.usually(answers(kind, used)[usize::from(streams)].clone());
                let gateway = Gateway::start(&limited(&provider, kind));
                let (mut cost, mut tokens) = (0, 0);
                for asked in 1..=2 {
                    let reply = ask(&gateway, streams, &json!({})).await;
                    let is_refused = is_all && asked == 2;
                    // A number that no protocol knows may also make an answer that cannot be read.
                    let expected: &[u16] = match (is_refused, is_all) {
                        (true, _) => &[429],
                        (false, true) => &[200],
                        (false, false) => &[200, 502],
                    };
                    assert!(expected.contains(&reply.status), "{case}: {} {}", reply.status, reply.text());
                    let total = gateway.counted(asked).await.total;
                    let now = total.input_tokens.saturating_add(total.output_tokens);
                    assert!(total.cost_micros >= cost && now >= tokens, "{case}: went back");
                    (cost, tokens) = (total.cost_micros, now);
                }
                assert_eq!(tokens >= 4_294_967_296, is_all, "{case}: {tokens}");
            }
        }
    }
}

#[tokio::test]
async fn no_wish_of_a_caller_s_overflows_what_is_reserved() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&limited(&provider, "openai_compatible"));
    for (field, value) in [
        ("max_tokens", json!(u64::MAX)),
        ("max_tokens", json!(i64::MAX)),
        ("max_completion_tokens", json!(u64::MAX)),
        ("n", json!(u64::MAX)),
    ] {
        let reply = ask(&gateway, false, &json!({"max_tokens": 2, field: value})).await;
        assert_eq!(reply.status, 429, "{field} {value}: {}", reply.text());
    }
    let both = ask(&gateway, false, &json!({"max_tokens": u64::MAX, "n": u64::MAX})).await;
    assert_eq!(both.status, 429);
    assert_eq!(provider.requests_left().await, 0);
    // What was asked for in vain took nothing.
    assert_eq!(ask(&gateway, false, &json!({"max_tokens": 5})).await.status, 200);
}
