//! Refusals in the dialect of OpenAI's callers: `{"error":{"message","type","param","code"}}`.

use serde::Serialize;

/// An error as the OpenAI protocol writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody<'a> {
    /// For people.
    pub message: &'a str,
    /// The class of error.
    #[serde(rename = "type")]
    pub kind: &'a str,
    /// The field at fault.
    pub param: Option<&'a str>,
    /// For programs.
    pub code: Option<&'a str>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a ErrorBody<'a>,
}

impl ErrorBody<'_> {
    /// The body of a JSON answer.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        // Strings and nulls always serialise.
        serde_json::to_vec(&Envelope { error: self }).unwrap_or_default()
    }

    /// The event that ends a stream which cannot go on.
    #[must_use]
    pub fn to_event(&self) -> Vec<u8> {
        [b"data: ".as_slice(), &self.to_json(), b"\n\n"].concat()
    }
}

/// Whether one event's data is an error in place of an answer: an object with an `error` that is not null and no
/// `choices`.
#[must_use]
pub fn is_error(data: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Probe {
        error: Option<serde::de::IgnoredAny>,
        choices: Option<serde::de::IgnoredAny>,
    }
    let could_be = memchr::memmem::find(data, b"\"error\"").is_some();
    could_be
        && serde_json::from_slice::<Probe>(data)
            .is_ok_and(|found| found.error.is_some() && found.choices.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_openai_s_shape() {
        let error =
            ErrorBody { message: "no \"x\"", kind: "invalid_request_error", param: None, code: Some("y") };
        let json =
            r#"{"error":{"message":"no \"x\"","type":"invalid_request_error","param":null,"code":"y"}}"#;
        assert_eq!(error.to_json(), json.as_bytes());
        assert_eq!(error.to_event(), format!("data: {json}\n\n").as_bytes());
    }

    #[test]
    fn an_error_in_place_of_an_answer_is_told_from_an_answer() {
        assert!(is_error(br#"{"error":{"message":"overloaded"}}"#));
        assert!(is_error(br#"{"error":"overloaded"}"#));
        assert!(!is_error(br#"{"error":null,"choices":[]}"#));
        assert!(!is_error(br#"{"choices":[{"delta":{"content":"\"error\""}}]}"#));
        assert!(!is_error(br#"{"error":null}"#));
        assert!(!is_error(b"[DONE]"));
    }
}
