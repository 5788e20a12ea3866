//! An error and what caused it, for logs and for people. Here because everybody knows this crate.

use std::error::Error;

/// `what failed: why: why that`.
#[must_use]
pub fn of(error: &(dyn Error + 'static)) -> String {
    links(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A sentence about an error, and after it what the error goes back to: the sentence is for people, the cause for who
/// searches for it. What stands between the two only says which library noticed.
#[must_use]
pub fn after(sentence: &str, error: &(dyn Error + 'static)) -> String {
    match links(error).skip(1).last() {
        Some(root) => format!("{sentence} ({root})"),
        None => sentence.to_owned(),
    }
}

/// The error, what caused it, and so on.
pub fn links<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{what}")]
    struct Link {
        what: &'static str,
        source: Option<Box<Self>>,
    }

    #[test]
    fn all_causes_are_said_or_only_the_last() {
        let link = |what, source: Option<Link>| Link { what, source: source.map(Box::new) };
        let error = link("not sent", Some(link("not connected", Some(link("refused", None)))));
        assert_eq!(of(&error), "not sent: not connected: refused");
        assert_eq!(after("It is down", &error), "It is down (refused)");
        assert_eq!(after("It is down", &link("alone", None)), "It is down");
    }
}
