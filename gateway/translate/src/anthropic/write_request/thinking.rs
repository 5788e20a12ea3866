//! How much a model is to think.

use super::super::model::Line;
use super::TOKENS_MAX_DEFAULT;
use super::messages::can_come_back;
use crate::chat::{Effort, Part, Reasoning, Request, Role, ToolChoice};
use crate::json::Object;

/// The least that a budget may be.
const BUDGET_MIN: u64 = 1_024;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    /// Nothing is said: the model does as it does.
    Unsaid,
    /// Up to so many tokens.
    Budget(u64),
    /// As the model sees fit, with so much effort.
    Adaptive(&'static str),
}

/// Decides, and names it when nothing comes of what the caller asked for.
pub(crate) fn settle(request: &mut Request, line: Line) -> Thinking {
    let wanted = match request.reasoning {
        // What models do that are not told.
        None | Some(Reasoning::Off) => return Thinking::Unsaid,
        Some(wanted) => wanted,
    };
    let is_forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_)));
    let adaptive = line.thinks_adaptively();
    if is_forced && !request.tools.is_empty() || !adaptive && is_amid_tools_without_thoughts(request) {
        request.drop_field("reasoning");
        return Thinking::Unsaid;
    }
    match wanted {
        Reasoning::Effort(effort) if adaptive => Thinking::Adaptive(word(effort, line)),
        Reasoning::Budget(tokens) if adaptive => Thinking::Adaptive(match tokens {
            0..=4_096 => "low",
            4_097..=12_288 => "medium",
            _ => "high",
        }),
        Reasoning::Effort(effort) => Thinking::Budget(budget(effort)),
        Reasoning::Budget(tokens) => Thinking::Budget(tokens.max(BUDGET_MIN)),
        Reasoning::Off => Thinking::Unsaid,
    }
}

const fn word(effort: Effort, line: Line) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        // Known where settings of sampling are not: from 4.7 on.
        Effort::XHigh if !line.takes_sampling() => "xhigh",
        Effort::XHigh | Effort::Max => "max",
    }
}

/// What a word of effort is worth in tokens.
const fn budget(effort: Effort) -> u64 {
    match effort {
        Effort::Minimal => BUDGET_MIN,
        Effort::Low => 2_048,
        Effort::Medium => 8_192,
        Effort::High => 16_384,
        Effort::XHigh | Effort::Max => 32_768,
    }
}

/// Whether the conversation waits for results of tools that the model called without thoughts that we know: with a
/// budget, the provider refuses to go on thinking then.
fn is_amid_tools_without_thoughts(request: &Request) -> bool {
    let is_result = |part: &Part| matches!(part, Part::ToolResult(_));
    let last_user = request.messages.iter().rev().take_while(|message| message.role == Role::User);
    if !last_user.flat_map(|message| &message.parts).any(is_result) {
        return false;
    }
    let calling = request.messages.iter().rev().skip_while(|message| message.role == Role::User);
    let turn = calling.take_while(|message| message.role == Role::Assistant);
    !turn.flat_map(|message| &message.parts).any(can_come_back)
}

impl Thinking {
    pub(crate) fn is_on(self) -> bool {
        self != Self::Unsaid
    }

    /// The most tokens of the answer, thoughts among them.
    pub(crate) fn tokens_max(self, asked: Option<u64>) -> u64 {
        let asked = asked.unwrap_or(TOKENS_MAX_DEFAULT);
        match self {
            Self::Budget(budget) if asked <= budget => budget.saturating_add(asked),
            _ => asked,
        }
    }

    pub(crate) const fn effort(self) -> Option<&'static str> {
        match self {
            Self::Adaptive(effort) => Some(effort),
            Self::Unsaid | Self::Budget(_) => None,
        }
    }

    pub(crate) fn write(self, o: &mut Object<'_>) {
        match self {
            Self::Unsaid => {}
            Self::Budget(tokens) => o.object("thinking", |o| {
                o.text("type", "enabled");
                o.number("budget_tokens", tokens);
            }),
            Self::Adaptive(_) => o.object("thinking", |o| o.text("type", "adaptive")),
        }
    }
}
