//! The provider's answer in OpenAI's words.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::request::{Encoding, Reply, Shape};
use crate::Tokens;
use crate::chat::Unreadable;

/// An answer in the caller's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// What it says: JSON.
    pub body: Vec<u8>,
    /// What it used, when the provider says.
    pub tokens: Option<Tokens>,
}

/// What an answer says, whoever wrote it. Vectors stay as they were written.
struct Said<'a> {
    vectors: Vec<&'a RawValue>,
    input_tokens: Option<u64>,
}

/// The provider's answer in OpenAI's words. `input_tokens` is what a header said of them (Bedrock's
/// `x-amzn-bedrock-input-token-count`), for bodies that do not say; `model` is what the caller is told.
///
/// # Errors
/// [`Unreadable`], when it is not what the provider's protocol says, or not one embedding for each input.
pub fn answer(
    reply: &Reply,
    body: &[u8],
    model: &str,
    input_tokens: Option<u64>,
) -> Result<Translated, Unreadable> {
    let said = match reply.shape {
        Shape::Gemini => gemini(body)?,
        Shape::Cohere => cohere(body)?,
        Shape::Titan => titan(body)?,
    };
    // A vector too few would give the rest to the wrong texts.
    if said.vectors.len() != reply.inputs {
        return Err(Unreadable::Protocol("it does not hold one embedding for each input"));
    }
    let input_tokens = said.input_tokens.or(input_tokens);
    let data: Result<Vec<_>, _> =
        said.vectors.iter().enumerate().map(|(index, raw)| Entry::new(index, raw, reply.encoding)).collect();
    let used = input_tokens.unwrap_or(0);
    let list =
        List { object: "list", data: data?, model, usage: Usage { prompt_tokens: used, total_tokens: used } };
    Ok(Translated {
        body: serde_json::to_vec(&list)?,
        tokens: input_tokens.map(|input| Tokens { input, ..Tokens::default() }),
    })
}

fn gemini(body: &[u8]) -> Result<Said<'_>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Batch<'a> {
        #[serde(borrow)]
        embeddings: Vec<Values<'a>>,
        usage_metadata: Option<Metadata>,
    }
    #[derive(Deserialize)]
    struct Values<'a> {
        #[serde(borrow)]
        values: &'a RawValue,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        prompt_token_count: Option<u64>,
    }
    let batch: Batch<'_> = serde_json::from_slice(body)?;
    Ok(Said {
        vectors: batch.embeddings.into_iter().map(|embedding| embedding.values).collect(),
        input_tokens: batch.usage_metadata.and_then(|metadata| metadata.prompt_token_count),
    })
}

fn cohere(body: &[u8]) -> Result<Said<'_>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        // By type where types were asked for, and a bare list from older models on Bedrock.
        #[serde(borrow)]
        embeddings: &'a RawValue,
        #[serde(default)]
        meta: Meta,
    }
    #[derive(Deserialize)]
    struct ByType<'a> {
        #[serde(borrow)]
        float: Vec<&'a RawValue>,
    }
    #[derive(Deserialize, Default)]
    struct Meta {
        #[serde(default)]
        billed_units: Billed,
    }
    #[derive(Deserialize, Default)]
    struct Billed {
        // A whole number that comes as a float.
        input_tokens: Option<f64>,
    }
    let answer: Answer<'_> = serde_json::from_slice(body)?;
    let raw = answer.embeddings.get();
    let vectors = if raw.starts_with('[') {
        serde_json::from_str(raw)?
    } else {
        serde_json::from_str::<ByType<'_>>(raw)?.float
    };
    let input_tokens = answer.meta.billed_units.input_tokens.map(crate::usage::whole);
    Ok(Said { vectors, input_tokens })
}

fn titan(body: &[u8]) -> Result<Said<'_>, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer<'a> {
        #[serde(borrow)]
        embedding: &'a RawValue,
        input_text_token_count: Option<u64>,
    }
    let answer: Answer<'_> = serde_json::from_slice(body)?;
    Ok(Said { vectors: vec![answer.embedding], input_tokens: answer.input_text_token_count })
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry<'a>>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

#[derive(Serialize)]
struct Entry<'a> {
    object: &'static str,
    index: usize,
    embedding: Vector<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector<'a> {
    AsWritten(&'a RawValue),
    Base64(String),
}

impl<'a> Entry<'a> {
    fn new(index: usize, raw: &'a RawValue, encoding: Encoding) -> Result<Self, serde_json::Error> {
        // Read in either case: what is handed on must be numbers.
        let numbers: Vec<f32> = serde_json::from_str(raw.get())?;
        let embedding = match encoding {
            Encoding::Float => Vector::AsWritten(raw),
            Encoding::Base64 => {
                let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
                Vector::Base64(STANDARD.encode(bytes))
            }
        };
        Ok(Self { object: "embedding", index, embedding })
    }
}
