//! The `https` transport against a real `git upload-pack`, in clear and under TLS, and against servers that lie.

use std::sync::Arc;
use std::time::Duration;

use moorline_model::Secret;
use moorline_source::{FetchError, HttpsOptions, Limit, OpenError, Repository};
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::support::origin::oid;
use crate::support::{Behaviour, Origin, PATIENCE, Server, chain, config, directory, open};

const TOKEN: &str = "ghp_hunter2hunter2";

fn serve(origin: &Origin) -> Behaviour {
    Behaviour::Serve { path: origin.path().to_owned(), token: None }
}

#[tokio::test]
async fn commits_travel_over_http_first_all_then_only_the_new_ones() {
    let (origin, work) = (Origin::new(), directory());
    for number in 0..40 {
        origin.commit("main", &[("gateway.yaml", &format!("number: {number}\n")), ("infra/main.tf", "same")]);
    }
    let server = Server::start(serve(&origin));
    let repository = open(&server.url(), &work).await;
    let first = repository.fetch().await.unwrap();
    assert_eq!(repository.log(None, &first.head.commit, 100).await.unwrap().len(), 40);

    assert!(!repository.fetch().await.unwrap().is_new());
    // Nothing new is one request.
    let seen: Vec<_> = server.seen().into_iter().map(|seen| seen.line).collect();
    let branches = "GET /acme/deploy.git/info/refs?service=git-upload-pack HTTP/1.1";
    assert_eq!(seen, [branches, "POST /acme/deploy.git/git-upload-pack HTTP/1.1", branches]);

    let second = origin.commit("main", &[("gateway.yaml", "number: 40\n")]);
    // A commit, the root and the new file.
    let mut config = config(&server.url(), &work);
    config.limits.pack_objects = 3;
    let fetched = Repository::open(config).await.unwrap().fetch().await.unwrap();
    assert_eq!(fetched.head.commit, second);
    assert!(!fetched.rewritten);
    assert_eq!(repository.read(&second, "gateway.yaml").await.unwrap().unwrap(), b"number: 40\n");
    assert_eq!(repository.read(&second, "infra/main.tf").await.unwrap().unwrap(), b"same");

    // Rewritten far back: common ground is found, and the new history is followed.
    let old = repository.log(None, &second, 100).await.unwrap().pop().unwrap().commit;
    origin.point("main", oid(&old));
    let other = origin.commit("main", &[("gateway.yaml", "number: 99\n")]);
    let fetched = repository.fetch().await.unwrap();
    assert!(fetched.rewritten && fetched.head.commit == other);
    assert_eq!(repository.watch_path(), None);
}

#[tokio::test]
async fn a_token_opens_the_repository_and_its_absence_is_told() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin.commit("main", &[("a", "1")]);
    let server = Server::start(Behaviour::Serve { path: origin.path().to_owned(), token: Some(TOKEN) });
    let mut config = config(&server.url(), &work);

    let error = Repository::open(config.clone()).await.unwrap().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::SignInRefused { status: 401, with_token: false, .. }), "{error}");
    config.token = Some(Secret::new("wrong".to_owned()));
    let error = Repository::open(config.clone()).await.unwrap().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::SignInRefused { status: 401, with_token: true, .. }), "{error}");
    config.token = Some(Secret::new(TOKEN.to_owned()));
    let fetched = Repository::open(config).await.unwrap().fetch().await.unwrap();
    assert_eq!(fetched.head.commit, commit);
    // Both requests of the last fetch carried it.
    assert_eq!(server.seen().iter().filter(|seen| seen.authorization.is_some()).count(), 3);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_the_token_stays() {
    let (origin, work) = (Origin::new(), directory());
    origin.commit("main", &[("a", "1")]);
    let trap = Server::start(serve(&origin));
    let to = format!("{}/info/refs?service=git-upload-pack", trap.url());
    let server = Server::start(Behaviour::Redirect(to));
    let mut config = config(&server.url(), &work);
    config.token = Some(Secret::new(TOKEN.to_owned()));
    let error = Repository::open(config).await.unwrap().fetch().await.unwrap_err();
    assert!(
        matches!(&error, FetchError::Redirected { target, .. } if target.contains(&trap.url())),
        "{error}"
    );
    assert!(trap.seen().is_empty(), "the trap saw {:?}", trap.seen());
    assert!(server.seen()[0].authorization.is_some());
}

#[tokio::test]
async fn https_works_with_an_authority_of_ones_own_and_not_without() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin.commit("main", &[("a", "1")]);
    let issued = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key.into())
        .unwrap();
    let server = Server::start_tls(serve(&origin), Arc::new(tls));
    assert!(server.url().starts_with("https://"));
    let mut config = config(&server.url(), &work);
    config.token = Some(Secret::new(TOKEN.to_owned()));

    let error = Repository::open(config.clone()).await.unwrap().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{}", chain(&error));
    assert!(server.seen().is_empty(), "nothing is said to a server that is not trusted");

    let authorities = work.path().join("authorities.pem");
    std::fs::write(&authorities, "nothing").unwrap();
    config.https = HttpsOptions { authorities: Some(authorities.clone()) };
    assert!(matches!(Repository::open(config.clone()).await, Err(OpenError::Authorities(_))));
    std::fs::write(&authorities, issued.cert.pem()).unwrap();
    let fetched = Repository::open(config).await.unwrap().fetch().await.unwrap();
    assert_eq!(fetched.head.commit, commit);
}

