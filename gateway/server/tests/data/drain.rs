//! The end: nothing new, and what runs is finished.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::caller::{CHAT, Wire, chat, chat_stream, finish, post};
use super::gateway::{Gateway, document};
use super::provider::{DONE, EVENT, Provider, Step, chunk, last_chunk, ok_json, soon, spawn, stream_head};

#[tokio::test]
async fn requests_under_way_are_finished_and_new_connections_refused() {
    let provider = Provider::start().await;
    let go = Arc::new(Notify::new());
    let mut json = vec![Step::Wait(Arc::clone(&go))];
    json.extend(ok_json());
    let go_stream = Arc::new(Notify::new());
    let stream =
        vec![stream_head(), chunk(EVENT), Step::Wait(Arc::clone(&go_stream)), chunk(DONE), last_chunk()];
    let gateway = Gateway::start(&document(&provider));

    provider.then(json);
    let whole = spawn(finish(post(&gateway, CHAT).body(chat().to_string())));
    provider.request().await;
    provider.then(stream);
    let mut streaming = Wire::open(gateway.address).await;
    streaming.ask(&chat_stream()).await;
    streaming.read_until(b"\n\n").await;
    let mut idle = Wire::open(gateway.address).await;
    idle.ask(&chat()).await;
    idle.read_until(b"chatcmpl-1").await;

    gateway.drain.cancel();
    assert_eq!(idle.read_to_end().await, "", "idle connections end at once");
    soon(async {
        while TcpStream::connect(gateway.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    go.notify_one();
    go_stream.notify_one();
    assert_eq!(whole.await.unwrap().status, 200);
    assert!(streaming.read_to_end().await.contains("data: [DONE]"));
    gateway.ended().await;
}

#[tokio::test]
async fn what_outlives_the_deadline_is_cut() {
    let provider = Provider::start().await;
    provider.usually(vec![Step::UntilClosed]);
    let gateway = Gateway::start_with(&document(&provider), |config| {
        config.drain_deadline = Duration::from_millis(100);
    });
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat()).await;
    provider.request().await;
    gateway.drain.cancel();
    gateway.ended().await;
    provider.notices_closing().await;
    assert_eq!(wire.read_to_end().await, "");
}

#[tokio::test]
async fn a_port_is_not_shared_with_another_gateway_and_free_again_after_the_end() {
    let provider = Provider::start().await;
    let gateway = Gateway::start(&document(&provider));
    let error = gateway.start_again().unwrap_err();
    assert!(error.to_string().contains(&gateway.address.to_string()), "{error}");
    let address = gateway.address;
    gateway.drain.cancel();
    gateway.ended().await;
    let again = Gateway::start_with(&document(&provider), |config| config.listen = address);
    assert_eq!(again.address, address);
}
