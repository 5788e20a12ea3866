//! W3C trace context: the caller's `traceparent`, and our own.
//!
//! Version 00 is read strictly; of a later version its first fields, as the recommendation asks
//! (<https://www.w3.org/TR/trace-context/>). What is malformed, or there twice, is as good as none.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Whose request continues a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) is_sampled: bool,
}

/// The caller's context.
pub(super) fn read(headers: &HeaderMap) -> Option<Caller> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let text = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    parse(text)
}

fn parse(text: &str) -> Option<Caller> {
    let (version, rest) = (text.get(..2)?, text.get(55..)?);
    let fits = match version {
        "00" => rest.is_empty(),
        "ff" => false,
        _ => rest.is_empty() || rest.starts_with('-'),
    };
    let bytes = text.as_bytes();
    let is_divided = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
    if !fits || !is_divided {
        return None;
    }
    hex(version)?;
    let trace_id = hex(text.get(3..35)?)?;
    let span_id = u64::try_from(hex(text.get(36..52)?)?).ok()?;
    let flags = hex(text.get(53..55)?)?;
    (trace_id != 0 && span_id != 0).then_some(Caller { trace_id, span_id, is_sampled: flags & 1 == 1 })
}

/// Lower-case digits only, as the recommendation asks.
fn hex(text: &str) -> Option<u128> {
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if is_hex { u128::from_str_radix(text, 16).ok() } else { None }
}

/// Our own context, for a request upstream that is a part of a sampled trace.
pub(super) fn write(trace_id: u128, span_id: u64) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("00-{trace_id:032x}-{span_id:016x}-01")).ok()
}

/// A new trace's id. 0 would be none.
pub(super) fn trace_id(draw: &mut impl FnMut() -> u64) -> u128 {
    ((u128::from(draw()) << 64) | u128::from(draw())).max(1)
}

/// A new span's id. 0 would be none.
pub(super) fn span_id(draw: &mut impl FnMut() -> u64) -> u64 {
    draw().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_callers_context_is_read_strictly() {
        for (text, sampled) in [
            (format!("00-{TRACE}-{SPAN}-01"), Some(true)),
            (format!("00-{TRACE}-{SPAN}-00"), Some(false)),
            (format!("00-{TRACE}-{SPAN}-03"), Some(true)),
            (format!("01-{TRACE}-{SPAN}-01"), Some(true)),
            (format!("01-{TRACE}-{SPAN}-01-more"), Some(true)),
            (format!("01-{TRACE}-{SPAN}-01more"), None),
            (format!("00-{TRACE}-{SPAN}-01-more"), None),
            (format!("ff-{TRACE}-{SPAN}-01"), None),
            (format!("0g-{TRACE}-{SPAN}-01"), None),
            (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None),
            (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
            (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
            (format!("00_{TRACE}-{SPAN}-01"), None),
            (format!("00-{TRACE}-{SPAN}-1"), None),
            (format!("00-{TRACE}-{SPAN}-+1"), None),
            (String::new(), None),
            ("ü".repeat(30), None),
        ] {
            let caller = parse(&text);
            assert_eq!(caller.map(|caller| caller.is_sampled), sampled, "{text}");
            if let Some(caller) = caller {
                assert_eq!(
                    format!("{:032x} {:016x}", caller.trace_id, caller.span_id),
                    format!("{TRACE} {SPAN}")
                );
            }
        }
    }

    #[test]
    fn two_of_them_are_none() {
        let mut headers = HeaderMap::new();
        for _ in 0..2 {
            headers.append(TRACEPARENT, HeaderValue::try_from(format!("00-{TRACE}-{SPAN}-01")).unwrap());
        }
        assert_eq!(read(&headers), None);
    }

    #[test]
    fn what_we_write_is_read_again() {
        let (trace_id, span_id) = (u128::MAX >> 9, 7);
        let text = write(trace_id, span_id).unwrap();
        assert_eq!(parse(text.to_str().unwrap()), Some(Caller { trace_id, span_id, is_sampled: true }));
    }
}
