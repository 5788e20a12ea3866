//! An endpoint: its method and path, who may call it, and the types of what it is asked and answers.
//!
//! A server makes a route of it, `openapi` its description and a client a call, so that the three cannot differ. The
//! gateway's admin API and the daemon's are both made of these; who may call is a type of each.

use std::marker::PhantomData;

use reqwest::{Method, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may call an endpoint.
pub trait Guard: Copy {
    /// Names of the security schemes, of which one is enough. Empty: anybody may call.
    fn schemes(self) -> &'static [&'static str];
    /// In words, where the schemes do not say all.
    fn sentence(self) -> Option<&'static str>;
}

/// The method of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Reads.
    Get,
    /// Asks for something to be done.
    Post,
    /// Replaces something.
    Put,
    /// Changes a part of something.
    Patch,
    /// Takes something away.
    Delete,
}

impl Verb {
    /// As HTTP has it.
    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
            Self::Patch => Method::PATCH,
            Self::Delete => Method::DELETE,
        }
    }
}

/// A query or body that says nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

/// The body that an endpoint reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyRule {
    /// What is sent is not read.
    None,
    /// An empty body stands for `{}`.
    Optional {
        /// A longer one is refused.
        bytes_max: usize,
    },
    /// There is no default.
    Required {
        /// A longer one is refused.
        bytes_max: usize,
    },
}

/// A header that an endpoint reads.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// As HTTP has it.
    pub name: &'static str,
    /// Whether a request without it is refused.
    pub is_required: bool,
    /// What it says.
    pub description: &'static str,
}

/// An endpoint that is asked `Query` and `Body` and answers `Answer`; [`Nothing`] where there is nothing to say.
pub struct Endpoint<Access, Query, Body, Answer> {
    /// The method.
    pub verb: Verb,
    /// From the root of the server, with `{name}` and `{id}` for what changes.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Its name in generated clients.
    pub id: &'static str,
    /// What it does, on one line.
    pub summary: &'static str,
    /// What else a caller has to know.
    pub description: &'static str,
    /// The status of a success.
    pub status: StatusCode,
    /// What the answer is.
    pub answers: &'static str,
    /// The media type of the answer.
    pub media_type: &'static str,
    /// Whether it reads a body, and how much of it.
    pub body: BodyRule,
    /// The headers it reads, beside those of signing in.
    pub headers: &'static [Header],
    /// Statuses of refusals beside those that follow from access, path, query and body.
    pub refusals: &'static [StatusCode],
    /// Nothing: it names the types.
    pub types: PhantomData<fn(Query, Body) -> Answer>,
}

impl<Access, Query, Body, Answer> Endpoint<Access, Query, Body, Answer> {
    /// One that answers with JSON and reads no body.
    #[must_use]
    pub const fn new(verb: Verb, path: &'static str, access: Access, id: &'static str) -> Self {
        Self {
            verb,
            path,
            access,
            id,
            summary: "",
            description: "",
            status: StatusCode::OK,
            answers: "Done.",
            media_type: "application/json",
            body: BodyRule::None,
            headers: &[],
            refusals: &[],
            types: PhantomData,
        }
    }

    /// The path with its parameters filled in, in their order. What could leave its segment is written out.
    #[must_use]
    pub fn path_with(&self, parameters: &[&str]) -> String {
        let mut parameters = parameters.iter();
        let segments = self.path.split('/').map(|segment| match segment.starts_with('{') {
            true => parameters.next().map(|parameter| escaped(parameter)).unwrap_or_default(),
            false => segment.to_owned(),
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

fn escaped(segment: &str) -> String {
    let mut escaped = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' | b'@' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_stays_in_its_segment() {
        let path = "/api/v1/environments/{name}/intents/{id}";
        let endpoint = Endpoint::<(), (), (), ()>::new(Verb::Get, path, (), "intent");
        assert_eq!(endpoint.path_with(&["eu/prod", "7"]), "/api/v1/environments/eu%2Fprod/intents/7");
        assert_eq!(endpoint.path_with(&["a?b#c", "é"]), "/api/v1/environments/a%3Fb%23c/intents/%C3%A9");
    }
}
