//! What people ask for. Each wish is written down with its audit, then the bell is rung; the next cycle heeds it, and
//! what came of it is read at the wish's own address.

use moorline_api::Nothing;
use moorline_api::endpoints::{self, Action as Endpoint};
use moorline_api::views::{Accepted, Asked, IntentView};
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

/// Something that people may ask for.
pub(crate) struct Action {
    pub(crate) endpoint: Endpoint,
    /// The wish that a body means.
    wish: fn(&Asked) -> Result<Operation, Problem>,
}

/// Everything that people may ask for.
pub(crate) static ACTIONS: [Action; 7] = [
    Action { endpoint: endpoints::SYNC, wish: |_| Ok(Operation::Sync) },
    Action { endpoint: endpoints::APPROVE, wish: approval },
    Action {
        endpoint: endpoints::ROLLBACK,
        wish: |asked| Ok(Operation::Rollback { commit: asked.commit.clone() }),
    },
    Action { endpoint: endpoints::HOLD, wish: |asked| Ok(Operation::Hold { commit: asked.commit.clone() }) },
    Action { endpoint: endpoints::HEAL, wish: |asked| Ok(Operation::Heal { only: asked.only.clone() }) },
    Action { endpoint: endpoints::ADOPT, wish: adoption },
    Action { endpoint: endpoints::RELEASE, wish: |_| Ok(Operation::Release) },
];

/// A plan is named by its SHA-256, a document that waits alone by its digest.
fn approval(asked: &Asked) -> Result<Operation, Problem> {
    let plan_sha256 = asked.plan_sha256.clone().filter(|seen| !seen.is_empty());
    let seen = ApprovalSubject { plan_sha256, digest: asked.digest };
    if seen == ApprovalSubject::default() {
        let missing = "`plan_sha256` or `digest` says which plan or document was seen; both are missing";
        return Err(Problem::malformed(missing));
    }
    Ok(Operation::Approve(seen))
}

/// What gateways served is named by its digest, each by its admin URL.
fn adoption(asked: &Asked) -> Result<Operation, Problem> {
    if asked.found.is_empty() {
        let missing = "`found` says which documents were seen, as {admin URL: digest}; it is missing";
        return Err(Problem::malformed(missing));
    }
    Ok(Operation::Adopt { seen: asked.found.clone() })
}

/// `POST …/{action}`
pub(crate) async fn ask(action: &'static Action, call: Call<Nothing, Asked>) -> Result<Accepted, Problem> {
    if call.body.reason.chars().count() > REASON_LENGTH_MAX {
        return Err(Problem::malformed(format!("a reason has at most {REASON_LENGTH_MAX} characters")));
    }
    let state = state(&call.app, call.name()).await?;
    let Call { app, body: mut asked, caller: Caller(actor), .. } = call;
    asked.only = asked.only.map(|only| as_known(&state, only));
    let wish = (action.wish)(&asked)?;
    if needs_reason(wish.as_str()) && asked.reason.trim().is_empty() {
        return Err(Problem::reason_required());
    }
    // What makes no sense is said at once, and is not written down.
    if let Some(refusal) = wish.refused(&state) {
        return Err(Problem::refused(&state.name, &refusal));
    }
    let reason = asked.reason.trim().to_owned();
    let intent = Intent { environment: state.name, operation: wish, actor, reason, at: (app.web.clock)() };
    let id = app.web.record.add_intent(&intent).await?;
    app.web.bell.ring(Some(&intent.environment));
    let wish = intent.operation.as_str().to_owned();
    Ok(Accepted { intent: id.0, environment: intent.environment, wish })
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
    // The release that heeded it wrote no outcome.
    let outcome = outcome
        .or_else(|| is_applied.then(|| Outcome::Done { message: "heeded; the history says how".to_owned() }));
    let begun = outcome.as_ref().and_then(Outcome::rollout);
    let rollout = match begun {
        Some(id) => app.web.record.rollout(&state.name, id).await?,
        None => None,
    };
    Ok(IntentView {
        intent: id.0,
        environment: state.name,
        wish: intent.operation.as_str().to_owned(),
        actor: intent.actor,
        reason: intent.reason,
        at: intent.at,
        waits_for: if is_applied { None } else { Some(waits_for(app).await?) },
        rollout: rollout.map(Into::into),
        outcome: outcome.map(Into::into),
    })
}

/// Who heeds wishes: the daemon that leads, which need not be this one.
async fn waits_for(app: &App) -> Result<String, Problem> {
    let leader = app.web.record.leader().await?;
    let leads = leader.holder.filter(|_| leader.expires_at > (app.web.clock)());
    Ok(match leads {
        Some(holder) => format!("the daemon that leads ({holder}) heeds it at the end of its present cycle"),
        None => "no daemon leads at the moment; the next one that does heeds it".to_owned(),
    })
}
