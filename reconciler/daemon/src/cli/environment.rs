//! Commands about a running daemon: `status drift history why sync approve rollback hold release`.

mod act;
mod wording;

use serde_json::Value;

use super::api::{Api, ApiError};
use super::{EnvironmentArguments, Exit, Output, StatusArguments, output};
pub(super) use act::{Ask, act};
use wording::{text_at, word_line};

/// `moorline status`: the word and the six axes, each with its age.
pub(super) async fn status(arguments: &StatusArguments, format: Output) -> Exit {
    let path = match &arguments.environment {
        Some(name) => format!("/environments/{name}"),
        None => "/environments".to_owned(),
    };
    let answer = match read(&arguments.server, &path).await {
        Ok(answer) => answer,
        Err(error) => return error.report(),
    };
    let environments = match arguments.environment {
        Some(_) => vec![answer.clone()],
        None => wording::list(&answer, "environments"),
    };
    match format {
        Output::Json => output::json(&answer),
        Output::Text if environments.is_empty() => {
            let because =
                text_at(&answer, "/waits_for").unwrap_or("the daemon has read no moorline.yaml yet");
            output::say(format!("No environment is known yet: {because}"));
        }
        Output::Text => environments.iter().for_each(print_status),
    }
    let codes = environments.iter().filter_map(|found| found.pointer("/status/exit_code")?.as_u64());
    // The most serious of several: failed, cannot check, held, under way, drifted, in sync.
    let worst = codes.filter_map(|code| u8::try_from(code).ok()).max_by_key(|code| match code {
        7 => 5,
        6 => 4,
        5 => 3,
        3 => 2,
        2 => 1,
        _ => 0,
    });
    worst.map_or(Exit::CannotCheck, Exit::of_word)
}

fn print_status(environment: &Value) {
    output::line(word_line(environment));
    for axis in ["source", "plan", "apply", "health", "drift", "hold"] {
        let at =
            |field: &str| environment.pointer(&format!("/axes/{axis}/{field}")).cloned().unwrap_or_default();
        let standing = at("standing").as_str().unwrap_or("unknown").replace('_', " ");
        let age = at("age_seconds").as_i64().map_or_else(|| "never checked".to_owned(), wording::ago);
        output::line(format!(
            "  {axis:<7} {standing:<13} {age:<12} {}",
            wording::indented(at("because").as_str().unwrap_or(""), 37)
        ));
    }
    if let Some(callers) = text_at(environment, "/callers/sentence") {
        output::line(format!("  {callers}"));
    }
    if let Some(rollout) = wording::rollout(environment) {
        output::line(format!("  rollout {rollout}"));
    }
    for replica in wording::list(environment, "replicas") {
        let serves = match (text_at(&replica, "/error"), text_at(&replica, "/digest")) {
            (Some(error), _) => format!("cannot be read: {error}"),
            (None, Some(digest)) => format!("serves {}", digest.get(..19).unwrap_or(digest)),
            (None, None) => "serves nothing".to_owned(),
        };
        output::line(format!("  replica {} {serves}", text_at(&replica, "/endpoint").unwrap_or("?")));
    }
}

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
