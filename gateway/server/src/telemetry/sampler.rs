//! Which requests are traced: `OTEL_TRACES_SAMPLER` and its argument.

/// Decides for a trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampler {
    root: Root,
    /// Whether a caller's own decision counts.
    follows_caller: bool,
}

/// Decides for a trace that begins here.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Root {
    Always,
    Never,
    /// Those whose id is below this, of 2^63.
    Below(u64),
}

impl Sampler {
    /// The usual one: all traces that begin here, and whatever callers decided for theirs.
    pub(super) const DEFAULT: Self = Self { root: Root::Always, follows_caller: true };

    /// The sampler of this name. `None`: there is none.
    pub(super) fn named(name: &str, share: f64) -> Option<Self> {
        let (follows_caller, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name),
        };
        let root = match root {
            "always_on" => Root::Always,
            "always_off" => Root::Never,
            "traceidratio" => Root::below(share),
            _ => return None,
        };
        Some(Self { root, follows_caller })
    }

    /// Whether a trace is taken; `caller` is what the caller decided, when it has one.
    pub(super) fn takes(self, trace_id: u128, caller: Option<bool>) -> bool {
        match (caller, self.root) {
            (Some(decided), _) if self.follows_caller => decided,
            (_, Root::Always) => true,
            (_, Root::Never) => false,
            // The low half, as other SDKs look at, so that all of them keep the same traces.
            (_, Root::Below(most)) => ((trace_id & u128::from(u64::MAX)) >> 1) < u128::from(most),
        }
    }
}

impl Root {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^63")]
    fn below(share: f64) -> Self {
        Self::Below((share.clamp(0.0, 1.0) * 9_223_372_036_854_775_808.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sampler_takes_what_it_says() {
        let high = u128::from(u64::MAX) << 1;
        for (name, share, trace_id, alone, of_sampled, of_unsampled) in [
            ("always_on", 1.0, 1, true, true, true),
            ("always_off", 1.0, 1, false, false, false),
            ("traceidratio", 0.5, 1, true, true, true),
            ("traceidratio", 0.5, high, false, false, false),
            ("traceidratio", 0.0, 1, false, false, false),
            ("traceidratio", 1.0, high, true, true, true),
            ("parentbased_always_on", 1.0, 1, true, true, false),
            ("parentbased_always_off", 1.0, 1, false, true, false),
            ("parentbased_traceidratio", 0.5, high, false, true, false),
        ] {
            let sampler = Sampler::named(name, share).unwrap();
            let takes = |caller| sampler.takes(trace_id, caller);
            assert_eq!(
                (takes(None), takes(Some(true)), takes(Some(false))),
                (alone, of_sampled, of_unsampled),
                "{name} {share}"
            );
        }
        assert_eq!(Sampler::named("parentbased_always_on", 1.0), Some(Sampler::DEFAULT));
        assert_eq!(Sampler::named("jaeger_remote", 1.0), None);
    }
}
