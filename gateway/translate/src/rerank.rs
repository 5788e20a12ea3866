//! Reranking: `/v1/rerank` in the shape that Cohere and Jina share, at providers that have another one.
//!
//! In: the caller's body. Out: the provider's request and what is kept to write the answer ([`Reply`]). In: the
//! provider's answer. Out: `{"id","model","results":[{"index","relevance_score","document"?}],"meta"?}`.
//!
//! | field | Cohere | Bedrock (Cohere Rerank, Amazon Rerank) |
//! |---|---|---|
//! | `query`, `top_n` | kept | kept |
//! | `documents`, texts or `{"text"}` | texts | texts |
//! | `max_tokens_per_doc` | kept | refused |
//! | `return_documents` | served here | served here |
//!
//! A server that speaks OpenAI's protocol and has `/rerank` (vLLM, Jina) is asked with the caller's own bytes, not
//! from here.
//!
//! Sources: docs.cohere.com/reference/rerank; jina.ai/reranker;
//! docs.aws.amazon.com/bedrock/latest/userguide/rerank-use.html (InvokeModel).

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Wire;
use crate::chat::{Unreadable, Untranslatable};
use crate::outgoing::{Outgoing, segment};

/// What of the caller's request decides how the answer is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The documents, when the caller wants them back.
    documents: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Asked {
    query: String,
    documents: Vec<Document>,
    top_n: Option<u64>,
    max_tokens_per_doc: Option<u64>,
    #[serde(default)]
    return_documents: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Document {
    Text(String),
    Object { text: String },
}

impl Document {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) | Self::Object { text } => text,
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    query: &'a str,
    documents: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    top_n: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens_per_doc: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_version: Option<u8>,
}

/// The caller's request for `model` in the provider's words.
///
/// # Errors
/// [`Untranslatable`], when the body is not a request to rerank or the provider cannot serve it.
pub fn request(wire: Wire, body: &[u8], model: &str) -> Result<(Outgoing, Reply), Untranslatable> {
    let asked: Asked =
        serde_json::from_slice(body).map_err(|error| Untranslatable::Invalid(error.to_string()))?;
    let documents: Vec<String> = asked.documents.into_iter().map(Document::into_text).collect();
    let mut out = Body {
        model: None,
        query: &asked.query,
        documents: &documents,
        top_n: asked.top_n,
        max_tokens_per_doc: asked.max_tokens_per_doc,
        api_version: None,
    };
    let path = match wire {
        Wire::CohereChat => {
            out.model = Some(model);
            "/v2/rerank".to_owned()
        }
        Wire::BedrockConverse => {
            if asked.max_tokens_per_doc.is_some() {
                return Err(Untranslatable::Unsupported {
                    field: "max_tokens_per_doc",
                    reason: "Bedrock's rerankers have no such limit",
                });
            }
            // Which of Cohere's protocols the body speaks; Amazon's own model has no such field.
            out.api_version = model.contains("cohere.rerank").then_some(2);
            format!("/model/{}/invoke", segment(model))
        }
        Wire::OpenAiChat | Wire::AnthropicMessages | Wire::Gemini => {
            return Err(Untranslatable::Unsupported { field: "model", reason: "its protocol cannot rerank" });
        }
    };
    // Texts and numbers always serialise.
    let body = serde_json::to_vec(&out).unwrap_or_default();
    let documents = asked.return_documents.unwrap_or(false).then_some(documents);
    Ok((Outgoing { path, body, dropped: Vec::new() }, Reply { documents }))
}

#[derive(Deserialize)]
struct Answered<'a> {
    id: Option<String>,
    #[serde(borrow)]
    results: Vec<Ranked<'a>>,
    #[serde(borrow)]
    meta: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Ranked<'a> {
    index: usize,
    // As it was written.
    #[serde(borrow)]
    relevance_score: &'a RawValue,
}

#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    model: &'a str,
    results: Vec<Entry<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Entry<'a> {
    index: usize,
    relevance_score: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Text<'a>>,
}

#[derive(Serialize)]
struct Text<'a> {
    text: &'a str,
}

/// The provider's answer in the caller's words. Rerankers are paid by the search and say no tokens.
///
/// # Errors
/// [`Unreadable`], when it is not what the provider's protocol says.
pub fn answer(reply: &Reply, body: &[u8], model: &str) -> Result<Vec<u8>, Unreadable> {
    let said: Answered<'_> = serde_json::from_slice(body)?;
    let results = said.results.iter().map(|ranked| {
        let document = match &reply.documents {
            None => None,
            Some(documents) => {
                let text = documents.get(ranked.index);
                Some(Text {
                    text: text.ok_or(Unreadable::Protocol("it ranks a document that was not asked"))?,
                })
            }
        };
        Ok(Entry { index: ranked.index, relevance_score: ranked.relevance_score, document })
    });
    let results = results.collect::<Result<Vec<_>, Unreadable>>()?;
    Ok(serde_json::to_vec(&Written { id: said.id.as_deref(), model, results, meta: said.meta })?)
}

#[cfg(test)]
mod tests;
