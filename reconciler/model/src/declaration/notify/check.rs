//! The rules of `notifications` that its types cannot say.

use moorline_config::check::Problem;
use moorline_config::suggest;

use super::{ChannelKind, ChannelName, Notifications, Route, SHORT_FORM};
use crate::EnvironmentName;

/// Lists every rule that is broken. `kinds`: those that can be sent by; `None` leaves settings unread.
pub(in super::super) fn check(
    notifications: &Notifications,
    environments: &[&EnvironmentName],
    kinds: Option<&[ChannelKind]>,
) -> Vec<Problem> {
    let mut problems = names(notifications);
    for (number, route) in notifications.routes.iter().enumerate() {
        problems.extend(route_problems(notifications, route, number, environments));
    }
    problems.extend(kinds.into_iter().flat_map(|kinds| settings(notifications, kinds)));
    problems
}

fn problem(path: String, problem: impl Into<String>) -> Problem {
    Problem { path, problem: problem.into() }
}

fn names(notifications: &Notifications) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, channel) in &notifications.channels {
        let path = format!("notifications.channels.{name}");
        let short = SHORT_FORM.into_iter().zip([&notifications.slack, &notifications.email]);
        if short.into_iter().any(|(short, settings)| settings.is_some() && short == name.as_str()) {
            problems.push(problem(
                path.clone(),
                format!("`{name}` is declared twice: it is also the name of `notifications.{name}`"),
            ));
        }
        if channel.kind().is_none() {
            problems.push(problem(path, "expected exactly one kind with its settings, such as `slack: {…}`"));
        }
    }
    problems
}

fn route_problems(
    notifications: &Notifications,
    route: &Route,
    number: usize,
    declared: &[&EnvironmentName],
) -> Vec<Problem> {
    let path = format!("notifications.routes[{number}]");
    let mut problems = Vec::new();
    if notifications.channel(&route.to).is_none() && !notifications.channels.contains_key(&route.to) {
        let to = &route.to;
        let names: Vec<_> = notifications.channels().into_iter().map(|channel| channel.name).collect();
        let hint = suggest::hint(to.as_str(), names.iter().map(ChannelName::as_str));
        problems.push(problem(format!("{path}.to"), format!("no channel named `{to}` is declared{hint}")));
    }
    for (index, pattern) in route.environments.iter().flatten().enumerate() {
        if !declared.iter().any(|name| pattern.matches(name)) {
            let text = pattern.as_str();
            let said = match text.strip_suffix('*') {
                Some(_) => format!("no declared environment's name matches `{text}`"),
                None => {
                    let hint = suggest::hint(text, declared.iter().map(|name| name.as_str()));
                    format!("no environment named `{text}` is declared{hint}")
                }
            };
            problems.push(problem(format!("{path}.environments[{index}]"), said));
        }
    }
    let is_empty = [
        ("environments", route.environments.as_ref().is_some_and(Vec::is_empty)),
        ("lanes", route.lanes.as_ref().is_some_and(Vec::is_empty)),
    ];
    for (field, _) in is_empty.into_iter().filter(|(_, is_empty)| *is_empty) {
        problems.push(problem(format!("{path}.{field}"), "expected at least one; leave it out for all"));
    }
    problems
}

fn settings(notifications: &Notifications, kinds: &[ChannelKind]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for channel in notifications.channels() {
        match kinds.iter().find(|kind| kind.name == channel.kind) {
            Some(kind) => problems.extend((kind.check)(channel.settings).into_iter().map(|found| {
                let below = if found.path.is_empty() { String::new() } else { format!(".{}", found.path) };
                problem(format!("{}{below}", channel.path), found.problem)
            })),
            None => {
                let names: Vec<_> = kinds.iter().map(|kind| format!("`{}`", kind.name)).collect();
                let hint = suggest::hint(channel.kind, kinds.iter().map(|kind| kind.name));
                let said =
                    format!("this kind of channel is not known: expected {}{hint}", names.join(" or "));
                problems.push(problem(channel.path, said));
            }
        }
    }
    problems
}
