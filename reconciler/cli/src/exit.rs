//! Exit codes: one table for all commands.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// In sync, or done.
    Done,
    /// An error; it was said on stderr.
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
    /// The code.
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

    /// The exit of a command that reports a status word's code.
    #[must_use]
    pub const fn of_word(code: u8) -> Self {
        match code {
            0 => Self::Done,
            2 => Self::Changes,
            3 => Self::Pending,
            5 => Self::Blocked,
            6 => Self::CannotCheck,
            7 => Self::RolledBack,
            _ => Self::Error,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
