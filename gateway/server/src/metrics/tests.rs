use std::collections::BTreeSet;

use super::*;

fn totals() -> Totals {
    let mut usage = Usage { requests: 4, input_tokens: 10, cost_micros: 2_500_000, ..Usage::default() };
    usage.errors.insert(ErrorKind::Limited, 1);
    [100, 2_000, 2_000_000, 900_000_000].into_iter().for_each(|micros| usage.latency.record(micros));
    let named = |name: &str| [(name.to_owned(), usage.clone())].into_iter().collect();
    let (models, routes, shadows) = (named("gpt-4o"), named("/v1/chat/*"), named("claude-next"));
    Totals { models, routes, shadows, authentications: [4, 1, 0, 0, 0, 0, 0] }
}

fn text() -> String {
    let mut page = Page::default();
    traffic(&mut page, &totals());
    page.finish()
}

fn value(text: &str, sample: &str) -> f64 {
    let line = text.lines().find(|line| line.strip_prefix(sample).is_some_and(|rest| rest.starts_with(' ')));
    line.unwrap_or_else(|| panic!("{sample} is missing in\n{text}"))
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn traffic_is_told_by_model_and_by_route() {
    let text = text();
    for (sample, expected) in [
        ("moorline_gateway_requests_total{model=\"gpt-4o\"}", 4.0),
        ("moorline_gateway_request_errors_total{model=\"gpt-4o\",kind=\"limited\"}", 1.0),
        ("moorline_gateway_cost_usd_total{model=\"gpt-4o\"}", 2.5),
        ("moorline_gateway_route_requests_total{route=\"/v1/chat/*\"}", 4.0),
        ("moorline_gateway_limit_hits_total{route=\"/v1/chat/*\"}", 1.0),
        ("moorline_gateway_shadow_requests_total{model=\"claude-next\"}", 4.0),
        ("moorline_gateway_shadow_errors_total{model=\"claude-next\",kind=\"limited\"}", 1.0),
        ("moorline_gateway_shadow_cost_usd_total{model=\"claude-next\"}", 2.5),
        ("moorline_gateway_authentications_total{result=\"missing\"}", 1.0),
    ] {
        assert!((value(&text, sample) - expected).abs() < 1e-9, "{sample}");
    }
}

#[test]
fn histogram_buckets_hold_all_values_up_to_their_bound_and_end_with_all_of_them() {
    let text = text();
    let bucket = |le: &str| {
        value(
            &text,
            &format!("moorline_gateway_request_duration_seconds_bucket{{model=\"gpt-4o\",le=\"{le}\"}}"),
        )
    };
    assert_eq!(
        [bucket("0.001024"), bucket("0.002048"), bucket("2.097152"), bucket("268.435456"), bucket("+Inf")],
        [1.0, 2.0, 3.0, 3.0, 4.0]
    );
    assert_eq!(value(&text, "moorline_gateway_request_duration_seconds_count{model=\"gpt-4o\"}"), 4.0);
}

#[test]
fn every_family_is_described_once_and_named_as_the_house_names_them() {
    let text = text();
    let of = |what: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix(what)).map(str::to_owned).collect()
    };
    let (help, types) = (of("# HELP "), of("# TYPE "));
    assert_eq!(help.len(), types.len());
    let names: BTreeSet<&str> = types.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names.len(), types.len());
    for line in &types {
        let (name, kind) = line.split_once(' ').unwrap();
        assert!(name.starts_with("moorline_gateway_"), "{name}");
        assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
    }
}
