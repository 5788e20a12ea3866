//! Tools, the choice among them, and the shape of the answer.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::chat::{Output, Tool as ChatTool, ToolChoice, Untranslatable};
use crate::read::Word;

#[derive(Deserialize)]
pub(super) struct Tool<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: String,
    description: Option<String>,
    parameters: Option<Box<RawValue>>,
    strict: Option<bool>,
}

pub(super) fn tool(tool: Tool<'_>) -> Result<ChatTool, Untranslatable> {
    let is_function = tool.kind.as_str() == "function";
    let Some(function) = tool.function.filter(|_| is_function) else {
        return Err(Untranslatable::Unsupported { field: "tools[].type", reason: "it knows functions only" });
    };
    Ok(ChatTool {
        name: function.name,
        description: function.description,
        parameters: function.parameters,
        strict: function.strict,
    })
}

/// A word, or an object.
pub(crate) enum WordOr<T> {
    /// A word.
    Word(String),
    /// An object.
    Object(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for WordOr<T> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = WordOr<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a word or an object")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(WordOr::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(de::value::MapAccessDeserializer::new(map)).map(WordOr::Object)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

pub(super) type Choice<'a> = WordOr<Named<'a>>;

#[derive(Deserialize)]
pub(super) struct Named<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    function: Option<FunctionName>,
}

#[derive(Deserialize)]
struct FunctionName {
    name: String,
}

pub(super) fn choice(choice: Choice<'_>) -> Result<ToolChoice, Untranslatable> {
    match choice {
        WordOr::Word(word) => word_of_choice(&word),
        WordOr::Object(Named { kind, function: Some(function) }) if kind.as_str() == "function" => {
            Ok(ToolChoice::Named(function.name))
        }
        WordOr::Object(_) => Err(Untranslatable::Unsupported {
            field: "tool_choice",
            reason: "it can be auto, none, required or one function",
        }),
    }
}

/// What the protocols of OpenAI mean by a word of choice.
pub(crate) fn word_of_choice(word: &str) -> Result<ToolChoice, Untranslatable> {
    match word {
        "auto" => Ok(ToolChoice::Auto),
        "none" => Ok(ToolChoice::None),
        "required" => Ok(ToolChoice::Required),
        _ => Err(Untranslatable::Invalid("`tool_choice` is an unknown word".to_owned())),
    }
}

#[derive(Deserialize)]
pub(super) struct Format<'a> {
    #[serde(rename = "type", borrow)]
    kind: Word<'a>,
    json_schema: Option<Schema>,
}

#[derive(Deserialize)]
struct Schema {
    name: String,
    schema: Option<Box<RawValue>>,
    strict: Option<bool>,
}

pub(super) fn output(format: Format<'_>) -> Result<Output, Untranslatable> {
    match (format.kind.as_str(), format.json_schema) {
        ("text", _) => Ok(Output::Text),
        ("json_object", _) => Ok(Output::JsonObject),
        ("json_schema", Some(Schema { name, schema: Some(schema), strict })) => {
            Ok(Output::JsonSchema { name, schema, strict })
        }
        ("json_schema", _) => Err(Untranslatable::Invalid("`response_format` has no schema".to_owned())),
        _ => Err(Untranslatable::Unsupported {
            field: "response_format",
            reason: "it can be text, json_object or json_schema",
        }),
    }
}
