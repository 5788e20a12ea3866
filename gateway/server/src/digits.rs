//! Numbers as decimal digits, without the standard library's formatter: headers and log lines hold a dozen of them for
//! every request, and the formatter was the most expensive part of writing them.
//!
//! In: a number. Out: its digits, in place.

/// The digits of a number.
pub(crate) struct Digits {
    text: [u8; 20],
    at: usize,
}

impl Digits {
    /// Of a number, with zeros in front when it has fewer than `least`.
    pub(crate) fn of(mut number: u64, least: usize) -> Self {
        let mut digits = Self { text: [b'0'; 20], at: 20 };
        while number > 0 || 20 - digits.at < least {
            digits.at -= 1;
            if let Some(digit) = digits.text.get_mut(digits.at) {
                *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
            }
            number /= 10;
        }
        digits
    }

    /// As text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }
}
