//! What a requested heal reaches.
//!
//! In: the findings that are remembered, and the requested address. Out: the replicas that get the document in force,
//! the addresses that Terraform restores, and what neither can.

use std::collections::BTreeSet;

use crate::EnvironmentName;
use crate::drift::{Drift, DriftKind, DriftState, Lane, heal_command};

/// What drifts, by who can give it back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealScope {
    /// Replicas, by admin URL.
    pub replicas: BTreeSet<String>,
    /// Addresses that a plan and an apply restore: all of them at once.
    pub terraform: BTreeSet<String>,
    /// What stays, each with the reason.
    pub left: BTreeSet<String>,
}

impl HealScope {
    /// What a heal of these findings reaches. One look at a difference is enough: a person says that it is one.
    #[must_use]
    pub fn of(drift: &[Drift], only: Option<&str>) -> Self {
        let mut reach = Self::default();
        let is_meant = |drift: &&Drift| {
            drift.state != DriftState::Ignored && only.is_none_or(|only| only == drift.finding.address)
        };
        for finding in drift.iter().filter(is_meant).map(|drift| &drift.finding) {
            let address = finding.address.clone();
            match (finding.lane, finding.kind) {
                (_, DriftKind::Unverifiable) => reach.leave(&address, "it could not be read"),
                (_, DriftKind::OutOfBand) => reach.leave(&address, "another controller owns the field"),
                (Lane::Aws, DriftKind::Unmanaged) => {
                    reach.leave(&address, "Terraform does not own it; remove it by hand, or declare it");
                }
                (Lane::Gateway, _) => {
                    reach.replicas.insert(address);
                }
                (Lane::Terraform | Lane::Aws, _) => {
                    reach.terraform.insert(address);
                }
            }
        }
        reach
    }

    fn leave(&mut self, address: &str, because: &str) {
        self.left.insert(format!("{address} ({because})"));
    }

    /// The commands that give these addresses back, each of which is applied as things stand: what Terraform owns comes back
    /// all at once, so that one of several addresses has no command of its own; and what cannot be restored has none.
    #[must_use]
    pub fn commands<'a>(
        &self,
        environment: &EnvironmentName,
        addresses: impl IntoIterator<Item = &'a str>,
    ) -> Vec<String> {
        let mut commands = Vec::new();
        for address in addresses {
            if self.terraform.contains(address) && self.terraform.len() > 1 {
                // It reaches all others too.
                return vec![everywhere(environment)];
            }
            if self.terraform.contains(address) || self.replicas.contains(address) {
                commands.push(heal_command(environment, address));
            }
        }
        commands
    }

    /// Whether nothing can be restored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty() && self.terraform.is_empty()
    }

    /// Every address that can be restored, or cannot.
    #[must_use]
    pub fn names(&self) -> String {
        let all = self.replicas.iter().chain(&self.terraform).chain(&self.left);
        all.map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}

/// The command that restores whatever drifts.
#[must_use]
pub fn everywhere(environment: &EnvironmentName) -> String {
    format!("moorline heal {environment}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drift(lane: &str, address: &str, kind: &str) -> Drift {
        let at = "2026-11-21T12:00:00Z";
        serde_json::from_value(json!({
            "lane": lane, "address": address, "path": "x", "kind": kind, "severity": "warning",
            "fingerprint": "1", "state": "open", "first_seen": at, "last_seen": at,
        }))
        .unwrap()
    }

    #[test]
    fn each_command_is_one_that_is_accepted() {
        let environment: EnvironmentName = "prod".parse().unwrap();
        let (replica, lb) =
            (drift("gateway", "http://a", "changed"), drift("terraform", "aws_lb.a", "changed"));
        let waf = drift("aws", "aws_wafv2_web_acl.a", "changed");
        let foreign = drift("aws", "rule-of-another", "unmanaged");
        let commands = |all: &[&Drift], of: &[&Drift]| {
            let all: Vec<Drift> = all.iter().copied().cloned().collect();
            let addresses = of.iter().map(|drift| drift.finding.address.as_str());
            HealScope::of(&all, None).commands(&environment, addresses)
        };
        assert_eq!(commands(&[&lb], &[&lb]), ["moorline heal prod --only aws_lb.a"]);
        assert_eq!(commands(&[&lb, &replica], &[&lb]), ["moorline heal prod --only aws_lb.a"]);
        // Terraform gives both back at once.
        assert_eq!(commands(&[&lb, &waf], &[&lb]), ["moorline heal prod"]);
        assert_eq!(commands(&[&lb, &waf, &replica], &[&replica]), ["moorline heal prod --only http://a"]);
        assert_eq!(commands(&[&foreign], &[&foreign]), [""; 0]);
    }
}
