use std::process::Command;

use proptest::prelude::*;

use super::*;
use crate::config::SshFile;
use crate::remote::RemoteUrl;

fn remote(text: &str) -> SshRemote {
    match text.parse() {
        Ok(RemoteUrl::Ssh(remote)) => remote,
        other => panic!("{text} is {other:?}"),
    }
}

const FIXED: [&str; 10] = [
    "-o",
    "BatchMode=yes",
    "-o",
    "StrictHostKeyChecking=yes",
    "-o",
    "ForwardAgent=no",
    "-o",
    "ClearAllForwardings=yes",
    "-o",
    "PermitLocalCommand=no",
];

fn expected(tail: &[&str]) -> Vec<OsString> {
    FIXED.iter().chain(tail).map(OsString::from).collect()
}

#[test]
fn the_argument_vector_is_fixed_and_the_remote_stands_behind_two_dashes() {
    let options = SshOptions::default();
    let tail = ["-T", "-p", "22", "--", "git@github.com", "git-upload-pack 'acme/deploy.git'"];
    assert_eq!(arguments(&remote("git@github.com:acme/deploy.git"), &options), expected(&tail));

    let file = |path: &str| Some(SshFile::try_from(std::path::PathBuf::from(path)).unwrap());
    let options = SshOptions {
        identity: file("/keys/id"),
        known_hosts: file("/keys/known"),
        environment: Default::default(),
    };
    let tail = [
        "-o",
        "UserKnownHostsFile=/keys/known",
        "-o",
        "IdentitiesOnly=yes",
        "-i",
        "/keys/id",
        "-T",
        "-p",
        "2222",
        "--",
        "h",
        "git-upload-pack '/x'",
    ];
    assert_eq!(arguments(&remote("ssh://h:2222/x"), &options), expected(&tail));
}

#[test]
fn a_file_that_ssh_would_expand_is_refused() {
    for path in ["relative", "/a b", "/a%h", "/~x", "/a\"b", "/${HOME}", "-i", ""] {
        assert!(SshFile::try_from(std::path::PathBuf::from(path)).is_err(), "{path}");
    }
}

/// The shell at the other end sees one word, whatever the path holds.
#[test]
fn a_shell_reads_the_quoted_path_as_it_was() {
    for path in [
        "a b",
        "a'b",
        "'",
        "a;touch x",
        "$(id)",
        "`id`",
        "a!b",
        "a\\b",
        "*",
        "a\"b",
        "~x",
        "a#b",
        "a&b|c>d<e",
        "ü",
    ] {
        let script = format!("printf %s {}", quoted(path));
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), path);
    }
}

/// Reads `'…'` with `'\''` and `'\!'` inside, and nothing else.
fn unquoted(text: &str) -> Option<String> {
    let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let plain = inner.replace("'\\''", "\u{1}").replace("'\\!'", "\u{2}");
    (!plain.contains(['\'', '!'])).then(|| plain.replace('\u{1}', "'").replace('\u{2}', "!"))
}

proptest! {
    #[test]
    fn the_argument_vector_is_what_the_parts_say(
        user in proptest::option::of("[a-z0-9._+][a-z0-9._+-]{0,8}"),
        host in "[a-z0-9_][a-z0-9._-]{0,12}",
        port in proptest::option::of(1..=u16::MAX),
        path in "[a-zA-Z0-9 '!;$`&|<>*~\"._-]{0,20}[a-z]",
    ) {
        let authority = user.map(|user| format!("{user}@{host}")).unwrap_or(host);
        let colon = port.map(|port| format!(":{port}")).unwrap_or_default();
        let text = format!("ssh://{authority}{colon}/{}", path.replace('%', "%25").replace(' ', "%20"));
        let shown = if path.starts_with('~') { path.clone() } else { format!("/{path}") };
        let quoted = shown.replace('\'', "'\\''").replace('!', "'\\!'");
        let tail = [
            "-T", "-p", &port.unwrap_or(22).to_string(), "--", &authority, &format!("git-upload-pack '{quoted}'"),
        ].map(str::to_owned);
        let tail: Vec<&str> = tail.iter().map(String::as_str).collect();
        prop_assert_eq!(arguments(&remote(&text), &SshOptions::default()), expected(&tail));
    }

    #[test]
    fn any_text_gives_a_vector_of_one_shape_or_none(text in "(ssh://)?\\PC{0,40}|(ssh://)?[-a-z@:/.%0-9$;'!~]{0,40}") {
        if let Ok(RemoteUrl::Ssh(remote)) = text.parse() {
            let vector: Vec<String> = arguments(&remote, &SshOptions::default())
                .into_iter().map(|word| word.into_string().unwrap()).collect();
            prop_assert_eq!(vector.len(), FIXED.len() + 6);
            prop_assert_eq!(&vector[..FIXED.len()], &FIXED);
            prop_assert_eq!(&vector[FIXED.len()..FIXED.len() + 2], &["-T", "-p"]);
            prop_assert!(vector[FIXED.len() + 2].parse::<u16>().is_ok());
            prop_assert_eq!(&vector[FIXED.len() + 3], "--");
            prop_assert!(!vector[FIXED.len() + 4].starts_with('-'));
            let path = vector[FIXED.len() + 5].strip_prefix("git-upload-pack ").and_then(unquoted);
            prop_assert_eq!(path.as_deref(), Some(remote.path()));
            prop_assert!(!remote.path().starts_with('-'));
        }
    }
}
