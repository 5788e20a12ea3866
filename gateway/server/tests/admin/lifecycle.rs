//! Starting, restarting, following the file, ending.

use moorline_admin::{Generation, Origin, Weight, WriteOptions};
use rustix::process::Signal;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{DEADLINE, Gateway, Home, command, digest, document, git, in_time};

/// Waits, by the event stream, until the document of this name serves.
async fn serves(gateway: &Gateway, name: &str) {
    let wanted = digest(&document(name));
    let mut events = in_time(gateway.raw("GET", "/admin/v1/events").send()).await.unwrap();
    // Listening first, then looking: nothing can happen in between unseen.
    while gateway.client.status().await.unwrap().stable.is_none_or(|stable| stable.digest != wanted) {
        in_time(events.chunk()).await.unwrap().expect("more events");
    }
}

#[tokio::test]
async fn killed_at_any_moment_it_comes_back_with_the_last_good_document_and_the_next_number() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    gateway.client.stage(&document("b"), Weight::whole(50), &git("c2")).await.unwrap();
    let before = gateway.client.status().await.unwrap();
    gateway.killed().await;

    let gateway = home.start(&[]).await;
    let after = gateway.client.status().await.unwrap();
    assert_ne!(after.instance, before.instance);
    let (was, is) = (before.stable.unwrap(), after.stable.unwrap());
    assert_eq!(
        (is.digest, is.generation, is.commit, is.origin),
        (was.digest, was.generation, was.commit, was.origin)
    );
    assert_eq!(after.candidate, None);
    let staged = gateway.client.stage(&document("b"), Weight::ZERO, &git("c2")).await.unwrap();
    assert_eq!(staged.candidate.attestation.generation, Generation(3));
    gateway.client.promote(digest(&document("b"))).await.unwrap();
    gateway.killed().await;

    let gateway = home.start(&[]).await;
    let stable = gateway.client.status().await.unwrap().stable.unwrap();
    assert_eq!((stable.digest, stable.generation), (digest(&document("b")), Generation(3)));
    // Promoted already: whoever did not hear of it may ask again.
    gateway.client.promote(digest(&document("b"))).await.unwrap();
}

#[tokio::test]
async fn the_file_is_followed_until_another_takes_over() {
    let home = Home::new();
    home.write("gateway.yaml", &document("a").to_string());
    let path = home.path("gateway.yaml");
    let arguments = ["--config", path.to_str().unwrap()];
    let gateway = home.start(&arguments).await;
    let stable = gateway.client.status().await.unwrap().stable.unwrap();
    assert_eq!((stable.digest, stable.origin), (digest(&document("a")), Origin::File));

    home.write("gateway.yaml", &document("b").to_string());
    serves(&gateway, "b").await;

    let mut bad = document("c");
    bad["providers"]["up"]["kind"] = json!("unheard_of");
    let mut events = in_time(gateway.raw("GET", "/admin/v1/events").send()).await.unwrap();
    home.write("gateway.yaml", &bad.to_string());
    in_time(events.chunk()).await.unwrap().expect("an event");
    let status = gateway.client.status().await.unwrap();
    assert_eq!((status.stable.unwrap().digest, status.rejected.len()), (digest(&document("b")), 1));
    assert_eq!(status.rejected[0].origin, Origin::File);

    home.write("gateway.yaml", &document("d").to_string());
    serves(&gateway, "d").await;
    let write = WriteOptions { take_over: true, ..git("c1") };
    gateway.client.put_config(&document("e"), &write).await.unwrap();
    gateway.killed().await;
    // The file differs from what git wrote last: git's comes back.
    let gateway = home.start(&arguments).await;
    let stable = gateway.client.status().await.unwrap().stable.unwrap();
    assert_eq!((stable.digest, stable.origin), (digest(&document("e")), Origin::Git));
}

#[tokio::test]
async fn a_first_start_with_a_bad_file_names_every_mistake_and_ends() {
    let home = Home::new();
    let mut bad = document("a");
    bad["surprise"] = json!(1);
    bad["routes"][0]["surprise"] = json!(2);
    home.write("gateway.yaml", &bad.to_string());
    let path = home.path("gateway.yaml");
    let arguments = ["--admin-token", "env:TOKEN", "--config", path.to_str().unwrap()];
    let output = in_time(command(&arguments).output()).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.matches("surprise").count() >= 2 && said.contains("gateway.yaml"), "{said}");
}

