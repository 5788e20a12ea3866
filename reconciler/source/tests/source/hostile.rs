//! Trees that no honest client writes. Whatever they hold, nothing is read or written outside of the directory that
//! the checkout was given, and nothing is left in it when a tree is refused.

use git2::Oid;
use moorline_source::{CheckoutError, CheckoutLimits, EntryProblem, Repository};

use crate::support::{Origin, directory, files, open};

const FILE: &str = "100644";
const DIRECTORY: &str = "40000";
const LINK: &str = "120000";
const SUBMODULE: &str = "160000";

async fn refused(repository: &Repository, commit: &moorline_model::CommitId) -> Vec<(String, EntryProblem)> {
    let place = directory();
    let into = place.path().join("tree");
    match repository.checkout(commit, &into, CheckoutLimits::default()).await {
        Err(CheckoutError::Refused { entries }) => {
            assert!(!into.exists(), "a refused tree left something behind");
            entries.into_iter().map(|entry| (entry.path, entry.problem)).collect()
        }
        other => panic!("expected a refusal, not {other:?}"),
    }
}

#[tokio::test]
async fn every_refused_entry_is_named_with_its_reason() {
    let (origin, work) = (Origin::new(), directory());
    let blob = origin.blob(b"content");
    let inner = origin.raw_tree(&[
        (LINK, b"above", origin.blob(b"../../etc/passwd")),
        (LINK, b"fine", origin.blob(b"../plain")),
        (LINK, b"through", origin.blob(b"fine/../../x")),
    ]);
    let tree = origin.raw_tree(&[
        (FILE, b"..", blob),
        (DIRECTORY, b".GIT", inner),
        (FILE, b"../../evil", blob),
        (LINK, b"absolute", origin.blob(b"/etc/passwd")),
        (FILE, b"bell\x07", blob),
        (FILE, b"main.tf", blob),
        (FILE, b"Main.tf", blob),
        (DIRECTORY, b"modules", inner),
        (FILE, b"plain", blob),
        (SUBMODULE, b"vendor", Oid::from_str("0123456789012345678901234567890123456789").unwrap()),
    ]);
    let commit = origin.commit_tree("main", tree, &[]);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    let expected = [
        ("..", EntryProblem::Traversal),
        (".GIT", EntryProblem::GitDirectory),
        ("../../evil", EntryProblem::Traversal),
        ("absolute", EntryProblem::LinkLeaves),
        ("bell\\u{7}", EntryProblem::Name),
        ("Main.tf", EntryProblem::Collision),
        ("modules/above", EntryProblem::LinkLeaves),
        ("modules/through", EntryProblem::LinkUnclear),
        ("vendor", EntryProblem::Submodule),
    ];
    let found = refused(&repository, &commit).await;
    assert_eq!(found, expected.map(|(path, problem)| (path.to_owned(), problem)));
    let error = repository
        .checkout(&commit, &work.path().join("t"), CheckoutLimits::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("`vendor` is a submodule")
            && error.contains("`absolute` is a link that leaves the tree")
    );
}

/// Names × kinds × depths: 432 trees, each in a commit of its own.
#[tokio::test]
async fn no_hostile_tree_reaches_out_of_its_directory() {
    let names: [&[u8]; 36] = [
        b".",
        b"..",
        b"...",
        b".git",
        b".GIT",
        b".Git",
        b".git.",
        b".git ",
        b".git...",
        b"git~1",
        b"GIT~1",
        b"git~2",
        b".git::$INDEX_ALLOCATION",
        b".g\xe2\x80\x8cit",
        b"\xef\xbb\xbf.git",
        b"/etc/passwd",
        b"../sentinel",
        b"../../sentinel",
        b"a/../../sentinel",
        b"a/b",
        b"./a",
        b"..\\sentinel",
        b"C:\\x",
        b"a\nb",
        b"a\x1b[2Jb",
        b"a\x7f",
        b"\xff\xfe",
        b"\xe2\x80\xa5",
        b"\xef\xbc\x8e\xef\xbc\x8e",
        b"con",
        b"-rf",
        b"--help",
        b"$(id)",
        b"`id`",
        b"~",
        b" ",
    ];
    let targets: [&[u8]; 4] =
        [b"../sentinel", b"/etc/passwd", b"x/../../sentinel", b"../../../../../../etc/passwd"];
    let (origin, work) = (Origin::new(), directory());
    let blob = origin.blob(b"content");
    let file_tree = origin.raw_tree(&[(FILE, b"sentinel", blob)]);
    let submodule = Oid::from_str("0123456789012345678901234567890123456789").unwrap();
    let mut commits = Vec::new();
    let mut parent = None;
    for name in names {
        let mut entries: Vec<Vec<(&str, &[u8], Oid)>> = vec![
            vec![(FILE, name, blob)],
            vec![(DIRECTORY, name, file_tree)],
            vec![(SUBMODULE, name, submodule)],
            // The same name first as a link out, then as a directory to write through it.
            vec![(LINK, name, origin.blob(b"..")), (DIRECTORY, name, file_tree)],
        ];
        // A link to a sibling, over many spellings.
        entries.push(vec![(LINK, name, origin.blob(targets[commits.len() % targets.len()]))]);
        entries.push(vec![(LINK, b"a", origin.blob(name)), (LINK, b"b", origin.blob(b"a/../../sentinel"))]);
        for entries in entries {
            let flat = origin.raw_tree(&entries);
            let deep = origin.raw_tree(&[(DIRECTORY, b"x", origin.raw_tree(&[(DIRECTORY, b"y", flat)]))]);
            for tree in [flat, deep] {
                let commit = origin.commit_tree("main", tree, parent.as_slice());
                parent = Some(Oid::from_str(commit.as_str()).unwrap());
                commits.push(commit);
            }
        }
    }
    assert_eq!(commits.len(), 432);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();

    let place = directory();
    let outer = place.path().join("outer");
    std::fs::create_dir(&outer).unwrap();
    for path in [place.path().join("sentinel"), outer.join("sentinel")] {
        std::fs::write(path, "untouched").unwrap();
    }
    let mut written = 0;
    for commit in &commits {
        let into = outer.join("tree");
        match repository.checkout(commit, &into, CheckoutLimits::default()).await {
            Ok(_) => {
                written += 1;
                let root = into.canonicalize().unwrap();
                for file in files(&into) {
                    // A link may lead nowhere; where it leads somewhere, that is inside.
                    let Ok(real) = into.join(&file).canonicalize() else { continue };
                    assert!(real.starts_with(&root), "{file:?} leads to {}", real.display());
                }
                std::fs::remove_dir_all(&into).unwrap();
            }
            Err(CheckoutError::Refused { .. }) => assert!(!into.exists()),
            Err(other) => panic!("{commit}: {other:?}"),
        }
        assert_eq!(files(place.path()), ["outer/sentinel", "sentinel"]);
    }
    for path in [place.path().join("sentinel"), outer.join("sentinel")] {
        assert_eq!(std::fs::read_to_string(path).unwrap(), "untouched");
    }
    assert!(written > 20, "odd names that are harmless are written: {written}");
}

