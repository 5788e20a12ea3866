//! One line: what it says of a request, and how it is written.
//!
//! No key, no header, no query; words of a prompt or an answer only where the document says so, with an owner and an
//! end ([`Bodies`]).

use std::time::Duration;

use jiff::Timestamp;

use super::escape::{quoted, word};
use crate::command_line::LogFormat;
use crate::digits::Digits;

/// What is said of a request.
#[derive(Debug, Clone, Default)]
pub struct Line<'a> {
    /// Microseconds since the epoch.
    pub time_micros: i64,
    /// The request's id.
    pub id: &'a str,
    /// Its method.
    pub method: &'a str,
    /// Its path, without the query.
    pub path: &'a str,
    /// HTTP status sent.
    pub status: u16,
    /// Why it did not end well.
    pub error: Option<&'static str>,
    /// The generation that served it.
    pub generation: Option<u64>,
    /// Name of the caller's key.
    pub key: Option<&'a str>,
    /// The model as the caller names it, when it is declared.
    pub model: Option<&'a str>,
    /// The provider asked last.
    pub provider: Option<&'a str>,
    /// The model's name there.
    pub upstream_model: Option<&'a str>,
    /// Requests sent upstream.
    pub attempts: u32,
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Whether they are an estimate of ours.
    pub tokens_estimated: bool,
    /// Cost in millionths of a US dollar.
    pub cost_micros: u64,
    /// From arrival to the last byte.
    pub latency: Duration,
    /// From arrival to the first byte of a stream.
    pub first_token: Option<Duration>,
    /// The trace it belongs to, when it is sampled.
    pub trace_id: Option<u128>,
    /// What was asked and answered, where that is declared.
    pub bodies: Option<&'a Bodies>,
}

/// The words of a request, where a route declares that they be logged.
#[derive(Debug, Clone, Default)]
pub struct Bodies {
    /// Who answers for it.
    pub owner: String,
    /// What the caller sent.
    pub request: Body,
    /// What the caller got.
    pub response: Body,
}

/// The beginning of a body.
#[derive(Debug, Clone, Default)]
pub struct Body {
    kept: Vec<u8>,
    bytes: u64,
}

impl Body {
    /// The most that is kept of one.
    pub const KEPT_MAX: usize = 16 * 1024;

    /// Adds what came next.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = Self::KEPT_MAX.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.bytes += bytes.len() as u64;
    }
}

/// The second that was written last, so that its date is worked out once.
#[derive(Debug, Default)]
pub(super) struct SecondText {
    second: i64,
    text: String,
}

impl SecondText {
    fn of(&mut self, second: i64) -> &str {
        if self.second != second || self.text.is_empty() {
            let moment = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
            self.text = moment.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            self.second = second;
        }
        &self.text
    }
}

/// A field's name with all that stands around it.
#[derive(Clone, Copy)]
struct Name {
    json: &'static str,
    text: &'static str,
}

macro_rules! name {
    ($name:literal) => {
        Name { json: concat!(",\"", $name, "\":"), text: concat!(" ", $name, "=") }
    };
}

/// A line under construction.
struct Fields<'out> {
    out: &'out mut Vec<u8>,
    format: LogFormat,
}

impl Line<'_> {
    /// Writes the line with its line end.
    pub(super) fn write(&self, out: &mut Vec<u8>, format: LogFormat, second: &mut SecondText) {
        let stamp = |out: &mut Vec<u8>, second: &mut SecondText| {
            out.extend_from_slice(second.of(self.time_micros.div_euclid(1_000_000)).as_bytes());
            out.push(b'.');
            let micros = Digits::of(self.time_micros.rem_euclid(1_000_000).unsigned_abs(), 6);
            out.extend_from_slice(micros.as_bytes());
            out.push(b'Z');
        };
        match format {
            LogFormat::Json => {
                out.extend_from_slice(b"{\"timestamp\":\"");
                stamp(out, second);
                out.extend_from_slice(b"\",\"level\":\"INFO\",\"target\":\"access\",\"message\":\"request\"");
            }
            LogFormat::Text => {
                stamp(out, second);
                out.extend_from_slice(b"  INFO access: request");
            }
        }
        self.fields(&mut Fields { out, format });
        if format == LogFormat::Json {
            out.push(b'}');
        }
        out.push(b'\n');
    }

    fn fields(&self, fields: &mut Fields<'_>) {
        fields.text(name!("id"), Some(self.id));
        fields.text(name!("method"), Some(self.method));
        fields.text(name!("path"), Some(self.path));
        fields.number(name!("status"), Some(u64::from(self.status)));
        fields.text(name!("error"), self.error);
        fields.number(name!("generation"), self.generation);
        fields.text(name!("key"), self.key);
        fields.text(name!("model"), self.model);
        fields.text(name!("provider"), self.provider);
        fields.text(name!("upstream_model"), self.upstream_model);
        fields.number(name!("attempts"), Some(u64::from(self.attempts)));
        fields.number(name!("input_tokens"), Some(self.input_tokens));
        fields.number(name!("output_tokens"), Some(self.output_tokens));
        fields.truth(name!("tokens_estimated"), self.tokens_estimated);
        fields.number(name!("cost_micros"), Some(self.cost_micros));
        fields.number(name!("latency_micros"), Some(micros(self.latency)));
        fields.number(name!("first_token_micros"), self.first_token.map(micros));
        if let Some(trace_id) = self.trace_id {
            fields.text(name!("trace_id"), Some(&format!("{trace_id:032x}")));
        }
        if let Some(bodies) = self.bodies {
            fields.text(name!("log_bodies_owner"), Some(&bodies.owner));
            fields.body(name!("request_body"), name!("request_body_bytes"), &bodies.request);
            fields.body(name!("response_body"), name!("response_body_bytes"), &bodies.response);
        }
    }
}

