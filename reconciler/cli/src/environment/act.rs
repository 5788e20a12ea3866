//! `moorline sync|approve|rollback|hold|release|heal|adopt`: asks, waits for what came of it, and says it.
//!
//! A wish is heeded by the next cycle of the daemon that leads, so its outcome is there within a moment; with `--wait` the
//! command also waits for the end of the rollout that it began.

use std::time::Duration;

use moorline_api::Client;
use moorline_api::endpoints::{self, Action};
use moorline_api::views::{Asked, EnvironmentView, IntentView, StatusView};
use moorline_model::EnvironmentName;
use moorline_model::adoption::Found;
use moorline_model::condition::ConditionType;
use moorline_model::intent::{Outcome, needs_reason};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::api::{self, ApiError};
use super::super::commit::Prefix;
use super::super::{ActionArguments, Exit, Output, output};
use super::ending::{Ending, Meant, ended};
use super::wording::{approved, fingerprint, time, word_line};

/// How long an outcome is waited for when `--wait` says nothing else.
const HEEDED_WITHIN: Duration = Duration::from_secs(3);
/// How often it is asked for.
const OUTCOME_EVERY: Duration = Duration::from_millis(100);
/// How often a rollout is asked for.
const ROLLOUT_EVERY: Duration = Duration::from_millis(500);

/// What is asked for beside the environment and the reason.
pub(in super::super) struct Ask {
    /// What the daemon is asked.
    pub(in super::super) action: &'static Action,
    /// The commit it names.
    pub(in super::super) commit: Option<Prefix>,
    /// The address it names.
    pub(in super::super) only: Option<String>,
}

impl Ask {
    /// One that names nothing else.
    pub(in super::super) const fn plain(action: &'static Action) -> Self {
        Self { action, commit: None, only: None }
    }
}

