//! Repositories on this machine: fetching, reading, writing out.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use git2::FileMode;
use moorline_source::{CheckoutLimits, FetchError, Limit, OpenError, ReadError, Repository};

use crate::support::origin::oid;
use crate::support::{Origin, config, directory, files, open};

#[tokio::test]
async fn what_is_pushed_is_fetched_and_read() {
    let (origin, work) = (Origin::new(), directory());
    let first = origin.commit("main", &[("moorline.yaml", "version: 1\n"), ("infra/main.tf", "# one\n")]);
    let repository = open(&origin.url(), &work).await;
    assert_eq!(repository.head().await.unwrap(), None);

    let fetched = repository.fetch().await.unwrap();
    assert!(fetched.is_new() && !fetched.rewritten);
    assert_eq!(fetched.previous, None);
    assert_eq!(fetched.head.commit, first);
    assert_eq!(fetched.head.message, "raise the limit");
    assert_eq!(fetched.head.author, "Ada \u{fffd}[31mLovelace");
    assert_eq!(fetched.head.committed_at.as_second(), 1_700_000_000);
    assert_eq!(repository.head().await.unwrap().unwrap(), fetched.head);

    assert!(!repository.fetch().await.unwrap().is_new());

    let second = origin.commit("main", &[("gateway.yaml", "version: 1\n")]);
    let fetched = repository.fetch().await.unwrap();
    assert_eq!((fetched.head.commit, fetched.previous), (second.clone(), Some(first.clone())));

    assert_eq!(repository.read(&first, "gateway.yaml").await.unwrap(), None);
    assert_eq!(repository.read(&second, "gateway.yaml").await.unwrap().unwrap(), b"version: 1\n");
    assert_eq!(repository.read(&second, "infra/main.tf").await.unwrap().unwrap(), b"# one\n");
    assert!(repository.is_ancestor(&first, &second).await.unwrap());
    assert!(!repository.is_ancestor(&second, &first).await.unwrap());
    let log: Vec<_> =
        repository.log(Some(&first), &second, 10).await.unwrap().into_iter().map(|r| r.commit).collect();
    assert_eq!(log, std::slice::from_ref(&second));
    assert_eq!(repository.log(None, &second, 1).await.unwrap().len(), 1);
    assert_eq!(repository.log(None, &second, 10).await.unwrap().len(), 2);
    assert_eq!(repository.watch_path(), Some(origin.path().to_owned()));
}

#[tokio::test]
async fn the_files_below_a_directory_are_listed() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin
        .commit("main", &[("policies/b.rego", "1"), ("policies/tests/a.rego", "1"), ("policies.md", "")]);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    let files = repository.files(&commit, "policies/").await.unwrap();
    assert_eq!(files, ["policies/b.rego", "policies/tests/a.rego"]);
    assert!(repository.files(&commit, "absent").await.unwrap().is_empty());
    assert!(matches!(repository.files(&commit, "../x").await, Err(ReadError::Path { .. })));
}

#[tokio::test]
async fn a_directory_keeps_its_digest_until_something_below_it_changes() {
    let (origin, work) = (Origin::new(), directory());
    let first = origin.commit("main", &[("infra/modules/a.tf", "1"), ("gateway.yaml", "1")]);
    let second = origin.commit("main", &[("gateway.yaml", "2")]);
    let third = origin.commit("main", &[("infra/modules/a.tf", "2")]);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    let digest = async |commit, path: &'static str| repository.tree_digest(commit, path).await.unwrap();
    assert!(digest(&first, "infra").await.is_some());
    assert_eq!(digest(&first, "infra").await, digest(&second, "infra/").await);
    assert_ne!(digest(&second, "infra").await, digest(&third, "infra").await);
    assert_ne!(digest(&first, "").await, digest(&second, ".").await);
    assert_eq!(digest(&first, "absent").await, None);
    assert_eq!(digest(&first, "gateway.yaml").await, None);
}

#[tokio::test]
async fn a_link_that_says_what_a_file_said_is_something_else() {
    let (origin, work) = (Origin::new(), directory());
    let file = origin.commit_modes("main", &[("prod.tfvars", "other.tfvars", FileMode::Blob)]);
    let link = origin.commit_modes("main", &[("prod.tfvars", "other.tfvars", FileMode::Link)]);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    let digest = async |commit| repository.object_digest(commit, "prod.tfvars").await.unwrap();
    assert!(digest(&file).await.is_some());
    assert_ne!(digest(&file).await, digest(&link).await);
}