impl Fields<'_> {
    fn name(&mut self, name: Name) {
        let text = match self.format {
            LogFormat::Json => name.json,
            LogFormat::Text => name.text,
        };
        self.out.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, name: Name, value: Option<&str>) {
        let Some(value) = value else { return };
        self.name(name);
        match self.format {
            LogFormat::Json => quoted(self.out, value),
            LogFormat::Text => word(self.out, value),
        }
    }

    fn number(&mut self, name: Name, value: Option<u64>) {
        let Some(value) = value else { return };
        self.name(name);
        self.out.extend_from_slice(Digits::of(value, 1).as_bytes());
    }

    fn truth(&mut self, name: Name, value: bool) {
        self.name(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    fn body(&mut self, name: Name, length: Name, body: &Body) {
        // A character that was cut, or is none, becomes the sign for that.
        self.text(name, Some(&String::from_utf8_lossy(&body.kept)));
        self.number(length, Some(body.bytes));
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn line() -> Line<'static> {
        Line {
            time_micros: 1_795_251_155_000_042,
            id: "r-1",
            method: "POST",
            path: "/v1/\"x\n",
            status: 200,
            generation: Some(7),
            key: Some("team"),
            model: Some("gpt-4o"),
            attempts: 2,
            input_tokens: u64::MAX,
            latency: Duration::from_micros(1_500),
            ..Line::default()
        }
    }

    fn written(line: &Line<'_>, format: LogFormat) -> String {
        let mut out = Vec::new();
        line.write(&mut out, format, &mut SecondText::default());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn json_is_one_object_on_one_line() {
        let text = written(&line(), LogFormat::Json);
        assert_eq!(text.matches('\n').count(), 1);
        let said: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            said,
            json!({
                "timestamp": "2026-11-21T08:52:35.000042Z", "level": "INFO", "target": "access", "message": "request",
                "id": "r-1", "method": "POST", "path": "/v1/\"x\n", "status": 200, "generation": 7, "key": "team",
                "model": "gpt-4o", "attempts": 2, "input_tokens": u64::MAX, "output_tokens": 0,
                "tokens_estimated": false, "cost_micros": 0, "latency_micros": 1500,
            })
        );
    }

    #[test]
    fn text_is_for_people_and_still_one_line() {
        assert_eq!(
            written(&line(), LogFormat::Text),
            "2026-11-21T08:52:35.000042Z  INFO access: request id=r-1 method=POST path=\"/v1/\\\"x\\n\" status=200 \
             generation=7 key=team model=gpt-4o attempts=2 input_tokens=18446744073709551615 output_tokens=0 \
             tokens_estimated=false cost_micros=0 latency_micros=1500\n"
        );
    }

    #[test]
    fn bodies_are_cut_and_say_how_long_they_were() {
        let mut bodies = Bodies { owner: "ann".to_owned(), ..Bodies::default() };
        for _ in 0..1_000 {
            bodies.request.push("grüße ".repeat(10).as_bytes());
        }
        let said: Value =
            serde_json::from_str(&written(&Line { bodies: Some(&bodies), ..line() }, LogFormat::Json))
                .unwrap();
        assert_eq!((&said["log_bodies_owner"], &said["request_body_bytes"]), (&json!("ann"), &json!(80_000)));
        assert!(said["request_body"].as_str().unwrap().len() <= Body::KEPT_MAX + 3);
        assert_eq!(said["response_body"], json!(""));
    }
}
