//! `moorline status`: one line an environment, the worst first; with a name, its details; with `--watch`, live.

use std::collections::BTreeMap;
use std::time::Duration;

use moorline_api::Client;
use moorline_api::views::{EnvironmentView, Environments};
use moorline_model::condition::{ConditionStatus, ConditionType};
use moorline_model::environment::Hold;
use moorline_model::rollout::{ApprovalSubject, Phase};
use moorline_model::status::StatusWord;
use moorline_model::{CommitId, EnvironmentName};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::super::api::{self, ApiError};
use super::super::output::{Hue, Line};
use super::super::{Exit, Output, StatusArguments, output};
use super::wording;

/// How often a watch polls.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// The words, the worst first, with their shapes: the console's.
const WORDS: [(StatusWord, &str, Hue); 7] = [
    (StatusWord::Failed, "✖", Hue::Bad),
    (StatusWord::CannotCheck, "?", Hue::Unknown),
    (StatusWord::Held, "■", Hue::Attention),
    (StatusWord::Applying, "▶", Hue::Busy),
    (StatusWord::Verifying, "◐", Hue::Busy),
    (StatusWord::Drifted, "◆", Hue::Attention),
    (StatusWord::InSync, "●", Hue::Good),
];

/// What the daemon answered: one environment or all.
#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    One(Box<EnvironmentView>),
    All(Environments),
}

impl Answer {
    /// The environments, the worst first.
    fn environments(&self) -> Vec<&EnvironmentView> {
        let mut environments: Vec<_> = match self {
            Self::One(environment) => vec![environment.as_ref()],
            Self::All(all) => all.environments.iter().collect(),
        };
        environments.sort_by_key(|environment| (rank(environment.status.word), &environment.name));
        environments
    }

    fn shown(&self) -> Vec<Line> {
        let environments = self.environments();
        let width = environments.iter().map(|environment| environment.name.as_str().len()).max().unwrap_or(0);
        let mut lines: Vec<_> = environments.iter().map(|environment| one(environment, width)).collect();
        if let Self::One(environment) = self {
            // With its details callers have a line of their own.
            for line in &mut lines {
                line.text = without_callers(&line.text, environment);
            }
            lines.extend(details(environment).into_iter().map(Line::plain));
        }
        lines
    }

    /// Why there is nothing to show.
    fn none_known(&self) -> String {
        let waits_for = match self {
            Self::One(_) => None,
            Self::All(all) => all.waits_for.as_deref(),
        };
        let because = waits_for.unwrap_or("the daemon has read no moorline.yaml yet");
        format!("No environment is known yet: {because}")
    }
}

/// Prints the status.
pub(in super::super) async fn status(arguments: &StatusArguments, format: Output) -> Exit {
    let client = match api::client(&arguments.server) {
        Ok(client) => client,
        Err(error) => return ApiError::from(error).report(),
    };
    let name = arguments.environment.as_ref();
    if arguments.watch {
        return watch(&client, name, format).await;
    }
    let answer = match read(&client, name).await {
        Ok(answer) => answer,
        Err(error) => return error.report(),
    };
    let Some(worst) = answer.environments().first().map(|worst| worst.status.exit_code) else {
        let none = answer.none_known();
        output::say(&none);
        return output::failed_with(&answer, Exit::CannotCheck, &none, None);
    };
    match format {
        Output::Json => output::json(&answer),
        Output::Text => {
            // A closed pipe ends the printing.
            let _is_read = output::lines(&answer.shown());
        }
    }
    worst
}

async fn read(client: &Client, name: Option<&EnvironmentName>) -> Result<Answer, ApiError> {
    Ok(match name {
        Some(name) => Answer::One(Box::new(client.environment(name).await?)),
        None => Answer::All(client.environments().await?),
    })
}

fn rank(word: StatusWord) -> usize {
    WORDS.iter().position(|(known, ..)| *known == word).unwrap_or(0)
}

/// `✖ failed        prod  for 2 min   the reason`.
fn one(environment: &EnvironmentView, width: usize) -> Line {
    let EnvironmentView { name, status, .. } = environment;
    let (word, shape, hue) = WORDS[rank(status.word)];
    let age =
        status.age_seconds.map_or_else(String::new, |seconds| format!("for {}", wording::span(seconds)));
    let text = format!("  {:<width$}  {age:<11} {}", name.as_str(), detail(environment));
    Line { mark: Some((hue, format!("{shape} {:<12}", word.as_str()))), text: text.trim_end().to_owned() }
}

/// A reason without its sentence on callers, for where that sentence is printed already.
fn without_callers(text: &str, environment: &EnvironmentView) -> String {
    match environment.callers.sentence.as_str() {
        "" => text.to_owned(),
        callers => text.replace(callers, "").trim_end().to_owned(),
    }
}

