//! One incident is one thread: in Slack as in mail, and its first message says in the end how it ended.

use moorline_tests::slack::Slack;
use moorline_tests::{World, until};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_told_in_one_thread_whose_first_message_is_updated_when_it_is_over() {
    let mut world = World::new().await;
    let slack = Slack::start().await;
    world.declaration["notifications"]["slack"] =
        json!({"channel": "#ai-gateway", "token": "env:SLACK_TOKEN", "api_url": slack.api_url()});
    world.daemon.set("SLACK_TOKEN", "xoxb-token-of-tests");
    world.settle().await;
    let bad = world.push_broken();
    world.ends(&bad, "rolled_back").await;

    let about_bad = || slack.calls().into_iter().filter(|call| call.body.to_string().contains(&bad[..7]));
    let updated = || async { about_bad().any(|call| call.method == "chat.update").then_some(()) };
    until("the first message is updated", updated).await;
    let calls: Vec<_> = about_bad().collect();
    let methods: Vec<_> = calls.iter().map(|call| call.method.as_str()).collect();
    assert_eq!(methods, ["chat.postMessage", "chat.postMessage", "chat.update"], "{calls:#?}");
    assert_eq!(calls[0].body["channel"], "#ai-gateway");
    assert_eq!(calls[0].body.get("thread_ts").unwrap_or(&Value::Null), &Value::Null);
    let thread = &calls[1].body["thread_ts"];
    assert!(thread.is_string() && *thread == calls[2].body["ts"], "{calls:#?}");
    assert!(calls[2].body.to_string().contains("was rolled back"), "{calls:#?}");
    assert!(!world.daemon.log().contains("xoxb-token-of-tests"));
    // The same by mail, once each.
    world.mailed("was rolled back").await;
    assert_eq!(world.mail.holding(&bad[..7]).len(), 2);
}
