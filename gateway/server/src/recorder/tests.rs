use std::time::Duration;

use moorline_config::Config;
use proptest::prelude::*;
use serde_json::json;

use super::ledger::Ledger;
use super::*;

fn config() -> Config {
    let target = json!({"targets": [{"provider": "p", "model": "m"}]});
    Config::from_value(
        "document",
        &json!({
            "version": 1, "name": "g",
            "providers": {"p": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:1/v1"}},
            "models": {"a": target, "b": target},
            "routes": [{"path": "/v1/chat/*"}, {"path": "/v1/embeddings"}],
        }),
    )
    .unwrap()
}

fn at(seconds: u64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + Duration::from_secs(seconds)
}

fn outcome(model: Option<&ModelName>) -> Outcome<'_> {
    Outcome {
        route: Some(0),
        model,
        error: None,
        status: 200,
        latency_micros: 1500,
        first_token_micros: Some(700),
        input_tokens: 10,
        output_tokens: 20,
        cost_micros: 30,
        is_kept: false,
        authentication: Authentication::Accepted,
    }
}

fn name(text: &str) -> ModelName {
    text.parse().unwrap()
}

const NUMBER: Generation = Generation(3);

#[test]
fn an_answer_from_the_cache_is_a_request_that_says_nothing_of_how_fast_upstreams_are() {
    let recorder = Recorder::new(&config(), at(0));
    let model = name("a");
    recorder.record(&Outcome { latency_micros: 2_000_000, ..outcome(Some(&model)) });
    let kept =
        Outcome { latency_micros: 50, first_token_micros: None, is_kept: true, ..outcome(Some(&model)) };
    (0..999).for_each(|_| recorder.record(&kept));
    let stats = recorder.stats(NUMBER, None, at(10));
    for usage in [&stats.total, &stats.models["a"], &stats.routes["/v1/chat/*"]] {
        assert_eq!((usage.requests, usage.cache_hits, usage.asked()), (1_000, 999, 1));
        assert_eq!(usage.latency.count, 1);
        assert!(usage.latency.quantile(0.5).unwrap() >= 2_000_000, "{:?}", usage.latency.quantile(0.5));
    }
}

