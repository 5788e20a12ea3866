//! Exit codes: one table for all commands, and for what the API says a command would end with.

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a command ends. A number in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "u8", from = "u8")]
pub enum Exit {
    /// In sync, or done.
    Done,
    /// An error; stderr says which.
    Error,
    /// Drift or changes were found, as Terraform's 2.
    Changes,
    /// Pending, or timed out.
    Pending,
    /// A token is needed, or this one is not enough.
    SignIn,
    /// Policy, hold, window or lock.
    Blocked,
    /// It is not known.
    CannotCheck,
    /// The change failed and was rolled back.
    RolledBack,
    /// The command line is wrong.
    Usage,
    /// Interrupted.
    Interrupted,
}

impl Exit {
    const ALL: [Self; 10] = [
        Self::Done,
        Self::Error,
        Self::Changes,
        Self::Pending,
        Self::SignIn,
        Self::Blocked,
        Self::CannotCheck,
        Self::RolledBack,
        Self::Usage,
        Self::Interrupted,
    ];

    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Changes => 2,
            Self::Pending => 3,
            Self::SignIn => 4,
            Self::Blocked => 5,
            Self::CannotCheck => 6,
            Self::RolledBack => 7,
            Self::Usage => 64,
            Self::Interrupted => 130,
        }
    }

    /// The exit in a word, as the kind of an error in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Error => "error",
            Self::Changes => "changes",
            Self::Pending => "pending",
            Self::SignIn => "sign_in",
            Self::Blocked => "blocked",
            Self::CannotCheck => "cannot_check",
            Self::RolledBack => "rolled_back",
            Self::Usage => "usage",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> Self {
        exit.code()
    }
}

/// A code that a newer daemon may know and this release does not is an error.
impl From<u8> for Exit {
    fn from(code: u8) -> Self {
        Self::ALL.into_iter().find(|exit| exit.code() == code).unwrap_or(Self::Error)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_as_the_exit_that_it_was() {
        for exit in Exit::ALL {
            assert_eq!(Exit::from(exit.code()), exit);
        }
        assert_eq!(Exit::from(99), Exit::Error);
    }
}
