//! Commands that work on a checkout alone: `init validate plan policy schema completions`.

mod checkout;
mod init;
mod plan;
mod validate;

use clap::CommandFactory;
use moorline_model::bootstrap::Bootstrap;
use moorline_model::declaration::Declaration;
use serde_json::json;

use super::{Cli, Exit, Output, PlanArguments, SchemaDocument, output};
use checkout::Checkout;

pub(super) use init::init;
pub(super) use validate::validate;

/// `moorline plan`: what merging the checkout would change.
pub(super) async fn plan(arguments: &PlanArguments, format: Output) -> Exit {
    match Checkout::open(&arguments.checkout.directory, &arguments.checkout.file) {
        Ok(checkout) => Box::pin(plan::plan(&checkout, arguments, format)).await,
        Err(mistakes) => output::mistaken(Exit::Error, &mistakes),
    }
}

/// `moorline policy test`: runs the `test_` rules in a folder.
pub(super) fn policy_test(directory: &std::path::Path, format: Output) -> Exit {
    let files = match checkout::read_policies(directory) {
        Ok(files) => files,
        Err(error) => {
            return output::failed(Exit::Error, &error, None);
        }
    };
    let tested = match moorline_plan::policy::test_policies(&files) {
        Ok(tested) => tested,
        Err(error) => {
            return output::failed(Exit::Error, &crate::chain::of(&error), None);
        }
    };
    let failed = tested.iter().filter(|test| !test.passed).count();
    if format == Output::Text {
        for test in &tested {
            output::line(format!("{} {}", if test.passed { "pass" } else { "FAIL" }, test.name));
        }
    }
    let count = format!("{} test(s), {failed} failed.", tested.len());
    output::say(&count);
    let tests: Vec<_> = tested.iter().map(|test| json!({"name": test.name, "passed": test.passed})).collect();
    let result = json!({ "tests": tests });
    if tested.is_empty() {
        let nothing = "No file …_test.rego has a rule named test_…: nothing was proved.";
        output::say(nothing);
        return output::failed_with(&result, Exit::Error, nothing, None);
    }
    if failed > 0 {
        return output::failed_with(&result, Exit::Error, &count, None);
    }
    if format == Output::Json {
        output::json(&result);
    }
    Exit::Done
}

/// `moorline schema`: the JSON Schema of a document.
pub(super) fn schema(document: SchemaDocument) -> Exit {
    output::document(&schema_of(document));
    Exit::Done
}

fn schema_of(document: SchemaDocument) -> serde_json::Value {
    match document {
        SchemaDocument::Gateway => moorline_config::schema::gateway(),
        SchemaDocument::Repository => Declaration::schema(&moorline_notify::KINDS),
        SchemaDocument::Daemon => Bootstrap::schema(),
    }
}

/// `moorline completions`.
pub(super) fn completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "moorline", &mut script);
    output::line(String::from_utf8_lossy(&script));
    Exit::Done
}
