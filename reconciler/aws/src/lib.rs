//! The AWS lane of drift: between two plans, what AWS serves now is compared with what Terraform's state says it made.
//!
//! In: where AWS is ([`moorline_model::declaration::Aws`]) and the state as `terraform show -json` writes it.
//! Out: [`moorline_model::drift::Finding`]s of lane `aws`, at Terraform addresses and attribute paths.
//!
//! Reading order: [`managed()`] picks what we compare out of the state, [`reads`] asks AWS, `normalise` brings both
//! to one form in which equal means equal, `compare` turns what is left into findings, [`Aws`] does it for all.
//!
//! | Terraform | compared |
//! |---|---|
//! | `aws_ecs_service` | task definition, desired count, launch type, ECS Exec, circuit breaker, network configuration; deployments that failed |
//! | `aws_lb_listener_rule` | priority, conditions, actions with targets and weights |
//! | `aws_wafv2_web_acl` | default action; each rule's priority, action, kind of statement, and of a rate-based statement all but the texts inside its scope-down |
//!
//! Guarantees: what cannot be read is `unverifiable`, never `missing` and never in step; a value that is sensitive in
//! the state is neither compared nor shown.

mod attributes;
mod aws;
mod compare;
mod fields;
pub mod managed;
mod normalise;
pub mod reads;
#[cfg(test)]
mod sample;

pub use aws::{Aws, loader};
pub use managed::{Managed, managed};
