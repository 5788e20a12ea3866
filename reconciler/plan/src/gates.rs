//! What keeps a change from beginning or from being applied, and what opens it.
//!
//! In: what is remembered and declared. Out: each gate's reading, in the order they are asked; a closed one says why,
//! who or what opens it, and when.

use jiff::Timestamp;
use moorline_model::declaration;
use moorline_model::environment::EnvironmentState;
use moorline_model::plan::{PlanSummary, ResourceChange};
use moorline_model::rollout::{Rollout, RolloutKind};
use serde::Serialize;

use crate::adopt::unadopted;
use crate::decide::{Situation, first_foreign};
use crate::desired::Desired;
use crate::policy::Denial;

/// A gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// The head can be read, and what it declares is valid.
    Source,
    /// Nothing waits for a person after a failed undoing.
    Frozen,
    /// The commit is not held.
    Hold,
    /// Changes are applied without a person starting them, or a person did.
    Auto,
    /// A window is open.
    Window,
    /// Terraform's state is not in doubt.
    Blocked,
    /// No replica serves what was there before Moorline, or somebody adopted it.
    Adopt,
    /// No replica serves what somebody else put there, or that may be written over.
    Owner,
    /// No policy refuses.
    Policy,
    /// No protected resource would be destroyed or replaced.
    Protected,
    /// Not too many resources would be destroyed.
    DeletionShare,
    /// A person approved the plan.
    Approval,
}

impl Gate {
    /// The gate in a word, as in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Frozen => "frozen",
            Self::Hold => "hold",
            Self::Auto => "auto",
            Self::Window => "window",
            Self::Blocked => "blocked",
            Self::Adopt => "adopt",
            Self::Owner => "owner",
            Self::Policy => "policy",
            Self::Protected => "protected",
            Self::DeletionShare => "deletion_share",
            Self::Approval => "approval",
        }
    }
}

/// Why a gate is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// The gate.
    pub gate: Gate,
    /// Why, in one sentence.
    pub because: String,
    /// Who or what opens it: a command, a commit, time.
    pub opened_by: String,
    /// When it opens by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opens_at: Option<Timestamp>,
}

/// One gate as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum GateReading {
    /// It lets the change through.
    Open {
        /// The gate.
        gate: Gate,
    },
    /// It does not.
    Closed(Closed),
}

impl GateReading {
    /// Why it is closed, if it is.
    #[must_use]
    pub const fn closed(&self) -> Option<&Closed> {
        match self {
            Self::Open { .. } => None,
            Self::Closed(closed) => Some(closed),
        }
    }

    fn of(gate: Gate, closed: Option<Closed>) -> Self {
        closed.map_or(Self::Open { gate }, Self::Closed)
    }
}

/// The gates in front of a rollout that waits to begin: freeze, hold, auto and window.
#[must_use]
pub fn begin_gates(state: &EnvironmentState, desired: &Desired, now: Timestamp) -> Vec<GateReading> {
    let rollout =
        state.rollout_under_way().filter(|rollout| rollout.revision.commit == desired.revision.commit);
    vec![
        GateReading::of(Gate::Frozen, frozen_gate(state)),
        GateReading::of(Gate::Hold, hold_gate(state, desired)),
        GateReading::of(Gate::Auto, auto_gate(state, rollout, desired)),
        GateReading::of(Gate::Window, window_gate(rollout, desired, now)),
    ]
}

/// The first closed gate in front of a waiting rollout.
pub(crate) fn first_closed(
    state: &EnvironmentState,
    desired: &Desired,
    blocked: Option<&str>,
    now: Timestamp,
) -> Option<Closed> {
    begin_gates(state, desired, now)
        .into_iter()
        .find_map(|reading| match reading {
            GateReading::Open { .. } => None,
            GateReading::Closed(closed) => Some(closed),
        })
        .or_else(|| blocked_gate(state, blocked))
}

/// The gates in front of an apply: policies, protected resources, the share of deletions.
///
/// # Errors
/// The first that is closed.
pub fn plan_gates(
    plan: &PlanSummary,
    terraform: &declaration::Terraform,
    denials: Result<&[Denial], &str>,
) -> Result<(), Closed> {
    let closed = policy_gate(denials)
        .or_else(|| protected_gate(plan, terraform))
        .or_else(|| deletion_share_gate(plan, terraform));
    closed.map_or(Ok(()), Err)
}

