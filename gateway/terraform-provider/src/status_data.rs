//! `data "moorline_status"`: what a gateway attests about itself.

use moorline_admin::Status;

use crate::connection::Connection;
use crate::report;
use crate::resource::Diagnostics;
use crate::schema::{Attribute, Kind, Schema};
use crate::value::Value;

/// The type's name.
pub const TYPE_NAME: &str = "moorline_status";

/// What it tells.
#[must_use]
pub fn schema() -> Schema {
    let text = |name, description| Attribute::computed(name, Kind::Text, description);
    Schema {
        description: "What a gateway attests: which document it serves, since when, and who wrote it.",
        attributes: vec![
            text("instance", "Id of the gateway's process; new at each start."),
            text("version", "Release of the gateway."),
            text("started", "When the process started."),
            text("digest", "Digest of the document that serves; null when none was declared."),
            text("commit", "Commit the document came from, when its writer said so."),
            Attribute::computed("generation", Kind::Number, "The document's number on this gateway."),
            text("origin", "Who wrote it: git, terraform, file or manual."),
            text("since", "Since when it serves."),
            text("candidate_digest", "Digest of the candidate beside it; null when there is none."),
            Attribute::computed(
                "rejected",
                Kind::Number,
                "How many documents were refused since one was last taken.",
            ),
        ],
        blocks: Vec::new(),
    }
}

/// Asks the gateway.
///
/// # Errors
/// The endpoint is no gateway's, or cannot be asked.
pub async fn read(connection: &Connection) -> Result<Value, Diagnostics> {
    let client = connection.gateway().map_err(|diagnostic| vec![diagnostic])?;
    let status = client.status().await.map_err(|error| vec![report::admin(&error)])?;
    Ok(value(&status))
}

fn value(status: &Status) -> Value {
    let stable = status.stable.as_ref();
    let mut value = schema().conform(&Value::Null);
    value.set("instance", status.instance.as_str());
    value.set("version", status.version.as_str());
    value.set("started", status.started.to_string());
    value.set("digest", stable.map(|stable| stable.digest.to_string()));
    value.set("commit", stable.and_then(|stable| stable.commit.clone()));
    value.set("generation", stable.map(|stable| stable.generation.0));
    value.set("origin", stable.map(|stable| stable.origin.to_string()));
    value.set("since", stable.map(|stable| stable.since.to_string()));
    value.set(
        "candidate_digest",
        status.candidate.as_ref().map(|candidate| candidate.attestation.digest.to_string()),
    );
    value.set("rejected", u64::try_from(status.rejected.len()).unwrap_or(u64::MAX));
    value
}
