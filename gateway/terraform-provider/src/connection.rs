//! The way to the endpoint: what the provider block and the environment say, checked when it is first needed.
//!
//! A provider block without an endpoint is right as long as nothing needs one: `anthropic_provider` only checks and
//! prints a declaration.

use moorline_admin::{Client, DocumentEndpoint};
use moorline_config::Secret;
use url::Url;

use crate::protocol::{AttributePath, Diagnostic};
use crate::report;
use crate::schema::{Attribute, Kind, Schema};
use crate::value::Value;

/// The environment's word for `endpoint`.
pub const ENDPOINT_VARIABLE: &str = "MOORLINE_ENDPOINT";
/// The environment's word for `token`.
pub const TOKEN_VARIABLE: &str = "MOORLINE_TOKEN";

/// The commit that writes are said to come from; set by whoever runs Terraform for a commit.
pub const COMMIT_VARIABLE: &str = "MOORLINE_COMMIT";

/// Where to, and by what right.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    endpoint: Option<String>,
    token: Option<Secret>,
    commit: Option<String>,
    is_pending: bool,
}

impl Connection {
    /// What the environment says.
    #[must_use]
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name| variable(name).filter(|text| !text.is_empty());
        Self {
            endpoint: given(ENDPOINT_VARIABLE),
            token: given(TOKEN_VARIABLE).map(Secret::new),
            commit: given(COMMIT_VARIABLE),
            is_pending: false,
        }
    }

    /// The same, with what the provider block says laid over it.
    #[must_use]
    pub fn configured(&self, block: &Value) -> Self {
        let over = |name: &str| block.get(name).text().filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            endpoint: over("endpoint").or_else(|| self.endpoint.clone()),
            token: over("token").map(Secret::new).or_else(|| self.token.clone()),
            commit: self.commit.clone(),
            is_pending: !block.is_known(),
        }
    }

    /// The document endpoint.
    ///
    /// # Errors
    /// No endpoint, or not an address.
    pub fn document(&self) -> Result<DocumentEndpoint, Diagnostic> {
        DocumentEndpoint::new(self.endpoint()?, self.token.clone()).map_err(|error| report::admin(&error))
    }

    /// The gateway's admin API.
    ///
    /// # Errors
    /// No endpoint, not an address, or the address of the daemon, which has no such API.
    pub fn gateway(&self) -> Result<Client, Diagnostic> {
        let endpoint = self.endpoint()?.trim_end_matches('/');
        let base = endpoint.strip_suffix("/admin/v1/config").unwrap_or(endpoint);
        if base.ends_with("/document") {
            let detail = format!(
                "{base} is the daemon's document endpoint; only a gateway attests what it serves. \
                    Configure a second provider (alias) whose endpoint is a gateway's admin address."
            );
            return Err(Diagnostic::error("The endpoint has no status", detail));
        }
        Client::new(base, self.token.clone()).map_err(|error| report::admin(&error))
    }

    /// The commit that writes come from, when whoever runs Terraform said so.
    #[must_use]
    pub fn commit(&self) -> Option<&str> {
        self.commit.as_deref()
    }

    /// The address, for what has no better one.
    ///
    /// # Errors
    /// There is none.
    pub fn endpoint(&self) -> Result<&str, Diagnostic> {
        match &self.endpoint {
            Some(endpoint) => Ok(endpoint),
            None if self.is_pending => Err(Diagnostic::error(
                "The endpoint is not known yet",
                "`endpoint` in the provider block depends on something that is not applied yet. Apply \
                    that first (`-target`), or give the address as a variable.",
            )),
            None => Err(Diagnostic::error(
                "No endpoint",
                format!(
                    "Set `endpoint` in the provider block, or {ENDPOINT_VARIABLE}: a gateway's admin \
                        address (http://10.0.1.10:8788) or the daemon's document address \
                        (http://moorline:8080/api/v1/environments/prod/document)."
                ),
            )),
        }
    }
}

/// The provider block.
#[must_use]
pub fn schema() -> Schema {
    Schema {
        description: "A document endpoint of Moorline: a gateway's admin API, or the daemon's.",
        attributes: vec![
            Attribute::optional(
                "endpoint",
                Kind::Text,
                "A gateway's admin address (http://10.0.1.10:8788) or the daemon's document address \
                    (…/api/v1/environments/prod/document). Also from MOORLINE_ENDPOINT.",
            ),
            Attribute::optional(
                "token",
                Kind::SensitiveText,
                "Bearer token of the endpoint. Also from MOORLINE_TOKEN.",
            ),
        ],
        blocks: Vec::new(),
    }
}

/// Everything wrong with a provider block.
#[must_use]
pub fn validate(block: &Value) -> Vec<Diagnostic> {
    let Some(endpoint) = block.get("endpoint").text() else { return Vec::new() };
    let wrong =
        |detail: &str| vec![Diagnostic::error("Invalid endpoint", detail).at(AttributePath::of("endpoint"))];
    match Url::parse(endpoint) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            wrong("Expected an address with http:// or https://.")
        }
        // It would appear in messages and in the state.
        Ok(url) if url.password().is_some() => {
            wrong("A password does not belong in the address. Use `token`.")
        }
        Ok(_) => Vec::new(),
        Err(error) => wrong(&format!("Expected an address such as http://10.0.1.10:8788: {error}.")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(json: &str) -> Value {
        schema().conform(&Value::from_json(json.as_bytes()).unwrap())
    }

    #[test]
    fn the_block_goes_before_the_environment() {
        let environment =
            Connection::from_environment(|name| Some(format!("http://{}", name.to_lowercase())));
        assert_eq!(environment.endpoint().unwrap(), "http://moorline_endpoint");
        let configured = environment.configured(&block(r#"{"endpoint":"http://b"}"#));
        assert_eq!(configured.endpoint().unwrap(), "http://b");
        assert!(configured.token.is_some());
    }

    #[test]
    fn an_endpoint_is_asked_for_only_when_needed_and_then_explained() {
        let none = Connection::default().configured(&block("{}"));
        assert!(none.document().unwrap_err().detail.contains("MOORLINE_ENDPOINT"));
        let mut later = block("{}");
        later.set("endpoint", Value::Unknown);
        assert_eq!(none.configured(&later).document().unwrap_err().summary, "The endpoint is not known yet");
    }

    #[test]
    fn a_daemon_has_no_status() {
        let daemon = Connection::default()
            .configured(&block(r#"{"endpoint":"http://m/api/v1/environments/p/document"}"#));
        assert!(daemon.document().is_ok());
        assert!(daemon.gateway().is_err());
    }

    #[test]
    fn addresses_that_are_none_or_hold_a_password_are_refused() {
        for (endpoint, is_right) in
            [("http://a:1", true), ("ftp://a", false), ("a", false), ("http://u:p@a", false)]
        {
            let found = validate(&block(&format!(r#"{{"endpoint":"{endpoint}"}}"#)));
            assert_eq!(found.is_empty(), is_right, "{endpoint}");
        }
    }

    #[test]
    fn a_connection_prints_no_token() {
        let connection = Connection::default().configured(&block(r#"{"token":"hunter2"}"#));
        assert!(!format!("{connection:?}").contains("hunter2"));
    }
}
