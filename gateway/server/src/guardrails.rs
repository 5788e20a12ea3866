//! Guardrails: what may not be asked, and what may not be answered.
//!
//! In: the text of a request or an answer, and the guardrails that its route and its key name. Out: [`Cleared`], without
//! which nothing goes upstream, or [`Blocked`]. A guardrail in the mode `block` that cannot read what it is given refuses
//! it; one in the mode `monitor` counts and lets pass.
//!
//! Reading order: [`text`] (where the text is), [`finder`] (what is looked for in it), [`stream`] (text that comes in
//! pieces), [`webhook`] and [`asked`] (services outside that are asked), [`tally`] (what is counted).

mod asked;
pub mod finder;
mod persons;
pub mod stream;
pub mod tally;
pub mod text;
pub mod webhook;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use moorline_config::document::{self, GuardrailMode, GuardrailStage};
use moorline_config::{GuardrailName, Reference, Secret};

pub use stream::StreamGuard;
pub use tally::Tallies;
pub use webhook::{About, Judges};

pub use asked::Bench;
use finder::{Finder, Window};
pub use tally::Stage;
use tally::{Action, Tally};
use webhook::Webhook;

/// A declared guardrail, compiled.
#[derive(Debug)]
pub struct Guardrail {
    name: GuardrailName,
    on: GuardrailStage,
    mode: GuardrailMode,
    rule: Rule,
    tally: OnceLock<Arc<Tally>>,
}

#[derive(Debug)]
enum Rule {
    Bytes(u64),
    Text(Finder),
    Webhook(Webhook),
}

/// A request or an answer that a guardrail stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// By which one.
    pub guardrail: GuardrailName,
    /// What was stopped.
    pub stage: Stage,
    /// Whether for what was found, or because nobody could say.
    pub cause: Cause,
}

/// Why something was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Something was found, or it could not be read.
    Found,
    /// The service that judges gave no verdict.
    Unavailable,
}

/// Names the guardrail and never the text.
impl fmt::Display for Blocked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.stage {
            Stage::Request => "request",
            Stage::Response => "answer",
        };
        match self.cause {
            Cause::Found => {
                write!(formatter, "The guardrail {} does not let this {what} pass.", self.guardrail)
            }
            Cause::Unavailable => {
                write!(formatter, "The guardrail {} cannot judge this {what} now.", self.guardrail)
            }
        }
    }
}

/// Something that all its guardrails let pass. There is no other way to make one than [`clear`], and nothing else can be
/// sent upstream: so none is skipped.
#[derive(Debug, Clone)]
pub struct Cleared<A>(A);

impl<A> Deref for Cleared<A> {
    type Target = A;
    fn deref(&self) -> &A {
        &self.0
    }
}

/// What a guardrail can look into.
pub trait Inspect {
    /// Its size in bytes.
    fn size(&self) -> u64;
    /// Its JSON, when it is JSON.
    fn json(&self) -> Option<&[u8]>;
}

/// The guardrails of one request; at least one.
#[derive(Debug, Clone)]
pub struct Guards(Vec<Arc<Guardrail>>);

/// The guardrails of a document.
#[derive(Debug)]
pub struct Declared(BTreeMap<GuardrailName, Arc<Guardrail>>);

impl Declared {
    /// Compiles them. `resolve` gives the value of a reference, or nothing when it has none here.
    #[must_use]
    pub fn compile(
        declared: &BTreeMap<GuardrailName, document::Guardrail>,
        resolve: &dyn Fn(&Reference) -> Option<Secret>,
    ) -> Self {
        let compile = |(name, one): (&GuardrailName, _)| {
            (name.clone(), Arc::new(Guardrail::compile(name, one, resolve)))
        };
        Self(declared.iter().map(compile).collect())
    }

    /// Those of these names.
    #[must_use]
    pub fn named(&self, names: &[GuardrailName]) -> Vec<Arc<Guardrail>> {
        names.iter().filter_map(|name| self.0.get(name).cloned()).collect()
    }
}

impl Guardrail {
    fn compile(
        name: &GuardrailName,
        declared: &document::Guardrail,
        resolve: &dyn Fn(&Reference) -> Option<Secret>,
    ) -> Self {
        let rule = match declared {
            document::Guardrail { max_bytes: Some(most), .. } => Some(Rule::Bytes(most.as_bytes())),
            document::Guardrail { regex: Some(patterns), .. } => Finder::patterns(patterns).map(Rule::Text),
            document::Guardrail { pii: Some(kinds), .. } => Finder::persons(kinds).map(Rule::Text),
            document::Guardrail { words: Some(words), .. } => Finder::words(words).map(Rule::Text),
            document::Guardrail { webhook: Some(webhook), .. } => {
                Some(Rule::Webhook(Webhook::compile(webhook, resolve)))
            }
            _ => None,
        };
        // Checking a document refuses what does not compile. Should it come here, nothing passes.
        let (rule, mode) = rule.map_or((Rule::Bytes(0), GuardrailMode::Block), |rule| (rule, declared.mode));
        Self { name: name.clone(), on: declared.on, mode, rule, tally: OnceLock::new() }
    }

