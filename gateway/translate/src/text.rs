//! Walking over JSON strings a machine word at a time.

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The index of the first byte at or after `from` that ends a plain run inside a JSON string: a quote, a backslash or
/// a control character. The length of `bytes` when there is none.
pub(crate) fn plain_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let found = below_space(word) | equals(word, b'"') | equals(word, b'\\');
        if found != 0 {
            // Borrows only travel upwards, so that the lowest mark is always a true one.
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            break;
        }
        at += 1;
    }
    at
}

const fn below_space(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGHS
}

const fn equals(word: u64, byte: u8) -> u64 {
    let difference = word ^ (ONES * byte as u64);
    difference.wrapping_sub(ONES) & !difference & HIGHS
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_word_at_a_time_finds_what_a_byte_at_a_time_finds(
            bytes in prop::collection::vec(prop_oneof![Just(b'"'), Just(b'\\'), 0u8..=255, Just(b'a'), Just(b' '), Just(0x1f)], 0..64),
            from in 0usize..64,
        ) {
            let from = from.min(bytes.len());
            let slow = bytes[from..].iter().position(|b| *b < 0x20 || *b == b'"' || *b == b'\\').map_or(bytes.len(), |i| from + i);
            prop_assert_eq!(plain_end(&bytes, from), slow);
        }
    }
}
