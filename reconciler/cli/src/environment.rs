//! Commands about a running daemon: `status drift history why sync approve rollback hold release`.

mod act;
mod ending;
mod status;
mod wording;

use serde_json::Value;

use super::api::{Api, ApiError};
use super::{EnvironmentArguments, Exit, Output, output};
pub(super) use act::{Ask, act};
pub(super) use status::status;
use wording::text_at;

/// `moorline drift`: every finding, with who and since when.
pub(super) async fn drift(arguments: &EnvironmentArguments, format: Output) -> Exit {
    let answer =
        match read(&arguments.server, &format!("/environments/{}/drift", arguments.environment)).await {
            Ok(answer) => answer,
            Err(error) => return error.report(),
        };
    let findings = wording::list(&answer, "drift");
    match format {
        Output::Json => output::json(&answer),
        Output::Text => findings.iter().for_each(|finding| output::line(wording::finding(finding))),
    }
    if format == Output::Text {
        wording::list(&answer, "lanes").iter().for_each(|lane| output::line(wording::lane(lane)));
    }
    let code = answer.pointer("/said/exit_code").and_then(Value::as_u64);
    output::say(text_at(&answer, "/said/sentence").unwrap_or("It is not known what was compared."));
    wording::look_again(&answer, &arguments.environment).iter().for_each(output::say);
    code.and_then(|code| u8::try_from(code).ok()).map_or(Exit::CannotCheck, Exit::of_word)
}

/// `moorline history`: what happened, newest first.
pub(super) async fn history(arguments: &EnvironmentArguments, limit: u32, format: Output) -> Exit {
    let path = format!("/environments/{}/history?limit={limit}", arguments.environment);
    let answer = match read(&arguments.server, &path).await {
        Ok(answer) => answer,
        Err(error) => return error.report(),
    };
    match format {
        Output::Json => output::json(&answer),
        Output::Text => {
            for event in &wording::list(&answer, "events") {
                let at = wording::time(text_at(event, "/at").unwrap_or(""));
                let message = wording::indented(text_at(event, "/message").unwrap_or(""), at.len() + 10);
                output::line(format!("{at} {:<8} {message}", text_at(event, "/kind").unwrap_or("")));
            }
        }
    }
    Exit::Done
}

/// `moorline why`: who must do what, whether callers are affected, then the gates. It exits as `status` does.
pub(super) async fn why(arguments: &EnvironmentArguments, format: Output) -> Exit {
    let answer = match read(&arguments.server, &format!("/environments/{}/why", arguments.environment)).await
    {
        Ok(answer) => answer,
        Err(error) => return error.report(),
    };
    match format {
        Output::Json => output::json(&answer),
        Output::Text => wording::why(&answer).iter().for_each(output::line),
    }
    let code = answer.pointer("/status/exit_code").and_then(Value::as_u64);
    code.and_then(|code| u8::try_from(code).ok()).map_or(Exit::CannotCheck, Exit::of_word)
}

async fn read(server: &super::ServerArguments, path: &str) -> Result<Value, ApiError> {
    Api::new(server)?.get(path).await
}