    fn is_on(&self, stage: Stage) -> bool {
        match self.on {
            GuardrailStage::Both => true,
            GuardrailStage::Request => stage == Stage::Request,
            GuardrailStage::Response => stage == Stage::Response,
        }
    }

    fn blocks(&self) -> bool {
        self.mode == GuardrailMode::Block
    }

    /// What a finding comes to, counted.
    fn act(&self, found: bool, stage: Stage, counts: &Tallies) -> Result<(), Blocked> {
        let action = match (found, self.mode) {
            (false, _) => Action::Passed,
            (true, GuardrailMode::Monitor) => Action::Monitored,
            (true, GuardrailMode::Block) => Action::Blocked,
        };
        self.count(stage, action, counts);
        if action == Action::Blocked {
            return Err(self.blocked(stage, Cause::Found));
        }
        Ok(())
    }

    fn count(&self, stage: Stage, action: Action, counts: &Tallies) {
        self.tally.get_or_init(|| counts.tally(&self.name)).count(stage, action);
    }

    fn blocked(&self, stage: Stage, cause: Cause) -> Blocked {
        Blocked { guardrail: self.name.clone(), stage, cause }
    }
}

impl Guards {
    /// The guardrails of a route and of a key, each once; nothing when there are none.
    #[must_use]
    pub fn of(route: &[Arc<Guardrail>], key: &[Arc<Guardrail>]) -> Option<Self> {
        if route.is_empty() && key.is_empty() {
            return None;
        }
        let others = key.iter().filter(|one| !route.iter().any(|other| Arc::ptr_eq(one, other)));
        Some(Self(route.iter().chain(others).cloned().collect()))
    }

    fn on(&self, stage: Stage) -> impl Iterator<Item = &Arc<Guardrail>> {
        self.0.iter().filter(move |guardrail| guardrail.is_on(stage))
    }

    /// Whether answers are looked into.
    #[must_use]
    pub fn read_answers(&self) -> bool {
        self.on(Stage::Response).next().is_some()
    }

    /// What lets a stream pass, when answers are looked into.
    #[must_use]
    pub fn stream(&self, bench: &Bench) -> Option<StreamGuard> {
        let is_here = |guardrail: &&Arc<Guardrail>| !matches!(guardrail.rule, Rule::Webhook(_));
        let guardrails: Vec<_> = self.on(Stage::Response).filter(is_here).cloned().collect();
        let listener = self.listener(bench);
        (!guardrails.is_empty() || listener.is_some())
            .then(|| StreamGuard::new(guardrails, Arc::clone(&bench.counts), listener))
    }

    /// Judges a whole answer by its text; `None`: one that cannot be looked into. What services think of it is asked
    /// apart ([`Self::ask`]).
    ///
    /// # Errors
    /// The first guardrail that stops it.
    pub fn answer(&self, text: Option<&str>, counts: &Tallies) -> Result<(), Blocked> {
        self.judge(Stage::Response, text.map(|text| text.len() as u64), text, counts)
    }

    /// Lets every guardrail judge, so that each counts, and gives the first that blocks.
    fn judge(
        &self,
        stage: Stage,
        size: Option<u64>,
        text: Option<&str>,
        counts: &Tallies,
    ) -> Result<(), Blocked> {
        let mut verdict = Ok(());
        for guardrail in self.on(stage) {
            let found = match &guardrail.rule {
                Rule::Bytes(most) => size.is_none_or(|size| size > *most),
                Rule::Text(finder) => text.is_none_or(|text| finder.finds(Window::whole(text))),
                Rule::Webhook(_) => continue,
            };
            verdict = verdict.and(guardrail.act(found, stage, counts));
        }
        verdict
    }
}

/// Judges a request.
///
/// # Errors
/// The first guardrail that stops it.
pub async fn clear<A: Inspect>(ask: A, guarded: Option<(&Guards, &Bench)>) -> Result<Cleared<A>, Blocked> {
    if let Some((guards, bench)) = guarded.filter(|(guards, _)| guards.on(Stage::Request).next().is_some()) {
        let text = ask.json().and_then(text::of_request);
        guards.judge(Stage::Request, Some(ask.size()), text.as_deref(), &bench.counts)?;
        // What is stopped here already is shown to nobody else.
        Box::pin(guards.ask(Stage::Request, text, bench)).await?;
    }
    Ok(Cleared(ask))
}

#[cfg(test)]
mod tests;
