//! Effects on gateway replicas. Each looks first and changes only what is not yet as it should be, so that it can be
//! repeated after a crash; each goes to every replica that needs it, and when one refuses or cannot be reached, the
//! whole effect counts as not done and is tried again.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use moorline_admin::{AdminError, Origin, WriteOptions};
use moorline_config::{Config, Digest, Percent};
use moorline_model::rollout::Rollout;
use moorline_model::{CheckFailed, CommitId, FailureClass};
use moorline_plan::gateway::ReplicaReading;
use moorline_plan::replica_groups;

use crate::facilities::Gateway;
use crate::fleet::Replicas;

/// The replicas, and what they attested at the beginning of the cycle.
pub(super) struct Targets<'a, G> {
    /// Their admin APIs.
    pub(super) fleet: &'a Replicas<G>,
    /// Their readings, in the same order.
    pub(super) readings: &'a [ReplicaReading],
    /// Those that serve what somebody else put there and that may not be written over.
    pub(super) foreign: &'a [String],
}

/// Puts the document beside the stable one, with no share of requests, where it neither serves nor waits already.
pub(super) async fn stage<G: Gateway>(
    replicas: Targets<'_, G>,
    document: Result<&Config, CheckFailed>,
    rollout: Option<&Rollout>,
) -> Result<BTreeMap<String, u64>, CheckFailed> {
    let document = document?;
    let digest = document.digest();
    let staged = replicas.each(|client, reading| async move {
        let candidate = reading.candidate().filter(|candidate| candidate.digest == digest);
        let stable = reading.stable().filter(|stable| stable.digest == digest);
        if let Some(generation) =
            candidate.map(|found| found.generation).or(stable.map(|found| found.generation))
        {
            return Ok(generation);
        }
        let options = replicas.options(rollout, &reading);
        let staged = client.stage(document.value(), Percent::ZERO, &options).await?;
        Ok(staged.candidate.attestation.generation.0)
    });
    staged.await
}

/// Gives the candidate a share of requests, wherever there is a candidate.
pub(super) async fn shift<G: Gateway>(
    replicas: Targets<'_, G>,
    document: Result<&Config, CheckFailed>,
    weight: Percent,
) -> Result<(), CheckFailed> {
    let candidate = document?.digest();
    let shifted = replicas.each(|client, reading| async move {
        match reading.candidate() {
            Some(found) if found.digest != candidate || found.weight != weight => {
                client.set_weight(candidate, weight).await.map(drop)
            }
            _ => Ok(()),
        }
    });
    shifted.await.map(drop)
}

/// Makes the document stable wherever it is not. A replica that lost its candidate (it restarted) is given the
/// document directly.
pub(super) async fn promote<G: Gateway>(
    replicas: Targets<'_, G>,
    document: Result<&Config, CheckFailed>,
    rollout: Option<&Rollout>,
) -> Result<(), CheckFailed> {
    let document = document?;
    let digest = document.digest();
    let promoted = replicas.each(|client, reading| async move {
        if reading.stable().is_some_and(|stable| stable.digest == digest) && reading.candidate().is_none() {
            return Ok(());
        }
        match client.promote(digest).await {
            Err(error) if error.problem().is_some_and(|problem| problem.is("no-candidate")) => {
                let options = replicas.options(rollout, &reading);
                client.put_config(document.value(), &options).await.map(drop)
            }
            other => other.map(drop),
        }
    });
    promoted.await.map(drop)
}

/// Drops the candidate wherever there is one.
pub(super) async fn discard<G: Gateway>(
    replicas: Targets<'_, G>,
    rollout: Option<&Rollout>,
) -> Result<(), CheckFailed> {
    let discarded = replicas.each(|client, reading| async move {
        if was_never_reached(rollout, &reading) {
            return Ok(());
        }
        client.discard().await.map(drop)
    });
    discarded.await.map(drop)
}

/// Takes a failed rollout's document back: drops the candidate, and puts `restore` back as stable where another
/// serves. What somebody else put on a replica is left alone.
pub(super) async fn undo<G: Gateway>(
    replicas: Targets<'_, G>,
    restore: Result<Option<&Config>, CheckFailed>,
    rollout: Option<&Rollout>,
) -> Result<(), CheckFailed> {
    let restore = restore?;
    let from = rollout.and_then(|rollout| rollout.from.as_ref()).map(|from| &from.revision.commit);
    let options = &written_by(from);
    let undone = replicas.each(|client, reading| async move {
        if restore.is_none() && was_never_reached(rollout, &reading) {
            return Ok(());
        }
        client.discard().await?;
        match restore {
            Some(document) if !reading.serves(document.digest()) && !replicas.is_foreign(&reading) => {
                client.put_config(document.value(), options).await.map(drop)
            }
            _ => Ok(()),
        }
    });
    undone.await.map(drop)
}

