//! `moorline sync|approve|rollback|hold|release|heal|adopt`: asks, waits for what came of it, and says it.
//!
//! A wish is heeded by the next cycle of the daemon that leads, so its outcome is there within a moment; with `--wait` the
//! command also waits for the end of the rollout that it began.

use std::time::Duration;

use moorline_model::EnvironmentName;
use moorline_model::intent::needs_reason;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::api::{Api, ApiError};
use super::super::commit::Prefix;
use super::super::{ActionArguments, Exit, Output, output};
use super::ending::{Ending, Meant, ended};
use super::wording::{approved, list, text_at, time, word_line};

/// How long an outcome is waited for when `--wait` says nothing else.
const HEEDED_WITHIN: Duration = Duration::from_secs(3);
/// How often it is asked for.
const OUTCOME_EVERY: Duration = Duration::from_millis(100);
/// How often a rollout is asked for.
const ROLLOUT_EVERY: Duration = Duration::from_millis(500);

/// What is asked for beside the environment and the reason.
pub(in super::super) struct Ask {
    /// The wish, as in the command line and the API.
    pub(in super::super) wish: &'static str,
    /// The commit it names.
    pub(in super::super) commit: Option<Prefix>,
    /// The address it names.
    pub(in super::super) only: Option<String>,
}

impl Ask {
    /// A wish that names nothing else.
    pub(in super::super) const fn plain(wish: &'static str) -> Self {
        Self { wish, commit: None, only: None }
    }
}

/// Asks, and says what came of it.
pub(in super::super) async fn act(ask: Ask, arguments: &ActionArguments, format: Output) -> Exit {
    let environment = &arguments.environment;
    let wish = ask.wish;
    if needs_reason(wish) && arguments.reason.trim().is_empty() {
        let next = format!("moorline {wish} {environment} --reason \"…\"");
        return output::failed(Exit::Usage, "say why, people will read it in the history", Some(&next));
    }
    let heard = async {
        let (api, intent) = post(ask, arguments).await?;
        let waiting = Waiting { api: &api, environment, intent, format };
        waiting.end(arguments.wait.map(Duration::from_secs)).await
    };
    match heard.await {
        Ok(Told { view, exit, error: Some(message) }) => {
            output::failed_with(&view, exit, &message, Some(&format!("moorline why {environment}")))
        }
        Ok(Told { view, exit, error: None }) => {
            if format == Output::Json {
                output::json(&view);
            }
            exit
        }
        Err(error) => error.report(),
    }
}

/// What people were told came of a wish.
struct Told {
    /// The wish as last seen.
    view: Value,
    exit: Exit,
    /// Why what was asked for is not done.
    error: Option<String>,
}

impl Told {
    /// What was asked for is done, or here is why not.
    fn new(view: Value, exit: Exit, message: String) -> Self {
        Self { view, exit, error: (exit != Exit::Done).then_some(message) }
    }
}

async fn post(ask: Ask, arguments: &ActionArguments) -> Result<(Api, u64), ApiError> {
    let api = Api::new(&arguments.server)?;
    let path = format!("/environments/{}", arguments.environment);
    let mut body = json!({ "reason": arguments.reason });
    if let Some(prefix) = ask.commit {
        body["commit"] = json!(prefix.complete(&api, &path).await?);
    }
    if let Some(only) = ask.only {
        body["only"] = json!(only);
    }
    if ask.wish == "approve" {
        // What is approved is what waits now and is shown here; were it another meanwhile, the daemon would refuse.
        let environment = api.get(&path).await?;
        let waiting = environment.get("waits_for_approval").and_then(Value::as_object);
        let nothing = || ApiError::NothingToApprove(arguments.environment.to_string());
        for (name, identity) in waiting.ok_or_else(nothing)? {
            body[name] = identity.clone();
        }
        approved(&environment).iter().for_each(output::say);
    }
    if ask.wish == "adopt" {
        // As above: what is adopted is what is shown here.
        let environment = api.get(&path).await?;
        let waits = list(&environment, "found").into_iter().filter(|found| found.get("adopted").is_none());
        let waits: Vec<_> = waits.collect();
        if waits.is_empty() {
            return Err(ApiError::NothingToAdopt(arguments.environment.to_string()));
        }
        waits.iter().for_each(say_found);
        let seen = |found: &Value| Some((text_at(found, "/endpoint")?.to_owned(), found["digest"].clone()));
        body["found"] = Value::Object(waits.iter().filter_map(seen).collect());
    }
    let answer = api.post(&format!("{path}/{}", ask.wish), &body).await?;
    let intent = answer.get("intent").and_then(Value::as_u64);
    let intent = intent.ok_or_else(|| ApiError::Unreadable { url: api.url(&path) })?;
    Ok((api, intent))
}

/// What a replica serves that is about to be adopted, who put it there, and in what it differs.
fn say_found(found: &Value) {
    let text = |field: &str| text_at(found, &format!("/{field}")).unwrap_or_default().to_owned();
    let by = text_at(found, "/actor").map(|actor| format!(" by {actor}")).unwrap_or_default();
    let why = text_at(found, "/reason").map(|reason| format!(": {reason}")).unwrap_or_default();
    let (endpoint, digest) = (text("endpoint"), text("digest"));
    let (origin, since) = (text("origin"), time(&text("since")));
    let digest = digest.get(..19).unwrap_or(&digest);
    output::say(format!("{endpoint} serves {digest} ({origin}{by} since {since}{why})"));
    for finding in list(found, "differs") {
        let or_nothing = |field: &str| text_at(&finding, field).unwrap_or("nothing").to_owned();
        let path = text_at(&finding, "/path").filter(|path| !path.is_empty()).unwrap_or("all of it");
        let (live, declared) = (or_nothing("/live"), or_nothing("/declared"));
        output::say(format!("  {path}: serves {live}, declared {declared}"));
    }
}

