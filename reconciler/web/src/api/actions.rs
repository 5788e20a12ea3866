//! The operations that people request. Each intent is recorded with its audit entry and the environment is woken; its next
//! cycle applies the intent, and the outcome is read at the intent's own address.

use moorline_api::Nothing;
use moorline_api::endpoints::{self, Action as Endpoint};
use moorline_api::views::{Accepted, IntentRequest, IntentView};
use moorline_model::environment::EnvironmentState;
use moorline_model::intent::{Intent, Operation, Outcome, needs_reason};
use moorline_model::rollout::ApprovalSubject;
use moorline_record::{IntentId, RecordedIntent};

use super::state;
use crate::App;
use crate::access::Caller;
use crate::call::Call;
use crate::problem::Problem;

/// Longest reason, in characters.
const REASON_LENGTH_MAX: usize = 1_000;

/// An operation that people may request.
pub(crate) struct Action {
    pub(crate) endpoint: Endpoint,
    /// The operation that a body names.
    operation: fn(&IntentRequest) -> Result<Operation, Problem>,
}

/// Every operation that people may request.
pub(crate) static ACTIONS: [Action; 7] = [
    Action { endpoint: endpoints::SYNC, operation: |_| Ok(Operation::Sync) },
    Action { endpoint: endpoints::APPROVE, operation: approval },
    Action {
        endpoint: endpoints::ROLLBACK,
        operation: |request| Ok(Operation::Rollback { commit: request.commit.clone() }),
    },
    Action {
        endpoint: endpoints::HOLD,
        operation: |request| Ok(Operation::Hold { commit: request.commit.clone() }),
    },
    Action {
        endpoint: endpoints::HEAL,
        operation: |request| Ok(Operation::Heal { only: request.only.clone() }),
    },
    Action { endpoint: endpoints::ADOPT, operation: adoption },
    Action { endpoint: endpoints::RELEASE, operation: |_| Ok(Operation::Release) },
];

/// A plan is named by its SHA-256, a document that waits alone by its digest.
fn approval(request: &IntentRequest) -> Result<Operation, Problem> {
    let plan_sha256 = request.plan_sha256.clone().filter(|seen| !seen.is_empty());
    let seen = ApprovalSubject { plan_sha256, digest: request.digest };
    if seen == ApprovalSubject::default() {
        let missing = "`plan_sha256` or `digest` says which plan or document was seen; both are missing";
        return Err(Problem::malformed(missing));
    }
    Ok(Operation::Approve(seen))
}

/// What gateways served is named by its digest, each by its admin URL.
fn adoption(request: &IntentRequest) -> Result<Operation, Problem> {
    if request.found.is_empty() {
        let missing = "`found` says which documents were seen, as {admin URL: digest}; it is missing";
        return Err(Problem::malformed(missing));
    }
    Ok(Operation::Adopt { seen: request.found.clone() })
}

/// `POST …/{action}`
pub(crate) async fn submit(
    action: &'static Action,
    call: Call<Nothing, IntentRequest>,
) -> Result<Accepted, Problem> {
    if call.body.reason.chars().count() > REASON_LENGTH_MAX {
        return Err(Problem::malformed(format!("a reason has at most {REASON_LENGTH_MAX} characters")));
    }
    let state = state(&call.app, call.name()).await?;
    let Call { app, body: mut request, caller: Caller(actor), .. } = call;
    request.only = request.only.map(|only| as_known(&state, only));
    let operation = (action.operation)(&request)?;
    if needs_reason(operation.as_str()) && request.reason.trim().is_empty() {
        return Err(Problem::reason_required());
    }
    // What makes no sense is refused at once, and not recorded.
    if let Some(refusal) = operation.refused(&state) {
        return Err(Problem::refused(&state.name, &refusal));
    }
    let reason = request.reason.trim().to_owned();
    let intent = Intent { environment: state.name.clone(), operation, actor, reason, at: (app.web.clock)() };
    let id = app.web.record.add_intent(&intent).await?;
    app.web.cycles.wake(Some(&intent.environment));
    let operation = intent.operation.as_str().to_owned();
    Ok(Accepted { intent: id.0, environment: intent.environment, operation })
}

/// A replica's URL as it is remembered: with a slash at its end it is the same.
fn as_known(state: &EnvironmentState, only: String) -> String {
    let bare = |address: &str| address.strip_suffix('/').unwrap_or(address).to_owned();
    let addresses = state.drift.iter().map(|drift| &drift.finding.address);
    let known = addresses.into_iter().find(|address| bare(address) == bare(&only)).cloned();
    known.unwrap_or(only)
}

/// `GET …/intents/{id}`
pub(crate) async fn intent(call: Call<Nothing, Nothing>) -> Result<IntentView, Problem> {
    let app = &call.app;
    let state = state(app, call.name()).await?;
    let unknown = || Problem::not_found(format!("`{}` has no such intent", state.name));
    let id = IntentId(call.id().parse().map_err(|_| unknown())?);
    let RecordedIntent { intent, is_applied, outcome } =
        app.web.record.intent(&state.name, id).await?.ok_or_else(unknown)?;
    // An earlier release applied it and recorded no outcome.
    let outcome = outcome.or_else(|| {
        is_applied.then(|| Outcome::Done { message: "applied; the history says how".to_owned() })
    });
    let begun = outcome.as_ref().and_then(Outcome::rollout);
    let rollout = match begun {
        Some(id) => app.web.record.rollout(&state.name, id).await?,
        None => None,
    };
    Ok(IntentView {
        intent: id.0,
        environment: state.name.clone(),
        operation: intent.operation.as_str().to_owned(),
        actor: intent.actor,
        reason: intent.reason,
        at: intent.at,
        waits_for: if is_applied { None } else { Some(waits_for(app).await?) },
        rollout: rollout.map(Into::into),
        outcome: outcome.map(Into::into),
    })
}

/// Who applies intents: the daemon that leads, which need not be this one.
async fn waits_for(app: &App) -> Result<String, Problem> {
    let leader = app.web.record.leader().await?;
    let leads = leader.holder.filter(|_| leader.expires_at > (app.web.clock)());
    Ok(match leads {
        Some(holder) => {
            format!("the daemon that leads ({holder}) applies it at the end of its present cycle")
        }
        None => "no daemon leads at the moment; the next leader applies it".to_owned(),
    })
}
