//! The kinds of channels: a file for each, and one line of [`ROWS`].

mod email;
mod slack;
mod webhook;

use std::future::Future;
use std::pin::Pin;

use moorline_model::config::check::Problem;
use moorline_model::config::{Reference, Secret};
use moorline_model::declaration::ChannelKind;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Message, SendError};

/// Every kind there is. A new kind is a file here, its `mod`, and its line.
const ROWS: &[Row] = &[
    row::<slack::Slack>(), //
    row::<email::Email>(),
    row::<webhook::Webhook>(),
];

/// What reading a declaration needs to know of each kind.
pub static KINDS: [ChannelKind; ROWS.len()] = {
    let mut kinds = [ROWS[0].kind; ROWS.len()];
    let mut at = 0;
    while at < kinds.len() {
        kinds[at] = ROWS[at].kind;
        at += 1;
    }
    kinds
};

/// A kind of channel: its settings as `moorline.yaml` holds them, and how a message is sent by them.
trait Kind: DeserializeOwned + JsonSchema + Send + Sync + 'static {
    /// The key under which the settings stand.
    const NAME: &'static str;

    /// What is wrong with settings whose shape is right, with paths inside of them.
    fn check(&self) -> Vec<Problem> {
        Vec::new()
    }

    /// The one secret that sending needs.
    fn secret(&self) -> &Reference;

    /// Sends a message, and returns what names the incident's thread.
    fn send(
        &self,
        secret: &Secret,
        message: &Message<'_>,
    ) -> impl Future<Output = Result<String, SendError>> + Send;
}

/// A delivery under way.
type Sending<'a> = Pin<Box<dyn Future<Output = Result<String, SendError>> + Send + 'a>>;

/// The settings of a channel of any kind.
pub(crate) trait AnyKind: Send + Sync {
    fn secret(&self) -> &Reference;
    fn send<'a>(&'a self, secret: &'a Secret, message: &'a Message<'a>) -> Sending<'a>;
}

impl<K: Kind> AnyKind for K {
    fn secret(&self) -> &Reference {
        Kind::secret(self)
    }

    fn send<'a>(&'a self, secret: &'a Secret, message: &'a Message<'a>) -> Sending<'a> {
        Box::pin(Kind::send(self, secret, message))
    }
}

/// Settings of whichever kind, or every mistake in them.
type Opened = Result<Box<dyn AnyKind>, Vec<Problem>>;

/// A line of the table.
struct Row {
    kind: ChannelKind,
    open: fn(&Value) -> Opened,
}

const fn row<K: Kind>() -> Row {
    Row {
        kind: ChannelKind {
            name: K::NAME,
            schema: || schemars::schema_for!(K).to_value(),
            check: |settings| read::<K>(settings).err().unwrap_or_default(),
        },
        open: |settings| Ok(Box::new(read::<K>(settings)?)),
    }
}

/// Settings of a kind, or every mistake in them.
fn read<K: Kind>(settings: &Value) -> Result<K, Vec<Problem>> {
    let decoded = moorline_model::config::decode_value(K::NAME, settings, K::check);
    decoded.map(|decoded| decoded.document).map_err(|mistakes| {
        let problem = |mistake: moorline_model::config::Mistake| Problem {
            path: mistake.path,
            problem: mistake.problem,
        };
        mistakes.0.into_iter().map(problem).collect()
    })
}

/// The settings of a channel of this kind.
pub(crate) fn open(kind: &str, settings: &Value) -> Result<Box<dyn AnyKind>, SendError> {
    let row = ROWS.iter().find(|row| row.kind.name == kind);
    let row =
        row.ok_or_else(|| SendError::Settings(format!("kind `{kind}` is not known to this release")))?;
    (row.open)(settings).map_err(|problems| {
        let said = problems.iter().map(|found| format!("{}: {}", found.path, found.problem));
        SendError::Settings(said.collect::<Vec<_>>().join("; "))
    })
}

#[cfg(test)]
mod tests;
