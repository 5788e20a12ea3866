//! The secrets that a document names.

use super::{CacheStore, Document, LimitStore, Redis};
use crate::Reference;

impl Document {
    /// Every reference the document holds, with its path. The gateways resolve them, each for itself.
    #[must_use]
    pub fn references(&self) -> Vec<(String, &Reference)> {
        let mut found = Vec::new();
        for (name, provider) in &self.providers {
            let (entra, aws) = (provider.entra.as_ref(), provider.aws.as_ref());
            let fields = [
                ("api_key", provider.api_key.as_ref()),
                ("entra.client_secret", entra.map(|entra| &entra.client_secret)),
                ("aws.access_key_id", aws.map(|aws| &aws.access_key_id)),
                ("aws.secret_access_key", aws.map(|aws| &aws.secret_access_key)),
                ("aws.session_token", aws.and_then(|aws| aws.session_token.as_ref())),
            ];
            let given = fields.into_iter().filter_map(|(field, reference)| Some((field, reference?)));
            found.extend(given.map(|(field, reference)| (format!("providers.{name}.{field}"), reference)));
        }
        for (name, guardrail) in &self.guardrails {
            let token = guardrail.webhook.as_ref().and_then(|webhook| webhook.token.as_ref());
            found.extend(token.map(|token| (format!("guardrails.{name}.webhook.token"), token)));
        }
        if let Some(stores) = &self.stores {
            if let Some(LimitStore::Redis(Redis { redis, .. })) = &stores.limits {
                found.push(("stores.limits.redis".to_owned(), redis));
            }
            if let Some(CacheStore::Redis(Redis { redis, .. })) = &stores.cache {
                found.push(("stores.cache.redis".to_owned(), redis));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use crate::{Document, Reference, Source, decode};

    fn texts(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::String(text) => drop(text.parse::<Reference>().map(|_| found.insert(text.clone()))),
            Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
            Value::Object(map) => map.values().for_each(|item| texts(item, found)),
            _ => {}
        }
    }

    #[test]
    fn no_reference_of_a_document_with_everything_in_it_is_left_out() {
        let source = Source { name: "everything.yaml", text: include_str!("../../tests/everything.yaml") };
        let decoded = decode::<Document>(&[source]).unwrap();
        let mut written = BTreeSet::new();
        texts(&decoded.value, &mut written);
        let references = decoded.document.references();
        let found: BTreeSet<String> = references.iter().map(|(_, reference)| reference.to_string()).collect();
        assert!(written.len() > 3);
        assert_eq!(found, written);
    }
}
