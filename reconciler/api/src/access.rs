//! Who may call an endpoint of the daemon.

use moorline_admin::endpoint::{self, Guard, Nothing, Verb};

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anybody. The route shows no one's data, or checks a signature itself.
    Open,
    /// Viewer's role; also by the console's session, and from nobody in particular where reading is open.
    Viewer,
    /// As [`Access::Viewer`], for pages: a browser that may not read them is shown the sign-in form.
    Page,
    Operator,
    Admin,
    /// Viewer's role, or the token of the document of the environment in the path.
    DocumentRead,
    /// Operator's role, or that token.
    DocumentWrite,
}

impl Guard for Access {
    fn schemes(self) -> &'static [&'static str] {
        match self {
            Self::Open => &[],
            Self::Viewer | Self::Page => &["token", "session"],
            Self::Operator | Self::Admin | Self::DocumentRead | Self::DocumentWrite => &["token"],
        }
    }

    fn sentence(self) -> Option<&'static str> {
        match self {
            Self::Open | Self::Viewer | Self::Page => None,
            Self::Operator => Some("Requires the role operator."),
            Self::Admin => Some("Requires the role admin."),
            Self::DocumentRead => Some("Requires the environment's document token or the role viewer."),
            Self::DocumentWrite => Some("Requires the environment's document token or the role operator."),
        }
    }
}

/// An endpoint of the daemon.
pub type Endpoint<Query, Body, Answer> = endpoint::Endpoint<Access, Query, Body, Answer>;

/// One that only reads what was last committed.
pub(crate) const fn get<Query, Answer>(
    path: &'static str,
    access: Access,
    id: &'static str,
) -> Endpoint<Query, Nothing, Answer> {
    Endpoint { answers: "As last committed.", ..Endpoint::new(Verb::Get, path, access, id) }
}
