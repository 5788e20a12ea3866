//! What is said: `contents` and `systemInstruction`.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde_json::value::RawValue;

use super::thinking::is_before_3;
use crate::arguments;
use crate::chat::{Image, Message, Part, Request, Role, ToolResult, Untranslatable, signature};

/// What Google has a call say that has no signature of its own.
const NO_SIGNATURE: &str = "skip_thought_signature_validator";

#[derive(Serialize)]
pub(super) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Said<'a>>,
}

impl Content<'_> {
    pub(super) fn said_by_user(mut self) -> Self {
        self.role = Some("user");
        self
    }
}

/// One part.
#[derive(Serialize)]
struct Said<'a> {
    #[serde(flatten)]
    what: What<'a>,
    #[serde(rename = "thoughtSignature", skip_serializing_if = "Option::is_none")]
    signature: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum What<'a> {
    Text(&'a str),
    InlineData(Blob<'a>),
    FileData(File<'a>),
    FunctionCall(Call<'a>),
    FunctionResponse(Response<'a>),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    mime_type: &'a str,
    data: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'static str>,
    file_uri: &'a str,
}

#[derive(Serialize)]
struct Call<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    name: &'a str,
    args: Cow<'a, RawValue>,
}

#[derive(Serialize)]
struct Response<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    id: &'a str,
    name: &'a str,
    response: Outcome<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<What<'a>>,
}

/// The keys under which Gemini looks for what a tool said.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome<'a> {
    Output(Value<'a>),
    Error(String),
}

/// JSON as it stands, or text.
#[derive(Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Json(&'a RawValue),
    Text(String),
}

impl<'a> From<What<'a>> for Said<'a> {
    fn from(what: What<'a>) -> Self {
        Self { what, signature: None }
    }
}

pub(super) fn instructions(instructions: &[String]) -> Option<Content<'_>> {
    let texts = instructions.iter().filter(|text| !text.is_empty());
    let parts: Vec<_> = texts.map(|text| What::Text(text).into()).collect();
    (!parts.is_empty()).then_some(Content { role: None, parts })
}

/// The conversation, each neighbour of another role.
pub(super) fn contents(request: &Request) -> Result<Vec<Content<'_>>, Untranslatable> {
    let mut contents: Vec<Content<'_>> = Vec::new();
    let mut writer = Writer { names: HashMap::new(), is_before_3: is_before_3(&request.model) };
    for message in &request.messages {
        let role = match message.role {
            Role::User => "user",
            Role::Assistant => "model",
        };
        let parts = writer.message(message)?;
        if parts.is_empty() {
            continue;
        }
        match contents.last_mut().filter(|last| last.role == Some(role)) {
            Some(last) => last.parts.extend(parts),
            None => contents.push(Content { role: Some(role), parts }),
        }
    }
    for content in &mut contents {
        // A turn's calls are answered first, and all of them.
        content.parts.sort_by_key(|part| !matches!(part.what, What::FunctionResponse(_)));
    }
    Ok(contents)
}

struct Writer<'a> {
    /// The tools of the calls so far, by id.
    names: HashMap<&'a str, &'a str>,
    is_before_3: bool,
}

impl<'a> Writer<'a> {
    fn message(&mut self, message: &'a Message) -> Result<Vec<Said<'a>>, Untranslatable> {
        let mut said: Vec<Said<'a>> = Vec::new();
        let mut signature: Option<&str> = None;
        let mut has_call = false;
        for part in &message.parts {
            match part {
                Part::Reasoning { signature: Some(signed), .. } => {
                    said.extend(loose(signature.take()));
                    signature = signature::for_gemini(signed);
                }
                Part::Reasoning { .. } | Part::RedactedReasoning(_) => {}
                Part::ToolCall { id, name, arguments } => {
                    self.names.insert(id, name);
                    let args = arguments::object(arguments);
                    let is_first = !std::mem::replace(&mut has_call, true);
                    let needed = (is_first && !self.is_before_3).then_some(NO_SIGNATURE);
                    let what = What::FunctionCall(Call { id, name, args });
                    said.push(Said { what, signature: signature.take().or(needed) });
                }
                Part::Text(text) | Part::Refusal(text) => {
                    said.extend(loose(signature.take()));
                    if !text.is_empty() {
                        said.push(What::Text(text).into());
                    }
                }
                Part::Image(image) => said.push(self::image(image).into()),
                Part::ToolResult(result) => self.result(result, &mut said)?,
            }
        }
        said.extend(loose(signature));
        Ok(said)
    }

    fn result(&self, result: &'a ToolResult, said: &mut Vec<Said<'a>>) -> Result<(), Untranslatable> {
        let name = *self.names.get(result.call_id.as_str()).ok_or_else(|| {
            Untranslatable::Invalid(format!(
                "the tool result for `{}` answers no call of this conversation",
                result.call_id
            ))
        })?;
        let images = result.parts.iter().filter_map(|part| match part {
            Part::Image(image) => Some(image),
            _ => None,
        });
        // Models before 3 know no images inside of a result.
        let (inside, beside): (Vec<_>, Vec<_>) = images.map(image).partition(|_| !self.is_before_3);
        let response = Response { id: &result.call_id, name, response: outcome(result), parts: inside };
        said.push(What::FunctionResponse(response).into());
        said.extend(beside.into_iter().map(Said::from));
        Ok(())
    }
}

/// A signature that belongs to no call: it came with text, and goes back on a part of its own, as it came in a stream.
fn loose(signature: Option<&str>) -> Option<Said<'_>> {
    signature.map(|signature| Said { what: What::Text(""), signature: Some(signature) })
}

fn outcome(result: &ToolResult) -> Outcome<'_> {
    let mut texts = result.parts.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let first = texts.next().unwrap_or_default();
    let rest: Vec<&str> = texts.collect();
    if result.is_error {
        return Outcome::Error([&[first], rest.as_slice()].concat().join("\n"));
    }
    let is_structured = rest.is_empty() && first.trim_start().starts_with(['{', '[']);
    match serde_json::from_str(first) {
        Ok(json) if is_structured => Outcome::Output(Value::Json(json)),
        _ => Outcome::Output(Value::Text([&[first], rest.as_slice()].concat().join("\n"))),
    }
}

fn image(image: &Image) -> What<'_> {
    match image {
        Image::Data { media_type, base64 } => What::InlineData(Blob { mime_type: media_type, data: base64 }),
        Image::Url(url) => What::FileData(File { mime_type: media_type(url), file_uri: url }),
    }
}

/// What an image is, as far as its address tells. Gemini finds out for itself where it tells nothing.
fn media_type(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let (_, extension) = path.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        _ => return None,
    })
}
