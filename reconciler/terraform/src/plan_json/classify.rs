//! What a plan says about drift, by where a resource stands in it:
//! - in `resource_drift` and in `resource_changes`: drift; the apply would put it back;
//! - only in `resource_drift`: informational; ignored or computed;
//! - only in `resource_changes`: undeployed; Git is ahead, or a provider changed its mind.
//!
//! Within a resource that is in both, fields are distinguished in the same way.

use std::collections::BTreeMap;

use moorline_model::drift::{DriftKind, Finding, Lane, Severity};
use moorline_model::plan::{Action, ResourceChange};

use super::difference::{Difference, differences};
use super::document::{ChangedResource, Plan};
use super::summary;
use crate::redact::Known;

/// Most fields of one resource that are listed one by one.
const FIELDS_MAX: usize = 50;

pub(super) fn classify(plan: &Plan, known: &Known) -> (Vec<ResourceChange>, Vec<Finding>) {
    let mut drifted: BTreeMap<&str, &ChangedResource> = BTreeMap::new();
    for resource in &plan.resource_drift {
        if resource.mode != "data" && resource.change.action() != Action::NoOp && resource.deposed.is_none() {
            drifted.insert(&resource.address, resource);
        }
    }
    let (mut changes, mut findings) = (Vec::new(), Vec::new());
    for resource in plan.resource_changes.iter().filter(|resource| resource.mode != "data") {
        let one = Changed::read(resource, known);
        let Some(action) = one.effective_action() else { continue };
        let drift = match resource.deposed {
            None => drifted.remove(one.former_address()),
            Some(_) => None,
        };
        one.findings(action, drift, &mut findings);
        changes.push(summary(one.address.clone(), &resource.resource_type, action, one.attributes(action)));
    }
    for resource in drifted.into_values() {
        informational(resource, known, &mut findings);
    }
    (changes, findings)
}

/// A resource that would be changed.
struct Changed<'a> {
    resource: &'a ChangedResource,
    known: &'a Known,
    address: String,
    differences: Vec<Difference>,
}

impl<'a> Changed<'a> {
    fn read(resource: &'a ChangedResource, known: &'a Known) -> Self {
        let differences = differences(&resource.change, known);
        Self { resource, known, address: known.text(&resource.address), differences }
    }

    /// Moves and imports are written as `no-op`, but the apply must run for them.
    fn effective_action(&self) -> Option<Action> {
        match self.resource.change.action() {
            Action::NoOp if self.book_keeping().is_some() => Some(Action::Update),
            action if action.is_change() => Some(action),
            _ => None,
        }
    }

    fn book_keeping(&self) -> Option<String> {
        let moved = self.resource.previous_address.as_deref().map(|from| format!("moved from {from}"));
        let imported = self.resource.change.importing.as_ref().map(|_| "imported".to_owned());
        moved.or(imported).map(|note| self.known.text(&note))
    }

