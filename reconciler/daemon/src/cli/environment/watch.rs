//! `--wait`: follows an environment until nothing is under way any more.

use std::time::Duration;

use moorline_model::EnvironmentName;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior};

use super::super::api::Api;
use super::super::{Exit, output};
use super::wording::{is_under_way, text_at, word_line};

/// How often the environment is asked for.
const ASK_EVERY: Duration = Duration::from_millis(500);
/// How long a wish may take to be heeded before "nothing is under way" is believed.
const HEEDED_WITHIN: Duration = Duration::from_secs(2);

/// Waits at most so many seconds. Prints a line whenever the word or the phase changes.
pub(super) async fn until_settled(api: &Api, name: &EnvironmentName, seconds: u64) -> Exit {
    let began = Instant::now();
    let deadline = began + Duration::from_secs(seconds);
    let mut ticks = tokio::time::interval(ASK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = String::new();
    loop {
        ticks.tick().await;
        let environment = match api.get(&format!("/environments/{name}")).await {
            Ok(environment) => environment,
            Err(error) => return error.report(),
        };
        let phase = text_at(&environment, "/rollout/phase/phase").unwrap_or("none");
        let line = format!("{} {phase}", text_at(&environment, "/status/word").unwrap_or(""));
        if line != said {
            output::say(word_line(&environment));
            said = line;
        }
        let is_heeded = began.elapsed() > HEEDED_WITHIN;
        if is_heeded && (phase == "none" || !is_under_way(phase)) {
            let code = environment.pointer("/status/exit_code").and_then(Value::as_u64);
            return code.and_then(|code| u8::try_from(code).ok()).map_or(Exit::CannotCheck, Exit::of_word);
        }
        if Instant::now() >= deadline {
            output::say(format!("Still not settled after {seconds} s."));
            return Exit::Pending;
        }
    }
}
