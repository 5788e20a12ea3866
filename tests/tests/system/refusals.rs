//! Bad input is refused with a clear error and changes nothing.

use hmac::{Hmac, Mac as _};
use moorline_api::views::EnvironmentView;
use moorline_model::CommitId;
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::rollout::Phase;
use moorline_model::status::StatusWord;
use moorline_tests::cli::moorline;
use moorline_tests::daemon::{HOOK_SECRET, OPERATOR_TOKEN, VIEWER_TOKEN};
use moorline_tests::{Api, Fault, Shown as _, World, declared};
use serde_json::{Value, json};
use sha2::Sha256;

/// A declaration with five mistakes, each on its own line.
const FIVE_MISTAKES: &str = "\
version: 1
environments:
  - name: test
    gateway:
      document: [gateway.yaml]
      endpoints: [\"http://127.0.0.1:8788\"]
      admin_token: swordfish
    shedule: {drift: 30s}
    rollout: {strategy: blue}
    verify: {window: fast}
policies: [../policies]
";

/// Where each mistake stands: its line and its path.
const PLACES: [(&str, &str); 5] = [
    (":7:", "environments[0].gateway.admin_token"),
    (":8:", "environments[0].shedule"),
    (":9:", "environments[0].rollout.strategy"),
    (":10:", "environments[0].verify.window"),
    (":11:", "policies[0]"),
];

fn assert_all_named(said: &str) {
    for (line, path) in PLACES {
        let is_named = said.lines().any(|text| text.contains(line) && text.contains(path));
        assert!(is_named, "{path} at line {line} is not named:\n{said}");
    }
    assert!(!said.contains("swordfish"), "what may be a secret is not repeated:\n{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn validate_names_all_five_mistakes_with_line_and_path() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("moorline.yaml"), FIVE_MISTAKES).unwrap();
    let said = moorline(&["validate", folder.path().to_str().unwrap()], &[]).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert_all_named(&format!("{}{}", said.stdout, said.stderr));
}

/// Numbers that lack their unit, in both documents, and what to write instead.
const NO_UNITS: [(&str, &str); 6] = [
    ("rollout.steps[0].weight: `50` is not a share", "write 50%"),
    ("rollout.steps[0].hold: `30` is not a duration", "write 30s"),
    ("verify.window: `120` is not a duration", "write 120s"),
    ("schedule.drift: `45` is not a schedule", "write 45s"),
    ("routes[0].timeouts.headers: `20` is not a duration", "write 20s"),
    ("models.small.shadow.share: `5` is not a share", "write 5%"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_number_without_its_unit_is_answered_with_what_to_write() {
    let mut declaration = declared::declaration(&["http://127.0.0.1:8788"]);
    let environment = &mut declaration["environments"][0];
    environment["rollout"] = json!({"strategy": "canary", "steps": [{"weight": 50, "hold": "30"}]});
    environment["verify"]["window"] = json!(120);
    environment["schedule"] = json!({"drift": 45});
    let mut document = declared::document("http://127.0.0.1:1/v1");
    document["routes"][0]["timeouts"] = json!({"headers": 20});
    document["models"]["small"]["shadow"] = json!({"model": "small", "share": 5});
    let folder = tempfile::tempdir().unwrap();
    let declare = |declaration: &Value| {
        std::fs::write(folder.path().join("moorline.yaml"), declaration.to_string()).unwrap();
    };
    declare(&declaration);
    std::fs::write(folder.path().join("gateway.yaml"), document.to_string()).unwrap();
    let wrong = moorline(&["validate", folder.path().to_str().unwrap()], &[]).await;
    // The document is read once the declaration that names it can be.
    declare(&declared::declaration(&["http://127.0.0.1:8788"]));
    let right = moorline(&["validate", folder.path().to_str().unwrap()], &[]).await;
    let said = format!("{}{}", wrong.stdout, right.stdout);
    for (problem, answer) in NO_UNITS {
        let is_told = said.lines().any(|line| line.contains(problem) && line.contains(answer));
        assert!(is_told, "{problem}, {answer}:\n{said}");
    }
}

fn source_is(status: ConditionStatus) -> impl Fn(&EnvironmentView) -> bool {
    move |environment| environment.condition(ConditionType::Source).status == status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declaration_with_five_mistakes_keeps_the_commit_before_it_running() {
    let mut world = World::new().await;
    let good = world.settle().await;
    let before = (world.digests().await, world.audit().await);
    let mut tree = world.tree();
    tree.insert("moorline.yaml".to_owned(), FIVE_MISTAKES.to_owned());
    let bad = world.repository.push(&tree, "five mistakes");
    let environment = world.when("the source is bad", source_is(ConditionStatus::Bad)).await;
    assert_all_named(&environment.because(ConditionType::Source));
    assert_eq!(environment.applied_commit(), Some(&good));
    assert_eq!(environment.status.word, StatusWord::Failed);
    assert_eq!((world.digests().await, world.audit().await), before);

    // What serves is watched all the same.
    world.gateways[0].edit(|document| document["location"] = json!("elsewhere")).await;
    world.mailed("from what is declared").await;

    let repaired = world.push_model("second");
    world.verified(&repaired).await;
    assert_logged_once(&world, PLACES[0].1, &bad);
}

/// The log names a mistake once, however many cycles met it: at WARN, with the commit and its author.
fn assert_logged_once(world: &World, mistake: &str, commit: &CommitId) {
    let log = world.daemon.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(mistake)).collect();
    assert_eq!(lines.len(), 1, "{mistake}: {lines:#?}");
    for expected in [" WARN ", commit.short(), "ann"] {
        assert!(lines[0].contains(expected), "{expected}: {}", lines[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_gateway_document_fails_before_anything_changes() {
    let mut world = World::new().await;
    let good = world.settle().await;
    let before = world.digests().await;
    let right = world.document.clone();
    // What is wrong, where it is written, what is written there, and the path that the message names.
    let mistakes = [
        (
            "an unknown provider",
            "/models/small/targets/0/provider",
            "lcoal",
            "models.small.targets[0].provider",
        ),
        ("a literal secret", "/providers/local/api_key", "sk-swordfish", "providers.local.api_key"),
    ];
    for (what, pointer, wrong, path) in mistakes {
        world.document = right.clone();
        *world.document.pointer_mut(pointer).unwrap() = json!(wrong);
        let bad = world.push(what);
        let is_named = |environment: &EnvironmentView| {
            let says = |condition| environment.because(condition).contains(path);
            environment.wanted.as_ref().is_some_and(|head| head.commit == bad)
                && (says(ConditionType::Source) || says(ConditionType::Apply))
        };
        let environment = world.when(what, is_named).await;
        assert_eq!(environment.applied_commit(), Some(&good));
        let text = world.daemon.api().text("/api/v1/environments/test").await.unwrap();
        assert!(text.contains(path) && !text.contains("swordfish"), "{text}");
        assert_eq!(world.digests().await, before);
        // Several cycles later.
        world.mailed(path).await;
        assert_logged_once(&world, path, &bad);
    }
    assert!(!world.daemon.log().contains("swordfish"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_rings_only_with_the_right_signature() {
    let mut world = World::new().await;
    world.settle().await;
    let body = br#"{"ref": "refs/heads/main"}"#;
    let signed = |secret: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(body);
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    };
    let api = Api::new(world.daemon.base(), None);
    let ring = async |signature: Option<String>| {
        let mut request = api.http().post(format!("{}/hooks/generic", api.base())).body(&body[..]);
        if let Some(signature) = signature {
            request = request.header("x-moorline-signature", signature);
        }
        api.send(request).await
    };
    assert_eq!(ring(None).await, 401);
    assert_eq!(ring(Some(signed("another secret"))).await, 401);
    assert_eq!(ring(Some("sha256=00".to_owned())).await, 401);
    assert_eq!(ring(Some(signed(HOOK_SECRET))).await, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_acts_without_a_token_that_may() {
    let mut world = World::new().await;
    world.settle().await;
    let base = world.daemon.base().to_owned();
    let as_who = |token| Api::new(&base, token);
    let hold = "/environments/test/hold";
    let because = json!({"reason": "a test"});
    assert_eq!(as_who(None).post(hold, &because).await, 401);
    assert_eq!(as_who(Some("wrong")).post(hold, &because).await, 401);
    assert_eq!(as_who(Some(VIEWER_TOKEN)).post(hold, &because).await, 403);
    assert_eq!(as_who(None).get("/environments/test").await, 401);
    assert_eq!(as_who(Some(OPERATOR_TOKEN)).get("/audit").await, 403);
    assert_eq!(world.environment().await.unwrap().holds, []);

    // Nor at a gateway.
    let admin = Api::new(&world.gateways[0].admin, None);
    let put = |token: Option<&str>| {
        let request = admin.http().put(format!("{}/admin/v1/config", admin.base()));
        let request = request.json(&declared::document("http://127.0.0.1:1/v1"));
        match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    };
    let before = world.digests().await;
    assert_eq!(admin.send(put(None)).await, 401);
    assert_eq!(admin.send(put(Some("wrong"))).await, 401);
    assert_eq!(world.digests().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_disappears_leaves_everything_as_it_is_and_is_said() {
    let mut world = World::new().await;
    let good = world.settle().await;
    let before = world.digests().await;
    let (path, away) = (world.repository.path().to_owned(), world.folder.path().join("away.git"));
    std::fs::rename(&path, &away).unwrap();
    let cannot = source_is(ConditionStatus::CannotCheck);
    let environment = world.when("the source cannot be checked", cannot).await;
    assert_eq!(environment.status.word, StatusWord::CannotCheck);
    assert_eq!(environment.applied_commit(), Some(&good));
    assert_eq!(world.digests().await, before);
    world.mailed("test: the repository cannot be read").await;

    std::fs::rename(&away, &path).unwrap();
    let second = world.push_model("second");
    world.verified(&second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_fails_verification_and_not_the_daemon() {
    let mut world = World::new().await;
    // The gateway gives up on it well before the probe's own deadline.
    world.document["routes"][0]["timeouts"] = json!({"headers": "1s"});
    world.settle().await;
    let before = world.digests().await;
    world.provider.set(Fault::Hang);
    let second = world.push_model("second");
    world.ends(&second, &Phase::RolledBack).await;
    assert_eq!(world.digests().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_that_is_not_declared_any_more_is_not_in_sync_and_takes_no_intents() {
    let mut world = World::new().await;
    let first = world.settle().await;
    let who =
        [("MOORLINE_SERVER", world.daemon.base().to_owned()), ("MOORLINE_TOKEN", OPERATOR_TOKEN.to_owned())];
    let who: Vec<_> = who.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let before = world.declaration.clone();
    // Its gateways are left alone; another environment has gateways of its own.
    let mut other = before["environments"][0].clone();
    other["name"] = json!("other");
    other["gateway"]["endpoints"] = json!(["http://127.0.0.1:1"]);
    world.declaration["environments"] = json!([other]);
    world.push("without it");
    let is_left = |environment: &EnvironmentView| {
        environment.status.word == StatusWord::CannotCheck && environment.replicas.is_empty()
    };
    let callers = world.when("it is left", is_left).await.callers;
    assert!(callers.sentence.contains("no commit declares"), "{callers:?}");
    let listed = moorline(&["status", "--output", "json"], &who).await;
    assert!(!listed.stdout.contains("\"test\""), "{listed:?}");
    for arguments in [&["sync", "test"][..], &["hold", "test", "--reason", "r"], &["release", "test"]] {
        let said = moorline(arguments, &who).await;
        assert_eq!(said.code, 5, "{said:?}");
        assert!(said.stderr.contains("no commit declares test any more"), "{said:?}");
    }
    let why = moorline(&["why", "test"], &who).await;
    assert!(why.stdout.contains("no commit declares test any more"), "{why:?}");
    world.declaration = before;
    let again = world.push("with it again");
    let environment = world.verified(&again).await;
    assert_ne!(environment.applied_commit(), Some(&first));
    let is_in_sync = |environment: &EnvironmentView| environment.status.word == StatusWord::InSync;
    world.when("it is looked at again", is_in_sync).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_leaves_nothing_where_it_changes_nothing() {
    let mut world = World::new().await;
    let mut other = world.declaration["environments"][0].clone();
    other["name"] = json!("other");
    other["gateway"]["endpoints"] = json!(["http://127.0.0.1:1"]);
    world.declaration["environments"].as_array_mut().unwrap().push(other);
    world.settle().await;
    let client = world.daemon.client();
    let rollouts = async || client.rollouts(&declared::environment(), 50).await.unwrap();
    let (before, history) = (rollouts().await, world.history().await);
    world.declaration["environments"][1]["apply"] = json!({"auto": false});
    let second = world.push("only the other one");
    // The revision moves, at the next look at the latest.
    world.verified(&second).await;
    assert_eq!(rollouts().await, before);
    assert_eq!(world.history().await, history);
}
