//! The lines that `terraform … -json` writes, read one by one.
//!
//! Only types that are known are looked at, and of those only addresses, actions and counts. A line that is no JSON or
//! of another type is passed over: newer versions write more.

use moorline_model::plan::Action;
use serde::Deserialize;

use crate::diagnostic::{Diagnostic, RawDiagnostic, Severity};
use crate::redact::Known;
use crate::runner::{Applied, Event, Progress};

/// Most errors that are kept of one command.
const DIAGNOSTICS_MAX: usize = 50;

/// A line that is reported.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    diagnostic: Option<RawDiagnostic>,
    #[serde(default)]
    change: Option<Hook>,
    #[serde(default)]
    hook: Option<Hook>,
    #[serde(default)]
    changes: Option<Counts>,
}

impl Line {
    /// Reads a line; `None` when it is of no interest.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let line: Self = serde_json::from_str(text).ok()?;
        let is_reported = line.diagnostic.is_some()
            || matches!(
                line.kind.as_str(),
                "change_summary"
                    | "planned_change"
                    | "apply_start"
                    | "apply_progress"
                    | "apply_complete"
                    | "apply_errored"
            );
        is_reported.then_some(line)
    }
}

#[derive(Debug, Deserialize)]
struct Hook {
    #[serde(default)]
    resource: Resource,
    #[serde(default)]
    action: String,
    #[serde(default)]
    elapsed_seconds: f64,
}

#[derive(Debug, Default, Deserialize)]
struct Resource {
    #[serde(default)]
    addr: String,
}

#[derive(Debug, Deserialize)]
struct Counts {
    #[serde(default)]
    add: u64,
    #[serde(default)]
    change: u64,
    #[serde(default)]
    remove: u64,
}

/// Reads the lines of one command: passes events on, and keeps errors and the final count.
pub(crate) struct Reader<'a> {
    known: &'a Known,
    progress: &'a dyn Progress,
    /// The errors so far.
    pub(crate) errors: Vec<Diagnostic>,
    /// The last `change_summary`.
    pub(crate) summary: Option<Applied>,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(known: &'a Known, progress: &'a dyn Progress) -> Self {
        Self { known, progress, errors: Vec::new(), summary: None }
    }

    pub(crate) fn line(&mut self, text: &str) {
        if let Some(line) = Line::read(text) {
            self.take(line);
        }
    }

    pub(crate) fn take(&mut self, line: Line) {
        if let Some(raw) = line.diagnostic {
            let diagnostic = Diagnostic::read(&raw, self.known);
            if diagnostic.severity == Severity::Error && self.errors.len() < DIAGNOSTICS_MAX {
                self.errors.push(diagnostic);
            }
        }
        if let (Some(counts), "change_summary") = (&line.changes, line.kind.as_str()) {
            self.summary =
                Some(Applied { added: counts.add, changed: counts.change, destroyed: counts.remove });
        }
        if let Some(hook) = line.change.or(line.hook)
            && let Some(event) = self.event(&line.kind, &hook)
        {
            self.progress.report(event);
        }
    }

    fn event(&self, kind: &str, hook: &Hook) -> Option<Event> {
        let address = self.known.text(&hook.resource.addr);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole seconds, never negative"
        )]
        let elapsed_seconds = hook.elapsed_seconds as u64;
        Some(match kind {
            "planned_change" => Event::Planned { address, action: action(&hook.action) },
            "apply_start" => Event::Started { address, action: action(&hook.action) },
            "apply_progress" => Event::Progress { address, elapsed_seconds },
            "apply_complete" => Event::Complete { address, elapsed_seconds },
            "apply_errored" => Event::Errored { address },
            _ => return None,
        })
    }
}

/// An action as the event lines name it.
fn action(name: &str) -> Action {
    match name {
        "noop" | "no-op" => Action::NoOp,
        "create" => Action::Create,
        "read" => Action::Read,
        "update" => Action::Update,
        "replace" => Action::Replace,
        "delete" | "remove" => Action::Delete,
        "forget" => Action::Forget,
        _ => Action::Unknown,
    }
}
