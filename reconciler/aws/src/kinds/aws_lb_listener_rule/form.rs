//! Declared and live in one form, in which equal means equal: a priority, a set of conditions, a list of actions.

use aws_sdk_elasticloadbalancingv2::types::Rule;

use super::{action, condition};
use crate::attributes::{Attributes, Unexpected};
use crate::fields::Fields;

pub(super) const PRIORITY: &str = "priority";

pub(super) fn declared(rule: &Attributes<'_>) -> Result<Fields, Unexpected> {
    let mut fields = Fields::default();
    fields.put_some(PRIORITY, rule.text(PRIORITY)?);
    condition::declared(&rule.blocks("condition")?, &mut fields)?;
    action::declared(&rule.blocks("action")?, &mut fields)?;
    Ok(fields)
}

pub(super) fn live(rule: &Rule) -> Fields {
    let mut fields = Fields::default();
    fields.put_some(PRIORITY, rule.priority.as_deref());
    condition::live(rule.conditions(), &mut fields);
    action::live(rule.actions(), &mut fields);
    fields
}
