//! The gateway document: one that is accepted has one identity, however it is written.

use moorline_config::{Config, Source};

/// The document parser.
pub(super) fn parse(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let config = match Config::parse(&[Source { name: "gateway.yaml", text }]) {
        Ok(config) => config,
        Err(mistakes) => return assert!(!mistakes.to_string().is_empty(), "refused without a word"),
    };
    let again =
        Config::from_value("gateway.yaml", config.value()).expect("an accepted document is one as JSON");
    assert_eq!(again.digest(), config.digest(), "the digest depends on the notation");
    let json = config.value().to_string();
    let written = Config::parse(&[Source { name: "gateway.json", text: &json }]).expect("JSON is YAML");
    assert_eq!(written.digest(), config.digest(), "the digest depends on the notation");
    assert_eq!(moorline_config::diff(config.value(), again.value()), [], "a document differs from itself");
}