#[tokio::test]
async fn answers_that_are_no_repository_are_told_apart() {
    let work = directory();
    let fetch = async |behaviour| {
        let server = Server::start(behaviour);
        open(&server.url(), &work).await.fetch().await.unwrap_err()
    };
    let advertisement = "application/x-git-upload-pack-advertisement";
    let error = fetch(Behaviour::Answer(404, "text/html", Vec::new())).await;
    assert!(matches!(error, FetchError::RepositoryMissing { .. }), "{error}");
    let error = fetch(Behaviour::Answer(503, "text/html", Vec::new())).await;
    assert!(matches!(error, FetchError::Status { status: 503, .. }), "{error}");
    let error = fetch(Behaviour::Answer(200, "text/html", b"<html>".to_vec())).await;
    assert!(matches!(error, FetchError::Protocol { .. }), "{error}");
    let error = fetch(Behaviour::Answer(200, advertisement, b"0008nope0000".to_vec())).await;
    assert!(matches!(error, FetchError::Protocol { .. }), "{error}");
    let words = b"001e# service=git-upload-pack\n00000015ERR go away\x1b[2J\n0000".to_vec();
    let error = fetch(Behaviour::Answer(200, advertisement, words)).await;
    assert!(
        matches!(&error, FetchError::Refused { message, .. } if message.contains("go away")),
        "{error:?}"
    );
    assert!(!error.to_string().contains('\u{1b}'));
    // Nobody listens there any more.
    let gone = Server::start(Behaviour::Silence).url();
    let error = open(&gone, &work).await.fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_pack_that_is_cut_or_incomplete_moves_nothing_and_the_next_fetch_recovers() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin.commit("main", &[("a", "1"), ("b", "2")]);
    let path = origin.path().to_owned();
    for bytes in [0, 3, 40, 120] {
        let server = Server::start(Behaviour::Cut { path: path.clone(), bytes });
        let repository = open(&server.url(), &work).await;
        let error = repository.fetch().await.unwrap_err();
        assert!(matches!(error, FetchError::Protocol { .. } | FetchError::Pack { .. }), "{bytes}: {error}");
        assert_eq!(repository.head().await.unwrap(), None);
    }

    // A pack that is whole by itself, and holds the commit without its files.
    let mut builder = origin.repository.packbuilder().unwrap();
    builder.insert_object(oid(&commit), None).unwrap();
    let mut pack = git2::Buf::new();
    builder.write_buf(&mut pack).unwrap();
    let server = Server::start(Behaviour::Instead { path, pack: pack.to_vec() });
    let repository = open(&server.url(), &work).await;
    let error = repository.fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::Incomplete { .. }), "{error}");
    assert_eq!(repository.head().await.unwrap(), None);

    let server = Server::start(serve(&origin));
    let repository = open(&server.url(), &work).await;
    assert_eq!(repository.fetch().await.unwrap().head.commit, commit);
    assert_eq!(repository.read(&commit, "b").await.unwrap().unwrap(), b"2");
}

#[tokio::test]
async fn a_pack_over_the_limits_is_refused_while_it_arrives() {
    let (origin, work) = (Origin::new(), directory());
    origin.commit("main", &[("bomb", &"\0".repeat(3_000_000))]);
    let server = Server::start(serve(&origin));
    let mut config = config(&server.url(), &work);
    config.limits.object_bytes = 1_000_000;
    let error = Repository::open(config.clone()).await.unwrap().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: Limit::ObjectBytes(1_000_000) }), "{error}");
    config.limits.object_bytes = 5_000_000;
    config.limits.advertisement_bytes = 50;
    let error = Repository::open(config.clone()).await.unwrap().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: Limit::AdvertisementBytes(50) }), "{error}");
    config.limits.advertisement_bytes = 5_000;
    Repository::open(config).await.unwrap().fetch().await.unwrap();
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_on() {
    let work = directory();
    let server = Server::start(Behaviour::Silence);
    let mut config = config(&server.url(), &work);
    config.limits.fetch = Duration::from_millis(300);
    let fetch = Repository::open(config.clone()).await.unwrap();
    let error = tokio::time::timeout(PATIENCE, fetch.fetch()).await.unwrap().unwrap_err();
    assert!(matches!(error, FetchError::Deadline { .. }), "{}", chain(&error));

    config.limits.fetch = Duration::from_secs(60);
    config.limits.stall = Duration::from_millis(300);
    let repository = Repository::open(config).await.unwrap();
    let error = tokio::time::timeout(PATIENCE, repository.fetch()).await.unwrap().unwrap_err();
    assert!(matches!(error, FetchError::Unreachable { .. }), "{}", chain(&error));
}

#[tokio::test]
async fn reads_do_not_wait_for_a_fetch_and_a_dropped_fetch_ends() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin.commit("main", &[("a", "1")]);
    open(&origin.url(), &work).await.fetch().await.unwrap();
    let server = Server::start(Behaviour::Silence);
    let mut config = config(&server.url(), &work);
    config.limits.stall = Duration::from_secs(2);
    let repository = Repository::open(config).await.unwrap();
    {
        let mut fetching = Box::pin(repository.fetch());
        // The fetch runs until the server has seen its request, and is still running then.
        while server.seen().is_empty() {
            assert!(tokio::time::timeout(Duration::from_millis(5), fetching.as_mut()).await.is_err());
        }
        assert_eq!(repository.head().await.unwrap().unwrap().commit, commit);
    }
    tokio::time::timeout(PATIENCE, repository.close()).await.unwrap();
}
