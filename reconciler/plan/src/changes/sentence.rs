//! All changes in one sentence: the first few in full, the others counted.

use std::cmp::Ordering;

use super::words::{Worded, singular};

/// Most clauses of a sentence.
const CLAUSES_MAX: usize = 3;
/// Longest sentence, in characters: values are short, but there may be long names.
const LENGTH_MAX: usize = 400;

/// Changes that are said together: the same change of several things.
struct Group<'a> {
    first: &'a Worded,
    count: usize,
}

/// `the limit of route /v1/chat/* rises from 1000 to 2000 requests per key and 1h; model gpt-4o loses target azure/gpt-4o`.
pub(super) fn sentence(changes: &[Worded]) -> String {
    let groups = groups(changes);
    let mut clauses: Vec<_> = groups.iter().take(CLAUSES_MAX).map(clause).collect();
    let left: usize = groups.iter().skip(CLAUSES_MAX).map(|group| group.count).sum();
    match left {
        0 => {}
        1 => clauses.push("and 1 more change".to_owned()),
        _ => clauses.push(format!("and {left} more changes")),
    }
    let sentence = clauses.join("; ");
    match sentence.char_indices().nth(LENGTH_MAX) {
        Some((end, _)) => format!("{}…", &sentence[..end]),
        None => sentence,
    }
}

/// What the first document of an environment brings.
pub(super) fn first(changes: &[Worded]) -> String {
    let parts = ["providers", "models", "routes", "keys"].into_iter().filter_map(|many| {
        let one = singular(many);
        let count = changes.iter().filter(|change| change.kind == one).count();
        (count > 0).then(|| format!("{count} {}", if count == 1 { one } else { many }))
    });
    let parts: Vec<_> = parts.collect();
    let with = if parts.is_empty() { String::new() } else { format!(", with {}", parts.join(", ")) };
    format!("the first document here{with}")
}

fn groups(changes: &[Worded]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for change in changes {
        let merged = |group: &&mut Group<'_>| {
            let Worded { kind, field, before, after, unit, .. } = group.first;
            (kind, field, before, after, unit)
                == (&change.kind, &change.field, &change.before, &change.after, &change.unit)
                && group.first.name != change.name
        };
        match groups.iter_mut().find(merged) {
            Some(group) => group.count += 1,
            None => groups.push(Group { first: change, count: 1 }),
        }
    }
    groups
}

fn clause(group: &Group<'_>) -> String {
    let Worded { kind, name, field, before, after, unit, direction } = group.first;
    let is_one = group.count == 1;
    let subject = match (is_one, name.is_empty()) {
        (true, true) => kind.clone(),
        (true, false) => format!("{kind} {name}"),
        (false, _) => format!("{} {kind}s", group.count),
    };
    let verb = |one: &'static str, many: &'static str| if is_one { one } else { many };
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    match (before, after) {
        (None, Some(_)) if field.is_empty() => format!("{subject} {} new", verb("is", "are")),
        (Some(_), None) if field.is_empty() => format!("{subject} {} removed", verb("is", "are")),
        (None, Some(after)) => format!("{subject} {} {field} {after}{unit}", verb("gains", "gain")),
        (Some(before), None) => format!("{subject} {} {field} {before}{unit}", verb("loses", "lose")),
        (Some(before), Some(after)) if before != after => {
            let changes = match direction {
                Some(Ordering::Greater) => "rises",
                Some(Ordering::Less) => "falls",
                _ => "changes",
            };
            format!("the {field} of {subject} {changes} from {before} to {after}{unit}")
        }
        _ => format!("the {field} of {subject} changes"),
    }
}
