//! What goes wrong is told with the thing, the cause and the next step: by a replica that cannot be read,
//! and by the command line.

use moorline_tests::cli::moorline;
use moorline_tests::{World, declared};
use serde_json::{Value, json};

/// The environment's replicas with their errors.
fn errors(environment: &Value) -> Vec<String> {
    let replicas = environment["replicas"].as_array().cloned().unwrap_or_default();
    replicas.iter().map(|replica| replica["error"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_cannot_be_read_says_what_is_wrong_with_it() {
    let mut world = World::new().await;
    world.daemon.set("OTHER_TOKEN", "another-token-of-tests");
    world.settle().await;
    let gateway = world.gateways[0].admin.clone();
    // Where, the reference of the token, and what is said.
    let cases = [
        (world.gateways[0].data.clone(), "GATEWAY_TOKEN", "is a gateway's caller port, not its admin port"),
        (world.daemon.base().to_owned(), "GATEWAY_TOKEN", "is a Moorline daemon, not a gateway's admin port"),
        (
            format!("http://{}", world.provider.address()),
            "GATEWAY_TOKEN",
            "not as a gateway's admin port does",
        ),
        ("http://127.0.0.1:1".to_owned(), "GATEWAY_TOKEN", "refuses connections: start it there, or correct"),
        (
            gateway.clone(),
            "OTHER_TOKEN",
            "refuses the admin token (401): the daemon read it from env:OTHER_TOKEN",
        ),
        (
            gateway,
            "NOT_SET_ANYWHERE",
            "env:NOT_SET_ANYWHERE is not set in the daemon's environment: set it there",
        ),
    ];
    for (endpoint, token, sentence) in cases {
        world.declaration["environments"][0]["gateway"]["endpoints"] = json!([endpoint]);
        world.declaration["environments"][0]["gateway"]["admin_token"] = json!(format!("env:{token}"));
        world.push(sentence);
        let is_said = |environment: &Value| errors(environment).iter().any(|error| error.contains(sentence));
        let environment = world.when(sentence, is_said).await;
        let said = errors(&environment).concat();
        // A library's words come after the sentence, never before it.
        assert!(!said.starts_with("error") && !said.contains("client error"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_knows_a_gateway_from_the_daemon() {
    let world = World::new().await;
    let gateway = &world.gateways[0];
    gateway.client.put_config(&world.document, &declared::written()).await.unwrap();
    for (server, what) in
        [(&gateway.data, "a gateway's caller port"), (&gateway.admin, "a gateway's admin port")]
    {
        for command in [&["status"][..], &["why", "test"], &["hold", "test", "--reason", "no"]] {
            let said =
                moorline(command, &[("MOORLINE_SERVER", server), ("MOORLINE_TOKEN", "any-token")]).await;
            assert_eq!(said.code, 1, "{command:?}: {said:?}");
            let sentence =
                format!("{server} is {what}, not the daemon: give the daemon's address with --server");
            assert!(said.stderr.contains(&sentence), "{command:?}: {said:?}");
        }
    }
    let nobody = moorline(&["status", "--server", "http://127.0.0.1:1"], &[]).await;
    let sentence =
        "error: http://127.0.0.1:1 refuses connections: start the daemon there, or give its address";
    assert!(nobody.code == 6 && nobody.stderr.starts_with(sentence), "{nobody:?}");
}
