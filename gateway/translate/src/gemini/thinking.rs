//! How much a model is to think.

use serde::Serialize;

use crate::chat::{Effort, Reasoning};

/// `thinkingConfig`. A model knows either a budget or a level, and refuses both.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Thinking {
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_budget: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking_level: Option<&'static str>,
    include_thoughts: bool,
}

/// The least that 2.5 Pro can think.
const PRO_BUDGET_MIN: u64 = 128;

/// Whether the model is one of those before Gemini 3: they have budgets, and need no signatures.
pub(super) fn is_before_3(model: &str) -> bool {
    let name = model.strip_prefix("models/").unwrap_or(model);
    ["gemini-1", "gemini-2"].iter().any(|prefix| name.starts_with(prefix))
}

pub(super) fn config(reasoning: Reasoning, model: &str) -> Thinking {
    let include_thoughts = reasoning != Reasoning::Off;
    let is_pro = model.contains("pro");
    let (thinking_budget, thinking_level) = if is_before_3(model) {
        (Some(budget(reasoning, is_pro)), None)
    } else {
        (None, Some(level(reasoning, is_pro)))
    };
    Thinking { thinking_budget, thinking_level, include_thoughts }
}

/// Words become the budgets that Google's own OpenAI-compatible endpoint gives them.
const fn budget(reasoning: Reasoning, is_pro: bool) -> u64 {
    match reasoning {
        Reasoning::Off if is_pro => PRO_BUDGET_MIN,
        Reasoning::Off => 0,
        Reasoning::Effort(Effort::Minimal | Effort::Low) => 1_024,
        Reasoning::Effort(Effort::Medium) => 8_192,
        Reasoning::Effort(Effort::High | Effort::XHigh | Effort::Max) => 24_576,
        Reasoning::Budget(tokens) => tokens,
    }
}

const fn level(reasoning: Reasoning, is_pro: bool) -> &'static str {
    match reasoning {
        // Pro models know no `minimal`.
        Reasoning::Off | Reasoning::Effort(Effort::Minimal) if is_pro => "low",
        Reasoning::Off | Reasoning::Effort(Effort::Minimal) => "minimal",
        Reasoning::Effort(Effort::Low) | Reasoning::Budget(0..=1_024) => "low",
        Reasoning::Effort(Effort::Medium) | Reasoning::Budget(1_025..=8_192) => "medium",
        Reasoning::Effort(Effort::High | Effort::XHigh | Effort::Max) | Reasoning::Budget(_) => "high",
    }
}
