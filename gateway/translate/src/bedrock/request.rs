//! A request.

use super::messages;
use super::model::{Family, takes_schemas};
use crate::anthropic::{JSON_OBJECT, Line, Thinking, drop_sampling, settle_thinking};
use crate::chat::{Effort, Output, Part, Reasoning, Request, Tool, ToolChoice, Untranslatable};
use crate::json::{self, Object};
use crate::outgoing::segment;

/// Where a chat is asked for, below the provider's base address.
#[must_use]
pub fn path(model: &str, stream: bool) -> String {
    format!("/model/{}/{}", segment(model), if stream { "converse-stream" } else { "converse" })
}

/// Where it is asked how many tokens a request has.
#[must_use]
pub fn count_path(model: &str) -> String {
    format!("/model/{}/count-tokens", segment(model))
}

/// Writes a request. Fields that are left out are named in it.
///
/// # Errors
/// [`Untranslatable`], when what is asked cannot be said.
pub fn write_request(request: &mut Request) -> Result<Vec<u8>, Untranslatable> {
    let plan = Plan::settle(request)?;
    let mut out = Vec::with_capacity(4096);
    json::object(&mut out, |o| {
        plan.write_said(request, o);
        plan.write_inference(request, o);
        plan.write_output(request, o);
    });
    Ok(out)
}

/// Writes the question how many tokens a request has.
///
/// # Errors
/// [`Untranslatable`], when what is asked cannot be said.
pub fn write_count(request: &mut Request) -> Result<Vec<u8>, Untranslatable> {
    let plan = Plan::settle(request)?;
    let mut out = Vec::with_capacity(4096);
    json::object(&mut out, |o| {
        o.object("input", |o| o.object("converse", |o| plan.write_said(request, o)));
    });
    Ok(out)
}

/// What is settled before anything is written.
struct Plan {
    family: Family,
    takes_schemas: bool,
    thinking: Thinking,
    /// What Nova and gpt-oss are told of effort.
    effort: Option<&'static str>,
}

fn unsupported(field: &'static str, reason: &'static str) -> Untranslatable {
    Untranslatable::Unsupported { field, reason }
}

impl Plan {
    fn settle(request: &mut Request) -> Result<Self, Untranslatable> {
        let family = Family::of(&request.model);
        let takes_schemas = takes_schemas(&request.model);
        if messages::is_empty_request(request, family) {
            return Err(Untranslatable::Invalid("the conversation has no message".to_owned()));
        }
        messages::check_images(request)?;
        check_tools(request)?;
        check_output(&request.output, takes_schemas)?;
        if matches!(request.output, Output::JsonObject) {
            request.instructions.push(JSON_OBJECT.to_owned());
            request.drop_field("response_format");
        }
        let (thinking, effort) = match family {
            Family::Claude => {
                let line = Line::of(&request.model);
                let thinking = settle_thinking(request, line);
                drop_sampling(request, line, thinking);
                (thinking, None)
            }
            Family::Nova | Family::GptOss => (Thinking::Unsaid, request.reasoning.and_then(effort)),
            Family::Other => (Thinking::Unsaid, None),
        };
        let plan = Self { family, takes_schemas, thinking, effort };
        plan.drop_unsayable(request);
        Ok(plan)
    }

    fn drop_unsayable(&self, request: &mut Request) {
        let is_strict = request.tools.iter().any(|tool| tool.strict == Some(true));
        let takes_thinking = self.family != Family::Other;
        let thinks = request.reasoning.is_some_and(|reasoning| reasoning != Reasoning::Off);
        let parts = || request.messages.iter().flat_map(|message| &message.parts);
        let has_failed = parts().any(|part| matches!(part, Part::ToolResult(result) if result.is_error));
        let dropped = [
            (request.user.is_some(), "user"),
            (request.parallel_tool_calls == Some(false), "parallel_tool_calls"),
            (request.sampling.seed.is_some(), "seed"),
            (is_penalty(request.sampling.frequency_penalty), "frequency_penalty"),
            (is_penalty(request.sampling.presence_penalty), "presence_penalty"),
            (request.sampling.top_k.is_some() && !self.takes_top_k(), "top_k"),
            (is_strict && !self.takes_schemas, "strict"),
            (thinks && !takes_thinking, "reasoning"),
            (has_failed && !self.family.takes_status(), "is_error"),
            (messages::loses_thoughts(request, self.family), "thinking"),
        ];
        for (_, field) in dropped.into_iter().filter(|(is_dropped, _)| *is_dropped) {
            request.drop_field(field);
        }
    }

    fn takes_top_k(&self) -> bool {
        matches!(self.family, Family::Claude | Family::Nova)
    }

    /// What a model reads.
    fn write_said(&self, request: &Request, o: &mut Object<'_>) {
        messages::write(request, self.family, o);
        if !request.tools.is_empty() && request.tool_choice != Some(ToolChoice::None) {
            o.object("toolConfig", |o| self.write_tools(request, o));
        }
        self.write_additional(request, o);
    }

