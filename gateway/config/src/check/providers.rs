//! Providers: which fields belong to which kind, and what they may hold.

use super::Problems;
use super::address;
use crate::Document;
use crate::document::{Provider, ProviderKind};

/// The longest id or version.
const ID_LENGTH_MAX: usize = 64;

pub(super) fn check(document: &Document, problems: &mut Problems) {
    for (name, provider) in &document.providers {
        let path = format!("providers.{name}");
        belongs(&path, provider, problems);
        plain(&path, provider, problems);
        credentials(&path, provider, problems);
    }
}

/// A field of another kind would be ignored; it is refused instead.
fn belongs(path: &str, provider: &Provider, problems: &mut Problems) {
    use ProviderKind::{AzureOpenai, Bedrock};
    for (field, is_given, kind) in [
        ("api_version", provider.api_version.is_some(), AzureOpenai),
        ("entra", provider.entra.is_some(), AzureOpenai),
        ("region", provider.region.is_some(), Bedrock),
        ("aws", provider.aws.is_some(), Bedrock),
    ] {
        if is_given && provider.kind != kind {
            let (own, other) = (provider.kind.as_str(), kind.as_str());
            problems.add(
                format!("{path}.{field}"),
                format!("this field belongs to a provider of kind `{other}`, not `{own}`"),
            );
        }
    }
    if provider.kind == Bedrock && provider.region.is_none() {
        problems.add(format!("{path}.region"), "this field must be given for a `bedrock` provider");
    }
}

/// What stands here becomes part of an address.
fn plain(path: &str, provider: &Provider, problems: &mut Problems) {
    let entra = provider.entra.as_ref();
    for (field, text) in [
        ("api_version", provider.api_version.as_ref()),
        ("region", provider.region.as_ref()),
        ("entra.tenant_id", entra.map(|entra| &entra.tenant_id)),
        ("entra.client_id", entra.map(|entra| &entra.client_id)),
    ] {
        let Some(text) = text else { continue };
        let fits = (1..=ID_LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
        if !fits {
            problems.add(format!("{path}.{field}"), "expected 1 to 64 letters, digits, `-` and `.`");
        }
    }
    if let Some(authority) = entra.and_then(|entra| entra.authority.as_ref()) {
        address::secret_destination(format!("{path}.entra.authority"), authority, problems);
    }
}

/// One proof, not two: which one would count could not be told.
fn credentials(path: &str, provider: &Provider, problems: &mut Problems) {
    for (field, is_given) in [("entra", provider.entra.is_some()), ("aws", provider.aws.is_some())] {
        if is_given && provider.api_key.is_some() {
            problems
                .add(format!("{path}.{field}"), format!("expected either `{field}` or `api_key`, not both"));
        }
    }
}
