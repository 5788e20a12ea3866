//! What a web ACL differs in, and how much that matters.

use aws_sdk_wafv2::types::WebAcl as LiveWebAcl;
use moorline_model::drift::{DriftKind, Finding, Severity};

use super::WebAcl;
use super::form::{ACTION, PRIORITY, STATEMENT, live as live_form};
use crate::fields::{Difference, Fields, keyed, shown};
use crate::finding::{changed, missing};

/// How rules begin that Shield and Firewall Manager put into a web ACL. They are not ours, so they are no drift.
const FOREIGN: [&str; 3] = ["ShieldMitigationRuleGroup_", "PREFMManaged-", "POSTFMManaged-"];

pub(super) fn findings(declared: &WebAcl, address: &str, live: Option<&LiveWebAcl>) -> Vec<Finding> {
    let Some(live) = live else {
        return vec![missing(address, format!("web ACL {} ({})", declared.name, declared.id))];
    };
    let live = live_form(live);
    let own = declared.form.fields.differences(&live.fields).into_iter();
    let mut findings: Vec<Finding> =
        own.map(|difference| changed(address, difference, Severity::Critical)).collect();
    for (name, rule) in &declared.form.rules {
        let path = keyed("rule", name);
        match live.rules.get(name) {
            Some(live) => findings.extend(rule_differences(address, &path, rule, live)),
            None => findings.push(Finding { path, ..missing(address, summary(rule)) }),
        }
    }
    for (name, rule) in live.rules.iter().filter(|(name, _)| !declared.form.rules.contains_key(*name)) {
        if !FOREIGN.iter().any(|start| name.starts_with(start)) {
            findings.push(unmanaged(address, name, rule));
        }
    }
    findings
}

fn rule_differences<'a>(
    address: &'a str,
    path: &'a str,
    declared: &Fields,
    live: &Fields,
) -> impl Iterator<Item = Finding> + 'a {
    declared.differences(live).into_iter().map(move |difference| {
        // Everything decides who is let in, the order of rules too.
        let path = format!("{path}.{}", difference.path);
        changed(address, Difference { path, ..difference }, Severity::Critical)
    })
}

/// A rule that nobody declared. One that lets requests in passes by all that come after it.
fn unmanaged(address: &str, name: &str, rule: &Fields) -> Finding {
    let severity = if rule.get(ACTION) == Some("allow") { Severity::Critical } else { Severity::Warning };
    let difference = Difference { path: keyed("rule", name), declared: None, live: Some(summary(rule)) };
    Finding { kind: DriftKind::Unmanaged, ..changed(address, difference, severity) }
}

/// A rule in a few words.
fn summary(rule: &Fields) -> String {
    let part = |path: &str| rule.get(path).unwrap_or("none");
    shown(&format!("{} on {}, priority {}", part(ACTION), part(STATEMENT), part(PRIORITY)))
}

#[cfg(test)]
mod tests;
