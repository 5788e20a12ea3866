//! serde's names for things, in the words of people who write documents.

use serde::de::Unexpected;

/// What a type expects: `a sequence` is a list, `u32` a whole number.
pub(super) fn expectation(serde: &str) -> String {
    let plain = match serde {
        "a string" | "a borrowed string" | "path string" | "a character" => "text",
        "a boolean" => "true or false",
        "a sequence" | "a tuple" => "a list",
        "f32" | "f64" => "a number",
        "option" | "unit" => "nothing",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "u128" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => "a whole number",
        _ if serde.starts_with("a nonzero") => "a whole number that is not zero",
        _ if serde.starts_with("struct ") || serde.starts_with("a map") => "a map of fields",
        _ if serde.starts_with("tuple struct ") => "a list",
        _ if serde.starts_with("a tuple of size ") || serde.starts_with("an array of length ") => {
            let size = serde.rsplit(' ').next().unwrap_or_default();
            return format!("a list of {size}");
        }
        _ if serde.starts_with("enum ") || serde.ends_with("enum") || serde.contains("tagged enum ") => {
            "one of its known forms"
        }
        _ => return serde.strip_prefix("expected ").unwrap_or(serde).to_owned(),
    };
    plain.to_owned()
}

/// What stands there instead; never its value.
pub(super) fn found(unexpected: &Unexpected<'_>) -> &'static str {
    match unexpected {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) | Unexpected::Bytes(_) | Unexpected::UnitVariant => "text",
        Unexpected::Unit | Unexpected::Option => "nothing",
        Unexpected::Seq | Unexpected::TupleVariant => "a list",
        Unexpected::Map | Unexpected::StructVariant => "a map",
        Unexpected::NewtypeStruct | Unexpected::NewtypeVariant | Unexpected::Enum | Unexpected::Other(_) => {
            "something else"
        }
    }
}

/// The message of a type's own check, as it stands, but for serde's sentence about unions.
pub(super) fn sentence(message: &str) -> String {
    if message.starts_with("data did not match any variant") {
        return "this is none of the forms accepted here".to_owned();
    }
    message.to_owned()
}

/// `` `a`, `b` or `c` ``.
pub(super) fn one_of(known: &[&str]) -> String {
    let quoted: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// A text that is safe to print on one line, whatever the document held.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
