//! A request.

use serde::Serialize;
use serde_json::value::RawValue;

use super::contents::{self, Content};
use super::thinking::{self, Thinking};
use crate::chat::{Output, Part, Request, Tool, ToolChoice, Untranslatable};
use crate::outgoing::segment;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    // Only inside of a count: elsewhere the path names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_instruction: Option<Content<'a>>,
    contents: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<[Tools<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Generation::is_empty")]
    generation_config: Generation<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Tools<'a> {
    function_declarations: Vec<Declaration<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

#[derive(Serialize, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Generation<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "raw")]
    response_json_schema: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_config: Option<Thinking>,
}

impl Generation<'_> {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a chat is asked for, below the provider's base address.
#[must_use]
pub fn path(model: &str, stream: bool) -> String {
    let model = segment(model.strip_prefix("models/").unwrap_or(model));
    if stream {
        format!("/models/{model}:streamGenerateContent?alt=sse")
    } else {
        format!("/models/{model}:generateContent")
    }
}

/// Where it is asked how many tokens a request has.
#[must_use]
pub fn count_path(model: &str) -> String {
    format!("/models/{}:countTokens", segment(model.strip_prefix("models/").unwrap_or(model)))
}

/// Writes a request. Fields that are left out are named in it.
///
/// # Errors
/// [`Untranslatable`], when what is asked cannot be said.
pub fn write_request(request: &mut Request) -> Result<Vec<u8>, Untranslatable> {
    drop_unsayable(request);
    // Everything in it serialises.
    Ok(serde_json::to_vec(&body(request)?).unwrap_or_default())
}

/// Writes the question how many tokens a request has. It goes to [`count_path`].
///
/// # Errors
/// [`Untranslatable`], when what is asked cannot be said.
pub fn write_count(request: &mut Request) -> Result<Vec<u8>, Untranslatable> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Count<'a> {
        generate_content_request: Body<'a>,
    }
    drop_unsayable(request);
    let name = request.model.strip_prefix("models/").unwrap_or(&request.model);
    let model = Some(format!("models/{name}"));
    let count = Count { generate_content_request: Body { model, ..body(request)? } };
    Ok(serde_json::to_vec(&count).unwrap_or_default())
}

fn drop_unsayable(request: &mut Request) {
    if request.user.take().is_some() {
        request.drop_field("user");
    }
    if request.parallel_tool_calls == Some(false) {
        request.drop_field("parallel_tool_calls");
    }
    if request.sampling.seed.is_some_and(|seed| i32::try_from(seed).is_err()) {
        request.drop_field("seed");
    }
    let parts = || request.messages.iter().flat_map(|message| &message.parts);
    let is_foreign = |part: &Part| match part {
        Part::RedactedReasoning(_) => true,
        Part::Reasoning { signature, .. } => {
            signature.as_deref().and_then(crate::chat::signature::for_gemini).is_none()
        }
        _ => false,
    };
    if parts().any(is_foreign) {
        request.drop_field("thinking");
    }
}

fn body(request: &Request) -> Result<Body<'_>, Untranslatable> {
    let mut system_instruction = contents::instructions(&request.instructions);
    let mut said = contents::contents(request)?;
    if said.is_empty() {
        // Gemini answers contents only. Instructions alone are what the caller wants answered.
        let instructions = system_instruction.take();
        let nothing = || Untranslatable::Invalid("the conversation has no message".to_owned());
        said.push(instructions.ok_or_else(nothing)?.said_by_user());
    }
    let declarations: Vec<_> = request.tools.iter().map(declaration).collect();
    Ok(Body {
        model: None,
        system_instruction,
        contents: said,
        tool_config: tool_config(request),
        tools: (!declarations.is_empty()).then_some([Tools { function_declarations: declarations }]),
        generation_config: generation(request),
    })
}

fn declaration(tool: &Tool) -> Declaration<'_> {
    Declaration {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters_json_schema: tool.parameters.as_deref(),
    }
}

fn tool_config(request: &Request) -> Option<ToolConfig<'_>> {
    // Arguments that must match are a matter of the mode. ANY matches them in any case.
    let is_strict = request.tools.iter().any(|tool| tool.strict == Some(true));
    let (mode, name) = match &request.tool_choice {
        _ if request.tools.is_empty() => return None,
        None | Some(ToolChoice::Auto) if is_strict => ("VALIDATED", None),
        None => return None,
        Some(ToolChoice::Auto) => ("AUTO", None),
        Some(ToolChoice::None) => ("NONE", None),
        Some(ToolChoice::Required) => ("ANY", None),
        Some(ToolChoice::Named(name)) => ("ANY", Some([name.as_str()])),
    };
    Some(ToolConfig { function_calling_config: Calling { mode, allowed_function_names: name } })
}

fn generation(request: &Request) -> Generation<'_> {
    let sampling = &request.sampling;
    let (response_mime_type, response_json_schema) = match &request.output {
        Output::Text => (None, None),
        Output::JsonObject => (Some("application/json"), None),
        Output::JsonSchema { schema, .. } => (Some("application/json"), Some(schema.get())),
    };
    Generation {
        max_output_tokens: request.tokens_max,
        temperature: sampling.temperature,
        top_p: sampling.top_p,
        top_k: sampling.top_k,
        frequency_penalty: sampling.frequency_penalty,
        presence_penalty: sampling.presence_penalty,
        seed: sampling.seed.and_then(|seed| i32::try_from(seed).ok()),
        stop_sequences: &sampling.stop,
        response_mime_type,
        response_json_schema,
        thinking_config: request.reasoning.map(|reasoning| thinking::config(reasoning, &request.model)),
    }
}

/// JSON text as it stands.
fn raw<S: serde::Serializer>(json: &Option<&str>, serializer: S) -> Result<S::Ok, S::Error> {
    let raw = json.map(serde_json::from_str::<&RawValue>).transpose();
    raw.map_err(serde::ser::Error::custom)?.serialize(serializer)
}
