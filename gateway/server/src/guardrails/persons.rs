//! Data of persons: a pattern for what looks like it, and a check of whether it is.

use std::net::{Ipv4Addr, Ipv6Addr};

use moorline_config::document::Pii;
use regex::Regex;

use super::finder::{Window, matches};

/// One kind of data.
#[derive(Debug)]
pub struct Person {
    looks: Vec<Regex>,
    is_right: fn(&str) -> bool,
}

/// Lengths of account numbers by country (SWIFT's IBAN registry).
const IBAN_LENGTHS: &[(&str, usize)] = &[
    ("AD", 24),
    ("AE", 23),
    ("AL", 28),
    ("AT", 20),
    ("AZ", 28),
    ("BA", 20),
    ("BE", 16),
    ("BG", 22),
    ("BH", 22),
    ("BR", 29),
    ("CH", 21),
    ("CR", 22),
    ("CY", 28),
    ("CZ", 24),
    ("DE", 22),
    ("DK", 18),
    ("DO", 28),
    ("EE", 20),
    ("EG", 29),
    ("ES", 24),
    ("FI", 18),
    ("FO", 18),
    ("FR", 27),
    ("GB", 22),
    ("GE", 22),
    ("GI", 23),
    ("GL", 18),
    ("GR", 27),
    ("GT", 28),
    ("HR", 21),
    ("HU", 28),
    ("IE", 22),
    ("IL", 23),
    ("IS", 26),
    ("IT", 27),
    ("JO", 30),
    ("KW", 30),
    ("KZ", 20),
    ("LB", 28),
    ("LI", 21),
    ("LT", 20),
    ("LU", 20),
    ("LV", 21),
    ("MC", 27),
    ("MD", 24),
    ("ME", 22),
    ("MK", 19),
    ("MR", 27),
    ("MT", 31),
    ("MU", 30),
    ("NL", 18),
    ("NO", 15),
    ("PK", 24),
    ("PL", 28),
    ("PS", 29),
    ("PT", 25),
    ("QA", 29),
    ("RO", 24),
    ("RS", 22),
    ("SA", 24),
    ("SE", 24),
    ("SI", 19),
    ("SK", 24),
    ("SM", 27),
    ("TN", 24),
    ("TR", 26),
    ("UA", 29),
    ("VG", 24),
    ("XK", 20),
];

impl Person {
    pub(super) fn new(kind: Pii) -> Option<Self> {
        let (looks, is_right): (&[&str], fn(&str) -> bool) = match kind {
            Pii::Email => (
                &[
                    r"(?i)\b[a-z0-9._%+-]{1,64}@(?:[a-z0-9](?:[a-z0-9-]{0,62})\.|[a-z0-9]\.){1,8}[a-z]{2,24}\b",
                ],
                |_| true,
            ),
            Pii::Phone => (
                &[
                    r"\+[0-9](?:[ ().-]{0,2}[0-9]){6,14}\b",
                    r"(?:\([0-9]{3}\) ?|\b[0-9]{3}[ .-])[0-9]{3}[ .-][0-9]{4}\b",
                ],
                |_| true,
            ),
            Pii::CreditCard => (&[r"\b[0-9](?:[ -]?[0-9]){12,18}\b"], is_card),
            Pii::Iban => (&[r"(?i)\b[a-z]{2}[0-9]{2}(?: ?[a-z0-9]){11,30}\b"], is_iban),
            Pii::UsSsn => (&[r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b"], is_ssn),
            Pii::Ip => (
                &[
                    r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b",
                    r"(?i)(?:^|[^0-9a-z:._])[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}",
                ],
                is_address,
            ),
        };
        let looks = looks.iter().map(|look| Regex::new(look).ok()).collect::<Option<_>>()?;
        Some(Self { looks, is_right })
    }

    pub(super) fn is_in(&self, window: Window<'_>) -> bool {
        self.looks.iter().any(|look| matches(look, window, self.is_right))
    }
}

/// Thirteen to nineteen digits, not all the same, with a right check digit (Luhn).
fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|letter| letter.to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, double) => double / 10 + double % 10,
        })
        .sum();
    (13..=19).contains(&digits.len())
        && sum.is_multiple_of(10)
        && digits.iter().any(|digit| Some(digit) != digits.first())
}

/// Begins with an account number of its country's length and right check digits (ISO 7064, 97-10). The pattern takes
/// the words after it for a part of it.
fn is_iban(text: &str) -> bool {
    let letters: Vec<char> =
        text.chars().filter(|letter| *letter != ' ').map(|letter| letter.to_ascii_uppercase()).collect();
    let country: String = letters.iter().take(2).collect();
    let Some((_, length)) = IBAN_LENGTHS.iter().find(|(name, _)| *name == country) else { return false };
    let Some((head, body)) = letters.get(..*length).and_then(|number| number.split_at_checked(4)) else {
        return false;
    };
    let rest = body.iter().chain(head).try_fold(0, |rest: u32, letter| {
        let value = letter.to_digit(36)?;
        Some(if value < 10 { rest * 10 + value } else { rest * 100 + value } % 97)
    });
    rest == Some(1)
}

/// Not from a range that is never given out.
fn is_ssn(text: &str) -> bool {
    let mut parts = text.split('-');
    let (area, group, serial) = (parts.next(), parts.next(), parts.next());
    area.is_some_and(|area| area != "000" && area != "666" && !area.starts_with('9'))
        && group != Some("00")
        && serial != Some("0000")
}

fn is_address(text: &str) -> bool {
    // Without a digit it is more likely to be a path in a program.
    let six = text.trim_start_matches(|letter: char| !letter.is_ascii_hexdigit() && letter != ':');
    let is_six = six.contains(|letter: char| letter.is_ascii_digit()) && six.parse::<Ipv6Addr>().is_ok();
    is_six || text.parse::<Ipv4Addr>().is_ok()
}
