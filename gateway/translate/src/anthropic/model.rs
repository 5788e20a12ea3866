//! What a Claude model takes, as far as its name tells.
//!
//! Models differ in what they refuse: from 4.6 on they think as much as they see fit (`adaptive`), from 4.7 on they
//! refuse a budget for it and every setting of sampling. Other servers that speak the protocol are taken to speak it as
//! it was before.
//! Sources: platform.claude.com/docs/en/build-with-claude/adaptive-thinking and
//! docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html.

/// The line of models that a name belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    /// A Claude model, by its version.
    Claude { major: u32, minor: u32 },
    /// Something else that speaks the protocol.
    Other,
}

impl Line {
    pub(crate) fn of(model: &str) -> Self {
        if !model.contains("claude") {
            return Self::Other;
        }
        // Dates and revisions of the name are longer or come later.
        let mut numbers = model
            .split(|c: char| !c.is_ascii_alphanumeric())
            .skip_while(|word| *word != "claude")
            .take_while(|word| word.len() < 8 || !word.bytes().all(|byte| byte.is_ascii_digit()))
            .filter_map(|word| word.parse().ok());
        match numbers.next() {
            Some(major) => Self::Claude { major, minor: numbers.next().unwrap_or(0) },
            // A name without a number is that of a model of today.
            None => Self::Claude { major: u32::MAX, minor: 0 },
        }
    }

    const fn is_from(self, version: (u32, u32)) -> bool {
        match self {
            Self::Claude { major, minor } => major > version.0 || major == version.0 && minor >= version.1,
            Self::Other => false,
        }
    }

    /// Whether it decides itself how much to think, in place of a budget.
    pub(super) const fn thinks_adaptively(self) -> bool {
        self.is_from((4, 6))
    }

    /// Whether `temperature`, `top_p` and `top_k` are taken.
    pub(super) const fn takes_sampling(self) -> bool {
        !self.is_from((4, 7))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_s_name_tells_its_version() {
        for (name, expected) in [
            ("claude-3-5-sonnet-20241022", (3, 5)),
            ("claude-3-opus-20240229", (3, 0)),
            ("claude-opus-4-20250514", (4, 0)),
            ("claude-sonnet-4-5-20250929", (4, 5)),
            ("claude-opus-4-7", (4, 7)),
            ("claude-sonnet-5", (5, 0)),
            ("claude-haiku-5-5", (5, 5)),
            ("anthropic.claude-opus-4-6-v1:0", (4, 6)),
            ("anthropic/claude-opus-4.8", (4, 8)),
            ("claude-mythos-preview", (u32::MAX, 0)),
        ] {
            assert_eq!(Line::of(name), Line::Claude { major: expected.0, minor: expected.1 }, "{name}");
        }
        assert_eq!(Line::of("deepseek-v4"), Line::Other);
    }

    #[test]
    fn what_a_model_takes_follows_its_version() {
        let takes = |name| (Line::of(name).thinks_adaptively(), Line::of(name).takes_sampling());
        assert_eq!(takes("claude-opus-4-5"), (false, true));
        assert_eq!(takes("claude-sonnet-4-6"), (true, true));
        assert_eq!(takes("claude-opus-4-7"), (true, false));
        assert_eq!(takes("claude-sonnet-5"), (true, false));
        assert_eq!(takes("kimi-k3"), (false, true));
    }
}