/// Every gate as it stands, the closed ones first: why nothing happens, or what lets it happen.
#[must_use]
pub fn why(state: &EnvironmentState, situation: &Situation<'_>, now: Timestamp) -> Vec<GateReading> {
    let mut readings = vec![GateReading::of(Gate::Source, source_gate(situation))];
    let rollout = state.rollout_under_way();
    let desired = situation.current.filter(|_| rollout.is_some()).or(situation.head.and_then(Result::ok));
    match desired {
        Some(desired) => readings.extend(begin_gates(state, desired, now)),
        None => readings.push(GateReading::of(Gate::Frozen, frozen_gate(state))),
    }
    readings.push(GateReading::of(Gate::Blocked, blocked_gate(state, situation.blocked)));
    readings.push(GateReading::of(Gate::Adopt, adopt_gate(state, situation)));
    readings.push(GateReading::of(Gate::Owner, owner_gate(state, situation)));
    readings.push(GateReading::of(Gate::Policy, policy_gate(situation.denials)));
    let plan = rollout.and_then(|rollout| rollout.terraform.as_ref());
    if let (Some(plan), Some(terraform)) =
        (plan, desired.and_then(|desired| desired.environment.terraform.as_ref()))
    {
        readings.push(GateReading::of(Gate::Protected, protected_gate(plan, terraform)));
        readings.push(GateReading::of(Gate::DeletionShare, deletion_share_gate(plan, terraform)));
    }
    readings.push(GateReading::of(Gate::Approval, approval_gate(state)));
    // A stable sort: within closed and open the order of asking stays.
    readings.sort_by_key(|reading| reading.closed().is_none());
    readings
}

fn source_gate(situation: &Situation<'_>) -> Option<Closed> {
    let because = match situation.head {
        Some(Ok(_)) => return None,
        Some(Err(reason)) => reason.to_owned(),
        None => "the repository could not be read".to_owned(),
    };
    let opened_by = "a commit that is valid, or the repository's return".to_owned();
    Some(Closed { gate: Gate::Source, because, opened_by, opens_at: None })
}

fn release(state: &EnvironmentState) -> String {
    format!("`moorline release {}`", state.name)
}

fn frozen_gate(state: &EnvironmentState) -> Option<Closed> {
    let reason = state.frozen.as_ref()?;
    Some(Closed {
        gate: Gate::Frozen,
        because: format!("frozen: {reason}"),
        opened_by: release(state),
        opens_at: None,
    })
}

fn hold_gate(state: &EnvironmentState, desired: &Desired) -> Option<Closed> {
    let hold = state.hold_on(&desired.revision.commit)?;
    let what = hold.commit.as_ref().map_or("everything", |commit| commit.short());
    let opened_by = match hold.commit {
        Some(_) => format!("a newer commit, or {}", release(state)),
        None => release(state),
    };
    let because = format!("{what} is held by {}: {}", hold.by, hold.reason);
    Some(Closed { gate: Gate::Hold, because, opened_by, opens_at: None })
}

fn auto_gate(state: &EnvironmentState, rollout: Option<&Rollout>, desired: &Desired) -> Option<Closed> {
    let is_asked = state.sync.is_some() || rollout.is_some_and(is_asked);
    (!desired.environment.apply.auto && !is_asked).then(|| Closed {
        gate: Gate::Auto,
        because: "apply.auto is false: a person starts each change".to_owned(),
        opened_by: format!("`moorline sync {}`", state.name),
        opens_at: None,
    })
}

fn is_asked(rollout: &Rollout) -> bool {
    rollout.asked.is_some() || is_rollback(rollout)
}

fn is_rollback(rollout: &Rollout) -> bool {
    matches!(rollout.kind, RolloutKind::Rollback { .. })
}

/// A person's rollback waits for no window: it is asked for because what runs is wrong.
pub(crate) fn window_gate(rollout: Option<&Rollout>, desired: &Desired, now: Timestamp) -> Option<Closed> {
    let windows = &desired.environment.apply.windows;
    let is_open = windows.is_empty()
        || rollout.is_some_and(is_rollback)
        || windows.iter().any(|window| window.allow.is_open(now));
    if is_open {
        return None;
    }
    let opens_at = windows.iter().filter_map(|window| window.allow.next_opening(now)).min();
    let names: Vec<_> = windows.iter().map(|window| window.allow.to_string()).collect();
    Some(Closed {
        gate: Gate::Window,
        because: format!("outside of the windows {}", names.join(", ")),
        opened_by: opens_at.map_or_else(
            || "a change of the windows".to_owned(),
            |_| "itself, when a window opens".to_owned(),
        ),
        opens_at,
    })
}

