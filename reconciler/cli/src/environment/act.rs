//! `moorline sync|approve|rollback|hold|release|heal|adopt`: submits an intent, waits for its outcome, and prints it.
//!
//! The next cycle of the daemon that leads applies an intent, so its outcome is there within a moment; with `--wait` the
//! command also waits for the end of the rollout that it began.

use std::time::Duration;

use moorline_api::Client;
use moorline_api::endpoints::{self, Action};
use moorline_api::views::{EnvironmentView, IntentRequest, IntentView, StatusView};
use moorline_model::EnvironmentName;
use moorline_model::adoption::Found;
use moorline_model::condition::ConditionType;
use moorline_model::intent::{Outcome, needs_reason};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::api::{self, ApiError};
use super::super::commit::Prefix;
use super::super::{ActionArguments, Exit, Output, output};
use super::ending::{Ending, Goal, ended};
use super::wording::{approved, fingerprint, time, word_line};

/// How long an outcome is waited for without `--wait`.
const OUTCOME_WITHIN: Duration = Duration::from_secs(3);
/// How often the outcome is polled.
const OUTCOME_EVERY: Duration = Duration::from_millis(100);
/// How often a rollout is polled.
const ROLLOUT_EVERY: Duration = Duration::from_millis(500);

/// What is requested, beside the environment and the reason.
pub(in super::super) struct Requested {
    pub(in super::super) action: &'static Action,
    /// The commit it names.
    pub(in super::super) commit: Option<Prefix>,
    /// The address it names.
    pub(in super::super) only: Option<String>,
}

impl Requested {
    /// One that names nothing else.
    pub(in super::super) const fn plain(action: &'static Action) -> Self {
        Self { action, commit: None, only: None }
    }
}

/// Submits an intent and prints its outcome.
pub(in super::super) async fn act(requested: Requested, arguments: &ActionArguments, format: Output) -> Exit {
    let environment = &arguments.environment;
    let operation = requested.action.id;
    if needs_reason(operation) && arguments.reason.trim().is_empty() {
        let next = format!("moorline {operation} {environment} --reason \"…\"");
        return output::failed(Exit::Usage, "a reason is required: the history shows it", Some(&next));
    }
    let result = async {
        let (client, intent) = submit(requested, arguments).await?;
        let submitted = Submitted { client: &client, environment, intent, format };
        submitted.end(arguments.wait.map(Duration::from_secs)).await
    };
    match result.await {
        Ok(ActionResult { view, exit, error: Some(message) }) => {
            output::failed_with(&view, exit, &message, Some(&format!("moorline why {environment}")))
        }
        Ok(ActionResult { view, exit, error: None }) => {
            if format == Output::Json {
                output::json(&view);
            }
            exit
        }
        Err(error) => error.report(),
    }
}

/// The outcome of an intent, as it was printed.
struct ActionResult {
    view: ActionView,
    exit: Exit,
    /// Why the operation is not done.
    error: Option<String>,
}

/// The intent as last read; with `--wait` also the environment's status then.
#[derive(Serialize)]
struct ActionView {
    #[serde(flatten)]
    intent: IntentView,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<StatusView>,
}

impl ActionResult {
    /// The operation is done, or `message` says why not.
    fn new(view: ActionView, exit: Exit, message: String) -> Self {
        Self { view, exit, error: (exit != Exit::Done).then_some(message) }
    }
}

async fn submit(requested: Requested, arguments: &ActionArguments) -> Result<(Client, u64), ApiError> {
    let client = api::client(&arguments.server)?;
    let name = &arguments.environment;
    let mut request =
        IntentRequest { reason: arguments.reason.clone(), only: requested.only, ..IntentRequest::default() };
    if let Some(prefix) = requested.commit {
        request.commit = Some(prefix.complete(&client, name).await?);
    }
    if requested.action.id == endpoints::APPROVE.id {
        // What is approved is what waits now and is shown here; were it another meanwhile, the daemon would refuse.
        let environment = client.environment(name).await?;
        let waits = environment.waits_for_approval.as_ref();
        let waits = waits.ok_or_else(|| ApiError::NothingToApprove(name.to_string()))?;
        request.plan_sha256.clone_from(&waits.plan_sha256);
        request.digest = waits.digest;
        approved(&environment).iter().for_each(output::say);
    }
    if requested.action.id == endpoints::ADOPT.id {
        // As above: what is adopted is what is shown here.
        let environment = client.environment(name).await?;
        let waits: Vec<_> = environment.found.iter().filter(|found| found.adopted.is_none()).collect();
        if waits.is_empty() {
            return Err(ApiError::NothingToAdopt(name.to_string()));
        }
        waits.iter().for_each(|found| print_found(found));
        request.found = waits.iter().map(|found| (found.endpoint.clone(), found.digest)).collect();
    }
    let accepted = client.submit(requested.action, name, &request).await?;
    Ok((client, accepted.intent))
}

