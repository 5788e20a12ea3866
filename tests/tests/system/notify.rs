//! One incident is one thread: in Slack as in mail, and its first message says at all times how it stands.

use moorline_model::rollout::Phase;
use moorline_tests::slack::Slack;
use moorline_tests::webhook::{self, Webhook};
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
    world.ends(&bad, &Phase::RolledBack).await;

    let about_bad = || slack.calls().into_iter().filter(|call| call.body.to_string().contains(bad.short()));
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
    assert_eq!(world.mail.holding(bad.short()).len(), 2);
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
    assert!(subject.starts_with(&format!("[test] {} ", first.short())), "{subject}");
}

/// A world that also posts to a webhook, and only what is critical.
async fn with_webhook() -> (World, Webhook) {
    let mut world = World::new().await;
    let hook = Webhook::start().await;
    let notifications = &mut world.declaration["notifications"];
    notifications["channels"]["pager"] = json!({"webhook": {"url": hook.url(), "secret": "env:HOOK_KEY"}});
    notifications["routes"] = json!([{"to": "pager", "environments": ["te*"], "severity": "critical"}]);
    world.daemon.set("HOOK_KEY", webhook::KEY);
    (world, hook)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_gets_what_its_routes_take_and_each_incident_to_its_end() {
    let (mut world, hook) = with_webhook().await;
    world.settle().await;
    world.mailed("VERIFIED: ").await;
    let bad = world.push_broken();
    world.ends(&bad, &Phase::RolledBack).await;
    let told = || async { (hook.taken().len() == 2).then_some(()) };
    until("the end is told", told).await;
    let messages = hook.taken();
    let said: Vec<_> =
        messages.iter().map(|message| (&message["transition"], &message["severity"])).collect();
    // The first is what the route takes. The second is its end, and no more than a warning.
    assert_eq!(
        said,
        [(&json!("rolling_back"), &json!("critical")), (&json!("rolled_back"), &json!("warning"))]
    );
    assert_eq!(messages[0]["thread"], messages[1]["thread"]);
    assert!(!world.daemon.log().contains(webhook::KEY));
    // The channel of the short form gets everything.
    world.mailed("was rolled back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_a_channel_that_is_declared_no_more_is_given_up() {
    let (mut world, hook) = with_webhook().await;
    world.settle().await;
    hook.goes_down();
    let bad = world.push_broken();
    world.ends(&bad, &Phase::RolledBack).await;
    let tried = || async { world.daemon.log().contains("trying again").then_some(()) };
    until("the message waits", tried).await;
    let notifications = world.declaration["notifications"].as_object_mut().unwrap();
    notifications.remove("channels");
    notifications.remove("routes");
    world.push_model("second");
    let given_up = || async {
        let log = world.daemon.log();
        let line = log.lines().find(|line| line.contains("is not tried again"));
        line.map(str::to_owned)
    };
    let line = until("the message is given up", given_up).await;
    assert!(line.contains("pager") && line.contains("it is not declared any more"), "{line}");
}
