//! What tells two questions apart: everything that may make another answer of them, and who may see it.
//!
//! A key is the SHA-256 of: the scope (the caller's key or token; with `share: route` nobody's), the route's path as
//! declared, the endpoint, the model asked for, the headers that providers are sent for the caller, and the whole body
//! byte for byte. Two questions that differ in one blank are two questions. The number of the document is not in it:
//! a swap keeps what is kept, until its time is over.

use std::fmt;

use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use moorline_config::document::Share;
use sha2::{Digest as _, Sha256};

use super::RouteCache;
use crate::routing::limit::Who;

/// Headers that travel to providers and may change what they answer.
const ASKED_WITH: [HeaderName; 7] = [
    ACCEPT,
    CONTENT_TYPE,
    HeaderName::from_static("openai-beta"),
    HeaderName::from_static("openai-organization"),
    HeaderName::from_static("openai-project"),
    HeaderName::from_static("anthropic-version"),
    HeaderName::from_static("anthropic-beta"),
];

/// A question's identity.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(super) [u8; 32]);

impl fmt::Debug for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&hex::encode(self.0))
    }
}

/// A question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'a> {
    /// Who asks.
    pub(crate) who: Who<'a>,
    /// The name of the caller's key; nothing else tells declared keys apart over documents.
    pub(crate) key: &'a str,
    /// The endpoint's path.
    pub(crate) endpoint: &'a str,
    /// The model asked for.
    pub(crate) model: &'a str,
    /// The request's headers.
    pub(crate) headers: &'a HeaderMap,
    /// The request's body.
    pub(crate) body: &'a [u8],
}

/// What a caller says about caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing.
    Any,
    /// A new answer, which may be kept (`no-cache`).
    New,
    /// Nothing from a cache, and nothing into it (`no-store`).
    Nothing,
}

impl Wish {
    /// Reads `cache-control`.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut wish = Self::Any;
        for value in headers.get_all(CACHE_CONTROL) {
            for word in value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
                if word.eq_ignore_ascii_case(b"no-store") {
                    return Self::Nothing;
                }
                if word.eq_ignore_ascii_case(b"no-cache") || word.eq_ignore_ascii_case(b"max-age=0") {
                    wish = Self::New;
                }
            }
        }
        wish
    }
}

impl RouteCache {
    /// The identity of a question on this route.
    pub(crate) fn id(&self, question: &Question<'_>) -> Id {
        let mut hash = Sha256::new();
        // Each part with its length before it: no part can be mistaken for two, or two for one.
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(b"moorline cache 1");
        match (self.share, question.who) {
            (Share::Route, _) => add(b"route"),
            (Share::Key, Who::Key(_)) => {
                add(b"key");
                add(question.key.as_bytes());
            }
            (Share::Key, Who::Token { id, .. }) => {
                add(b"token");
                add(id.to_string().as_bytes());
            }
        }
        for text in [&self.path, question.endpoint, question.model] {
            add(text.as_bytes());
        }
        for name in &ASKED_WITH {
            let mut count = 0_u64;
            for value in question.headers.get_all(name) {
                add(value.as_bytes());
                count += 1;
            }
            add(&count.to_le_bytes());
        }
        add(question.body);
        Id(hash.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use moorline_config::Config;
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::Declared;
    use super::*;
    use crate::limits::ValueId;
    use crate::routing::KeyIndex;

    fn cache(share: &str) -> RouteCache {
        let document = json!({
            "version": 1, "name": "test",
            "routes": [{"path": "/v1/*", "cache": {"ttl": "1m", "share": share}}],
        });
        let config = Config::from_value("test", &document).unwrap();
        let declared = Declared::compile(&config, &|_| None).unwrap();
        RouteCache::compile("/v1/*", config.routes[0].cache.unwrap(), &declared)
    }

    /// Everything a question is made of, from few values each, so that equal ones are drawn often.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Drawn {
        is_token: bool,
        tenant: String,
        endpoint: String,
        model: String,
        beta: Option<String>,
        body: Vec<u8>,
    }

    fn drawn() -> impl Strategy<Value = Drawn> {
        let few = || prop_oneof![Just(String::new()), "[ab]{1,2}"];
        let body = prop::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(0)], 0..3);
        (any::<bool>(), few(), few(), few(), prop::option::of(few()), body).prop_map(
            |(is_token, tenant, endpoint, model, beta, body)| Drawn {
                is_token,
                tenant,
                endpoint,
                model,
                beta,
                body,
            },
        )
    }

    /// Two questions that are alike in all but one thing, in everything, or in what chance says: drawn apart, two would
    /// hardly ever differ in one thing only.
    fn pair() -> impl Strategy<Value = (Drawn, Drawn)> {
        let unlike = prop::sample::select(vec![0_u8, 1, 2, 4, 8, 16, 32, 63]);
        (drawn(), drawn(), unlike).prop_map(|(one, other, unlike)| {
            let mut next = one.clone();
            let is_other = |bit: u8| unlike & bit != 0;
            if is_other(1) {
                next.is_token = other.is_token;
            }
            if is_other(2) {
                next.tenant = other.tenant;
            }
            if is_other(4) {
                next.endpoint = other.endpoint;
            }
            if is_other(8) {
                next.model = other.model;
            }
            if is_other(16) {
                next.beta = other.beta;
            }
            if is_other(32) {
                next.body = other.body;
            }
            (one, next)
        })
    }

    fn id(cache: &RouteCache, drawn: &Drawn) -> Id {
        let mut headers = HeaderMap::new();
        if let Some(beta) = &drawn.beta {
            headers.insert("openai-beta", HeaderValue::from_str(beta).unwrap());
        }
        let id = ValueId::of_header(Some(drawn.tenant.as_bytes()));
        let who = if drawn.is_token { Who::Token { id, team: None } } else { Who::Key(KeyIndex(0)) };
        cache.id(&Question {
            who,
            key: &drawn.tenant,
            endpoint: &drawn.endpoint,
            model: &drawn.model,
            headers: &headers,
            body: &drawn.body,
        })
    }

    proptest! {
        #[test]
        fn two_questions_are_one_only_when_everything_about_them_is((one, other) in pair()) {
            let cache = cache("key");
            prop_assert_eq!(id(&cache, &one) == id(&cache, &other), one == other);
        }

        #[test]
        fn with_a_shared_route_only_the_tenant_makes_no_difference((one, other) in pair()) {
            let cache = cache("route");
            let as_one = Drawn { is_token: one.is_token, tenant: one.tenant.clone(), ..other.clone() };
            prop_assert_eq!(id(&cache, &one) == id(&cache, &other), one == as_one);
        }
    }

    #[test]
    fn a_caller_s_word_about_caches_is_read_in_all_its_forms() {
        for (value, wish) in [
            ("no-store", Wish::Nothing),
            ("No-Cache", Wish::New),
            ("max-age=0", Wish::New),
            ("no-cache, no-store", Wish::Nothing),
            ("max-age=60", Wish::Any),
            ("", Wish::Any),
        ] {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static(value))]);
            assert_eq!(Wish::of(&headers), wish, "{value}");
        }
    }
}