    fn write_tools(&self, request: &Request, o: &mut Object<'_>) {
        o.array("tools", |list| {
            for one in &request.tools {
                list.object(|o| o.object("toolSpec", |o| self.write_tool(one, o)));
            }
        });
        let Some(choice) = &request.tool_choice else { return };
        o.object("toolChoice", |o| match choice {
            ToolChoice::Required => o.object("any", |_| {}),
            ToolChoice::Named(name) => o.object("tool", |o| o.text("name", name)),
            ToolChoice::Auto | ToolChoice::None => o.object("auto", |_| {}),
        });
    }

    fn write_tool(&self, tool: &Tool, o: &mut Object<'_>) {
        o.text("name", &tool.name);
        if let Some(description) = tool.description.as_ref().filter(|text| !text.is_empty()) {
            o.text("description", description);
        }
        let schema = tool.parameters.as_ref().map_or(r#"{"type":"object","properties":{}}"#, |raw| raw.get());
        o.object("inputSchema", |o| o.raw("json", schema));
        if tool.strict == Some(true) && self.takes_schemas {
            o.boolean("strict", true);
        }
    }

    /// What only this model's own protocol has words for.
    fn write_additional(&self, request: &Request, o: &mut Object<'_>) {
        let top_k = request.sampling.top_k.filter(|_| self.takes_top_k());
        if !self.thinking.is_on() && self.effort.is_none() && top_k.is_none() {
            return;
        }
        o.object("additionalModelRequestFields", |o| match self.family {
            Family::Nova => {
                if let Some(top_k) = top_k {
                    o.object("inferenceConfig", |o| o.number("topK", top_k));
                }
                if let Some(effort) = self.effort {
                    o.object("reasoningConfig", |o| {
                        o.text("type", "enabled");
                        o.text("maxReasoningEffort", effort);
                    });
                }
            }
            Family::GptOss => o.text("reasoning_effort", self.effort.unwrap_or("medium")),
            Family::Claude | Family::Other => {
                if let Some(top_k) = top_k {
                    o.number("top_k", top_k);
                }
                self.thinking.write(o);
                if let Some(effort) = self.thinking.effort() {
                    o.object("output_config", |o| o.text("effort", effort));
                }
            }
        });
    }

    fn write_inference(&self, request: &Request, o: &mut Object<'_>) {
        let sampling = &request.sampling;
        // Without a word, the answer may be as long as the model can make it: there is room for thoughts.
        let tokens_max = request.tokens_max.map(|asked| self.thinking.tokens_max(Some(asked)));
        let is_said = tokens_max.is_some()
            || sampling.temperature.is_some()
            || sampling.top_p.is_some()
            || !sampling.stop.is_empty();
        if !is_said {
            return;
        }
        o.object("inferenceConfig", |o| {
            if let Some(tokens_max) = tokens_max {
                o.number("maxTokens", tokens_max);
            }
            if let Some(temperature) = sampling.temperature {
                o.float("temperature", temperature);
            }
            if let Some(top_p) = sampling.top_p {
                o.float("topP", top_p);
            }
            if !sampling.stop.is_empty() {
                o.array("stopSequences", |list| sampling.stop.iter().for_each(|text| list.text(text)));
            }
        });
    }

    fn write_output(&self, request: &Request, o: &mut Object<'_>) {
        let Output::JsonSchema { name, schema, .. } = &request.output else { return };
        o.object("outputConfig", |o| {
            o.object("textFormat", |o| {
                o.text("type", "json_schema");
                o.object("structure", |o| {
                    o.object("jsonSchema", |o| {
                        // The schema as text, with quotes around it.
                        o.text("schema", schema.get());
                        o.text("name", name);
                    });
                });
            });
        });
    }
}

/// A conversation in which tools were called must declare them, and cannot forbid them.
fn check_tools(request: &Request) -> Result<(), Untranslatable> {
    let parts = || request.messages.iter().flat_map(|message| &message.parts);
    let has_called = parts().any(|part| matches!(part, Part::ToolCall { .. } | Part::ToolResult(_)));
    if has_called && request.tools.is_empty() {
        return Err(unsupported("tools", "Bedrock wants the tools declared that a conversation has called"));
    }
    if has_called && request.tool_choice == Some(ToolChoice::None) {
        return Err(unsupported(
            "tool_choice",
            "Bedrock cannot forbid the tools of a conversation that has called some",
        ));
    }
    Ok(())
}

/// Whether it is one: many clients say none as 0.
fn is_penalty(penalty: Option<f64>) -> bool {
    penalty.is_some_and(|penalty| penalty != 0.0)
}

fn check_output(output: &Output, takes_schemas: bool) -> Result<(), Untranslatable> {
    match output {
        Output::JsonSchema { .. } if !takes_schemas => {
            Err(unsupported("response_format", "this model cannot be held to a schema"))
        }
        Output::JsonSchema { .. } | Output::JsonObject | Output::Text => Ok(()),
    }
}

const fn effort(reasoning: Reasoning) -> Option<&'static str> {
    Some(match reasoning {
        Reasoning::Off => return None,
        Reasoning::Effort(Effort::Minimal | Effort::Low) | Reasoning::Budget(0..=2_048) => "low",
        Reasoning::Effort(Effort::Medium) | Reasoning::Budget(2_049..=8_192) => "medium",
        Reasoning::Effort(Effort::High | Effort::XHigh | Effort::Max) | Reasoning::Budget(_) => "high",
    })
}