/// A wish that was written down.
struct Waiting<'a> {
    api: &'a Api,
    environment: &'a EnvironmentName,
    intent: u64,
    format: Output,
}

impl Waiting<'_> {
    /// Waits for the outcome, and with `wait` for the end of what it began.
    async fn end(&self, wait: Option<Duration>) -> Result<Told, ApiError> {
        let began = Instant::now();
        let within = wait.unwrap_or(HEEDED_WITHIN);
        let mut ticks = ticks(OUTCOME_EVERY);
        let view = loop {
            ticks.tick().await;
            let view = self.view().await?;
            if !view["outcome"].is_null() {
                break view;
            }
            if began.elapsed() >= within {
                return Ok(self.unheeded(view, within));
            }
        };
        let exit = exit(view.pointer("/outcome/exit_code"));
        let message = text_at(&view, "/outcome/message").unwrap_or("?").to_owned();
        let was_refused = text_at(&view, "/outcome/outcome") == Some("refused");
        match was_refused {
            true => self.fail(&message),
            false => self.tell(&message),
        }
        match wait {
            Some(wait) if !was_refused => self.follow(exit, began + wait).await,
            _ => Ok(Told::new(view, exit, message)),
        }
    }

    async fn view(&self) -> Result<Value, ApiError> {
        self.api.get(&format!("/environments/{}/intents/{}", self.environment, self.intent)).await
    }

    /// Something that was done, or goes on.
    fn tell(&self, message: &str) {
        let line = format!("{}: {message}", self.environment);
        match self.format {
            Output::Text => output::line(line),
            Output::Json => output::say(line),
        }
    }

    /// Something that was asked for and did not come.
    fn fail(&self, message: &str) {
        output::say(format!("error: {}: {message}", self.environment));
    }

    fn unheeded(&self, view: Value, within: Duration) -> Told {
        let environment = self.environment;
        let waits_for = text_at(&view, "/waits_for").unwrap_or("the next cycle heeds it");
        let message = format!("written down, but not heeded within {} s: {waits_for}", within.as_secs());
        output::say(format!(
            "{environment}: {message}. `moorline status {environment}` shows what it is busy with, \
             `moorline history {environment}` what comes of it."
        ));
        Told::new(view, Exit::Pending, message)
    }

    /// Waits for the end of what the wish began. Prints a line whenever the word or the phase changes, and last how it
    /// ended and why.
    async fn follow(&self, heeded: Exit, deadline: Instant) -> Result<Told, ApiError> {
        let mut ticks = ticks(ROLLOUT_EVERY);
        let mut said = String::new();
        loop {
            ticks.tick().await;
            let mut view = self.view().await?;
            let environment = self.api.get(&format!("/environments/{}", self.environment)).await?;
            let phase = text_at(&environment, "/rollout/phase/phase").unwrap_or("none");
            let line = format!("{} {phase}", text_at(&environment, "/status/word").unwrap_or(""));
            if line != said {
                output::say(word_line(&environment));
                said = line;
            }
            view["status"] = environment["status"].clone();
            let wish = text_at(&view, "/wish").unwrap_or_default();
            let meant = Meant::of(wish, &view["rollout"]);
            if let Some((ending, message)) = ended(&view, &environment, meant) {
                // Who asks to look is answered by how it stands then.
                if (ending, wish, heeded) == (Ending::Heeded, "sync", Exit::Done) {
                    return Ok(Told { exit: exit(view.pointer("/status/exit_code")), view, error: None });
                }
                let exit = ending.exit(meant, heeded);
                match (ending, exit) {
                    // Its outcome was said.
                    (Ending::Heeded, _) => {}
                    (_, Exit::Done) => self.tell(&message),
                    _ => self.fail(&message),
                }
                return Ok(Told::new(view, exit, message));
            }
            if Instant::now() >= deadline {
                return Ok(self.out_of_time(view, &environment, meant));
            }
        }
    }

    /// What waits at a gate is blocked, and what merely takes its time is pending.
    fn out_of_time(&self, view: Value, environment: &Value, meant: Meant) -> Told {
        let word = exit(environment.pointer("/status/exit_code"));
        let ending = if word == Exit::Blocked { Ending::Waits } else { Ending::Late };
        let because = match ending {
            Ending::Waits => text_at(environment, "/axes/apply/because"),
            _ => None,
        };
        let message = match because {
            Some(because) => format!("not over yet: {because}"),
            None => format!("not over yet; `moorline why {}` says what it waits for", self.environment),
        };
        self.fail(&message);
        Told::new(view, ending.exit(meant, word), message)
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

fn exit(code: Option<&Value>) -> Exit {
    let code = code.and_then(Value::as_u64).and_then(|code| u8::try_from(code).ok());
    code.map_or(Exit::CannotCheck, Exit::of_word)
}
