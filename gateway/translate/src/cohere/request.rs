//! A request.

use super::messages;
use crate::chat::{Effort, Output, Part, Reasoning, Request, Tool, ToolChoice, Untranslatable};
use crate::json::{self, Object};

/// Writes a request. Fields that are left out are named in it.
///
/// # Errors
/// [`Untranslatable`], when what is asked cannot be said.
pub fn write_request(request: &mut Request) -> Result<Vec<u8>, Untranslatable> {
    let says = |part: &Part| match part {
        Part::Text(text) | Part::Refusal(text) => !text.is_empty(),
        _ => true,
    };
    let has_message = request.messages.iter().flat_map(|message| &message.parts).any(says);
    if !has_message && request.instructions.iter().all(String::is_empty) {
        return Err(Untranslatable::Invalid("the conversation has no message".to_owned()));
    }
    if !has_message {
        // Instructions alone are what the caller wants answered.
        let parts = std::mem::take(&mut request.instructions).into_iter().map(Part::Text).collect();
        request.messages = vec![crate::chat::Message { role: crate::chat::Role::User, parts }];
    }
    drop_unsayable(request);
    let request = &*request;
    let mut out = Vec::with_capacity(4096);
    json::object(&mut out, |o| {
        o.text("model", &request.model);
        o.array("messages", |list| messages::write(request, list));
        // The protocol has no default that all its clients agree on.
        o.boolean("stream", request.stream);
        if let Some(max) = request.tokens_max {
            o.number("max_tokens", max);
        }
        sampling(request, o);
        tools(request, o);
        output(&request.output, o);
        if let Some(reasoning) = request.reasoning.filter(|_| may_think(&request.model)) {
            o.object("thinking", |o| thinking(reasoning, o));
        }
    });
    Ok(out)
}

fn drop_unsayable(request: &mut Request) {
    let parts = || request.messages.iter().flat_map(|message| &message.parts);
    let is_lost = |part: &Part| match part {
        Part::Reasoning { .. } => messages::is_thought(part).is_none(),
        Part::RedactedReasoning(_) => true,
        _ => false,
    };
    let has_failed = |part: &Part| matches!(part, Part::ToolResult(result) if result.is_error);
    let thinks = request.reasoning.is_some_and(|reasoning| reasoning != Reasoning::Off);
    let strict = || request.tools.iter().filter(|tool| tool.strict == Some(true)).count();
    let dropped = [
        (request.user.is_some(), "user"),
        (request.parallel_tool_calls == Some(false), "parallel_tool_calls"),
        (strict() > 0 && strict() < request.tools.len(), "strict"),
        (thinks && !may_think(&request.model), "reasoning"),
        (parts().any(has_failed), "is_error"),
        (parts().any(is_lost), "thinking"),
    ];
    for (_, field) in dropped.into_iter().filter(|(is_dropped, _)| *is_dropped) {
        request.drop_field(field);
    }
}

/// Whether the model takes `thinking`, as far as its name tells.
fn may_think(model: &str) -> bool {
    let without =
        ["command-r", "command-a-03", "command-a-vision", "command-a-translate", "command-light", "c4ai-"];
    !without.iter().any(|name| model.starts_with(name))
}

fn thinking(reasoning: Reasoning, o: &mut Object<'_>) {
    let budget = match reasoning {
        Reasoning::Off => return o.text("type", "disabled"),
        Reasoning::Effort(Effort::Minimal) => Some(1_024),
        Reasoning::Effort(Effort::Low) => Some(2_048),
        Reasoning::Effort(Effort::Medium) => Some(8_192),
        // As much as the model sees fit.
        Reasoning::Effort(Effort::High | Effort::XHigh | Effort::Max) => None,
        Reasoning::Budget(tokens) => Some(tokens),
    };
    o.text("type", "enabled");
    if let Some(budget) = budget {
        o.number("token_budget", budget);
    }
}

fn sampling(request: &Request, o: &mut Object<'_>) {
    let sampling = &request.sampling;
    let floats = [
        ("temperature", sampling.temperature),
        ("p", sampling.top_p.filter(|top_p| *top_p < 1.0)),
        ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty),
    ];
    for (name, value) in floats {
        if let Some(value) = value {
            o.float(name, value);
        }
    }
    if let Some(top_k) = sampling.top_k {
        o.number("k", top_k);
    }
    if let Some(seed) = sampling.seed {
        o.raw("seed", &seed.to_string());
    }
    if !sampling.stop.is_empty() {
        o.array("stop_sequences", |list| sampling.stop.iter().for_each(|text| list.text(text)));
    }
}

fn tools(request: &Request, o: &mut Object<'_>) {
    if request.tools.is_empty() {
        return;
    }
    let named = match &request.tool_choice {
        Some(ToolChoice::Named(name)) => Some(name),
        _ => None,
    };
    let is_given = |tool: &&Tool| named.is_none_or(|name| *name == tool.name);
    o.array("tools", |list| {
        for tool in request.tools.iter().filter(is_given) {
            list.object(|o| {
                o.text("type", "function");
                o.object("function", |o| function(tool, o));
            });
        }
    });
    match request.tool_choice {
        Some(ToolChoice::Required | ToolChoice::Named(_)) => o.text("tool_choice", "REQUIRED"),
        Some(ToolChoice::None) => o.text("tool_choice", "NONE"),
        Some(ToolChoice::Auto) | None => {}
    }
    if request.tools.iter().all(|tool| tool.strict == Some(true)) {
        o.boolean("strict_tools", true);
    }
}

fn function(tool: &Tool, o: &mut Object<'_>) {
    o.text("name", &tool.name);
    if let Some(description) = &tool.description {
        o.text("description", description);
    }
    let schema = tool.parameters.as_ref().map_or(r#"{"type":"object","properties":{}}"#, |raw| raw.get());
    o.raw("parameters", schema);
}

fn output(output: &Output, o: &mut Object<'_>) {
    let schema = match output {
        Output::Text => return,
        Output::JsonObject => None,
        Output::JsonSchema { schema, .. } => Some(schema),
    };
    o.object("response_format", |o| {
        o.text("type", "json_object");
        if let Some(schema) = schema {
            o.raw("json_schema", schema.get());
        }
    });
}
