//! The kinds of AWS resources that are compared. To add one: a file here, its `mod`, and a line in [`KINDS`].

mod aws_ecs_service;
mod aws_lb_listener_rule;
mod aws_lb_target_group;
mod aws_wafv2_web_acl;

use crate::kind::Kind;
use crate::managed::{Managed, pick};
use crate::state::State;

/// Every kind, in the order in which findings are listed.
pub(crate) const KINDS: &[Entry] = &[
    Entry::of::<aws_ecs_service::Service>(),
    Entry::of::<aws_lb_listener_rule::ListenerRule>(),
    Entry::of::<aws_lb_target_group::TargetGroup>(),
    Entry::of::<aws_wafv2_web_acl::WebAcl>(),
];

/// What is compared: each kind's types in Terraform, and the IAM action that reading it takes.
pub fn compared() -> impl Iterator<Item = (&'static [&'static str], &'static str)> {
    KINDS.iter().map(|kind| (kind.types, kind.permission))
}

/// A line of the table.
pub(crate) struct Entry {
    types: &'static [&'static str],
    permission: &'static str,
    /// Adds what a state declares of it.
    pub(crate) pick: fn(&State<'_>, &mut Managed),
}

impl Entry {
    const fn of<K: Kind>() -> Self {
        Self { types: K::TYPES, permission: K::PERMISSION, pick: pick::<K> }
    }
}
