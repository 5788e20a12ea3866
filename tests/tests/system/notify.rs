//! One incident is one thread: in Slack as in mail, and its first message says at all times how it stands.

use moorline_tests::slack::Slack;
use moorline_tests::{World, until};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn slack_is_told_in_one_thread_whose_first_message_always_says_how_it_stands() {
    let mut world = World::new().await;
    let slack = Slack::start().await;
    world.declaration["notifications"]["slack"] =
        json!({"channel": "#ai-gateway", "token": "env:SLACK_TOKEN", "api_url": slack.api_url()});
    world.daemon.set("SLACK_TOKEN", "xoxb-token-of-tests");
    world.settle().await;
    let bad = world.push_broken();
    world.ends(&bad, "rolled_back").await;

    let about_bad = || slack.calls().into_iter().filter(|call| call.body.to_string().contains(&bad[..7]));
    let told = || async { (about_bad().count() == 3).then_some(()) };
    until("the end is told", told).await;
    let calls: Vec<_> = about_bad().collect();
    let methods: Vec<_> = calls.iter().map(|call| call.method.as_str()).collect();
    assert_eq!(methods, ["chat.postMessage", "chat.update", "chat.postMessage"], "{calls:#?}");
    assert_eq!(calls[0].body["channel"], "#ai-gateway");
    assert_eq!(calls[0].body.get("thread_ts").unwrap_or(&Value::Null), &Value::Null);
    let thread = &calls[2].body["thread_ts"];
    assert!(thread.is_string() && *thread == calls[1].body["ts"], "{calls:#?}");
    for call in &calls[1..] {
        let text = call.body["text"].as_str().unwrap();
        assert!(text.starts_with("ROLLED BACK: ") && text.contains("was rolled back"), "{text}");
        assert!(text.contains("Callers: 0 saw it") && text.contains("You can: merge a fix"), "{text}");
        assert!(!text.contains("moorline release"), "{text}");
    }
    assert!(!world.daemon.log().contains("xoxb-token-of-tests"));
    // The same by mail, once each.
    world.mailed("was rolled back").await;
    assert_eq!(world.mail.holding(&bad[..7]).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_outage_is_told_in_a_thread_of_its_own_and_subjects_name_the_thing() {
    let mut world = World::new().await;
    let first = world.settle().await;
    let drifted = || world.mail.holding("gateway replicas: drift since");
    for outage in 1..=2_usize {
        let requests = json!(outage);
        world.gateways[0].edit(|document| document["routes"][0]["limits"][0]["requests"] = requests).await;
        let told = || async { (drifted().len() == 2 * outage).then_some(()) };
        until("the outage is told to be over", told).await;
    }
    let mails = drifted();
    for pair in mails.chunks(2) {
        assert_eq!(pair[0].header("In-Reply-To"), None, "{mails:#?}");
        assert_eq!(pair[1].header("In-Reply-To"), pair[0].header("Message-ID"), "{mails:#?}");
        assert_eq!(pair[0].header("Subject"), pair[1].header("Subject"), "{mails:#?}");
    }
    assert_ne!(mails[0].header("Message-ID"), mails[2].header("Message-ID"));
    world.mailed("VERIFIED: ").await;
    let verified = world.mail.holding("VERIFIED: ");
    let subject = verified[0].header("Subject").unwrap();
    assert!(subject.starts_with(&format!("[test] {} ", &first[..10])), "{subject}");
}
