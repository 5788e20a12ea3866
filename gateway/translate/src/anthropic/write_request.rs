//! A request to a provider.
//!
//! - `max_tokens` is required: [`TOKENS_MAX_DEFAULT`] when the caller says none, and a budget for thinking comes on top
//!   when there is no room for it.
//! - Messages of one role are merged; results of tools stand first, as they must; empty texts, which are refused, are
//!   left out. A request that has instructions only says them as the user.
//! - A schema for the answer is `output_config.format`. Any JSON (`json_object`) is asked for in words, and named as
//!   left out, for nothing guarantees it.
//! - Thinking is adaptive or by budget, as the model wants it. It is off, and named, where it cannot be: with a forced
//!   tool, or by budget in the middle of a turn of tools whose thoughts the caller did not send back.
//! - `seed` and the penalties have no counterpart. Models from 4.7 on take no setting of sampling; those before take a
//!   temperature up to 1, and not together with `top_p`. What is left out is named.

mod messages;
mod thinking;

pub(crate) use self::messages::{call_id, can_come_back};
pub(crate) use self::thinking::{Thinking, settle as settle_thinking};
use super::model::Line;
use crate::chat::{Output, Part, Request, Tool, ToolChoice, Untranslatable};
use crate::json::{self, Object};

/// The most tokens of an answer when the caller does not say.
pub(super) const TOKENS_MAX_DEFAULT: u64 = 4_096;

pub(crate) const JSON_OBJECT: &str = "Answer with one JSON object and nothing else.";

/// Writes a request.
pub(crate) fn write_request(request: &mut Request) -> Result<Vec<u8>, Untranslatable> {
    let line = Line::of(&request.model);
    if request.messages.is_empty() && request.instructions.is_empty() {
        return Err(Untranslatable::Invalid("there is no message".to_owned()));
    }
    if matches!(request.output, Output::JsonObject) {
        request.instructions.push(JSON_OBJECT.to_owned());
        request.drop_field("response_format");
    }
    drop_thoughts(request);
    let thinking = settle_thinking(request, line);
    drop_sampling(request, line, thinking);
    let request = &*request;
    let mut out = Vec::with_capacity(4096);
    json::object(&mut out, |o| {
        o.text("model", &request.model);
        o.number("max_tokens", thinking.tokens_max(request.tokens_max));
        messages::write(request, o);
        if request.stream {
            o.boolean("stream", true);
        }
        sampling(request, o);
        tools(request, o);
        thinking.write(o);
        output_config(&request.output, thinking, o);
        if let Some(user) = &request.user {
            o.object("metadata", |o| o.text("user_id", user));
        }
    });
    Ok(out)
}

/// Names it when thoughts of earlier turns do not go back.
fn drop_thoughts(request: &mut Request) {
    let is_thought = |part: &Part| matches!(part, Part::Reasoning { .. } | Part::RedactedReasoning(_));
    let mut parts = request.messages.iter().flat_map(|message| &message.parts);
    let is_lost = parts.any(|part| is_thought(part) && !messages::can_come_back(part));
    if is_lost {
        request.drop_field("thinking");
    }
}

pub(crate) fn drop_sampling(request: &mut Request, line: Line, thinking: Thinking) {
    let sampling = &mut request.sampling;
    let mut dropped = Vec::new();
    let mut drop = |is_said: bool, field| {
        if is_said {
            dropped.push(field);
        }
    };
    drop(sampling.seed.take().is_some(), "seed");
    drop(sampling.frequency_penalty.take().is_some_and(|penalty| penalty != 0.0), "frequency_penalty");
    drop(sampling.presence_penalty.take().is_some_and(|penalty| penalty != 0.0), "presence_penalty");
    // What a model that thinks refuses, as every model of today does.
    if !line.takes_sampling() || thinking.is_on() {
        drop(sampling.temperature.take().is_some_and(|temperature| temperature != 1.0), "temperature");
        drop(sampling.top_p.take().is_some_and(|top_p| top_p != 1.0), "top_p");
        drop(sampling.top_k.take().is_some(), "top_k");
    }
    if sampling.temperature.is_some_and(|temperature| temperature > 1.0) {
        sampling.temperature = Some(1.0);
        drop(true, "temperature");
    }
    if sampling.temperature.is_some() {
        drop(sampling.top_p.take().is_some_and(|top_p| top_p != 1.0), "top_p");
    }
    dropped.into_iter().for_each(|field| request.drop_field(field));
}

fn sampling(request: &Request, o: &mut Object<'_>) {
    let sampling = &request.sampling;
    if let Some(temperature) = sampling.temperature {
        o.float("temperature", temperature);
    }
    if let Some(top_p) = sampling.top_p {
        o.float("top_p", top_p);
    }
    if let Some(top_k) = sampling.top_k {
        o.number("top_k", top_k);
    }
    if !sampling.stop.is_empty() {
        o.array("stop_sequences", |list| sampling.stop.iter().for_each(|text| list.text(text)));
    }
}

fn tools(request: &Request, o: &mut Object<'_>) {
    if request.tools.is_empty() {
        return;
    }
    o.array("tools", |list| request.tools.iter().for_each(|one| list.object(|o| tool(one, o))));
    let one_at_a_time = request.parallel_tool_calls == Some(false);
    let choice = match &request.tool_choice {
        None if one_at_a_time => ("auto", None),
        None => return,
        Some(ToolChoice::Auto) => ("auto", None),
        Some(ToolChoice::None) => ("none", None),
        Some(ToolChoice::Required) => ("any", None),
        Some(ToolChoice::Named(name)) => ("tool", Some(name)),
    };
    o.object("tool_choice", |o| {
        o.text("type", choice.0);
        if let Some(name) = choice.1 {
            o.text("name", name);
        }
        if one_at_a_time && choice.0 != "none" {
            o.boolean("disable_parallel_tool_use", true);
        }
    });
}

fn tool(tool: &Tool, o: &mut Object<'_>) {
    o.text("name", &tool.name);
    if let Some(description) = &tool.description {
        o.text("description", description);
    }
    let schema =
        tool.parameters.as_ref().map_or(r#"{"type":"object","properties":{}}"#, |schema| schema.get());
    o.raw("input_schema", schema);
    if tool.strict == Some(true) {
        o.boolean("strict", true);
    }
}

fn output_config(output: &Output, thinking: Thinking, o: &mut Object<'_>) {
    let schema = match output {
        Output::JsonSchema { schema, .. } => Some(schema),
        Output::Text | Output::JsonObject => None,
    };
    if schema.is_none() && thinking.effort().is_none() {
        return;
    }
    o.object("output_config", |o| {
        if let Some(effort) = thinking.effort() {
            o.text("effort", effort);
        }
        if let Some(schema) = schema {
            o.object("format", |o| {
                o.text("type", "json_schema");
                o.raw("schema", schema.get());
            });
        }
    });
}
