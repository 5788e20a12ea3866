//! The wait that an overloaded target asks for, in each of its forms, and what a caller is told of it.

use std::sync::atomic::Ordering;

use crate::caller::{ask, chat};
use crate::gateway::{Gateway, document};
use crate::provider::{Provider, answer};

/// Seconds that callers are told to wait after a 429 with these headers, and the longest that a target is left alone.
async fn told(headers: &[(&str, &str)]) -> u64 {
    const LONGEST: u64 = 60;
    let provider = Provider::start().await;
    provider.then(answer(429, headers, b"{}"));
    let (gateway, now) = Gateway::start_with_clock(&document(&provider));
    assert_eq!(ask(&gateway, &chat()).await.status, 429, "{headers:?}");
    // The clock stands still: this is the wait as it was taken.
    let reply = ask(&gateway, &chat()).await;
    assert_eq!(reply.status, 429, "{headers:?}");
    provider.request().await;
    assert_eq!(provider.requests_left().await, 0, "{headers:?}: it is left alone");
    now.store(LONGEST * 1_000, Ordering::SeqCst);
    assert_eq!(ask(&gateway, &chat()).await.status, 200, "{headers:?}: and no longer than this");
    reply.header("retry-after").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_429_is_left_alone_for_as_long_as_it_says_in_each_form_and_never_for_more_than_a_minute() {
    for (name, value, expected) in [
        ("retry-after", "7", 7),
        ("retry-after-ms", "7000", 7),
        ("retry-after-ms", "6001", 7),
        ("x-ratelimit-reset-requests", "1s", 1),
        ("x-ratelimit-reset-tokens", "20s", 20),
        ("anthropic-ratelimit-tokens-reset", "20", 20),
        // More than a minute is taken for a minute.
        ("x-ratelimit-reset-tokens", "6m0s", 60),
        ("retry-after", "86400", 60),
        ("retry-after", "Fri, 31 Dec 2100 23:59:59 GMT", 60),
    ] {
        assert_eq!(told(&[(name, value)]).await, expected, "{name}: {value}");
    }
}

#[expect(clippy::disallowed_methods, reason = "the gateway goes by the world's clock here")]
#[tokio::test]
async fn a_date_is_a_wait_too() {
    let date = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(50);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
    let wait = told(&[("retry-after", &date)]).await;
    assert!((1..=50).contains(&wait), "{date}: {wait}");
}

#[tokio::test]
async fn a_limit_with_something_left_asks_for_no_wait() {
    let provider = Provider::start().await;
    let headers = [("x-ratelimit-reset-requests", "6m0s"), ("x-ratelimit-remaining-requests", "59")];
    provider.then(answer(429, &headers, b"{}"));
    let (gateway, _) = Gateway::start_with_clock(&document(&provider));
    assert_eq!(ask(&gateway, &chat()).await.status, 429);
    assert_eq!(ask(&gateway, &chat()).await.status, 200);
}
