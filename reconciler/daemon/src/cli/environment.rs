//! Commands about a running daemon: `status drift history why sync approve rollback hold release`.

mod watch;
mod wording;

use moorline_model::CommitId;
use serde_json::{Value, json};

use super::api::{Api, ApiError};
use super::{ActionArguments, EnvironmentArguments, Exit, Output, StatusArguments, output};
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
            output::say(
                "No environment is known yet: has the daemon read the repository? Try `moorline why`.",
            );
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
            at("because").as_str().unwrap_or("")
        ));
    }
    for replica in wording::list(environment, "replicas") {
        let digest = text_at(&replica, "/digest")
            .map_or("serves nothing", |digest| digest.get(..19).unwrap_or(digest));
        let error = text_at(&replica, "/error").unwrap_or("");
        output::line(format!("  replica {} {digest} {error}", text_at(&replica, "/endpoint").unwrap_or("?")));
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
    let is_open = |finding: &&Value| text_at(finding, "/state") == Some("open");
    let unverifiable = findings.iter().any(|finding| text_at(finding, "/kind") == Some("unverifiable"));
    match findings.iter().filter(is_open).count() {
        0 if unverifiable => Exit::CannotCheck,
        0 => {
            output::say("No open drift.");
            Exit::Done
        }
        count => {
            output::say(format!("{count} open finding(s)."));
            Exit::Changes
        }
    }
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
                let at = text_at(event, "/at").unwrap_or("");
                output::line(format!(
                    "{at} {:<8} {}",
                    text_at(event, "/kind").unwrap_or(""),
                    text_at(event, "/message").unwrap_or("")
                ));
            }
        }
    }
    Exit::Done
}

/// `moorline why`: the gates in order, the first closed one first.
pub(super) async fn why(arguments: &EnvironmentArguments, format: Output) -> Exit {
    let answer = match read(&arguments.server, &format!("/environments/{}/why", arguments.environment)).await
    {
        Ok(answer) => answer,
        Err(error) => return error.report(),
    };
    let gates = wording::list(&answer, "gates");
    if format == Output::Json {
        output::json(&answer);
    } else {
        gates.iter().for_each(|gate| output::line(wording::gate(gate)));
    }
    let closed = gates.iter().find(|gate| text_at(gate, "/state") == Some("closed"));
    match closed {
        _ if gates.is_empty() => {
            output::say("No cycle has looked at this environment yet.");
            Exit::CannotCheck
        }
        Some(gate) => {
            output::say(format!(
                "Closed: {}. {}",
                text_at(gate, "/because").unwrap_or(""),
                text_at(gate, "/opened_by").unwrap_or("")
            ));
            Exit::Blocked
        }
        None => {
            output::say("Every gate is open.");
            Exit::Done
        }
    }
}

/// `moorline sync|approve|rollback|hold|release`: asks, and with `--wait` waits for the outcome.
pub(super) async fn act(
    wish: &str,
    arguments: &ActionArguments,
    commit: Option<CommitId>,
    format: Output,
) -> Exit {
    let asked = ask(wish, arguments, commit).await;
    let (api, answer) = match asked {
        Ok(asked) => asked,
        Err(error) => return error.report(),
    };
    if format == Output::Json {
        output::json(&answer);
    }
    output::say(format!("Asked {} to {wish}.", arguments.environment));
    match arguments.wait {
        Some(seconds) => watch::until_settled(&api, &arguments.environment, seconds).await,
        None => Exit::Done,
    }
}

async fn ask(
    wish: &str,
    arguments: &ActionArguments,
    commit: Option<CommitId>,
) -> Result<(Api, Value), ApiError> {
    let api = Api::new(&arguments.server)?;
    let path = format!("/environments/{}", arguments.environment);
    let mut body = json!({ "reason": arguments.reason });
    if let Some(commit) = commit {
        body["commit"] = json!(commit);
    }
    if wish == "approve" {
        // What is approved is the plan that waits now; were another made meanwhile, the daemon would refuse.
        let environment = api.get(&path).await?;
        let plan = environment.pointer("/rollout/terraform/binding/plan_sha256").cloned();
        body["plan_sha256"] = plan.unwrap_or_default();
    }
    let answer = api.post(&format!("{path}/{wish}"), &body).await?;
    Ok((api, answer))
}

async fn read(server: &super::ServerArguments, path: &str) -> Result<Value, ApiError> {
    Api::new(server)?.get(path).await
}