/// Why the word is what it is, on one line.
fn detail(environment: &EnvironmentView) -> String {
    let status = |of: ConditionType| environment.condition(of).status;
    let because = |of: ConditionType| environment.condition(of).because;
    let detail = match environment.status.word {
        StatusWord::InSync => environment
            .verified
            .as_ref()
            .map(|verified| format!("{} is in force and verified", verified.revision.commit.short())),
        StatusWord::Applying | StatusWord::Verifying => {
            let commit = environment.rollout.as_ref().map(|rollout| rollout.revision.commit.short());
            let rollout = wording::rollout(environment);
            rollout.map(|rollout| format!("{} is {rollout}", commit.unwrap_or("?")))
        }
        StatusWord::Held if status(ConditionType::Apply) == ConditionStatus::Attention => {
            because(ConditionType::Apply)
        }
        StatusWord::Held => because(ConditionType::Hold),
        StatusWord::Drifted => because(ConditionType::Drift),
        StatusWord::CannotCheck => {
            let mut all =
                [ConditionType::Source, ConditionType::Health, ConditionType::Drift, ConditionType::Plan]
                    .into_iter();
            all.find(|of| status(*of) == ConditionStatus::CannotCheck).and_then(because)
        }
        StatusWord::Failed => {
            environment.frozen.as_ref().map(|frozen| format!("frozen: {frozen}")).or_else(|| {
                let mut all = [ConditionType::Apply, ConditionType::Source].into_iter();
                because(all.find(|of| status(*of) == ConditionStatus::Bad).unwrap_or(ConditionType::Apply))
            })
        }
    };
    let detail = detail.unwrap_or_else(|| "nothing was verified yet".to_owned());
    detail.lines().next().unwrap_or_default().to_owned()
}

/// The six conditions, each with its age; whether callers are affected; the rollout; the replicas.
fn details(environment: &EnvironmentView) -> Vec<String> {
    let mut lines = vec![format!("  {}", wording::word_line(environment))];
    for of in ConditionType::ALL {
        let condition = environment.condition(of);
        let status = wording::named(&condition.status).replace('_', " ");
        let age = condition.age_seconds.map_or_else(|| "never checked".to_owned(), wording::ago);
        let because = without_callers(condition.because.as_deref().unwrap_or(""), environment);
        let because = wording::indented(&because, 37);
        lines.push(format!("  {:<7} {status:<13} {age:<12} {because}", of.as_str()));
    }
    lines.push(format!("  {}", environment.callers.sentence));
    lines.extend(wording::rollout(environment).map(|rollout| format!("  rollout {rollout}")));
    for replica in &environment.replicas {
        let serves = match (&replica.error, replica.digest) {
            (Some(error), _) => format!("cannot be read: {error}"),
            (None, Some(digest)) => format!("serves {}", wording::fingerprint(digest)),
            (None, None) => "serves nothing".to_owned(),
        };
        lines.push(format!("  replica {} {serves}", replica.endpoint));
    }
    lines
}

