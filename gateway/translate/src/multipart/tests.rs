use proptest::prelude::*;

use super::*;

const BOUNDARY: &str = "7d5d8b";

/// A form as curl and the libraries write it.
fn form(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (disposition, value) in parts {
        body.extend_from_slice(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{value}\r\n")
                .as_bytes(),
        );
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

fn joined(mut parts: Parts) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(part) = parts.next_part() {
        whole.extend_from_slice(&part);
    }
    whole
}

#[test]
fn a_transcription_s_fields_are_found_and_its_file_is_left_alone() {
    let file = "RIFF\r\n--7d5d8\r\nmodel\0\u{1}\r\n\r\nname=\"model\"";
    let body = form(&[
        ("name=\"file\"; filename=\"a \\\"b\\\"; name=c.wav\"\r\nContent-Type: audio/wav", file),
        ("name=\"model\"", "whisper-1"),
        ("name=stream", "true"),
        ("name=\"response_format\"", "verbose_json"),
        ("name=\"timestamp_granularities[]\"", "word"),
        ("name=\"timestamp_granularities[]\"", "segment"),
        ("name=\"prompt\"", ""),
    ]);
    let found = scan(&body, BOUNDARY).unwrap();
    assert_eq!(found.model, "whisper-1");
    assert_eq!(found.model_span.of(&body), b"whisper-1");
    assert!(found.stream);
    assert_eq!(found.response_format.as_deref(), Some("verbose_json"));
    assert_eq!(found.file_bytes, file.len() as u64);

    let body = Bytes::from(body);
    let spliced = joined(with_model(&body, &found, BOUNDARY, "gpt-4o-transcribe").unwrap());
    assert_eq!(
        String::from_utf8_lossy(&spliced),
        String::from_utf8_lossy(&body).replace("whisper-1", "gpt-4o-transcribe")
    );
    assert_eq!(scan(&spliced, BOUNDARY).unwrap().model, "gpt-4o-transcribe");
    assert_eq!(joined(with_model(&body, &found, BOUNDARY, "whisper-1").unwrap()), body);
}

#[test]
fn a_form_that_readers_would_read_differently_is_refused() {
    let model = ("name=\"model\"", "a");
    let mut twice = form(&[model, model]);
    assert_eq!(scan(&twice, BOUNDARY), Err(FormError::Duplicate));
    twice = form(&[("name=\"language\"", "en"), model, ("name=\"language\"", "de")]);
    assert_eq!(scan(&twice, BOUNDARY), Err(FormError::Duplicate));
    assert_eq!(scan(&form(&[("name=\"file\"", "a")]), BOUNDARY), Err(FormError::NoModel));
    for disposition in [
        "name=\"model\"; name=\"model\"",
        "name=\"mod\\el\"",
        "name*=utf-8''model",
        "name=\"model\"; filename=\"x",
        "name=\"\"",
        "filename=\"x\"",
        "name=\"model\"\r\nContent-Disposition: form-data; name=\"x\"",
        "name=\"model\"\r\n name=\"x\"",
        "name=\"model\"\r\n\tX: y",
        "name=\"model\"\nContent-Type: text/plain",
        "name=\"model\"\r\nContent-Disposition : form-data; name=\"x\"",
        "name=\"model\"\r\nno colon",
        "x=mo\"del\"",
    ] {
        let found = scan(&form(&[(disposition, "a"), model]), BOUNDARY);
        assert!(matches!(found, Err(FormError::Malformed(_))), "{disposition}: {found:?}");
    }
    for (disposition, value) in [
        ("name=\"model\"; filename=\"m\"", "a"),
        ("name=\"model\"\r\nContent-Transfer-Encoding: base64", "YQ=="),
        ("name=\"model\"", ""),
        ("name=\"model\"", " a"),
        ("name=\"model\"", "a\nb"),
        ("name=\"stream\"", "yes"),
    ] {
        let found = scan(&form(&[(disposition, value)]), BOUNDARY);
        assert!(matches!(found, Err(FormError::WrongValue { .. })), "{disposition} {value:?}: {found:?}");
    }
    let whole = form(&[model]);
    for changed in [
        [b"\r\n".as_slice(), &whole].concat(),
        [b"preamble\r\n".as_slice(), &whole].concat(),
        [whole.as_slice(), b"epilogue"].concat(),
        [whole.as_slice(), &whole].concat(),
        String::from_utf8(whole.clone()).unwrap().replace("\r\n", "\n").into_bytes(),
        String::from_utf8(whole.clone()).unwrap().replacen("8b\r\n", "8b \r\n", 1).into_bytes(),
    ] {
        assert!(matches!(scan(&changed, BOUNDARY), Err(FormError::Malformed(_))));
    }
}

#[test]
fn a_form_that_ends_too_early_is_refused_wherever_it_ends() {
    let body = form(&[("name=\"model\"", "a"), ("name=\"file\"; filename=\"f\"", "bytes")]);
    for end in 0..body.len() - 2 {
        assert!(scan(&body[..end], BOUNDARY).is_err(), "{end}");
    }
    assert!(scan(&body[..body.len() - 2], BOUNDARY).is_ok());
}

#[test]
fn a_form_is_bounded() {
    let many: Vec<String> = (0..=PARTS_MAX).map(|n| format!("name=\"f{n}\"")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(scan(&form(&many), BOUNDARY), Err(FormError::TooManyParts));
    let long = format!("name=\"model\"\r\nX: {}", "x".repeat(5000));
    assert!(matches!(scan(&form(&[(&long, "a")]), BOUNDARY), Err(FormError::Malformed(_))));
    let long = "m".repeat(VALUE_BYTES_MAX + 1);
    let found = scan(&form(&[("name=\"model\"", &long)]), BOUNDARY);
    assert!(matches!(found, Err(FormError::WrongValue { .. })));
}

#[test]
fn a_model_s_name_cannot_end_its_part() {
    let body = Bytes::from(form(&[("name=\"model\"", "a")]));
    let found = scan(&body, BOUNDARY).unwrap();
    for name in ["x\r\n--7d5d8b--", "--7d5d8b", "--7d5d8b--x", "", "a\n"] {
        assert_eq!(
            with_model(&body, &found, BOUNDARY, name).err(),
            Some(FormError::Unspliceable),
            "{name:?}"
        );
    }
}

#[test]
fn a_boundary_is_read_from_the_content_type() {
    for (content_type, expected) in [
        ("multipart/form-data; boundary=abc", Some("abc")),
        ("Multipart/Form-Data;charset=utf-8; Boundary=\"a b\"", None),
        ("multipart/form-data; boundary=\"a:b?\"", Some("a:b?")),
        ("multipart/form-data; boundary=a; boundary=b", None),
        ("multipart/form-data", None),
        ("multipart/mixed; boundary=a", None),
        ("application/json", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=a\r\nb", None),
    ] {
        assert_eq!(boundary(content_type).ok(), expected, "{content_type}");
    }
    assert!(boundary(&format!("multipart/form-data; boundary={}", "a".repeat(71))).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(parts in prop::collection::vec(prop_oneof![
        Just("--7d5d8b".to_owned()), Just("\r\n".to_owned()), Just("--".to_owned()),
        Just("Content-Disposition: form-data; name=\"model\"".to_owned()), Just("\r\n\r\n".to_owned()),
        "[a-z\"; =]{0,6}",
    ], 0..24)) {
        let body = parts.concat();
        if let Ok(form) = scan(body.as_bytes(), BOUNDARY) {
            prop_assert_eq!(form.model_span.of(body.as_bytes()), form.model.as_bytes());
        }
    }

    #[test]
    fn a_file_of_any_bytes_is_left_alone(file in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = "\u{0}FILE\u{0}";
        let body = form(&[("name=\"file\"; filename=\"f\"", text), ("name=\"model\"", "a")]);
        let at = memmem::find(&body, text.as_bytes()).unwrap();
        let body = [&body[..at], &file, &body[at + text.len()..]].concat();
        prop_assume!(memmem::find(&file, BOUNDARY.as_bytes()).is_none());
        let found = scan(&body, BOUNDARY).unwrap();
        prop_assert_eq!(found.file_bytes, file.len() as u64);
        let spliced = joined(with_model(&Bytes::from(body), &found, BOUNDARY, "other").unwrap());
        prop_assert_eq!(&spliced[at..at + file.len()], file.as_slice());
    }
}