#[test]
fn a_request_is_counted_in_total_by_model_and_by_route() {
    let recorder = Recorder::new(&config(), at(0));
    recorder.record(&outcome(Some(&name("a"))));
    let other = name("b");
    let failed = Outcome { error: Some(ErrorKind::UpstreamFailed), route: Some(1), ..outcome(Some(&other)) };
    recorder.record(&failed);
    let nameless = Outcome {
        error: Some(ErrorKind::Unauthorized),
        route: None,
        authentication: Authentication::Missing,
        ..outcome(None)
    };
    recorder.record(&nameless);
    recorder.record(&outcome(Some(&name("undeclared"))));
    let stats = recorder.stats(NUMBER, None, at(5));
    assert_eq!((stats.generation, stats.since, stats.until), (NUMBER, at(0), at(5)));
    assert_eq!((stats.total.requests, stats.total.faults()), (4, 1));
    assert_eq!((stats.total.input_tokens, stats.total.output_tokens, stats.total.cost_micros), (40, 80, 120));
    assert_eq!((stats.total.latency.count, stats.total.first_token.sum_micros), (4, 2800));
    assert_eq!(stats.models.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(stats.models["b"].errors[&ErrorKind::UpstreamFailed], 1);
    assert_eq!((stats.routes["/v1/chat/*"].requests, stats.routes["/v1/embeddings"].requests), (2, 1));
    assert_eq!((stats.authentication["accepted"], stats.authentication["missing"]), (3, 1));
}

#[test]
fn since_counts_everything_after_it_and_says_where_counting_began() {
    let recorder = Recorder::new(&config(), at(0));
    for second in 0..60 {
        recorder.record(&outcome(Some(&name("a"))));
        recorder.tick(at(second + 1));
    }
    for since in 0..60 {
        let stats = recorder.stats(NUMBER, Some(at(since)), at(60));
        assert!(
            stats.since <= at(since) && stats.since + SLICE >= at(since),
            "{since}: from {}",
            stats.since
        );
        // One a second: as many as there are seconds in what was counted.
        let seconds = stats.until.duration_since(stats.since).as_secs();
        assert_eq!(i64::try_from(stats.total.requests).unwrap(), seconds, "{since}");
    }
    assert_eq!(recorder.stats(NUMBER, Some(at(60)), at(60)).total.requests, 0);
}

#[test]
fn a_request_that_just_ended_is_counted_without_waiting_for_a_tick() {
    let recorder = Recorder::new(&config(), at(0));
    recorder.tick(at(100));
    recorder.record(&outcome(None));
    assert_eq!(recorder.stats(NUMBER, Some(at(100)), at(101)).total.requests, 1);
}

#[test]
fn history_older_than_an_hour_is_forgotten_and_said_to_be() {
    let recorder = Recorder::new(&config(), at(0));
    for second in 0..9_000 {
        recorder.record(&outcome(None));
        recorder.tick(at(second + 1));
    }
    let stats = recorder.stats(NUMBER, Some(at(10)), at(9_000));
    assert!(stats.since >= at(9_000 - 3_600 - 60), "{}", stats.since);
    assert_eq!(i64::try_from(stats.total.requests).unwrap(), at(9_000).duration_since(stats.since).as_secs());
    assert_eq!(recorder.stats(NUMBER, None, at(9_000)).total.requests, 9_000);
    assert!(recorder.0.timeline.lock().unwrap().slices() <= 150 + 61 + 2);
}

#[test]
fn a_clock_that_goes_back_loses_nothing() {
    let recorder = Recorder::new(&config(), at(1000));
    recorder.record(&outcome(None));
    recorder.tick(at(1010));
    recorder.record(&outcome(None));
    recorder.tick(at(500));
    assert_eq!(recorder.stats(NUMBER, Some(at(1001)), at(501)).total.requests, 2);
}

#[test]
fn threads_count_without_losing_anything() {
    let recorder = Recorder::new(&config(), at(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10_000).for_each(|_| recorder.record(&outcome(Some(&name("a"))))));
        }
        // Reading meanwhile takes nothing away.
        (1..50).for_each(|second| recorder.tick(at(second)));
    });
    let stats = recorder.stats(NUMBER, Some(at(0)), at(60));
    assert_eq!(
        (stats.total.requests, stats.total.latency.count, stats.total.output_tokens),
        (40_000, 40_000, 800_000)
    );
    let windowed = recorder.stats(NUMBER, Some(at(0) + Duration::from_millis(1)), at(60));
    assert_eq!(windowed.total, stats.total);
}

#[test]
fn totals_of_the_process_outlive_generations_and_count_each_request_once() {
    let ledger = Ledger::default();
    let requests =
        |second| ledger.totals(at(second)).models.values().map(|usage| usage.requests).sum::<u64>();
    let first = Recorder::new(&config(), at(0));
    ledger.open(first.clone(), at(0));
    first.record(&outcome(Some(&name("a"))));
    let under_way = first.clone();
    drop(first);
    ledger.open(Recorder::new(&config(), at(1)), at(1));
    assert_eq!(requests(1), 1);
    under_way.record(&outcome(None));
    assert_eq!(requests(2), 2);
    drop(under_way);
    assert_eq!((requests(3), requests(4)), (2, 2));
}

proptest! {
    #[test]
    fn windows_add_up_to_the_whole(gaps in prop::collection::vec((1u64..5, 0u64..4), 1..60), cut in 0usize..60) {
        let recorder = Recorder::new(&config(), at(0));
        let (mut now, mut moments) = (0, vec![]);
        for (gap, requests) in gaps {
            (0..requests).for_each(|_| recorder.record(&outcome(None)));
            now += gap;
            recorder.tick(at(now));
            moments.push((now, recorder.stats(NUMBER, None, at(now)).total.requests));
        }
        let whole = recorder.stats(NUMBER, None, at(now)).total.requests;
        let (moment, before) = moments[cut % moments.len()];
        let stats = recorder.stats(NUMBER, Some(at(moment)), at(now));
        // Nothing after the moment is missing, and nothing is counted twice.
        prop_assert!(stats.total.requests >= whole - before && stats.total.requests <= whole);
        prop_assert!(stats.since <= at(moment) && stats.since + SLICE >= at(moment).min(at(now)));
    }
}
