//! History as it happens.

use moorline_model::environment::EnvironmentState;
use moorline_record::{Record, Write};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::rig::{Rig, WAIT, event, name, now};

/// A stream being read.
struct Reading {
    answer: Response,
    text: String,
}

impl Reading {
    async fn of(rig: &Rig, last: Option<&str>) -> Self {
        let mut request = rig.request(Method::GET, "/api/v1/events").bearer_auth("viewer");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, text: String::new() }
    }

    /// The next event's text; `None` at the stream's end.
    async fn event(&mut self) -> Option<String> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(event);
            }
            let chunk = tokio::time::timeout(WAIT, self.answer.chunk()).await.unwrap().unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// The id and message of the next line of history; `None` at the stream's end.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            let event = self.event().await?;
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if field("event:") == Some("clock") {
                continue;
            }
            assert_eq!(field("event:"), Some("history"));
            let data: Value = serde_json::from_str(field("data:").unwrap()).unwrap();
            return Some((field("id:").unwrap().to_owned(), data["message"].as_str().unwrap().to_owned()));
        }
    }
}

#[tokio::test]
async fn a_stream_begins_now_and_is_resumed_without_a_gap() {
    let rig = Rig::start().await;
    let state = EnvironmentState::new(name("prod"));
    rig.commit(&state, &["before"]).await;
    let mut reading = Reading::of(&rig, None).await;
    rig.commit(&state, &["one", "two"]).await;
    let (first, message) = reading.next().await.unwrap();
    assert_eq!(message, "one");
    drop(reading);

    rig.commit(&state, &["three"]).await;
    let mut reading = Reading::of(&rig, Some(&first)).await;
    for expected in ["two", "three"] {
        assert_eq!(reading.next().await.unwrap().1, expected);
    }
    rig.commit(&state, &["four"]).await;
    assert_eq!(reading.next().await.unwrap().1, "four");
}

#[tokio::test]
async fn what_another_process_commits_is_streamed_too() {
    let rig = Rig::start().await;
    let mut reading = Reading::of(&rig, None).await;
    let other = Record::open(&rig.store).await.unwrap();
    let fence = other.lease("a", WAIT, now()).await.unwrap().unwrap().token;
    let (state, version) = other.load(&name("prod")).await.unwrap().unwrap();
    let events = vec![event(&name("prod"), "from afar")];
    other.commit(fence, Write { events, ..Write::of(&state, version) }).await.unwrap();
    assert_eq!(reading.next().await.unwrap().1, "from afar");
}

#[tokio::test]
async fn a_stream_says_the_daemons_time_at_once_and_every_five_seconds_at_least() {
    let rig = Rig::start().await;
    let mut reading = Reading::of(&rig, None).await;
    let clock = format!("event: clock\ndata: {}", now());
    for limit in [1, 5] {
        let event = tokio::time::timeout(std::time::Duration::from_secs(limit), reading.event()).await;
        // Without an id: what is resumed is history.
        assert_eq!(event.unwrap().unwrap(), clock);
    }
}

#[tokio::test]
async fn the_end_of_the_web_ends_its_streams() {
    let rig = Rig::start().await;
    let mut reading = Reading::of(&rig, None).await;
    rig.stop().await;
    assert_eq!(reading.next().await, None);
}

#[tokio::test]
async fn an_id_that_no_stream_sent_is_refused() {
    let rig = Rig::start().await;
    let request =
        rig.request(Method::GET, "/api/v1/events").bearer_auth("viewer").header("last-event-id", "x");
    assert_eq!(request.send().await.unwrap().status(), StatusCode::BAD_REQUEST);
}
