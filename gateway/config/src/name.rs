//! Names people give to things in a document. Each kind is its own type, so that a model name cannot stand where
//! a provider name belongs:
//!
//! ```
//! use moorline_config::ProviderName;
//!
//! fn key_of(_: &ProviderName) {}
//! key_of(&"openai".parse::<ProviderName>().unwrap());
//! ```
//!
//! ```compile_fail,E0308
//! use moorline_config::{ModelName, ProviderName};
//!
//! fn key_of(_: &ProviderName) {}
//! key_of(&"openai".parse::<ModelName>().unwrap());
//! ```

/// The longest name accepted, in bytes. Long enough for any model id seen in the field, short enough for a
/// metric label.
pub const NAME_LENGTH_MAX: usize = 128;

/// Says why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a name: expected 1 to {NAME_LENGTH_MAX} letters, digits or any of `-_.:/@`, beginning with a letter or digit"
)]
pub struct InvalidName {
    /// The text that was refused.
    pub text: String,
}

/// The check behind every type that [`name_type!`](crate::name_type) declares.
///
/// # Errors
/// [`InvalidName`] when the text is empty, too long, or has a character outside the set.
pub fn checked(text: &str) -> Result<std::sync::Arc<str>, InvalidName> {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    let fits = text.len() <= NAME_LENGTH_MAX;
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/@".contains(c));
    if starts_well && fits && plain {
        Ok(text.into())
    } else {
        Err(InvalidName { text: text.chars().take(NAME_LENGTH_MAX).collect() })
    }
}

/// Declares a name newtype: parsed on the way in, ordered, printable, usable as a map key. Clones share the text: a
/// gateway hands names on with every request.
#[macro_export]
macro_rules! name_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::name::InvalidName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::name::checked(text).map(Self)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::name::InvalidName;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": "^[A-Za-z0-9][-A-Za-z0-9_.:/@]*$",
                    "maxLength": $crate::name::NAME_LENGTH_MAX,
                })
            }
        }
    };
}

name_type! {
    /// A gateway's name (`name:`), the same in every environment's history.
    GatewayName
}
name_type! {
    /// A provider as declared under `providers:`.
    ProviderName
}
name_type! {
    /// A model as callers name it, declared under `models:`.
    ModelName
}
name_type! {
    /// A guardrail as declared under `guardrails:`.
    GuardrailName
}
name_type! {
    /// A virtual key's name; the key itself is never declared.
    KeyName
}
name_type! {
    /// A team's name: what the keys of one team have in common.
    TeamName
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_field_are_names_and_what_would_break_a_label_is_not() {
        let longest = "a".repeat(NAME_LENGTH_MAX);
        for text in
            ["gpt-4o", "meta-llama/Llama-3.1-8B", "anthropic.claude-sonnet-4-5-v1:0", "a@b", "0", &longest]
        {
            assert_eq!(checked(text).as_deref(), Ok(text));
        }
        let longer = "a".repeat(NAME_LENGTH_MAX + 1);
        for text in ["", "-a", "_a", ".a", "/a", "a b", "a\n", "a\"b", "a*", "\u{e9}t\u{e9}", &longer] {
            assert!(checked(text).is_err(), "{text:?}");
        }
    }
}