#[tokio::test]
async fn a_repository_that_disappears_takes_nothing_away() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin.commit("main", &[("moorline.yaml", "version: 1\n")]);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    let away = origin.path().with_extension("away");
    std::fs::rename(origin.path(), &away).unwrap();

    let error = repository.fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::RepositoryMissing { .. }), "{error}");
    assert_eq!(repository.head().await.unwrap().unwrap().commit, commit);
    // A new process finds the same.
    let repository = open(&origin.url(), &work).await;
    assert_eq!(repository.head().await.unwrap().unwrap().commit, commit);
    assert!(repository.read(&commit, "moorline.yaml").await.unwrap().is_some());

    std::fs::rename(&away, origin.path()).unwrap();
    assert!(!repository.fetch().await.unwrap().is_new());
}

#[tokio::test]
async fn a_rewritten_branch_is_followed_and_reported_and_the_old_commits_stay() {
    let (origin, work) = (Origin::new(), directory());
    let first = origin.commit("main", &[("a", "1")]);
    let second = origin.commit("main", &[("a", "2")]);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();

    origin.point("main", oid(&first));
    let other = origin.commit("main", &[("a", "3")]);
    let fetched = repository.fetch().await.unwrap();
    assert!(fetched.rewritten);
    assert_eq!((fetched.head.commit, fetched.previous), (other, Some(second.clone())));
    assert_eq!(repository.read(&second, "a").await.unwrap().unwrap(), b"2");

    // Back to an ancestor is a rewrite too, and needs no transfer.
    origin.point("main", oid(&first));
    let fetched = repository.fetch().await.unwrap();
    assert!(fetched.rewritten && fetched.head.commit == first);
    // Forward again is none.
    origin.point("main", oid(&second));
    assert!(!repository.fetch().await.unwrap().rewritten);
}

#[tokio::test]
async fn a_branch_that_is_missing_names_those_that_exist() {
    let (origin, work) = (Origin::new(), directory());
    let repository = open(&origin.url(), &work).await;
    assert!(matches!(repository.fetch().await, Err(FetchError::RepositoryEmpty { .. })));
    origin.commit("master", &[("a", "1")]);
    origin.commit("next", &[("a", "1")]);
    let error = repository.fetch().await.unwrap_err();
    assert!(error.to_string().ends_with("has no branch `main`; it has `master`, `next`"), "{error}");
    assert_eq!(repository.head().await.unwrap(), None);
}

#[tokio::test]
async fn a_repository_of_another_user_is_fetched_too() {
    let (origin, work) = (Origin::new(), directory());
    origin.commit("main", &[("a", "1")]);
    // Only root can give a file away; for others this test shows no more than the plain case.
    if let Err(error) = std::os::unix::fs::chown(origin.path(), Some(65534), Some(65534)) {
        eprintln!("not root ({error}): the repository keeps its owner");
    } else {
        assert!(git2::Repository::open(origin.path()).is_err(), "libgit2 checks the owner");
    }
    open(&origin.url(), &work).await.fetch().await.unwrap();
}

#[tokio::test]
async fn a_worktree_is_fetched_through_its_git_directory() {
    let (place, work) = (directory(), directory());
    let origin = Origin::new();
    origin.commit("main", &[("a", "1")]);
    std::fs::rename(origin.path(), place.path().join(".git")).unwrap();
    let repository = open(place.path().to_str().unwrap(), &work).await;
    repository.fetch().await.unwrap();
    assert_eq!(repository.watch_path(), Some(place.path().join(".git")));
    std::fs::rename(place.path().join(".git"), origin.path()).unwrap();
}