/// Follows until it is interrupted: a terminal is drawn anew, a pipe gets a line for each change. A daemon that went away is
/// waited for; one that was never there, or that refuses, is an error.
async fn watch(client: &Client, name: Option<&EnvironmentName>, format: Output) -> Exit {
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let mut ticks = interval(POLL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watching = Watching { format, is_terminal: output::is_terminal(), ..Watching::default() };
    loop {
        let poll = async {
            ticks.tick().await;
            read(client, name).await
        };
        let answer = tokio::select! {
            _ = &mut interrupted => return Exit::Interrupted,
            answer = poll => answer,
        };
        let is_read = match answer {
            Ok(answer) => watching.show(&answer),
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
    printed: BTreeMap<EnvironmentName, Outline>,
    is_lost: bool,
}

impl Default for Watching {
    fn default() -> Self {
        let (frame, printed) = (Vec::new(), BTreeMap::new());
        Self { format: Output::Text, is_terminal: false, is_new: true, frame, printed, is_lost: false }
    }
}

impl Watching {
    /// Shows what changed. Says whether anybody still reads.
    fn show(&mut self, answer: &Answer) -> bool {
        let was_lost = std::mem::take(&mut self.is_lost);
        if self.is_terminal && self.format == Output::Text {
            let mut frame = answer.shown();
            if frame.is_empty() {
                frame.push(Line::plain(answer.none_known()));
            }
            return self.draw(frame);
        }
        if was_lost {
            output::say("The daemon answers again.");
        }
        answer.environments().into_iter().all(|environment| {
            let outline = Outline::of(environment);
            if self.printed.get(&environment.name) == Some(&outline) {
                return true;
            }
            self.printed.insert(environment.name.clone(), outline);
            self.print(environment)
        })
    }

    fn print(&self, environment: &EnvironmentView) -> bool {
        match self.format {
            Output::Json => output::json_line(environment),
            Output::Text => {
                let mut line = one(environment, 0);
                if let Some((_, mark)) = &mut line.mark {
                    *mark = format!("{}  {mark}", wording::time(environment.now));
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
#[derive(Debug, PartialEq)]
struct Outline {
    word: StatusWord,
    rollout: Option<(Phase, CommitId)>,
    applied: Option<CommitId>,
    verified: Option<CommitId>,
    frozen: Option<String>,
    holds: Vec<Hold>,
    waits_for_approval: Option<ApprovalSubject>,
    open_drift: usize,
    conditions: [ConditionStatus; 6],
}

impl Outline {
    fn of(environment: &EnvironmentView) -> Self {
        let EnvironmentView { status, rollout, applied, verified, frozen, holds, drift, .. } = environment;
        let commit = |deployed: &moorline_model::rollout::Deployed| deployed.revision.commit.clone();
        Self {
            word: status.word,
            rollout: rollout.as_ref().map(|of| (of.phase.clone(), of.revision.commit.clone())),
            applied: applied.as_ref().map(commit),
            verified: verified.as_ref().map(commit),
            frozen: frozen.clone(),
            holds: holds.clone(),
            waits_for_approval: environment.waits_for_approval.clone(),
            open_drift: drift.open,
            conditions: ConditionType::ALL.map(|of| environment.condition(of).status),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample::{self, deployed};
    use super::*;

    fn environment(name: &str, word: &str, code: u8) -> EnvironmentView {
        let changes = json!({
            "status": {"word": word, "age_seconds": 75, "exit_code": code},
            "axes": {"apply": {"standing": "bad", "because": "2222222222 is frozen: it is sick\nvery"},
                     "health": {"standing": "cannot_check", "because": "1 of 2 replicas cannot be read"}},
            "verified": deployed("1"),
        });
        sample::environment(name, &changes)
    }

    #[test]
    fn the_worst_comes_first_on_one_line_each_with_shape_and_word() {
        let environments = vec![
            environment("dev", "in sync", 0),
            environment("prod", "failed", 7),
            environment("qa", "cannot check", 6),
        ];
        let answer = Answer::All(Environments { environments, next: None, waits_for: None });
        let lines: Vec<_> =
            answer.shown().into_iter().map(|line| format!("{}{}", line.mark.unwrap().1, line.text)).collect();
        assert_eq!(
            lines,
            [
                "✖ failed        prod  for 1 min   2222222222 is frozen: it is sick",
                "? cannot check  qa    for 1 min   1 of 2 replicas cannot be read",
                "● in sync       dev   for 1 min   1111111111 is in force and verified",
            ]
        );
        assert_eq!(answer.environments()[0].status.exit_code, Exit::RolledBack);
    }

    #[test]
    fn with_a_name_the_details_follow() {
        let lines = Answer::One(Box::new(environment("prod", "failed", 7))).shown();
        assert!(lines.iter().any(|line| line.text.contains("health  cannot check")), "{lines:?}");
    }

    #[test]
    fn the_sentence_on_callers_is_printed_once() {
        let mut failed = environment("prod", "failed", 7);
        let callers = "Callers: 2222222222 serves, and it is not healthy; 3 of 9 failed.";
        callers.clone_into(&mut failed.callers.sentence);
        let because = |text: &str| Some(format!("{text}. {callers}"));
        failed.conditions.get_mut(&ConditionType::Apply).unwrap().because = because("2222222222 is frozen");
        failed.conditions.get_mut(&ConditionType::Health).unwrap().because =
            because("2222222222 serves, and is not healthy");
        let printed =
            |answer: &Answer| answer.shown().into_iter().map(|line| line.text).collect::<Vec<_>>().join("\n");
        let details = printed(&Answer::One(Box::new(failed.clone())));
        assert_eq!(details.matches("Callers:").count(), 1, "{details}");
        assert!(details.contains("2222222222 serves, and is not healthy.\n"), "{details}");
        let all = Environments { environments: vec![failed], next: None, waits_for: None };
        assert_eq!(printed(&Answer::All(all)).matches("Callers:").count(), 1, "a line of its own keeps it");
    }

    #[test]
    fn an_age_is_no_change() {
        let mut later = environment("prod", "failed", 7);
        later.status.age_seconds = Some(76);
        assert_eq!(Outline::of(&later), Outline::of(&environment("prod", "failed", 7)));
        assert_ne!(Outline::of(&later), Outline::of(&environment("prod", "held", 5)));
    }
}
