//! The caller's request in the provider's words.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Wire;
use crate::chat::Untranslatable;
use crate::outgoing::{Outgoing, segment};

/// What of the caller's request decides how the answer is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub(super) encoding: Encoding,
    pub(super) shape: Shape,
    /// How many embeddings must come.
    pub(super) inputs: usize,
}

/// How the caller wants its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoding {
    #[default]
    Float,
    Base64,
}

/// What the provider's answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Gemini,
    Cohere,
    Titan,
}

/// The caller's request, as far as it is understood.
#[derive(Deserialize)]
struct Asked {
    input: Input,
    encoding_format: Option<Encoding>,
    dimensions: Option<u64>,
    input_type: Option<InputType>,
    user: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Input {
    One(String),
    Several(Vec<String>),
    // Numbers, or lists of them: text that the caller has cut with OpenAI's own tokenizer.
    Tokens(Vec<Value>),
}

impl Input {
    fn texts(self) -> Result<Vec<String>, Untranslatable> {
        match self {
            Self::One(text) => Ok(vec![text]),
            Self::Several(texts) => Ok(texts),
            Self::Tokens(values) if values.iter().all(|value| value.is_number() || value.is_array()) => {
                Err(Untranslatable::Unsupported {
                    field: "input",
                    reason: "it takes text; token numbers mean something to OpenAI's models only",
                })
            }
            Self::Tokens(_) => {
                Err(Untranslatable::Invalid("`input` must be a text or a list of texts".to_owned()))
            }
        }
    }
}

/// What a text is for, in Cohere's words.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum InputType {
    SearchDocument,
    SearchQuery,
    Classification,
    Clustering,
}

impl InputType {
    const fn gemini(self) -> &'static str {
        match self {
            Self::SearchDocument => "RETRIEVAL_DOCUMENT",
            Self::SearchQuery => "RETRIEVAL_QUERY",
            Self::Classification => "CLASSIFICATION",
            Self::Clustering => "CLUSTERING",
        }
    }
}

/// The caller's request for `model` in the provider's words. OpenAI's own wire needs no translation and is refused.
///
/// # Errors
/// [`Untranslatable`], when the body is not a request for embeddings or the provider cannot serve it.
pub fn request(wire: Wire, body: &[u8], model: &str) -> Result<(Outgoing, Reply), Untranslatable> {
    let asked: Asked =
        serde_json::from_slice(body).map_err(|error| Untranslatable::Invalid(error.to_string()))?;
    let asked = Texts {
        texts: asked.input.texts()?,
        encoding: asked.encoding_format.unwrap_or_default(),
        dimensions: asked.dimensions,
        input_type: asked.input_type,
        has_user: asked.user.is_some(),
    };
    match wire {
        Wire::Gemini => gemini(&asked, model),
        Wire::CohereChat => cohere(&asked, model),
        Wire::BedrockConverse if model.contains("titan-embed") => titan(&asked, model),
        Wire::BedrockConverse if model.contains("cohere.embed") => bedrock_cohere(&asked, model),
        Wire::BedrockConverse => Err(Untranslatable::Unsupported {
            field: "model",
            reason: "of Bedrock's models, Amazon Titan Embed and Cohere Embed are served",
        }),
        Wire::OpenAiChat | Wire::AnthropicMessages => {
            Err(Untranslatable::Unsupported { field: "model", reason: "its protocol has no embeddings" })
        }
    }
}

/// What is to be embedded, and how.
struct Texts {
    texts: Vec<String>,
    encoding: Encoding,
    dimensions: Option<u64>,
    input_type: Option<InputType>,
    has_user: bool,
}

impl Texts {
    const fn reply(&self, shape: Shape) -> Reply {
        Reply { encoding: self.encoding, shape, inputs: self.texts.len() }
    }

    fn dropped(&self) -> Vec<&'static str> {
        if self.has_user { vec!["user"] } else { Vec::new() }
    }
}

/// Writes a body. Texts and numbers always serialise.
fn written(body: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_default()
}

fn gemini(asked: &Texts, model: &str) -> Result<(Outgoing, Reply), Untranslatable> {
    #[derive(Serialize)]
    struct Batch<'a> {
        requests: Vec<One<'a>>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct One<'a> {
        model: &'a str,
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        task_type: Option<&'static str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        output_dimensionality: Option<u64>,
    }
    #[derive(Serialize)]
    struct Content<'a> {
        parts: [Part<'a>; 1],
    }
    #[derive(Serialize)]
    struct Part<'a> {
        text: &'a str,
    }
    let model = model.strip_prefix("models/").unwrap_or(model);
    let resource = format!("models/{model}");
    let requests = asked.texts.iter().map(|text| One {
        model: &resource,
        content: Content { parts: [Part { text }] },
        task_type: asked.input_type.map(InputType::gemini),
        output_dimensionality: asked.dimensions,
    });
    let outgoing = Outgoing {
        path: format!("/models/{}:batchEmbedContents", segment(model)),
        body: written(&Batch { requests: requests.collect() }),
        dropped: asked.dropped(),
    };
    Ok((outgoing, asked.reply(Shape::Gemini)))
}

/// What Cohere's own API and its models on Bedrock have in common.
#[derive(Serialize)]
struct CohereBody<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    texts: &'a [String],
    input_type: InputType,
    embedding_types: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<u64>,
}

impl<'a> CohereBody<'a> {
    fn new(asked: &'a Texts, model: Option<&'a str>) -> Self {
        Self {
            model,
            texts: &asked.texts,
            input_type: asked.input_type.unwrap_or(InputType::SearchDocument),
            embedding_types: ["float"],
            output_dimension: asked.dimensions,
        }
    }
}

fn cohere(asked: &Texts, model: &str) -> Result<(Outgoing, Reply), Untranslatable> {
    let outgoing = Outgoing {
        path: "/v2/embed".to_owned(),
        body: written(&CohereBody::new(asked, Some(model))),
        dropped: asked.dropped(),
    };
    Ok((outgoing, asked.reply(Shape::Cohere)))
}

fn bedrock_cohere(asked: &Texts, model: &str) -> Result<(Outgoing, Reply), Untranslatable> {
    if asked.dimensions.is_some() && model.contains("-v3") {
        return Err(Untranslatable::Unsupported {
            field: "dimensions",
            reason: "Cohere Embed v3 has one size only",
        });
    }
    let outgoing = Outgoing {
        path: format!("/model/{}/invoke", segment(model)),
        body: written(&CohereBody::new(asked, None)),
        dropped: asked.dropped(),
    };
    Ok((outgoing, asked.reply(Shape::Cohere)))
}

fn titan(asked: &Texts, model: &str) -> Result<(Outgoing, Reply), Untranslatable> {
    #[derive(Serialize)]
    struct Body<'a> {
        #[serde(rename = "inputText")]
        input_text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        dimensions: Option<u64>,
    }
    let [text] = asked.texts.as_slice() else {
        return Err(Untranslatable::Unsupported {
            field: "input",
            reason: "Amazon Titan embeds one text a request",
        });
    };
    if asked.dimensions.is_some() && model.contains("-v1") {
        return Err(Untranslatable::Unsupported {
            field: "dimensions",
            reason: "Titan Embed v1 has one size only",
        });
    }
    let mut dropped = asked.dropped();
    dropped.extend(asked.input_type.map(|_| "input_type"));
    let outgoing = Outgoing {
        path: format!("/model/{}/invoke", segment(model)),
        body: written(&Body { input_text: text, dimensions: asked.dimensions }),
        dropped,
    };
    Ok((outgoing, asked.reply(Shape::Titan)))
}
