//! `moorline status`: one line an environment, the worst first; with a name, its details; with `--watch`, live.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::super::api::{Api, ApiError};
use super::super::output::{Hue, Line};
use super::super::{Exit, Output, StatusArguments, output};
use super::wording::{self, text_at};

/// How often a watch asks.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// The words, the worst first, with their shapes: the console's.
const WORDS: [(&str, &str, Hue); 7] = [
    ("failed", "✖", Hue::Bad),
    ("cannot check", "?", Hue::Unknown),
    ("held", "■", Hue::Attention),
    ("applying", "▶", Hue::Busy),
    ("verifying", "◐", Hue::Busy),
    ("drifted", "◆", Hue::Attention),
    ("in sync", "●", Hue::Good),
];

/// Says how it stands.
pub(in super::super) async fn status(arguments: &StatusArguments, format: Output) -> Exit {
    let api = match Api::new(&arguments.server) {
        Ok(api) => api,
        Err(error) => return error.report(),
    };
    if arguments.watch {
        return watch(&api, arguments, format).await;
    }
    let answer = match read(&api, arguments).await {
        Ok(answer) => answer,
        Err(error) => return error.report(),
    };
    let environments = environments(&answer, arguments);
    let Some(worst) = environments.first() else {
        let none = none_known(&answer);
        output::say(&none);
        return output::failed_with(&answer, Exit::CannotCheck, &none, None);
    };
    match format {
        Output::Json => output::json(&answer),
        Output::Text => {
            // A closed pipe ends the printing.
            let _is_read = output::lines(&shown(&environments, arguments));
        }
    }
    exit(worst)
}

async fn read(api: &Api, arguments: &StatusArguments) -> Result<Value, ApiError> {
    match &arguments.environment {
        Some(name) => api.get(&format!("/environments/{name}")).await,
        None => api.get("/environments").await,
    }
}

/// The environments of an answer, the worst first.
fn environments(answer: &Value, arguments: &StatusArguments) -> Vec<Value> {
    let mut environments = match arguments.environment {
        Some(_) => vec![answer.clone()],
        None => wording::list(answer, "environments"),
    };
    environments.sort_by_key(|environment| {
        let name = text_at(environment, "/name").unwrap_or_default().to_owned();
        (rank(environment), name)
    });
    environments
}

fn rank(environment: &Value) -> usize {
    let word = text_at(environment, "/status/word").unwrap_or_default();
    WORDS.iter().position(|(known, ..)| *known == word).unwrap_or(0)
}

fn exit(environment: &Value) -> Exit {
    let code = environment.pointer("/status/exit_code").and_then(Value::as_u64);
    code.and_then(|code| u8::try_from(code).ok()).map_or(Exit::CannotCheck, Exit::of_word)
}

fn none_known(answer: &Value) -> String {
    let because = text_at(answer, "/waits_for").unwrap_or("the daemon has read no moorline.yaml yet");
    format!("No environment is known yet: {because}")
}

fn shown(environments: &[Value], arguments: &StatusArguments) -> Vec<Line> {
    let names =
        environments.iter().map(|environment| text_at(environment, "/name").unwrap_or("?").chars().count());
    let width = names.max().unwrap_or(0);
    let mut lines: Vec<_> = environments.iter().map(|environment| one(environment, width)).collect();
    if arguments.environment.is_some() {
        // With its details callers have a line of their own.
        for (line, environment) in lines.iter_mut().zip(environments) {
            line.text = without_callers(&line.text, environment);
        }
        lines.extend(environments.iter().flat_map(details).map(Line::plain));
    }
    lines
}

/// `✖ failed        prod  for 2 min   the reason`.
fn one(environment: &Value, width: usize) -> Line {
    let word = text_at(environment, "/status/word").unwrap_or("cannot check");
    let (_, shape, hue) = WORDS[rank(environment)];
    let name = text_at(environment, "/name").unwrap_or("?");
    let age = environment.pointer("/status/age_seconds").and_then(Value::as_i64);
    let age = age.map_or_else(String::new, |seconds| format!("for {}", wording::span(seconds)));
    let text = format!("  {name:<width$}  {age:<11} {}", detail(environment));
    Line { mark: Some((hue, format!("{shape} {word:<12}"))), text: text.trim_end().to_owned() }
}

/// A reason without its sentence on callers, for where that sentence is told already.
fn without_callers(text: &str, environment: &Value) -> String {
    match text_at(environment, "/callers/sentence").filter(|callers| !callers.is_empty()) {
        Some(callers) => text.replace(callers, "").trim_end().to_owned(),
        None => text.to_owned(),
    }
}

