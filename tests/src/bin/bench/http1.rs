//! As much of HTTP/1.1 as load and provider need. Both must cost far less than who is measured between them, and both
//! ends are ours: so this reads heads by looking for the two fields that matter, and checks nothing.

use memchr::memmem;

/// Where the head ends, the empty line included.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4)
}

/// The value of a field, when the head has it.
fn field<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (field, rest) = line.split_at_checked(name.len())?;
        (field.eq_ignore_ascii_case(name) && rest.first() == Some(&b':')).then(|| rest[1..].trim_ascii())
    })
}

/// The length that the head declares.
pub(crate) fn content_length(head: &[u8]) -> Option<usize> {
    std::str::from_utf8(field(head, b"content-length")?).ok()?.parse().ok()
}

/// The body without its chunks' frames, for the check before a measurement.
pub(crate) fn decoded(head: &[u8], body: &[u8]) -> Vec<u8> {
    if content_length(head).is_some() {
        return body.to_vec();
    }
    let (mut rest, mut whole) = (body, Vec::new());
    while let Some(at) = memmem::find(rest, b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        if length == 0 {
            break;
        }
        whole.extend_from_slice(&rest[at + 2..at + 2 + length]);
        rest = &rest[at + 2 + length + 2..];
    }
    whole
}
