//! The `ssh` transport: a script stands in the place of `ssh`, notes what it was given, and runs the command that the
//! far end would.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use moorline_source::{FetchError, Repository, RepositoryConfig, SshEnvironment, SshFile, SshOptions};
use tempfile::TempDir;

use crate::support::{Origin, PATIENCE, chain, config, directory};

/// Puts a script named `ssh` first on the path of the child.
fn fake_ssh(work: &TempDir, script: &str) -> SshEnvironment {
    let bin = work.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let program = bin.join("ssh");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut path = bin.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    SshEnvironment { path, home: Some(work.path().as_os_str().to_owned()), agent: Some("/run/agent".into()) }
}

/// Notes arguments and environment, then does what `sshd` would: hand the last argument to a shell.
fn honest(work: &Path) -> String {
    let noted = work.display();
    format!(
        "for word in \"$@\"; do printf '%s\\n' \"$word\"; done > {noted}/argv\nenv > {noted}/environment\n\
         for last in \"$@\"; do :; done\nexec sh -c \"$last\""
    )
}

fn ssh_config(url: &str, work: &TempDir, script: &str) -> RepositoryConfig {
    let environment = fake_ssh(work, script);
    RepositoryConfig { ssh: SshOptions { environment, ..SshOptions::default() }, ..config(url, work) }
}

#[tokio::test]
async fn commits_travel_through_the_ssh_process() {
    let (origin, work) = (Origin::new(), directory());
    let first = origin.commit("main", &[("a", "1"), ("d/b", "2")]);
    let mut config = ssh_config(&format!("git@forge.example:{}", origin.url()), &work, &honest(work.path()));
    config.ssh.identity = Some(SshFile::try_from(PathBuf::from("/keys/deploy")).unwrap());
    let repository = Repository::open(config).await.unwrap();
    assert_eq!(repository.fetch().await.unwrap().head.commit, first);
    assert!(!repository.fetch().await.unwrap().is_new());
    let second = origin.commit("main", &[("a", "2")]);
    let fetched = repository.fetch().await.unwrap();
    assert_eq!((fetched.head.commit, fetched.previous), (second.clone(), Some(first)));
    assert_eq!(repository.read(&second, "d/b").await.unwrap().unwrap(), b"2");

    let argv = std::fs::read_to_string(work.path().join("argv")).unwrap();
    let expected = format!(
        "-o\nBatchMode=yes\n-o\nStrictHostKeyChecking=yes\n-o\nForwardAgent=no\n-o\nClearAllForwardings=yes\n-o\n\
         PermitLocalCommand=no\n-o\nIdentitiesOnly=yes\n-i\n/keys/deploy\n-T\n-p\n22\n--\ngit@forge.example\n\
         git-upload-pack '{}'\n",
        origin.url()
    );
    assert_eq!(argv, expected);
}

#[tokio::test]
async fn the_ssh_process_sees_three_variables_and_no_more() {
    let (origin, work) = (Origin::new(), directory());
    origin.commit("main", &[("a", "1")]);
    let config = ssh_config(&format!("forge.example:{}", origin.url()), &work, &honest(work.path()));
    Repository::open(config).await.unwrap().fetch().await.unwrap();
    let environment = std::fs::read_to_string(work.path().join("environment")).unwrap();
    let mut names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
    // What the shell that runs the script adds by itself.
    names.retain(|name| !matches!(*name, "PWD" | "_" | "SHLVL" | "OLDPWD"));
    names.sort_unstable();
    assert_eq!(names, ["HOME", "PATH", "SSH_AUTH_SOCK"]);
}

#[tokio::test]
async fn a_path_with_quotes_reaches_the_far_end_as_it_is() {
    let (origin, work, place) = (Origin::new(), directory(), directory());
    let commit = origin.commit("main", &[("a", "1")]);
    let odd = place.path().join("it's; touch $(pwned) & a`b`!.git");
    std::fs::rename(origin.path(), &odd).unwrap();
    let url = format!("ssh://forge.example{}", odd.to_str().unwrap().replace(' ', "%20"));
    let config = ssh_config(&url, &work, &honest(work.path()));
    let fetched = Repository::open(config).await.unwrap().fetch().await.unwrap();
    assert_eq!(fetched.head.commit, commit);
    std::fs::rename(&odd, origin.path()).unwrap();
}

#[tokio::test]
async fn what_ssh_says_when_it_fails_is_told() {
    let work = directory();
    let script = "echo 'Host key verification failed.' >&2\nprintf '\\033[31mred\\n' >&2\nexit 255";
    let mut config = ssh_config("forge.example:x", &work, script);
    let error = Repository::open(config.clone()).await.unwrap().fetch().await.unwrap_err();
    let FetchError::Ssh { status, message, .. } = &error else { panic!("{}", chain(&error)) };
    assert_eq!(*status, Some(255));
    assert_eq!(message, "Host key verification failed.; \u{fffd}[31mred");

    config.ssh.environment = SshEnvironment { path: "/nowhere".into(), ..SshEnvironment::default() };
    let error = Repository::open(config).await.unwrap().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::SshMissing { .. }), "{}", chain(&error));
}

#[tokio::test]
async fn an_ssh_process_that_hangs_is_ended_and_one_that_floods_is_bounded() {
    let work = directory();
    let mut config = ssh_config("forge.example:x", &work, "echo $$ > $HOME/pid\nexec cat");
    config.limits.fetch = Duration::from_millis(500);
    let repository = Repository::open(config.clone()).await.unwrap();
    let error = tokio::time::timeout(PATIENCE, repository.fetch()).await.unwrap().unwrap_err();
    assert!(matches!(error, FetchError::Deadline { .. }), "{}", chain(&error));
    repository.close().await;

    config.limits.fetch = Duration::from_secs(60);
    config.limits.stall = Duration::from_millis(300);
    let repository = Repository::open(config.clone()).await.unwrap();
    let error = tokio::time::timeout(PATIENCE, repository.fetch()).await.unwrap().unwrap_err();
    assert!(chain(&error).ends_with("no data arrived for too long"), "{}", chain(&error));

    config.limits.stall = Duration::from_secs(30);
    config.limits.advertisement_bytes = 100_000;
    config.ssh.environment = fake_ssh(
        &work,
        "yes complaint | head -c 3000000 >&2\nwhile printf '00400123456789012345678901234567890123456789 refs/tags/xxxxxxxx\\n'; do :; done",
    );
    let repository = Repository::open(config).await.unwrap();
    let error = tokio::time::timeout(PATIENCE, repository.fetch()).await.unwrap().unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. } | FetchError::Protocol { .. }), "{}", chain(&error));
}