#[tokio::test]
async fn limits_stop_a_fetch_and_leave_the_branch_where_it_was() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin.commit("main", &[("a", "1")]);
    let mut config = config(&origin.url(), &work);
    Repository::open(config.clone()).await.unwrap().fetch().await.unwrap();
    origin.commit("main", &[("large", &"x".repeat(5000)), ("b", "1"), ("c", "2")]);

    let mut limited = config.clone();
    limited.limits.object_bytes = 4000;
    let repository = Repository::open(limited).await.unwrap();
    let error = repository.fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: Limit::ObjectBytes(4000) }), "{error}");
    assert_eq!(repository.head().await.unwrap().unwrap().commit, commit);

    let mut limited = config.clone();
    limited.limits.pack_objects = 2;
    let error = Repository::open(limited).await.unwrap().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: Limit::PackObjects(2) }), "{error}");

    let mut limited = config.clone();
    limited.limits.pack_bytes = 60;
    let error = Repository::open(limited).await.unwrap().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { limit: Limit::PackBytes(60) }), "{error}");

    config.limits.fetch = Duration::ZERO;
    let error = Repository::open(config).await.unwrap().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::Deadline { .. }), "{error}");
}

#[tokio::test]
async fn a_second_process_waits_for_its_own_turn_and_half_written_packs_go() {
    let (origin, work) = (Origin::new(), directory());
    origin.commit("main", &[("a", "1")]);
    let repository = open(&origin.url(), &work).await;
    let lock = std::fs::File::create(work.path().join("work/repository.lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(repository.fetch().await, Err(FetchError::Busy)));
    lock.unlock().unwrap();
    let leftover = work.path().join("work/incoming.git/objects/pack/pack_git2_0123456789abcdef");
    std::fs::create_dir_all(leftover.parent().unwrap()).unwrap();
    std::fs::write(&leftover, "half").unwrap();
    repository.fetch().await.unwrap();
    assert!(!leftover.exists());
}

#[tokio::test]
async fn what_is_no_file_or_no_path_or_unknown_is_told_apart() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin.commit_modes(
        "main",
        &[
            ("d/a", "1", FileMode::Blob),
            ("link", "d/a", FileMode::Link),
            ("large", "0123456789", FileMode::Blob),
        ],
    );
    let mut config = config(&origin.url(), &work);
    config.limits.file_bytes = 9;
    let repository = Repository::open(config).await.unwrap();
    repository.fetch().await.unwrap();
    let read = async |path: &'static str| repository.read(&commit, path).await;
    assert!(matches!(read("d").await, Err(ReadError::NotAFile { kind: "directory", .. })));
    assert!(matches!(read("link").await, Err(ReadError::NotAFile { kind: "link", .. })));
    assert!(matches!(read("large").await, Err(ReadError::TooLarge { bytes: 10, limit: 9, .. })));
    assert!(matches!(read("link/a").await, Ok(None)));
    for path in ["../a", "/d/a", "d/../d/a", "", "d//a"] {
        assert!(matches!(read(path).await, Err(ReadError::Path { .. })), "{path}");
    }
    let unknown = "0123456789012345678901234567890123456789".parse().unwrap();
    assert!(matches!(repository.read(&unknown, "a").await, Err(ReadError::UnknownCommit { .. })));
    assert!(!repository.contains(&unknown).await.unwrap());
    assert!(repository.contains(&commit).await.unwrap());
}

#[tokio::test]
async fn a_branch_name_that_git_would_not_take_is_refused_when_opening() {
    let work = directory();
    for branch in ["-x", "a..b", "a b", "", "a\nb", "refs/../x", "a.lock"] {
        let mut config = config("/srv/x", &work);
        config.branch = branch.to_owned();
        assert!(matches!(Repository::open(config).await, Err(OpenError::Branch { .. })), "{branch:?}");
    }
}

#[tokio::test]
async fn a_checkout_writes_the_whole_tree_for_its_owner_alone() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin.commit_modes(
        "main",
        &[
            ("infra/modules/a.tf", "a", FileMode::Blob),
            ("infra/run.sh", "#!/bin/sh", FileMode::BlobExecutable),
            ("infra/link", "../moorline.yaml", FileMode::Link),
            ("moorline.yaml", "version: 1", FileMode::Blob),
            // Attributes and filters are content like any other.
            (".gitattributes", "* filter=lfs text eol=crlf\n", FileMode::Blob),
        ],
    );
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    let into = work.path().join("tree");
    let written = repository.checkout(&commit, &into, CheckoutLimits::default()).await.unwrap();
    assert_eq!(written.files, 5);
    assert_eq!(
        files(&into),
        [".gitattributes", "infra/link", "infra/modules/a.tf", "infra/run.sh", "moorline.yaml"]
    );
    let mode = |path: &str| std::fs::symlink_metadata(into.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(""), mode("infra"), mode("infra/run.sh"), mode("moorline.yaml")),
        (0o700, 0o700, 0o700, 0o600)
    );
    assert_eq!(std::fs::read_to_string(into.join("infra/link")).unwrap(), "version: 1");
    assert_eq!(std::fs::read_to_string(into.join(".gitattributes")).unwrap(), "* filter=lfs text eol=crlf\n");

    // Never into a directory with something in it.
    let error = repository.checkout(&commit, &into, CheckoutLimits::default()).await.unwrap_err();
    assert!(error.to_string().contains("is not an empty directory"), "{error}");
    assert_eq!(files(&into).len(), 5);
}

