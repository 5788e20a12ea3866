//! Policies of the watched repository: Rego, evaluated before a change begins.

/// Why a policy refuses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Denial {
    /// The rule, as `package.deny`.
    pub rule: String,
    /// What it says.
    pub message: String,
}
