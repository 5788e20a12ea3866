//! What a model on Bedrock takes, as far as its name tells.

/// Whose model it is, where that makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Claude,
    Nova,
    GptOss,
    Other,
}

impl Family {
    /// The family of a model, of an inference profile or of the ARN of one.
    pub(super) fn of(model: &str) -> Self {
        let is = |name: &str| model.contains(name);
        if is("anthropic.claude") {
            Self::Claude
        } else if is("amazon.nova") {
            Self::Nova
        } else if is("openai.gpt-oss") {
            Self::GptOss
        } else {
            Self::Other
        }
    }

    /// Whether a result may say that its tool failed.
    pub(super) fn takes_status(self) -> bool {
        matches!(self, Self::Claude | Self::Nova)
    }
}

/// Models before structured output: they refuse schemas and `strict`. What a name does not tell is asked of the model.
pub(super) fn takes_schemas(model: &str) -> bool {
    const WITHOUT: [&str; 9] = [
        "anthropic.claude-3",
        "anthropic.claude-opus-4-1",
        "anthropic.claude-opus-4-2025",
        "anthropic.claude-sonnet-4-2025",
        "amazon.nova",
        "amazon.titan",
        "meta.llama",
        "cohere.command",
        "ai21.",
    ];
    !WITHOUT.iter().any(|name| model.contains(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_family_with_and_without_a_region() {
        for (model, family, schemas) in [
            ("anthropic.claude-sonnet-4-5-20250929-v1:0", Family::Claude, true),
            ("global.anthropic.claude-opus-4-6-v1", Family::Claude, true),
            ("anthropic.claude-3-5-haiku-20241022-v1:0", Family::Claude, false),
            ("us.anthropic.claude-sonnet-4-20250514-v1:0", Family::Claude, false),
            ("arn:aws:bedrock:eu-central-1:1:inference-profile/eu.amazon.nova-pro-v1:0", Family::Nova, false),
            ("openai.gpt-oss-120b-1:0", Family::GptOss, true),
            ("us.meta.llama3-3-70b-instruct-v1:0", Family::Other, false),
            ("qwen.qwen3-32b-v1:0", Family::Other, true),
        ] {
            assert_eq!((Family::of(model), takes_schemas(model)), (family, schemas), "{model}");
        }
    }
}
