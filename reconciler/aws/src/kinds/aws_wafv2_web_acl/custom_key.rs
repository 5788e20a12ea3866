//! By what a rate-based statement counts when it does not count by address alone: header, cookie, path and so on.
//!
//! Names of headers and query arguments have no case for WAF. Text transformations are not compared.

use aws_sdk_wafv2::types::RateBasedStatementCustomKey;

use crate::attributes::{Attributes, Unexpected};
use crate::fields::UNKNOWN;

/// Kinds that have a name of their own, and the attribute that holds it.
const NAMED: [(&str, &str); 4] =
    [("header", "name"), ("cookie", "name"), ("query_argument", "name"), ("label_namespace", "namespace")];
const PLAIN: [&str; 8] = [
    "asn",
    "forwarded_ip",
    "http_method",
    "ip",
    "ja3_fingerprint",
    "ja4_fingerprint",
    "query_string",
    "uri_path",
];

pub(super) fn declared(key: &Attributes<'_>) -> Result<String, Unexpected> {
    for (kind, attribute) in NAMED {
        if let Some(block) = key.block(kind)? {
            return Ok(named(kind, &block.required(attribute)?));
        }
    }
    for kind in PLAIN {
        if key.block(kind)?.is_some() {
            return Ok(kind.to_owned());
        }
    }
    Ok(UNKNOWN.to_owned())
}

pub(super) fn live(key: &RateBasedStatementCustomKey) -> String {
    let name = [
        ("header", key.header.as_ref().map(|header| &header.name)),
        ("cookie", key.cookie.as_ref().map(|cookie| &cookie.name)),
        ("query_argument", key.query_argument.as_ref().map(|argument| &argument.name)),
        ("label_namespace", key.label_namespace.as_ref().map(|label| &label.namespace)),
    ];
    if let Some((kind, name)) = name.into_iter().find_map(|(kind, name)| Some((kind, name?))) {
        return named(kind, name);
    }
    let plain = [
        key.asn.is_some(),
        key.forwarded_ip.is_some(),
        key.http_method.is_some(),
        key.ip.is_some(),
        key.ja3_fingerprint.is_some(),
        key.ja4_fingerprint.is_some(),
        key.query_string.is_some(),
        key.uri_path.is_some(),
    ];
    let kind = PLAIN.into_iter().zip(plain).find(|(_, is_there)| *is_there);
    kind.map_or(UNKNOWN, |(kind, _)| kind).to_owned()
}

fn named(kind: &str, name: &str) -> String {
    match kind {
        "header" | "query_argument" => format!("{kind} {}", name.to_ascii_lowercase()),
        _ => format!("{kind} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_wafv2::types::{RateLimitHeader, RateLimitIp, TextTransformation, TextTransformationType};
    use serde_json::json;

    use super::*;

    #[test]
    fn names_of_headers_have_no_case() {
        let transformation = TextTransformation::builder().priority(0).r#type(TextTransformationType::None);
        let header = RateLimitHeader::builder()
            .name("x-api-key")
            .text_transformations(transformation.build().unwrap());
        let live = live(&RateBasedStatementCustomKey::builder().header(header.build().unwrap()).build());
        let state = json!({"header": [{"name": "X-Api-Key", "text_transformation": []}], "ip": []});
        assert_eq!(declared(&Attributes::of(&state)).unwrap(), live);
    }

    #[test]
    fn an_empty_block_is_a_kind() {
        let live = live(&RateBasedStatementCustomKey::builder().ip(RateLimitIp::builder().build()).build());
        assert_eq!(declared(&Attributes::of(&json!({"ip": [{}], "header": []}))).unwrap(), live);
        assert_eq!(live, "ip");
    }
}
