use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<RemoteUrl, InvalidRemoteUrl> {
    text.parse()
}

fn ssh(text: &str) -> SshRemote {
    match parse(text) {
        Ok(RemoteUrl::Ssh(remote)) => remote,
        other => panic!("{text} is {other:?}"),
    }
}

#[test]
fn known_forms_are_read() {
    assert_eq!(parse("https://example.com/a/b.git/").unwrap().to_string(), "https://example.com/a/b.git");
    assert_eq!(parse("https://me@example.com:8443/a").unwrap().to_string(), "https://example.com:8443/a");
    assert_eq!(parse("http://127.0.0.1:3000/a").unwrap().to_string(), "http://127.0.0.1:3000/a");
    assert_eq!(parse("/srv/git/a b.git").unwrap().to_string(), "/srv/git/a b.git");
    assert_eq!(parse("file:///srv/git/a%20b.git").unwrap().to_string(), "/srv/git/a b.git");

    let remote = ssh("git@github.com:acme/deploy.git");
    assert_eq!(
        (remote.destination().as_str(), remote.port(), remote.path()),
        ("git@github.com", 22, "acme/deploy.git")
    );
    let remote = ssh("ssh://example.com:2222/srv/a%20b.git");
    assert_eq!(
        (remote.destination().as_str(), remote.port(), remote.path()),
        ("example.com", 2222, "/srv/a b.git")
    );
    let remote = ssh("ssh://git@[::1]:22/~me/a");
    assert_eq!((remote.destination().as_str(), remote.port(), remote.path()), ("git@::1", 22, "~me/a"));
    assert_eq!(remote.to_string(), "ssh://git@[::1]:22/~me/a");
}

/// Addresses by which `git`, go-git, gitoxide and their hosts were made to run or read something.
#[test]
fn hostile_addresses_are_refused() {
    use InvalidRemoteUrl::{Character, Form, Host, Length, NotLoopback, Password, Path, Port, Query, User};
    let cases = [
        ("", Length),
        ("ssh://-oProxyCommand=touch%20x/a", Host),
        ("ssh://-oProxyCommand=x@host/a", User),
        ("ssh://git@-oProxyCommand=x/a", Host),
        ("-oProxyCommand=x:a", Host),
        ("-u@host:a", User),
        ("git@host:-upload-pack", Path),
        ("git@host:--upload-pack=x", Path),
        ("ssh://host", Path),
        ("ssh://host/", Path),
        ("ssh://host:0/a", Port),
        ("ssh://host:22x/a", Port),
        ("ssh://host:99999/a", Port),
        ("ssh://ho st/a", Character),
        ("ssh://host/a%0ab", Character),
        ("ssh://host/a%zz", Path),
        ("ssh://host/a?b", Query),
        ("ssh://user:secret@host/a", Password),
        ("ssh://$(id)@host/a", User),
        ("ssh://`id`/a", Host),
        ("ext::sh -c touch% x", Character),
        ("ext::sh", Form),
        ("fd::17/foo", Form),
        ("git://example.com/a", Form),
        ("ftp://example.com/a", Form),
        ("HTTPS://example.com/a", Form),
        ("relative/path", Form),
        ("./relative:path", Form),
        ("--upload-pack=touch", Form),
        ("//server/share", Path),
        ("file://server/share", Path),
        ("file:relative", Form),
        ("file:///a#b", Query),
        ("http://example.com/a", NotLoopback),
        ("http://127.0.0.1.example.com/a", NotLoopback),
        ("http://0.0.0.0/a", NotLoopback),
        ("https://user:secret@example.com/a", Password),
        ("https://example.com/a?token=secret", Query),
        ("https://example.com/a#b", Query),
        ("https://example.com", Path),
        ("https://-host/a", Host),
        ("https:///a", Host),
        ("https://host\\@evil/a", Host),
        ("https://example.com/a\nb", Character),
    ];
    for (text, expected) in cases {
        let refused = parse(text);
        assert_eq!(refused.err(), Some(expected), "{text}");
    }
}

#[test]
fn a_refused_address_is_never_repeated() {
    for text in [
        "https://user:hunter2@example.com/a",
        "ssh://u:hunter2@h/a",
        "https://e.com/a?hunter2",
        "hunter2://x",
    ] {
        let error = parse(text).unwrap_err();
        assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"));
    }
}

#[test]
fn a_redirect_is_told_without_what_it_carries() {
    let Ok(RemoteUrl::Https(remote)) = parse("https://example.com/a") else { panic!("an https address") };
    assert_eq!(
        remote.redirect_target("https://u:hunter2@other.example/b?t=hunter2#x"),
        "https://other.example/b"
    );
    assert_eq!(remote.redirect_target("/b.git/info/refs"), "https://example.com/b.git/info/refs");
}

proptest! {
    #[test]
    fn no_text_passes_that_a_child_could_misread(text in "\\PC{0,40}|(ssh://)?[-a-z@:/.%0-9\\[\\]$;'! ]{0,40}") {
        if let Ok(RemoteUrl::Ssh(remote)) = parse(&text) {
            for part in [remote.host(), remote.path(), &remote.destination()] {
                prop_assert!(!part.is_empty() && !part.starts_with('-') && !part.chars().any(char::is_control));
            }
            prop_assert!(!remote.destination().contains(char::is_whitespace));
            prop_assert!(remote.port() > 0);
        }
    }

    #[test]
    fn an_address_reads_back_as_it_was_shown(text in "(ssh://[a-z]{1,5}@[a-z.]{1,9}(:[1-9][0-9]{0,3})?/[a-z/.]{1,20})|(https://[a-z]{1,9}/[a-z/]{1,20})") {
        if let Ok(remote) = parse(&text) {
            prop_assert_eq!(parse(&remote.to_string()).unwrap().to_string(), remote.to_string());
        }
    }
}
