//! What becomes of packs: those of a repository on this machine, and those of the mirror.

use std::os::unix::fs::PermissionsExt as _;

use moorline_model::CommitId;
use moorline_source::Repository;

use crate::support::{Origin, config, directory, files, open};

/// A commit of so many files in a folder, each with another content.
fn commit_many(origin: &Origin, branch: &str, folder: &str, count: usize) -> CommitId {
    let files: Vec<(String, String)> =
        (0..count).map(|n| (format!("{folder}/{n}"), format!("{folder} {n}"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    origin.commit(branch, &files)
}

/// The names of the packs below a repository.
fn packs(repository: &std::path::Path) -> Vec<String> {
    let mut packs = files(&repository.join("objects"));
    packs.retain(|file| file.ends_with(".pack"));
    packs.sort();
    packs
}

#[tokio::test]
async fn packs_on_this_machine_are_copied_as_they_are_and_the_rest_follows() {
    let (origin, work) = (Origin::new(), directory());
    commit_many(&origin, "main", "packed", 200);
    origin.pack();
    // Not packed yet, and few: they travel as before.
    let commit = origin.commit("main", &[("single", "1")]);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    let mirror = work.path().join("work/repository.git");
    assert_eq!(packs(&mirror), packs(origin.path()));
    assert_eq!(packs(&mirror).len(), 1);
    for (path, text) in [("packed/199", "packed 199"), ("single", "1")] {
        assert_eq!(repository.read(&commit, path).await.unwrap().unwrap(), text.as_bytes());
    }
    assert!(packs(&work.path().join("work/incoming.git")).is_empty());
}

#[tokio::test]
async fn packs_that_are_too_large_are_fetched_as_far_as_the_branch_reaches() {
    let (origin, work) = (Origin::new(), directory());
    commit_many(&origin, "other", "other", 300);
    let commit = commit_many(&origin, "main", "main", 20);
    origin.pack();
    let mut config = config(&origin.url(), &work);
    // 20 files, their folder, the root and the commit.
    config.limits.pack_objects = 23;
    let repository = Repository::open(config).await.unwrap();
    repository.fetch().await.unwrap();
    assert_eq!(repository.read(&commit, "main/19").await.unwrap().unwrap(), b"main 19");
    assert!(packs(&work.path().join("work/repository.git")).is_empty());
}

#[tokio::test]
async fn the_limits_hold_for_all_copied_packs_together() {
    let (origin, work) = (Origin::new(), directory());
    commit_many(&origin, "main", "one", 60);
    origin.pack();
    commit_many(&origin, "main", "two", 60);
    // Another pack, with all of it.
    origin.pack();
    assert_eq!(packs(origin.path()).len(), 2);
    let mut config = config(&origin.url(), &work);
    config.limits.pack_objects = 150;
    Repository::open(config).await.unwrap().fetch().await.unwrap();
    assert_eq!(packs(&work.path().join("work/repository.git")).len(), 1, "62 and 125 are more than 150");
}

#[tokio::test]
async fn a_damaged_pack_on_this_machine_is_an_error_and_leaves_nothing() {
    let (origin, work) = (Origin::new(), directory());
    commit_many(&origin, "main", "d", 200);
    origin.pack();
    let pack = origin.path().join("objects").join(&packs(origin.path())[0]);
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xff;
    std::fs::set_permissions(&pack, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&pack, bytes).unwrap();
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap_err();
    assert_eq!(repository.head().await.unwrap(), None);
    assert!(packs(&work.path().join("work/repository.git")).is_empty());
}

#[tokio::test]
async fn small_fetches_leave_no_packs_and_large_ones_leave_one() {
    let (origin, work) = (Origin::new(), directory());
    let contents: Vec<(String, String)> = (0..150).map(|n| (format!("d/{n}"), n.to_string())).collect();
    let contents: Vec<(&str, &str)> =
        contents.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    origin.commit("main", &contents);
    let repository = open(&origin.url(), &work).await;
    repository.fetch().await.unwrap();
    for number in 0..5 {
        let commit = origin.commit("main", &[("a", &number.to_string())]);
        repository.fetch().await.unwrap();
        assert_eq!(repository.read(&commit, "d/149").await.unwrap().unwrap(), b"149");
    }
    let packs = |place: &str| packs(&work.path().join("work").join(place)).len();
    assert_eq!((packs("repository.git"), packs("incoming.git")), (1, 0));
}

#[tokio::test]
async fn single_objects_that_pile_up_are_packed_after_a_fetch() {
    let (origin, work) = (Origin::new(), directory());
    let repository = open(&origin.url(), &work).await;
    // Each fetch is small, so what it brings is taken apart.
    for number in 0..26 {
        commit_many(&origin, "main", &format!("d{number}"), 80);
        repository.fetch().await.unwrap();
    }
    let commit = origin.commit("main", &[("last", "1")]);
    repository.fetch().await.unwrap();
    repository.close().await;
    let mirror = work.path().join("work/repository.git");
    assert_eq!(packs(&mirror).len(), 1);
    let repository = open(&origin.url(), &work).await;
    assert_eq!(repository.read(&commit, "d0/79").await.unwrap().unwrap(), b"d0 79");
    assert!(!repository.fetch().await.unwrap().is_new());
}