/// Why the word is what it is, on one line.
fn detail(environment: &Value) -> String {
    let commit = |field: &str| text_at(environment, &format!("/{field}/revision/commit")).map(wording::short);
    let because = |axis: &str| text_at(environment, &format!("/axes/{axis}/because")).map(str::to_owned);
    let standing = |axis: &str| text_at(environment, &format!("/axes/{axis}/standing")).unwrap_or_default();
    let axes = ["source", "health", "drift", "plan"];
    let bringing = commit("rollout").unwrap_or("?");
    let said = match text_at(environment, "/status/word").unwrap_or_default() {
        "in sync" => commit("verified").map(|commit| format!("{commit} is in force and verified")),
        "applying" | "verifying" => {
            wording::rollout(environment).map(|rollout| format!("{bringing} is {rollout}"))
        }
        "held" if standing("apply") == "attention" => because("apply"),
        "held" => because("hold"),
        "drifted" => because("drift"),
        "cannot check" => axes.into_iter().find(|axis| standing(axis) == "cannot_check").and_then(because),
        _ => text_at(environment, "/frozen").map(|frozen| format!("frozen: {frozen}")).or_else(|| {
            let axis = ["apply", "source"].into_iter().find(|axis| standing(axis) == "bad");
            because(axis.unwrap_or("apply"))
        }),
    };
    let said = said.unwrap_or_else(|| "nothing was verified yet".to_owned());
    said.lines().next().unwrap_or_default().to_owned()
}

/// The six axes, each with its age; whether callers are affected; the rollout; the replicas.
fn details(environment: &Value) -> Vec<String> {
    let mut lines = vec![format!("  {}", wording::word_line(environment))];
    for axis in ["source", "plan", "apply", "health", "drift", "hold"] {
        let at =
            |field: &str| environment.pointer(&format!("/axes/{axis}/{field}")).cloned().unwrap_or_default();
        let standing = at("standing").as_str().unwrap_or("unknown").replace('_', " ");
        let age = at("age_seconds").as_i64().map_or_else(|| "never checked".to_owned(), wording::ago);
        let because = without_callers(at("because").as_str().unwrap_or(""), environment);
        lines.push(format!("  {axis:<7} {standing:<13} {age:<12} {}", wording::indented(&because, 37)));
    }
    lines.extend(text_at(environment, "/callers/sentence").map(|callers| format!("  {callers}")));
    lines.extend(wording::rollout(environment).map(|rollout| format!("  rollout {rollout}")));
    for replica in wording::list(environment, "replicas") {
        let serves = match (text_at(&replica, "/error"), text_at(&replica, "/digest")) {
            (Some(error), _) => format!("cannot be read: {error}"),
            (None, Some(digest)) => format!("serves {}", digest.get(..19).unwrap_or(digest)),
            (None, None) => "serves nothing".to_owned(),
        };
        lines.push(format!("  replica {} {serves}", text_at(&replica, "/endpoint").unwrap_or("?")));
    }
    lines
}

/// Follows until it is interrupted: a terminal is drawn anew, a pipe gets a line for each change. A daemon that went away is
/// waited for; one that was never there, or that refuses, is an error.
async fn watch(api: &Api, arguments: &StatusArguments, format: Output) -> Exit {
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut ticks = interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watching = Watching { format, is_terminal: output::is_terminal(), ..Watching::default() };
    loop {
        let asked = async {
            ticks.tick().await;
            read(api, arguments).await
        };
        let answer = tokio::select! {
            _ = &mut interrupted => return Exit::Interrupted,
            answer = asked => answer,
        };
        let is_read = match answer {
            Ok(answer) => watching.show(&answer, arguments),
            Err(error) if watching.is_new || !matches!(error.exit(), Exit::CannotCheck) => {
                return error.report();
            }
            Err(error) => watching.lost(&error),
        };
        watching.is_new = false;
        if !is_read {
            return Exit::Done;
        }
    }
}

/// What a watch has shown.
struct Watching {
    format: Output,
    is_terminal: bool,
    is_new: bool,
    frame: Vec<Line>,
    said: BTreeMap<String, Value>,
    is_lost: bool,
}

impl Default for Watching {
    fn default() -> Self {
        let (frame, said) = (Vec::new(), BTreeMap::new());
        Self { format: Output::Text, is_terminal: false, is_new: true, frame, said, is_lost: false }
    }
}

impl Watching {
    /// Shows what changed. Says whether anybody still reads.
    fn show(&mut self, answer: &Value, arguments: &StatusArguments) -> bool {
        let environments = environments(answer, arguments);
        let was_lost = std::mem::take(&mut self.is_lost);
        if self.is_terminal && self.format == Output::Text {
            let mut frame = shown(&environments, arguments);
            if frame.is_empty() {
                frame.push(Line::plain(none_known(answer)));
            }
            return self.draw(frame);
        }
        if was_lost {
            output::say("The daemon answers again.");
        }
        environments.iter().all(|environment| {
            let name = text_at(environment, "/name").unwrap_or("?").to_owned();
            let state = outline(environment);
            if self.said.get(&name) == Some(&state) {
                return true;
            }
            self.said.insert(name, state);
            self.tell(environment)
        })
    }