#[tokio::test]
async fn a_checkout_of_paths_writes_and_judges_those_alone() {
    let (origin, work) = (Origin::new(), directory());
    let commit = origin.commit_modes(
        "main",
        &[
            ("infra/prod/main.tf", "a", FileMode::Blob),
            ("infra/prod/templates/x.json", "{}", FileMode::Blob),
            ("infra/test/main.tf", "b", FileMode::Blob),
            ("modules/a/link", "main.tf", FileMode::Link),
            ("modules/a/main.tf", "m", FileMode::Blob),
            ("vars/prod.tfvars", "v", FileMode::Blob),
            ("outside", "/etc/passwd", FileMode::Link),
            ("through", "modules", FileMode::Link),
        ],
    );
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    let into = work.path().join("tree");
    let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
    let wanted = paths(&["infra/prod", "modules/a", "vars/prod.tfvars", "through/a", "not/there"]);
    let limits = CheckoutLimits::default();
    let written = repository.checkout_paths(&commit, &wanted, &into, limits.clone()).await.unwrap();
    assert_eq!((written.files, written.links), (5, 2));
    assert_eq!(
        files(&into),
        [
            "infra/prod/main.tf",
            "infra/prod/templates/x.json",
            "modules/a/link",
            "modules/a/main.tf",
            "vars/prod.tfvars"
        ]
    );
    let refused = work.path().join("refused");
    let error = repository.checkout_paths(&commit, &paths(&["outside"]), &refused, limits).await.unwrap_err();
    assert!(error.to_string().contains("outside"), "{error}");
}

#[tokio::test]
async fn only_what_is_new_travels() {
    let (origin, work) = (Origin::new(), directory());
    for number in 0..20 {
        origin.commit(
            "main",
            &[("a", &number.to_string()), ("d/e/b", &number.to_string()), ("d/same", "same")],
        );
    }
    let mut config = config(&origin.url(), &work);
    Repository::open(config.clone()).await.unwrap().fetch().await.unwrap();
    origin.commit("main", &[("d/c", "new")]);
    // A commit, the root, `d` and the new file.
    config.limits.pack_objects = 4;
    Repository::open(config).await.unwrap().fetch().await.unwrap();
}

#[tokio::test]
async fn a_mirror_that_lost_an_object_heals_at_the_next_start() {
    let (origin, work) = (Origin::new(), directory());
    origin.commit("main", &[("a", "1")]);
    let commit = origin.commit("main", &[("b", "2")]);
    open(&origin.url(), &work).await.fetch().await.unwrap();
    let objects = work.path().join("work/repository.git/objects");
    let lost = origin.blob(b"1").to_string();
    std::fs::remove_file(objects.join(&lost[..2]).join(&lost[2..])).unwrap();

    let repository = open(&origin.url(), &work).await;
    assert!(repository.read(&commit, "a").await.is_err());
    assert_eq!(repository.fetch().await.unwrap().head.commit, commit);
    assert_eq!(repository.read(&commit, "a").await.unwrap().unwrap(), b"1");
}

#[tokio::test]
async fn the_configuration_of_a_watched_repository_has_no_say() {
    let (origin, work) = (Origin::new(), directory());
    origin.commit("main", &[("a", "1")]);
    // libgit2 reads this setting when it packs, and fails on what is no number.
    std::fs::write(origin.path().join("config"), "[core]\nbare = true\n[pack]\ndeltaCacheSize = all of it\n")
        .unwrap();
    open(&origin.url(), &work).await.fetch().await.unwrap();
}