/// What a replica serves that is about to be adopted, who put it there, and in what it differs.
fn print_found(found: &Found) {
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

/// An intent that is recorded.
struct Submitted<'a> {
    client: &'a Client,
    environment: &'a EnvironmentName,
    intent: u64,
    format: Output,
}

impl Submitted<'_> {
    /// Waits for the outcome, and with `wait` for the end of what it began.
    async fn end(&self, wait: Option<Duration>) -> Result<ActionResult, ApiError> {
        let began = Instant::now();
        let within = wait.unwrap_or(OUTCOME_WITHIN);
        let mut ticks = ticks(OUTCOME_EVERY);
        let (intent, outcome) = loop {
            ticks.tick().await;
            let mut intent = self.intent().await?;
            if let Some(outcome) = intent.outcome.take() {
                break (intent, outcome);
            }
            if began.elapsed() >= within {
                return Ok(self.not_applied(intent, within));
            }
        };
        let exit = outcome.exit_code;
        let message = outcome.outcome.message().to_owned();
        let was_refused = matches!(outcome.outcome, Outcome::Refused { .. });
        match was_refused {
            true => self.fail(&message),
            false => self.print(&message),
        }
        match wait {
            Some(wait) if !was_refused => self.follow(exit, began + wait).await,
            _ => {
                let intent = IntentView { outcome: Some(outcome), ..intent };
                Ok(ActionResult::new(ActionView { intent, status: None }, exit, message))
            }
        }
    }

    async fn intent(&self) -> Result<IntentView, ApiError> {
        Ok(self.client.intent(self.environment, self.intent).await?)
    }

    /// Prints what is done or goes on.
    fn print(&self, message: &str) {
        let line = format!("{}: {message}", self.environment);
        match self.format {
            Output::Text => output::line(line),
            Output::Json => output::say(line),
        }
    }

    /// Prints why an operation is not done.
    fn fail(&self, message: &str) {
        output::say(format!("error: {}: {message}", self.environment));
    }

    fn not_applied(&self, intent: IntentView, within: Duration) -> ActionResult {
        let environment = self.environment;
        let waits_for = intent.waits_for.as_deref().unwrap_or("the next cycle applies it");
        let message = format!("recorded, but not applied within {} s: {waits_for}", within.as_secs());
        output::say(format!(
            "{environment}: {message}. `moorline status {environment}` shows what it is doing, \
             `moorline history {environment}` the outcome."
        ));
        ActionResult::new(ActionView { intent, status: None }, Exit::Pending, message)
    }

    /// Waits for the end of what the intent began. Prints a line whenever the word or the phase changes, and last how it
    /// ended and why.
    async fn follow(&self, applied: Exit, deadline: Instant) -> Result<ActionResult, ApiError> {
        let mut ticks = ticks(ROLLOUT_EVERY);
        let mut printed = None;
        loop {
            ticks.tick().await;
            let intent = self.intent().await?;
            let environment = self.client.environment(self.environment).await?;
            let phase = environment.rollout.as_ref().map(|rollout| rollout.phase.as_str());
            let now = Some((environment.status.word, phase));
            if now != printed {
                output::say(word_line(&environment));
                printed = now;
            }
            let goal = Goal::of(&intent);
            let is_sync = intent.operation == endpoints::SYNC.id;
            let end = ended(&intent, &environment, goal);
            let view = ActionView { intent, status: Some(environment.status.clone()) };
            if let Some((ending, message)) = end {
                // The answer to a sync is the status after it.
                if ending == Ending::Applied && is_sync && applied == Exit::Done {
                    return Ok(ActionResult { exit: environment.status.exit_code, view, error: None });
                }
                let exit = ending.exit(goal, applied);
                match (ending, exit) {
                    // Its outcome was printed.
                    (Ending::Applied, _) => {}
                    (_, Exit::Done) => self.print(&message),
                    _ => self.fail(&message),
                }
                return Ok(ActionResult::new(view, exit, message));
            }
            if Instant::now() >= deadline {
                return Ok(self.out_of_time(view, &environment, goal));
            }
        }
    }

    /// What waits at a gate is blocked, and what merely takes its time is pending.
    fn out_of_time(&self, view: ActionView, environment: &EnvironmentView, goal: Goal) -> ActionResult {
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
        ActionResult::new(view, ending.exit(goal, word), message)
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
