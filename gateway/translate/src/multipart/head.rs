//! The headers of a form and of its parts.

use memchr::memmem;

use super::FormError;

/// The longest head of a part.
const HEAD_BYTES_MAX: usize = 4 * 1024;

/// The longest boundary (RFC 2046).
const BOUNDARY_BYTES_MAX: usize = 70;

/// The boundary that a `content-type` names.
///
/// # Errors
/// [`FormError::ContentType`], when it is not that of a form, or names a boundary twice or one that RFC 2046 forbids.
pub fn boundary(content_type: &str) -> Result<&str, FormError> {
    let (kind, parameters) = content_type.split_once(';').ok_or(FormError::ContentType)?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return Err(FormError::ContentType);
    }
    let mut found = None;
    for parameter in parameters.split(';') {
        let Some((name, value)) = parameter.split_once('=') else { continue };
        if name.trim().eq_ignore_ascii_case("boundary") {
            let value = value.trim();
            let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(value);
            if found.replace(value).is_some() {
                return Err(FormError::ContentType);
            }
        }
    }
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&byte);
    found
        .filter(|value| !value.is_empty() && value.len() <= BOUNDARY_BYTES_MAX)
        .filter(|value| value.bytes().all(is_allowed))
        .ok_or(FormError::ContentType)
}

/// What a part's headers say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// The field.
    pub(super) name: &'a str,
    /// Whether it is a file.
    pub(super) is_file: bool,
    /// Whether its bytes are not its value's (`content-transfer-encoding: base64`, which RFC 7578 forbids).
    pub(super) is_encoded: bool,
}

impl<'a> Head<'a> {
    /// Reads the head that `part` begins with. Says how long it is, the empty line included.
    pub(super) fn read(part: &'a [u8]) -> Result<(Self, usize), FormError> {
        let window = part.get(..HEAD_BYTES_MAX.min(part.len())).unwrap_or_default();
        let end = match memmem::find(window, b"\r\n\r\n") {
            Some(end) => end,
            None if part.len() > HEAD_BYTES_MAX => {
                return Err(FormError::Malformed("a part's head is too long"));
            }
            None => return Err(FormError::Truncated),
        };
        let text = window.get(..end).and_then(|head| std::str::from_utf8(head).ok());
        let text = text.ok_or(FormError::Malformed("a part's head is not UTF-8"))?;
        let (mut disposition, mut is_encoded) = (None, false);
        for line in text.split("\r\n") {
            // A bare return or newline, or a line that goes on with the one before it, is read in as many ways as
            // there are readers.
            if line.contains(['\r', '\n', '\0']) || line.starts_with([' ', '\t']) {
                return Err(FormError::Malformed("a part's head has a line that not all read alike"));
            }
            let (name, value) = line
                .split_once(':')
                .ok_or(FormError::Malformed("a part's head has a line without a colon"))?;
            if name.eq_ignore_ascii_case("content-disposition") {
                if disposition.replace(value).is_some() {
                    return Err(FormError::Malformed("a part has two dispositions"));
                }
            } else if name.eq_ignore_ascii_case("content-transfer-encoding") {
                let value = value.trim().to_ascii_lowercase();
                is_encoded = !matches!(value.as_str(), "7bit" | "8bit" | "binary");
            } else if name.trim().eq_ignore_ascii_case("content-disposition") {
                return Err(FormError::Malformed("a part's disposition has a space in its name"));
            }
        }
        let disposition = disposition.ok_or(FormError::Malformed("a part has no disposition"))?;
        let (name, is_file) = named(disposition)?;
        Ok((Self { name, is_file, is_encoded }, end + 4))
    }
}

/// The field that `form-data; name="…"; filename="…"` names, and whether it is a file.
fn named(disposition: &str) -> Result<(&str, bool), FormError> {
    let malformed = FormError::Malformed("a part's disposition is not `form-data; name=\"…\"`");
    let mut rest = disposition.trim();
    let kind = rest.get(..9).ok_or(malformed)?;
    if !kind.eq_ignore_ascii_case("form-data") {
        return Err(malformed);
    }
    rest = rest.get(9..).unwrap_or_default().trim_start();
    let (mut name, mut is_file) = (None, false);
    while !rest.is_empty() {
        rest = rest.strip_prefix(';').ok_or(malformed)?.trim_start();
        if rest.is_empty() {
            break;
        }
        let (parameter, after) = rest.split_once('=').ok_or(malformed)?;
        let parameter = parameter.trim_end().to_ascii_lowercase();
        let (value, has_escapes, after) = value(after.trim_start()).ok_or(malformed)?;
        rest = after.trim_start();
        match parameter.as_str() {
            "name" if has_escapes || name.is_some() => return Err(malformed),
            "name" => name = Some(value),
            "name*" => return Err(malformed),
            "filename" | "filename*" => is_file = true,
            _ => {}
        }
    }
    Ok((name.filter(|name| !name.is_empty()).ok_or(malformed)?, is_file))
}

/// A parameter's value, whether it has escapes, and what follows it.
fn value(text: &str) -> Option<(&str, bool, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let value = text.get(..end)?.trim_end();
        return (!value.is_empty() && !value.contains('"')).then_some((value, false, text.get(end..)?));
    };
    let (mut is_escaped, mut has_escapes) = (false, false);
    for (at, byte) in quoted.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => (is_escaped, has_escapes) = (true, true),
            b'"' => return Some((quoted.get(..at)?, has_escapes, quoted.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}