#[tokio::test]
async fn a_second_gateway_on_the_same_state_is_refused() {
    let home = Home::new();
    let _first = home.start(&[]).await;
    let state = home.path("state");
    let arguments = ["--admin-token", "env:TOKEN", "--state", state.to_str().unwrap()];
    let output = in_time(command(&arguments).output()).await.unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("another gateway uses it"));
}

#[tokio::test]
async fn without_a_document_it_waits_for_one_and_says_that_it_is_not_ready() {
    let home = Home::new();
    let gateway = home.start(&[]).await;
    let http = reqwest::Client::new();
    let get = |path: &str| http.get(format!("{}{path}", gateway.data)).timeout(DEADLINE).send();
    let (alive, ready) = (get("/healthz").await.unwrap(), get("/readyz").await.unwrap());
    assert_eq!((alive.status().as_u16(), ready.status().as_u16()), (200, 503));
    gateway.client.put_config(&document("a"), &git("c1")).await.unwrap();
    assert_eq!(get("/readyz").await.unwrap().status(), 200);
}

#[tokio::test]
async fn sigterm_and_drain_end_the_process_well() {
    for how in ["SIGTERM", "SIGINT", "drain"] {
        let home = Home::new();
        let gateway = home.start(&["--drain-timeout", "5s"]).await;
        match how {
            "SIGTERM" => gateway.signal(Signal::TERM),
            "SIGINT" => gateway.signal(Signal::INT),
            _ => assert!(gateway.client.drain().await.unwrap().draining),
        }
        let log = home.path("log");
        assert_eq!(gateway.ended().await.code(), Some(0), "{how}: {}", std::fs::read_to_string(log).unwrap());
    }
}

/// A gateway with one request under way, which the provider never answers. All that is returned must be kept alive.
async fn with_a_request_under_way(
    home: &Home,
    drain_timeout: &str,
) -> (Gateway, TcpStream, tokio::task::JoinHandle<()>) {
    let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = home.start(&["--drain-timeout", drain_timeout]).await;
    let mut document = document("a");
    document["providers"]["up"]["base_url"] = json!(format!("http://{}/v1", provider.local_addr().unwrap()));
    document["keys"][0]["sha256"] = json!(hex::encode(Sha256::digest("caller-key")));
    gateway.client.put_config(&document, &git("c1")).await.unwrap();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "ping"}]}).to_string();
    let request = reqwest::Client::new()
        .post(format!("{}/v1/chat/completions", gateway.data))
        .bearer_auth("caller-key")
        .header("content-type", "application/json")
        .timeout(DEADLINE)
        .body(body);
    #[expect(clippy::disallowed_methods, reason = "the test ends before the request does")]
    let caller = tokio::spawn(async move { drop(request.send().await) });
    let (upstream, _) = in_time(provider.accept()).await.unwrap();
    (gateway, upstream, caller)
}

#[tokio::test]
async fn a_drain_lets_requests_finish_up_to_its_deadline_and_ends_well() {
    let home = Home::new();
    let (gateway, _upstream, _caller) = with_a_request_under_way(&home, "300ms").await;
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.ended().await.code(), Some(0));
    assert!(std::fs::read_to_string(home.path("log")).unwrap().contains("deadline"));
}

#[tokio::test]
async fn while_it_drains_it_says_so_and_a_second_signal_ends_it_at_once() {
    let home = Home::new();
    let (gateway, _upstream, _caller) = with_a_request_under_way(&home, "10m").await;
    assert!(gateway.client.drain().await.unwrap().draining);
    assert!(gateway.client.status().await.unwrap().draining);
    let metrics = gateway.raw("GET", "/metrics").send().await.unwrap().text().await.unwrap();
    assert!(
        metrics.contains("moorline_gateway_draining 1\n")
            && metrics.contains("moorline_gateway_requests_in_flight 1\n"),
        "{metrics}"
    );
    gateway.signal(Signal::TERM);
    assert_eq!(gateway.ended().await.code(), Some(130));
}