/// Asks, and says what came of it.
pub(in super::super) async fn act(ask: Ask, arguments: &ActionArguments, format: Output) -> Exit {
    let environment = &arguments.environment;
    let wish = ask.action.id;
    if needs_reason(wish) && arguments.reason.trim().is_empty() {
        let next = format!("moorline {wish} {environment} --reason \"…\"");
        return output::failed(Exit::Usage, "say why, people will read it in the history", Some(&next));
    }
    let heard = async {
        let (client, intent) = post(ask, arguments).await?;
        let waiting = Waiting { client: &client, environment, intent, format };
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

/// What people were told came of what they asked for.
struct Told {
    view: Seen,
    exit: Exit,
    /// Why what was asked for is not done.
    error: Option<String>,
}

/// What was asked for as last seen; with `--wait` also how the environment stood then.
#[derive(Serialize)]
struct Seen {
    #[serde(flatten)]
    intent: IntentView,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusView>,
}

impl Told {
    /// What was asked for is done, or here is why not.
    fn new(view: Seen, exit: Exit, message: String) -> Self {
        Self { view, exit, error: (exit != Exit::Done).then_some(message) }
    }
}

async fn post(ask: Ask, arguments: &ActionArguments) -> Result<(Client, u64), ApiError> {
    let client = api::client(&arguments.server)?;
    let name = &arguments.environment;
    let mut asked = Asked { reason: arguments.reason.clone(), only: ask.only, ..Asked::default() };
    if let Some(prefix) = ask.commit {
        asked.commit = Some(prefix.complete(&client, name).await?);
    }
    if ask.action.id == endpoints::APPROVE.id {
        // What is approved is what waits now and is shown here; were it another meanwhile, the daemon would refuse.
        let environment = client.environment(name).await?;
        let waits = environment.waits_for_approval.as_ref();
        let waits = waits.ok_or_else(|| ApiError::NothingToApprove(name.to_string()))?;
        asked.plan_sha256.clone_from(&waits.plan_sha256);
        asked.digest = waits.digest;
        approved(&environment).iter().for_each(output::say);
    }
    if ask.action.id == endpoints::ADOPT.id {
        // As above: what is adopted is what is shown here.
        let environment = client.environment(name).await?;
        let waits: Vec<_> = environment.found.iter().filter(|found| found.adopted.is_none()).collect();
        if waits.is_empty() {
            return Err(ApiError::NothingToAdopt(name.to_string()));
        }
        waits.iter().for_each(|found| say_found(found));
        asked.found = waits.iter().map(|found| (found.endpoint.clone(), found.digest)).collect();
    }
    let accepted = client.ask(ask.action, name, &asked).await?;
    Ok((client, accepted.intent))
}

/// What a replica serves that is about to be adopted, who put it there, and in what it differs.
fn say_found(found: &Found) {
    let by = found.actor.as_ref().map(|actor| format!(" by {actor}")).unwrap_or_default();
    let why = found.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let Found { endpoint, origin, .. } = found;
    let (digest, since) = (fingerprint(found.digest), time(found.since));
    output::say(format!("{endpoint} serves {digest} ({origin}{by} since {since}{why})"));
    for finding in &found.differs {
        let path = if finding.path.is_empty() { "all of it" } else { &finding.path };
        let or_nothing = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let (live, declared) = (or_nothing(&finding.live), or_nothing(&finding.declared));
        output::say(format!("  {path}: serves {live}, declared {declared}"));
    }
}

/// A wish that was written down.
struct Waiting<'a> {
    client: &'a Client,
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
        let (intent, outcome) = loop {
            ticks.tick().await;
            let mut intent = self.intent().await?;
            if let Some(outcome) = intent.outcome.take() {
                break (intent, outcome);
            }
            if began.elapsed() >= within {
                return Ok(self.unheeded(intent, within));
            }
        };
        let exit = outcome.exit_code;
        let message = outcome.outcome.message().to_owned();
        let was_refused = matches!(outcome.outcome, Outcome::Refused { .. });
        match was_refused {
            true => self.fail(&message),
            false => self.tell(&message),
        }
        match wait {
            Some(wait) if !was_refused => self.follow(exit, began + wait).await,
            _ => {
                let intent = IntentView { outcome: Some(outcome), ..intent };
                Ok(Told::new(Seen { intent, status: None }, exit, message))
            }
        }
    }

    async fn intent(&self) -> Result<IntentView, ApiError> {
        Ok(self.client.intent(self.environment, self.intent).await?)
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

    fn unheeded(&self, intent: IntentView, within: Duration) -> Told {
        let environment = self.environment;
        let waits_for = intent.waits_for.as_deref().unwrap_or("the next cycle heeds it");
        let message = format!("written down, but not heeded within {} s: {waits_for}", within.as_secs());
        output::say(format!(
            "{environment}: {message}. `moorline status {environment}` shows what it is busy with, \
             `moorline history {environment}` what comes of it."
        ));
        Told::new(Seen { intent, status: None }, Exit::Pending, message)
    }

    /// Waits for the end of what the wish began. Prints a line whenever the word or the phase changes, and last how it
    /// ended and why.
    async fn follow(&self, heeded: Exit, deadline: Instant) -> Result<Told, ApiError> {
        let mut ticks = ticks(ROLLOUT_EVERY);
        let mut said = None;
        loop {
            ticks.tick().await;
            let intent = self.intent().await?;
            let environment = self.client.environment(self.environment).await?;
            let phase = environment.rollout.as_ref().map(|rollout| rollout.phase.as_str());
            let now = Some((environment.status.word, phase));
            if now != said {
                output::say(word_line(&environment));
                said = now;
            }
            let meant = Meant::of(&intent);
            let is_sync = intent.wish == endpoints::SYNC.id;
            let end = ended(&intent, &environment, meant);
            let view = Seen { intent, status: Some(environment.status.clone()) };
            if let Some((ending, message)) = end {
                // Who asks to look is answered by how it stands then.
                if ending == Ending::Heeded && is_sync && heeded == Exit::Done {
                    return Ok(Told { exit: environment.status.exit_code, view, error: None });
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
    fn out_of_time(&self, view: Seen, environment: &EnvironmentView, meant: Meant) -> Told {
        let word = environment.status.exit_code;
        let ending = if word == Exit::Blocked { Ending::Waits } else { Ending::Late };
        let because = match ending {
            Ending::Waits => environment.condition(ConditionType::Apply).because,
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