fn blocked_gate(state: &EnvironmentState, blocked: Option<&str>) -> Option<Closed> {
    Some(Closed {
        gate: Gate::Blocked,
        because: format!("Terraform is blocked: {}", blocked?),
        opened_by: format!("a person who puts the state in order, then {}", release(state)),
        opens_at: None,
    })
}

/// What gateways served before Moorline met them is replaced only when somebody says so.
pub(crate) fn adopt_gate(state: &EnvironmentState, situation: &Situation<'_>) -> Option<Closed> {
    let unadopted = unadopted(state, situation);
    let name = &state.name;
    let sentence = |reading: &&crate::gateway::ReplicaReading| {
        let found = state
            .found
            .iter()
            .find(|found| found.endpoint == reading.endpoint && reading.serves(found.digest));
        match found {
            Some(found) => format!("{}, and differs in {}", found.sentence(), found.fields()),
            None => format!("{} serves something that cannot be read", reading.endpoint),
        }
    };
    let each: Vec<_> = unadopted.iter().map(sentence).collect();
    (!each.is_empty()).then(|| Closed {
        gate: Gate::Adopt,
        because: format!("{}; Moorline has not put that there", each.join("; ")),
        opened_by: format!(
            "`moorline adopt {name}`, which shows the differences and replaces it, or `gateway: {{adopt: true}}`"
        ),
        opens_at: None,
    })
}

/// What somebody else put on a replica is written over only where that is declared, or when a person asks for it.
pub(crate) fn owner_gate(state: &EnvironmentState, situation: &Situation<'_>) -> Option<Closed> {
    let (endpoint, serving) = first_foreign(state, state.rollout_under_way()?, situation)?;
    Some(Closed {
        gate: Gate::Owner,
        because: format!("{endpoint} serves what is not Git's: {}", serving.written_by()),
        opened_by: format!("`moorline sync {}`, which writes over it, or drift.heal: [gateway]", state.name),
        opens_at: None,
    })
}

/// What the policies say. Policies that cannot be asked refuse.
pub(crate) fn policy_gate(denials: Result<&[Denial], &str>) -> Option<Closed> {
    let because = match denials {
        Ok([]) => return None,
        Ok(denials) => {
            let messages: Vec<_> =
                denials.iter().map(|denial| format!("{}: {}", denial.rule, denial.message)).collect();
            format!("refused by policy: {}", messages.join("; "))
        }
        Err(problem) => format!("the policies cannot be asked, so they refuse: {problem}"),
    };
    let opened_by = "a commit that follows the policies".to_owned();
    Some(Closed { gate: Gate::Policy, because, opened_by, opens_at: None })
}

fn protected_gate(plan: &PlanSummary, terraform: &declaration::Terraform) -> Option<Closed> {
    let is_protected = |change: &&ResourceChange| {
        terraform.protect.iter().any(|pattern| match pattern.strip_suffix(".*") {
            Some(resource_type) => resource_type == change.resource_type,
            None => *pattern == change.address,
        })
    };
    let lost: Vec<_> =
        plan.destructive().filter(is_protected).map(|change| change.address.as_str()).collect();
    (!lost.is_empty()).then(|| Closed {
        gate: Gate::Protected,
        because: format!("the plan would destroy or replace what is protected: {}", lost.join(", ")),
        opened_by: "a commit that keeps them, or that takes them out of terraform.protect".to_owned(),
        opens_at: None,
    })
}

fn deletion_share_gate(plan: &PlanSummary, terraform: &declaration::Terraform) -> Option<Closed> {
    let lost = plan.destructive().count();
    let most = terraform.deletion_share_max;
    // In whole numbers: lost / count > most, without a division by an empty state.
    let is_over = lost * 10_000 > plan.resource_count * usize::from(most.as_basis_points());
    (lost > 0 && is_over).then(|| Closed {
        gate: Gate::DeletionShare,
        because: format!(
            "the plan would destroy {lost} of {} resources, more than {most}",
            plan.resource_count
        ),
        opened_by: "a commit that destroys less, or a larger terraform.deletion_share_max".to_owned(),
        opens_at: None,
    })
}

fn approval_gate(state: &EnvironmentState) -> Option<Closed> {
    let rollout = state.rollout_under_way()?;
    rollout.waits_for_approval()?;
    let what =
        rollout.changing_plan().map_or_else(|| "the document changes".to_owned(), PlanSummary::headline);
    Some(Closed {
        gate: Gate::Approval,
        because: format!("{what}: a person must approve it"),
        opened_by: format!("`moorline approve {}`", state.name),
        opens_at: None,
    })
}

#[cfg(test)]
mod tests;
