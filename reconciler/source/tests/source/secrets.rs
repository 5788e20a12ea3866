//! A token shows nowhere: not in what is printed of a value, not in an error, not in a file.

use moorline_model::Secret;
use moorline_source::Repository;

use crate::support::{Behaviour, Origin, Server, chain, config, directory, files};

const TOKEN: &str = "ghp_hunter2hunter2";

#[tokio::test]
async fn a_token_is_in_no_text_and_in_no_file() {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("x-access-token:{TOKEN}"));
    let is_silent = |text: &str| !text.contains("hunter2") && !text.contains(&encoded);
    let (origin, work) = (Origin::new(), directory());
    origin.commit("main", &[("a", "1")]);
    let path = origin.path().to_owned();
    let advertisement = "application/x-git-upload-pack-advertisement";
    let behaviours = [
        Behaviour::Serve { path: path.clone(), token: Some("another") },
        Behaviour::Cut { path: path.clone(), bytes: 30 },
        Behaviour::Redirect(format!("https://x-access-token:{TOKEN}@other.example/{TOKEN}?t={TOKEN}")),
        Behaviour::Answer(403, "text/html", TOKEN.into()),
        Behaviour::Answer(404, "text/html", TOKEN.into()),
        Behaviour::Answer(500, "text/html", TOKEN.into()),
        Behaviour::Answer(200, advertisement, b"0000".to_vec()),
        Behaviour::Answer(200, advertisement, b"zzzz".to_vec()),
        // A server has the token, and may say it back.
        Behaviour::Answer(200, advertisement, words(&format!("ERR no: {TOKEN} {encoded}"))),
        Behaviour::Serve { path, token: Some(TOKEN) },
    ];
    let mut failures = 0;
    for behaviour in behaviours {
        let server = Server::start(behaviour);
        let mut config = config(&server.url(), &work);
        config.token = Some(Secret::new(TOKEN.to_owned()));
        assert!(is_silent(&format!("{config:?}")));
        let repository = Repository::open(config).await.unwrap();
        assert!(is_silent(&format!("{repository:?}")));
        match repository.fetch().await {
            Ok(fetched) => assert!(is_silent(&format!("{fetched:?}"))),
            Err(error) => {
                failures += 1;
                assert!(is_silent(&chain(&error)) && is_silent(&format!("{error:?}")), "{error:?}");
            }
        }
        assert!(server.seen()[0].authorization.is_some(), "the token was used");
    }
    assert_eq!(failures, 9);
    for file in files(work.path()) {
        let content = std::fs::read(work.path().join(&file)).unwrap();
        assert!(is_silent(&String::from_utf8_lossy(&content)), "{file}");
    }
}

/// The service's name, then one packet.
fn words(line: &str) -> Vec<u8> {
    format!("001e# service=git-upload-pack\n0000{:04x}{line}0000", line.len() + 4).into_bytes()
}
