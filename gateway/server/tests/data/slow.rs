//! Slow and silent callers.

use std::time::Duration;

use moorline_gateway::data::Deadlines;

use super::caller::{Wire, ask, chat, chat_stream, request};
use super::gateway::{Gateway, document};
use super::provider::{Provider, Step, chunk, soon, stream_head};

const SHORT: Duration = Duration::from_millis(150);

fn with(provider: &Provider, change: impl FnOnce(&mut Deadlines)) -> Gateway {
    Gateway::start_with(&document(provider), |config| change(&mut config.deadlines))
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let provider = Provider::start().await;
    let gateway = with(&provider, |deadlines| deadlines.head = SHORT);
    let mut wire = Wire::open(gateway.address).await;
    assert_eq!(wire.read_to_end().await, "");
}

#[tokio::test]
async fn a_head_that_drips_is_cut_off_however_often_it_drips() {
    let provider = Provider::start().await;
    let gateway = with(&provider, |deadlines| deadlines.head = SHORT);
    let mut wire = Wire::open(gateway.address).await;
    wire.send(b"POST / HTTP/1.1\r\n").await;
    soon(async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if tokio::io::AsyncWriteExt::write_all(&mut wire.0, b"x").await.is_err() {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn between_two_requests_there_is_more_time_than_for_a_head() {
    let provider = Provider::start().await;
    let gateway = with(&provider, |deadlines| deadlines.head = SHORT);
    let mut wire = Wire::open(gateway.address).await;
    for _ in 0..2 {
        wire.ask(&chat()).await;
        wire.read_until(b"chatcmpl-1").await;
        tokio::time::sleep(SHORT * 2).await;
    }
}

#[tokio::test]
async fn a_connection_kept_alive_for_nothing_ends_quietly() {
    let provider = Provider::start().await;
    let gateway = with(&provider, |deadlines| deadlines.idle = SHORT);
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat()).await;
    wire.read_until(b"}]").await;
    wire.read_to_end().await;
}

#[tokio::test]
async fn a_body_that_stops_or_drips_is_refused_with_408() {
    let provider = Provider::start().await;
    let stops = with(&provider, |deadlines| deadlines.body_idle = SHORT);
    let whole = request(&chat().to_string());
    let mut wire = Wire::open(stops.address).await;
    wire.send(&whole.as_bytes()[..whole.len() - 5]).await;
    let answer = wire.read_until(b"request_timeout").await;
    assert!(answer.starts_with(b"HTTP/1.1 408 "));

    let drips = with(&provider, |deadlines| deadlines.body = SHORT);
    let mut wire = Wire::open(drips.address).await;
    wire.send(request(&" ".repeat(10_000)).split("\r\n\r\n").next().unwrap().as_bytes()).await;
    wire.send(b"\r\n\r\n").await;
    let (mut reader, mut writer) = wire.0.split();
    let drip = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if tokio::io::AsyncWriteExt::write_all(&mut writer, b" ").await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    let mut answer = [0; 13];
    tokio::select! {
        read = soon(tokio::io::AsyncReadExt::read_exact(&mut reader, &mut answer)) => { read.unwrap(); }
        () = drip => {}
    }
    assert_eq!(&answer, b"HTTP/1.1 408 ");
    assert_eq!(provider.requests_left().await, 0);
}

#[tokio::test]
async fn a_caller_that_takes_nothing_of_its_answer_is_let_go() {
    let provider = Provider::start().await;
    let large = [b"data: ".as_slice(), &vec![b'x'; 500_000], b"\n\n"].concat();
    let mut steps = vec![stream_head()];
    steps.extend(std::iter::repeat_n(chunk(&large), 100));
    steps.push(Step::UntilClosed);
    provider.usually(steps);
    let gateway = with(&provider, |deadlines| deadlines.write = SHORT);
    let mut wire = Wire::open(gateway.address).await;
    wire.ask(&chat_stream()).await;
    let stats = gateway.counted(1).await;
    assert_eq!(stats.total.errors[&moorline_admin::ErrorKind::ClientClosed], 1);
}

#[tokio::test]
async fn callers_beyond_the_cap_wait_and_the_silent_ones_make_room() {
    let provider = Provider::start().await;
    let gateway = Gateway::start_with(&document(&provider), |config| {
        config.workers = Some(1);
        config.connections_max = 3;
        config.deadlines.head = SHORT;
    });
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(Wire::open(gateway.address).await);
    }
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
    for mut wire in silent {
        wire.read_to_end().await;
    }
}
