//! A small watched repository for tests.

use std::path::Path;

use moorline_model::Revision;
use moorline_source::{HttpsOptions, Limits, Repository, RepositoryConfig, SshOptions};

/// A repository with these files at its root or one folder down, fetched, and its one commit.
pub(crate) async fn repository(folder: &Path, files: &[(&str, &str)]) -> (Repository, Revision) {
    let git = git2::Repository::init_bare(folder.join("deploy.git")).unwrap();
    let mut index = git.index().unwrap();
    for (path, text) in files {
        let entry = git2::IndexEntry {
            ctime: git2::IndexTime::new(0, 0),
            mtime: git2::IndexTime::new(0, 0),
            dev: 0,
            ino: 0,
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            file_size: 0,
            id: git.blob(text.as_bytes()).unwrap(),
            flags: 0,
            flags_extended: 0,
            path: path.as_bytes().to_vec(),
        };
        index.add(&entry).unwrap();
    }
    let tree = git.find_tree(index.write_tree().unwrap()).unwrap();
    let me = git2::Signature::now("me", "me@example.com").unwrap();
    git.commit(Some("refs/heads/main"), &me, &me, "one", &tree, &[]).unwrap();
    let config = RepositoryConfig {
        url: folder.join("deploy.git").to_str().unwrap().parse().unwrap(),
        branch: "main".to_owned(),
        token: None,
        https: HttpsOptions::default(),
        ssh: SshOptions::default(),
        work_dir: folder.join("work"),
        limits: Limits::default(),
    };
    let repository = Repository::open(config).await.unwrap();
    let head = repository.fetch().await.unwrap().head;
    (repository, head)
}
