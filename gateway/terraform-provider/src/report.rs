//! Failures as diagnostics: in whole sentences, with the whole chain of causes, and with the next step.

use moorline_admin::AdminError;
use moorline_config::chain;

use crate::protocol::Diagnostic;

/// A failed call of the endpoint.
#[must_use]
pub fn admin(error: &AdminError) -> Diagnostic {
    let Some(problem) = error.problem() else {
        return Diagnostic::error("The endpoint cannot be used", chain::of(error));
    };
    let summary = if problem.is("precondition-failed") {
        "The document changed since it was planned"
    } else if problem.is("owned-by-another") {
        "Another owner holds the document"
    } else if problem.is("unauthorized") {
        "The endpoint refused the token"
    } else if problem.is("invalid-document") {
        "The endpoint refused the document"
    } else {
        "The endpoint refused the call"
    };
    let next = if problem.is("precondition-failed") {
        "\n\nNothing was written. Run `terraform plan` to see what changed."
    } else if problem.is("owned-by-another") {
        "\n\nNothing was written. To take the document over, set `take_over = true`."
    } else if problem.is("unauthorized") {
        "\n\nSet `token` in the provider block, or MOORLINE_TOKEN."
    } else {
        ""
    };
    let mistakes: String = problem.mistakes.iter().map(|mistake| format!("\n- {mistake}")).collect();
    Diagnostic::error(summary, format!("{error}{mistakes}{next}"))
}
