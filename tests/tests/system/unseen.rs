//! Secrets that people typed in the wrong place reach nobody: not the log, not the record, no message, no page.

use moorline_tests::World;
use moorline_tests::cli::moorline;
use moorline_tests::daemon::OPERATOR_TOKEN;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_in_a_title_a_reason_or_a_name_is_nowhere_to_be_seen() {
    let mut world = World::new().await;
    let first = world.settle().await;
    world.document["tags"] = json!({"https://me:hunter2@host": "Bearer hunter2hunter2"});
    world.document["location"] = json!("https://hooks.slack.com/services/T000/B000/hunter2");
    let second = world.push(&format!("Rotate sk-hunter2hunter2 (reverts {first})"));
    world.verified(&second).await;
    let who = [("MOORLINE_SERVER", world.daemon.base()), ("MOORLINE_TOKEN", OPERATOR_TOKEN)];
    let said = moorline(&["rollback", "test", "--reason", "password=hunter2", "--wait", "60"], &who).await;
    assert_eq!(said.code, 0, "{said:?}");
    let mails = world.mailed("rolls back from").await;
    let mails = mails.iter().map(|mail| format!("{mail:?}")).collect::<String>();
    let history = world.history().await.join("\n");
    let environment = world.daemon.api().text("/api/v1/environments/test").await.unwrap();
    let seen = [world.daemon.log(), format!("{said:?}"), mails, history, environment];
    for text in &seen {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(seen[0].contains(&format!("Rotate (not shown) (reverts {first})")), "{}", seen[0]);
    assert!(seen[3].contains("(not shown)"), "{}", seen[3]);
}