    fn tell(&self, environment: &Value) -> bool {
        match self.format {
            Output::Json => output::json_line(environment),
            Output::Text => {
                let mut line = one(environment, 0);
                let at = wording::time(text_at(environment, "/now").unwrap_or_default());
                if let Some((_, mark)) = &mut line.mark {
                    *mark = format!("{at}  {mark}");
                }
                output::lines(&[line])
            }
        }
    }

    fn draw(&mut self, frame: Vec<Line>) -> bool {
        if frame == self.frame {
            return true;
        }
        let is_read = output::redraw(&frame, self.is_new);
        self.frame = frame;
        is_read
    }

    /// The daemon does not answer any more: what was last seen is not what is.
    fn lost(&mut self, error: &ApiError) -> bool {
        let was_lost = std::mem::replace(&mut self.is_lost, true);
        let message = format!("Nothing below is known any more: {}", crate::chain::of(error));
        if self.is_terminal && self.format == Output::Text {
            if was_lost {
                return true;
            }
            let mark = Some((Hue::Unknown, "? cannot check".to_owned()));
            let mut frame = vec![Line { mark, text: format!("  {message}") }];
            frame.extend(self.frame.iter().map(|line| Line { mark: None, ..line.clone() }));
            return self.draw(frame);
        }
        if !was_lost {
            output::say(crate::chain::of(error));
        }
        true
    }
}

/// What counts as a change: the word, the phase and what they are about; not their ages, nor numbers that grow.
fn outline(environment: &Value) -> Value {
    let at = |pointer: &str| environment.pointer(pointer).cloned().unwrap_or_default();
    let standings = ["source", "plan", "apply", "health", "drift", "hold"]
        .map(|axis| at(&format!("/axes/{axis}/standing")));
    serde_json::json!([
        at("/status/word"),
        at("/rollout/phase"),
        at("/rollout/revision/commit"),
        at("/applied/revision/commit"),
        at("/verified/revision/commit"),
        at("/frozen"),
        at("/holds"),
        at("/waits_for_approval"),
        at("/drift/open"),
        standings,
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arguments(environment: Option<&str>) -> StatusArguments {
        StatusArguments {
            environment: environment.map(|name| name.parse().unwrap()),
            watch: false,
            server: super::super::super::ServerArguments { server: String::new(), token: None },
        }
    }

    fn environment(name: &str, word: &str, code: u8) -> Value {
        json!({
            "name": name,
            "status": {"word": word, "age_seconds": 75, "exit_code": code},
            "axes": {"apply": {"standing": "bad", "because": "2222222222 is frozen: it is sick\nvery"},
                     "health": {"standing": "cannot_check", "because": "1 of 2 replicas cannot be read"}},
            "verified": {"revision": {"commit": "1111111111111111"}},
        })
    }

    #[test]
    fn the_worst_comes_first_on_one_line_each_with_shape_and_word() {
        let answer = json!({"environments": [
            environment("dev", "in sync", 0), environment("prod", "failed", 7), environment("qa", "cannot check", 6),
        ]});
        let sorted = environments(&answer, &arguments(None));
        let lines: Vec<_> = shown(&sorted, &arguments(None))
            .into_iter()
            .map(|line| format!("{}{}", line.mark.unwrap().1, line.text))
            .collect();
        assert_eq!(
            lines,
            [
                "✖ failed        prod  for 1 min   2222222222 is frozen: it is sick",
                "? cannot check  qa    for 1 min   1 of 2 replicas cannot be read",
                "● in sync       dev   for 1 min   1111111111 is in force and verified",
            ]
        );
        assert_eq!(exit(&sorted[0]).code(), 7);
    }

    #[test]
    fn with_a_name_the_details_follow() {
        let one = environment("prod", "failed", 7);
        let lines = shown(&environments(&one, &arguments(Some("prod"))), &arguments(Some("prod")));
        assert!(lines.iter().any(|line| line.text.contains("health  cannot check")), "{lines:?}");
    }

    #[test]
    fn what_callers_get_is_said_once() {
        let mut sick = environment("prod", "failed", 7);
        let callers = "Callers: 2222222222 serves, and it is not healthy; 3 of 9 failed.";
        sick["callers"] = json!({"sentence": callers});
        sick["axes"]["apply"]["because"] = json!(format!("2222222222 is frozen. {callers}"));
        sick["axes"]["health"]["because"] =
            json!(format!("2222222222 serves, and is not healthy. {callers}"));
        let told = |name: Option<&str>| {
            let lines = shown(&[sick.clone()], &arguments(name));
            lines.into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n")
        };
        let details = told(Some("prod"));
        assert_eq!(details.matches("Callers:").count(), 1, "{details}");
        assert!(details.contains("2222222222 serves, and is not healthy.\n"), "{details}");
        assert_eq!(told(None).matches("Callers:").count(), 1, "a line of its own keeps it");
    }

    #[test]
    fn an_age_is_no_change() {
        let mut later = environment("prod", "failed", 7);
        later["status"]["age_seconds"] = json!(76);
        assert_eq!(outline(&later), outline(&environment("prod", "failed", 7)));
        assert_ne!(outline(&later), outline(&environment("prod", "held", 5)));
    }
}
