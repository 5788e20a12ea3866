//! The lines of an answer's head, as they came.
//!
//! In: the bytes of a head, and where its names and values stand. Out: the values of a name, in the order in which they
//! came. Providers send some thirty lines, of which a request looks at a handful: none is hashed, lowered in case or
//! copied for being there.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;

/// The lines of a head.
pub(in crate::data) struct Lines {
    head: Bytes,
    places: Vec<Place>,
}

/// Where a line's name and value stand.
pub(super) struct Place {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// One line.
#[derive(Clone, Copy)]
pub(in crate::data) struct Line<'a> {
    lines: &'a Lines,
    place: &'a Place,
}

impl Lines {
    pub(super) const fn new(head: Bytes, places: Vec<Place>) -> Self {
        Self { head, places }
    }

    /// Every line.
    pub(in crate::data) fn iter(&self) -> impl Iterator<Item = Line<'_>> {
        self.places.iter().map(|place| Line { lines: self, place })
    }

    /// The values of a name, which is written in any case.
    pub(in crate::data) fn all(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(move |line| line.is(name)).map(Line::value)
    }

    /// The first value of a name, when it is text.
    pub(in crate::data) fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().and_then(|value| std::str::from_utf8(value).ok())
    }
}

impl<'a> Line<'a> {
    /// Whether this is its name, in any case.
    pub(in crate::data) fn is(self, name: &str) -> bool {
        self.bytes(&self.place.name).eq_ignore_ascii_case(name.as_bytes())
    }

    /// Its value.
    pub(in crate::data) fn value(self) -> &'a [u8] {
        self.bytes(&self.place.value)
    }

    /// Its value, to be sent on; a part of the head's bytes, not a copy.
    pub(in crate::data) fn header(self) -> Option<HeaderValue> {
        // The parser let nothing through that a value may not hold.
        HeaderValue::from_maybe_shared(self.lines.head.slice(self.place.value.clone())).ok()
    }

    fn bytes(self, range: &Range<usize>) -> &'a [u8] {
        self.lines.head.get(range.clone()).unwrap_or_default()
    }
}

/// Names only: values may be secrets.
impl fmt::Debug for Lines {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.iter().map(|line| String::from_utf8_lossy(line.bytes(&line.place.name)));
        formatter.debug_list().entries(names).finish()
    }
}

#[cfg(test)]
impl<'a> FromIterator<(&'a str, &'a str)> for Lines {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(lines: T) -> Self {
        let (mut head, mut places) = (String::new(), Vec::new());
        let mut add = |text: &str| {
            let start = head.len();
            head.push_str(text);
            start..head.len()
        };
        for (name, value) in lines {
            places.push(Place { name: add(name), value: add(value) });
        }
        Self::new(head.into(), places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_name_in_any_case_and_never_printed() {
        let lines: Lines =
            [("Set-Cookie", "secret"), ("X-A", "1"), ("x-a", "2"), ("x-ab", "3")].into_iter().collect();
        assert_eq!(lines.all("x-a").collect::<Vec<_>>(), [b"1", b"2"]);
        assert_eq!(lines.get("x-AB"), Some("3"));
        assert_eq!(lines.get("x"), None);
        assert_eq!(lines.iter().find(|line| line.is("x-ab")).unwrap().header().unwrap(), "3");
        assert_eq!(format!("{lines:?}"), r#"["Set-Cookie", "X-A", "x-a", "x-ab"]"#);
    }
}