#[tokio::test]
async fn links_inside_of_links_cannot_climb_out() {
    let (origin, work) = (Origin::new(), directory());
    // `d/root` leads to the root; `climb` would go through it and up.
    let inner = origin.raw_tree(&[(LINK, b"root", origin.blob(b".."))]);
    let tree =
        origin.raw_tree(&[(LINK, b"climb", origin.blob(b"d/root/../sentinel")), (DIRECTORY, b"d", inner)]);
    let commit = origin.commit_tree("main", tree, &[]);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    assert_eq!(refused(&repository, &commit).await, [("climb".to_owned(), EntryProblem::LinkUnclear)]);
}

#[tokio::test]
async fn a_checkout_stops_at_its_limits_before_it_writes() {
    let (origin, work) = (Origin::new(), directory());
    let content: Vec<(String, &str)> = (0..30).map(|number| (format!("d/{number}"), "0123456789")).collect();
    let content: Vec<(&str, &str)> =
        content.iter().map(|(path, content)| (path.as_str(), *content)).collect();
    let commit = origin.commit("main", &content);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    let into = work.path().join("tree");
    let attempt = async |limits| repository.checkout(&commit, &into, limits).await;
    let all = CheckoutLimits::default();
    let error = attempt(CheckoutLimits { entries: 30, ..all.clone() }).await.unwrap_err();
    assert!(matches!(error, CheckoutError::TooMany { limit: 30 }), "{error}");
    let error = attempt(CheckoutLimits { bytes: 299, ..all.clone() }).await.unwrap_err();
    assert!(matches!(error, CheckoutError::TooLarge { limit: 299 }), "{error}");
    let error = attempt(CheckoutLimits { depth: 0, ..all.clone() }).await.unwrap_err();
    assert!(matches!(error, CheckoutError::TooDeep { limit: 0 }), "{error}");
    let error = attempt(CheckoutLimits { time: std::time::Duration::ZERO, ..all.clone() }).await.unwrap_err();
    assert!(matches!(error, CheckoutError::Deadline { .. }), "{error}");
    assert!(!into.exists());
    let written = attempt(CheckoutLimits { entries: 31, bytes: 300, depth: 1, ..all }).await.unwrap();
    assert_eq!((written.files, written.bytes), (30, 300));
}

#[tokio::test]
async fn directories_nested_without_end_are_an_error_and_no_crash() {
    let (origin, work) = (Origin::new(), directory());
    let mut tree = origin.raw_tree(&[(FILE, b"a", origin.blob(b"x"))]);
    for _ in 0..5000 {
        tree = origin.raw_tree(&[(DIRECTORY, b"d", tree)]);
    }
    origin.commit_tree("main", tree, &[]);
    let repository = open(&origin.url(), &work).await;
    let error = repository.fetch().await.unwrap_err();
    assert!(matches!(error, moorline_source::FetchError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_checkout_into_a_link_is_refused() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin.commit("main", &[("a", "1")]);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    let elsewhere = directory();
    let into = work.path().join("tree");
    std::os::unix::fs::symlink(elsewhere.path(), &into).unwrap();
    let error = repository.checkout(&commit, &into, CheckoutLimits::default()).await.unwrap_err();
    assert!(matches!(error, CheckoutError::NotEmpty { .. }), "{error}");
    assert!(files(elsewhere.path()).is_empty());
}
