//! What a person's word to heal reaches.
//!
//! In: the findings that are remembered, and the address asked for. Out: the replicas that get the document in force back,
//! the addresses that Terraform gives back, and what neither can.

use std::collections::BTreeSet;

use crate::drift::{Drift, DriftKind, DriftState, Lane};

/// What drifts, by who can give it back.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reach {
    /// Replicas, by admin URL.
    pub replicas: BTreeSet<String>,
    /// Addresses that a plan and an apply give back: all of them at once.
    pub terraform: BTreeSet<String>,
    /// What stays, each with the reason.
    pub left: BTreeSet<String>,
}

impl Reach {
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

    /// Whether nothing can be given back.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.replicas.is_empty() && self.terraform.is_empty()
    }

    /// Every address that can be given back, or cannot.
    #[must_use]
    pub fn names(&self) -> String {
        let all = self.replicas.iter().chain(&self.terraform).chain(&self.left);
        all.map(String::as_str).collect::<Vec<_>>().join(", ")
    }
}
