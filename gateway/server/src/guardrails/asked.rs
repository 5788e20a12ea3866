//! Guardrails that ask a service outside.
//!
//! In: a text that passed everything that is looked for here. Out: whether it passes what services think of it, too.
//! Those in the mode `block` are asked all at once and waited for. Those in the mode `monitor` hold nothing up: they are
//! asked aside, and what they say is counted when it comes.

use std::sync::Arc;

use futures_util::future::join_all;
use moorline_config::document::{GuardrailMode, WhenUnavailable};

use super::tally::{Action, Stage, Tallies};
use super::text::Texts;
use super::webhook::{About, Judges, TEXT_BYTES_MAX, Verdict, Webhook};
use super::{Blocked, Cause, Guardrail, Guards, Rule};

/// What judging one request needs beside its guardrails.
#[derive(Clone, Default)]
pub struct Bench {
    /// Where it is counted.
    pub counts: Arc<Tallies>,
    /// How services are asked.
    pub judges: Arc<Judges>,
    /// Whose request it is.
    pub about: Arc<About>,
}

impl Guards {
    fn services(
        &self,
        stage: Stage,
        mode: GuardrailMode,
    ) -> impl Iterator<Item = (&Arc<Guardrail>, &Webhook)> {
        self.on(stage).filter(move |guardrail| guardrail.mode == mode).filter_map(
            |guardrail| match &guardrail.rule {
                Rule::Webhook(webhook) => Some((guardrail, webhook)),
                Rule::Bytes(_) | Rule::Text(_) => None,
            },
        )
    }

    /// Whether an answer must be all here before any of it may go to the caller.
    #[must_use]
    pub fn hold_answers(&self) -> bool {
        self.services(Stage::Response, GuardrailMode::Block).next().is_some()
    }

    /// What gathers a stream's text for the services that look at answers without holding them up.
    pub(super) fn listener(&self, bench: &Bench) -> Option<Box<Listener>> {
        let services: Vec<_> = self
            .services(Stage::Response, GuardrailMode::Monitor)
            .map(|(guardrail, _)| Arc::clone(guardrail))
            .collect();
        let bench = bench.clone();
        (!services.is_empty()).then(|| Box::new(Listener { services, bench, texts: Texts::default() }))
    }

    /// Asks every service that looks at this; `None`: a text that cannot be read.
    ///
    /// # Errors
    /// The first guardrail that stops it.
    pub async fn ask(&self, stage: Stage, text: Option<String>, bench: &Bench) -> Result<(), Blocked> {
        let modes = [GuardrailMode::Block, GuardrailMode::Monitor];
        if modes.into_iter().all(|mode| self.services(stage, mode).next().is_none()) {
            return Ok(());
        }
        let Some(text) = text.filter(|text| text.len() <= TEXT_BYTES_MAX) else {
            let all = self.on(stage).filter(|guardrail| matches!(guardrail.rule, Rule::Webhook(_)));
            let judged = all.map(|guardrail| guardrail.act(true, stage, &bench.counts));
            return judged.fold(Ok(()), Result::and);
        };
        let text = Arc::<str>::from(text);
        for (guardrail, _) in self.services(stage, GuardrailMode::Monitor) {
            aside(guardrail, stage, &text, bench);
        }
        let asked = self.services(stage, GuardrailMode::Block).map(|(guardrail, webhook)| {
            let (name, text) = (guardrail.name.as_str(), &text);
            async move {
                let verdict = webhook.ask(&bench.judges, name, stage, &bench.about, text).await;
                guardrail.obey(verdict, webhook.when_unavailable, stage, &bench.counts)
            }
        });
        join_all(asked).await.into_iter().fold(Ok(()), Result::and)
    }
}

/// A stream's text on its way to services that hold nothing up.
pub(super) struct Listener {
    services: Vec<Arc<Guardrail>>,
    bench: Bench,
    pub(super) texts: Texts,
}

impl Listener {
    /// The stream has ended: it is all here.
    pub(super) fn tell(self) {
        let text = Some(self.texts.joined()).filter(|text| text.len() <= TEXT_BYTES_MAX);
        let Some(text) = text.map(Arc::<str>::from) else {
            let counts = &self.bench.counts;
            self.services.iter().for_each(|one| drop(one.act(true, Stage::Response, counts)));
            return;
        };
        self.services.iter().for_each(|one| aside(one, Stage::Response, &text, &self.bench));
    }
}

impl Guardrail {
    /// What a service's word comes to, counted.
    fn obey(
        &self,
        verdict: Verdict,
        when_unavailable: WhenUnavailable,
        stage: Stage,
        counts: &Tallies,
    ) -> Result<(), Blocked> {
        match (verdict, self.mode, when_unavailable) {
            (Verdict::Allow, ..) => self.act(false, stage, counts),
            (Verdict::Block, ..) => self.act(true, stage, counts),
            (Verdict::Unavailable, GuardrailMode::Block, WhenUnavailable::Block) => {
                self.count(stage, Action::UnavailableBlocked, counts);
                Err(self.blocked(stage, Cause::Unavailable))
            }
            (Verdict::Unavailable, ..) => {
                self.count(stage, Action::UnavailableAllowed, counts);
                Ok(())
            }
        }
    }
}

/// Asks without anybody waiting for it.
fn aside(guardrail: &Arc<Guardrail>, stage: Stage, text: &Arc<str>, bench: &Bench) {
    let (one, text, own) = (Arc::clone(guardrail), Arc::clone(text), bench.clone());
    let asking = async move {
        let Rule::Webhook(webhook) = &one.rule else { return };
        let verdict = webhook.ask(&own.judges, one.name.as_str(), stage, &own.about, &text).await;
        // It only counts: there is nothing left to stop.
        drop(one.obey(verdict, webhook.when_unavailable, stage, &own.counts));
    };
    if bench.judges.aside(asking).is_err() {
        guardrail.count(stage, Action::UnavailableAllowed, &bench.counts);
    }
}
