//! What several replicas report alike is reported once, with their number and the first of them.

/// Addresses named one by one; more are counted.
const NAMED_MAX: usize = 3;

/// Sentences about replicas. In: each replica with a sentence about it, as the rest of a sentence that begins with its
/// address; and how many replicas there are. Out: one sentence for all that report the same, in the order of the first.
pub fn merged<'a>(text: impl IntoIterator<Item = (&'a str, String)>, all: usize) -> Vec<String> {
    let groups = grouped(text.into_iter().map(|(who, text)| (text, who)));
    groups.into_iter().map(|(text, who)| format!("{} {text}", named(&who, all))).collect()
}

/// Who shares what, in the order of the first.
pub(crate) fn grouped<'a, T: PartialEq>(
    text: impl IntoIterator<Item = (T, &'a str)>,
) -> Vec<(T, Vec<&'a str>)> {
    let mut groups: Vec<(T, Vec<&str>)> = Vec::new();
    for (text, who) in text {
        match groups.iter_mut().find(|(known, _)| *known == text) {
            Some((_, others)) => others.push(who),
            None => groups.push((text, vec![who])),
        }
    }
    groups
}

/// The subject of a sentence: `http://a:1`, or `each of 2 replicas of 5 (http://a:1, http://b:1)`.
pub(crate) fn named(who: &[&str], all: usize) -> String {
    match who {
        [one] => (*one).to_owned(),
        _ => {
            let more = if who.len() > NAMED_MAX { ", …" } else { "" };
            let some: Vec<_> = who.iter().take(NAMED_MAX).copied().collect();
            let of = if who.len() == all { String::new() } else { format!(" of {all}") };
            format!("each of {} replicas{of} ({}{more})", who.len(), some.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_reported_once() {
        let text = |who: &'static str, what: &str| (who, what.to_owned());
        let dark = "refuses connections";
        let some = [text("a", dark), text("b", "does not answer"), text("c", dark)];
        assert_eq!(
            merged(some, 4),
            ["each of 2 replicas of 4 (a, c) refuses connections", "b does not answer"]
        );
        let all = ["a", "b", "c", "d"].map(|who| text(who, dark));
        assert_eq!(merged(all, 4), ["each of 4 replicas (a, b, c, …) refuses connections"]);
    }
}
