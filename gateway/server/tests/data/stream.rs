//! Streams that end badly.

use moorline_admin::ErrorKind;
use serde_json::json;

use super::caller::{ask, chat_stream};
use super::gateway::{Gateway, document};
use super::provider::{DONE, EVENT, Provider, Step, USAGE_EVENT, chunk, last_chunk, stream, stream_head};

#[tokio::test]
async fn a_stream_that_breaks_off_ends_with_an_error_and_without_done() {
    let half_event = &EVENT[..EVENT.len() - 5];
    for ending in [
        vec![last_chunk()],
        vec![Step::Close],
        vec![Step::Reset],
        vec![chunk(half_event), last_chunk()],
        vec![chunk(b"data: [DONE]"), last_chunk()],
        vec![chunk(b"data: [DONE]\n"), Step::Close],
    ] {
        let provider = Provider::start().await;
        let mut steps = vec![stream_head(), chunk(EVENT), chunk(EVENT)];
        steps.extend(ending);
        provider.usually(steps);
        let gateway = Gateway::start(&document(&provider));
        let reply = ask(&gateway, &chat_stream()).await;
        let sent = [EVENT, EVENT].concat();
        assert!(reply.body.starts_with(&sent), "{}", reply.text());
        let rest = String::from_utf8(reply.body[sent.len()..].to_vec()).unwrap();
        let event = rest
            .strip_prefix("data: ")
            .and_then(|rest| rest.strip_suffix("\n\n"))
            .unwrap_or_else(|| panic!("{rest}"));
        let error: serde_json::Value = serde_json::from_str(event).unwrap();
        assert_eq!(error["error"]["code"], "upstream_failed");
        assert!(!reply.text().contains("[DONE]"));
        let stats = gateway.counted(1).await;
        assert_eq!(stats.total.errors[&ErrorKind::UpstreamFailed], 1);
        assert!(stats.total.output_tokens > 0, "what was produced is paid for");
    }
}

#[tokio::test]
async fn a_stream_that_says_done_is_well_though_its_connection_is_not() {
    let provider = Provider::start().await;
    provider.usually(vec![stream_head(), chunk(EVENT), chunk(USAGE_EVENT), chunk(DONE), Step::Reset]);
    let gateway = Gateway::start(&document(&provider));
    let reply = ask(&gateway, &chat_stream()).await;
    assert_eq!(reply.body, [EVENT, DONE].concat());
    let stats = gateway.counted(1).await;
    assert_eq!(stats.total.faults(), 0);
    assert_eq!(stats.total.output_tokens, 20);
}

#[tokio::test]
async fn a_stream_that_says_done_and_does_not_end_is_ended_for_it() {
    let provider = Provider::start().await;
    provider.usually(vec![stream_head(), chunk(EVENT), chunk(DONE), Step::UntilClosed]);
    let gateway = Gateway::start(&document(&provider));
    let reply = ask(&gateway, &chat_stream()).await;
    assert!(reply.complete && reply.body == [EVENT, DONE].concat(), "{}", reply.text());
    assert_eq!(gateway.counted(1).await.total.faults(), 0);
    provider.notices_closing().await;
}

#[tokio::test]
async fn an_error_in_the_middle_is_passed_on_and_counted() {
    let provider = Provider::start().await;
    let error = b"data: {\"error\":{\"message\":\"out of memory\"}}\n\n";
    provider.usually(stream(&[EVENT, error]));
    let gateway = Gateway::start(&document(&provider));
    let reply = ask(&gateway, &chat_stream()).await;
    assert_eq!(reply.body, [EVENT, error].concat());
    assert_eq!(gateway.counted(1).await.total.faults(), 1);
}

#[tokio::test]
async fn a_broken_stream_is_not_asked_for_again() {
    let provider = Provider::start().await;
    provider.then(vec![stream_head(), chunk(EVENT), Step::Reset]);
    let mut document = document(&provider);
    document["routes"][0]["retry"]["attempts"] = json!(3);
    let gateway = Gateway::start(&document);
    ask(&gateway, &chat_stream()).await;
    provider.request().await;
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn usage_is_the_last_word_of_a_stream_and_estimated_when_there_is_none() {
    let first =
        b"data: {\"choices\":[{\"delta\":{}}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":1}}\n\n";
    let last = b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":9}}\n\n";
    let provider = Provider::start().await;
    provider.then(stream(&[first, EVENT, last, DONE])).then(stream(&[EVENT, EVENT, EVENT, DONE]));
    let gateway = Gateway::start(&document(&provider));
    let reply = ask(&gateway, &chat_stream()).await;
    assert_eq!(reply.body, [first.as_slice(), EVENT, last, DONE].concat(), "usage beside content is kept");
    assert_eq!(gateway.counted(1).await.total.output_tokens, 9);
    ask(&gateway, &chat_stream()).await;
    let total = gateway.counted(2).await.total;
    assert_eq!(total.output_tokens, 9 + 3, "about a token an event");
    assert!(total.input_tokens > 10, "and the prompt's bytes by four");
    assert_eq!(total.first_token.count, 2);
}