/// Whether nothing is to be undone there.
fn was_never_reached(rollout: Option<&Rollout>, reading: &ReplicaReading) -> bool {
    rollout.is_some_and(|rollout| reading.was_never_reached(rollout))
}

/// Puts the document in force back on the replicas named, taking it over from whoever wrote there.
pub(super) async fn heal<G: Gateway>(
    replicas: Targets<'_, G>,
    document: Result<&Config, CheckFailed>,
    commit: Option<&CommitId>,
    endpoints: &[String],
) -> Result<(), CheckFailed> {
    let document = document?;
    let options = &written_by(commit);
    let healed = replicas.each(|client, reading| async move {
        if !endpoints.contains(&reading.endpoint) {
            return Ok(());
        }
        client.discard().await?;
        client.put_config(document.value(), options).await.map(drop)
    });
    healed.await.map(drop)
}

/// Puts back what each replica served when it was first met: by hand, in the name of the person who asked.
pub(super) async fn restore<G: Gateway>(
    replicas: Targets<'_, G>,
    documents: &BTreeMap<String, Digest>,
    found: &BTreeMap<String, Config>,
    actor: &str,
    reason: &str,
) -> Result<(), CheckFailed> {
    if let Some(lost) = documents.keys().find(|endpoint| !found.contains_key(*endpoint)) {
        return Err(CheckFailed::stalled(format!("the document that {lost} served is not kept any more")));
    }
    let options = &WriteOptions {
        origin: Some(Origin::Manual),
        actor: Some(actor.to_owned()),
        reason: Some(
            if reason.is_empty() { "back to what served before Moorline" } else { reason }.to_owned(),
        ),
        take_over: true,
        ..WriteOptions::default()
    };
    let restored = replicas.each(|client, reading| async move {
        client.discard().await?;
        match found.get(&reading.endpoint) {
            Some(document) if !reading.serves(document.digest()) => {
                client.put_config(document.value(), options).await.map(drop)
            }
            _ => Ok(()),
        }
    });
    restored.await.map(drop)
}

/// What a rollout's writes say of themselves. Staging the same document again says the same again.
pub(crate) fn staged_by(rollout: Option<&Rollout>) -> WriteOptions {
    written_by(rollout.map(|rollout| &rollout.revision.commit))
}

/// A write of ours, which takes the document over from whoever owned it.
fn written_by(commit: Option<&CommitId>) -> WriteOptions {
    WriteOptions {
        commit: commit.map(ToString::to_string),
        origin: Some(Origin::Git),
        take_over: true,
        ..WriteOptions::default()
    }
}

impl<G> Clone for Targets<'_, G> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<G> Copy for Targets<'_, G> {}

impl<G: Gateway> Targets<'_, G> {
    fn is_foreign(self, reading: &ReplicaReading) -> bool {
        self.foreign.contains(&reading.endpoint)
    }

    /// What a rollout's write to this replica says of itself. Where it may not write over what is there, the gateway
    /// refuses: the rollout should have waited.
    fn options(self, rollout: Option<&Rollout>, reading: &ReplicaReading) -> WriteOptions {
        WriteOptions { take_over: !self.is_foreign(reading), ..staged_by(rollout) }
    }

    /// Does the same on every replica at once. All errors are named, not only the first.
    async fn each<T, F>(
        self,
        effect: impl Fn(G, ReplicaReading) -> F,
    ) -> Result<BTreeMap<String, T>, CheckFailed>
    where
        F: Future<Output = Result<T, AdminError>>,
    {
        let all = self.fleet.replicas.iter().zip(self.readings);
        let done = join_all(all.map(|((_, client), reading)| effect(client.clone(), reading.clone()))).await;
        let mut results = BTreeMap::new();
        let (mut errors, mut class) = (Vec::new(), FailureClass::Transient);
        for ((endpoint, _), result) in self.fleet.replicas.iter().zip(done) {
            match result {
                Ok(value) => {
                    results.insert(endpoint.clone(), value);
                }
                Err(error) => {
                    let failed = self.fleet.failed(&error);
                    class = class.max(failed.class);
                    errors.push((endpoint.as_str(), failed.because));
                }
            }
        }
        if errors.is_empty() {
            return Ok(results);
        }
        Err(CheckFailed::new(class, replica_groups::merged(errors, self.fleet.replicas.len()).join("; ")))
    }
}