    /// Drift is listed under the address that the state still has.
    fn former_address(&self) -> &'a str {
        self.resource.previous_address.as_deref().unwrap_or(&self.resource.address)
    }

    fn attributes(&self, action: Action) -> Vec<String> {
        match action {
            Action::Update | Action::Replace => {
                self.differences.iter().map(|difference| difference.path.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn findings(&self, action: Action, drift: Option<&ChangedResource>, findings: &mut Vec<Finding>) {
        let Some(drift) = drift else { return self.undeployed(action, findings) };
        if drift.change.action() == Action::Delete {
            let note = Some(would_be(action).to_owned());
            findings.push(self.whole(DriftKind::Missing, Some("present"), None, note));
            return;
        }
        let drifted = differences(&drift.change, self.known);
        let is_drift = |difference: &&Difference| drifted.iter().any(|other| other.overlaps(difference));
        let (drift_fields, mut other): (Vec<_>, Vec<_>) = self.differences.iter().partition(is_drift);
        if drift_fields.is_empty() {
            // It drifted and would be changed, but in fields that do not meet: often one that AWS computes. What
            // caused what is not known, and drift must not pass for an undeployed commit.
            let mut unclear = self.unclear(action, &std::mem::take(&mut other), &drifted);
            findings.append(&mut unclear);
        }
        self.fields(DriftKind::Changed, &drift_fields, findings);
        self.fields(DriftKind::Undeployed, &other, findings);
    }

    fn unclear(&self, action: Action, changed: &[&Difference], drifted: &[Difference]) -> Vec<Finding> {
        let mut found = Vec::new();
        self.fields(DriftKind::Changed, changed, &mut found);
        if found.is_empty() {
            found.push(self.whole(DriftKind::Changed, None, None, Some(would_be(action).to_owned())));
        }
        let fields: Vec<&str> = drifted.iter().take(5).map(|field| field.path.as_str()).collect();
        for finding in &mut found {
            finding.severity = Severity::Warning;
            finding.note =
                Some(format!("what drifted is {}; this may be an undeployed commit", fields.join(", ")));
        }
        found
    }

    fn undeployed(&self, action: Action, findings: &mut Vec<Finding>) {
        let fields: Vec<&Difference> = self.differences.iter().collect();
        match action {
            Action::Update if !fields.is_empty() => self.fields(DriftKind::Undeployed, &fields, findings),
            _ => {
                let note = self.book_keeping().unwrap_or_else(|| would_be(action).to_owned());
                let is_wanted = !matches!(action, Action::Delete | Action::Forget);
                let is_there = !matches!(action, Action::Create);
                findings.push(self.whole(
                    DriftKind::Undeployed,
                    is_wanted.then_some("present"),
                    is_there.then_some("present"),
                    Some(note),
                ));
            }
        }
    }

    fn whole(
        &self,
        kind: DriftKind,
        declared: Option<&str>,
        live: Option<&str>,
        note: Option<String>,
    ) -> Finding {
        Finding {
            lane: Lane::Terraform,
            address: self.address.clone(),
            path: String::new(),
            kind,
            severity: severity(&self.resource.resource_type, kind),
            declared: declared.map(str::to_owned),
            live: live.map(str::to_owned),
            note,
        }
    }

    fn fields(&self, kind: DriftKind, differences: &[&Difference], findings: &mut Vec<Finding>) {
        let severity = severity(&self.resource.resource_type, kind);
        let finding = |difference: &Difference| Finding {
            lane: Lane::Terraform,
            address: self.address.clone(),
            path: difference.path.clone(),
            kind,
            severity,
            // Planned is what is declared; before is what the refresh saw.
            declared: difference.after.clone(),
            live: difference.before.clone(),
            note: None,
        };
        push(differences.iter().map(|difference| finding(difference)).collect(), findings);
    }
}

/// Drift that the plan does nothing about.
fn informational(resource: &ChangedResource, known: &Known, findings: &mut Vec<Finding>) {
    let address = known.text(&resource.address);
    let note = Some("the plan does nothing about it: ignored, computed or no longer declared".to_owned());
    let finding = |kind, path, declared, live| Finding {
        lane: Lane::Terraform,
        address: address.clone(),
        path,
        kind,
        severity: Severity::Info,
        declared,
        live,
        note: note.clone(),
    };
    if resource.change.action() == Action::Delete {
        findings.push(finding(DriftKind::Missing, String::new(), Some("present".to_owned()), None));
        return;
    }
    let fields = differences(&resource.change, known);
    // Here before is what the last apply left, and after what is live.
    let fields =
        fields.into_iter().map(|field| finding(DriftKind::Changed, field.path, field.before, field.after));
    push(fields.collect(), findings);
}

/// Adds the findings of one resource, and says how many were left out.
fn push(mut of_one: Vec<Finding>, findings: &mut Vec<Finding>) {
    let more = of_one.len().saturating_sub(FIELDS_MAX);
    of_one.truncate(FIELDS_MAX);
    if let (Some(last), 1..) = (of_one.last_mut(), more) {
        last.note = Some(format!("and {more} more fields"));
    }
    findings.append(&mut of_one);
}

const fn would_be(action: Action) -> &'static str {
    match action {
        Action::Create => "would be created",
        Action::Update => "would be changed",
        Action::Replace => "would be replaced",
        Action::Delete => "would be destroyed",
        Action::Forget => "would no longer be managed",
        Action::Read => "would be read",
        Action::NoOp => "would stay",
        Action::Unknown => "would be changed in a way that this release does not know",
    }
}

/// Drift of what guards or serves requests is critical; other drift can wait for working hours.
fn severity(resource_type: &str, kind: DriftKind) -> Severity {
    const CRITICAL: [&str; 9] = [
        "aws_wafv2_",
        "aws_security_group",
        "aws_vpc_security_group",
        "aws_network_acl",
        "aws_iam_",
        "aws_kms_",
        "aws_lb_listener",
        "aws_alb_listener",
        "openai_",
    ];
    match kind {
        DriftKind::Missing => Severity::Critical,
        DriftKind::Changed if CRITICAL.iter().any(|start| resource_type.starts_with(start)) => {
            Severity::Critical
        }
        _ => Severity::Warning,
    }
}
