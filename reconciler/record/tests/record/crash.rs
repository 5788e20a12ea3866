//! A process killed in the middle of commits.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use moorline_model::notification::Transition;
use moorline_record::{Record, Version, Write};

use crate::sample::{at, audit, event, lead, message, prod, state};

/// How often the process is killed.
const LIVES: u32 = 30;

const STORE: &str = "MOORLINE_TEST_STORE";

/// Not a test: what the killed process runs. Commits without end and says after each which version it was.
#[tokio::test]
#[ignore = "started by a_killed_process_leaves_whole_commits_only"]
async fn commits_without_end() {
    let Ok(url) = std::env::var(STORE) else { return };
    let record = Record::open(&url).await.unwrap();
    let fence = lead(&record, "a", 0).await;
    let mut version = record.load(&prod()).await.unwrap().map_or(Version(0), |(_, version)| version);
    loop {
        let number = version.0 + 1;
        let step = record.journal_begin(fence, &prod(), None, "step", audit("step")).await.unwrap();
        let mut state = state();
        state.frozen = Some(number.to_string());
        let write = Write {
            events: vec![event(&number.to_string())],
            notifications: vec![message(&number.to_string(), Transition::Opened)],
            audit: vec![audit(&number.to_string())],
            journal_end: Some(step),
            ..Write::of(&state, version)
        };
        version = record.commit(fence, write).await.unwrap();
        writeln!(std::io::stdout(), "\ncommitted {version}").unwrap();
    }
}

#[tokio::test]
async fn a_killed_process_leaves_whole_commits_only() {
    let (folder, url) = crate::sample::place();
    let mut told = 0;
    for life in 0..LIVES {
        // A little later in each life, so that the kill falls into every part of a commit.
        let moment = Duration::from_micros(200 * u64::from(life));
        told = killed_after(&url, 3, moment).max(told);
        let record = Record::open(&url).await.unwrap();
        let (state, version) = record.load(&prod()).await.unwrap().unwrap();
        assert!(version.0 >= told, "a commit that was acknowledged is lost: {version} < {told}");
        assert_eq!(state.frozen, Some(version.to_string()));
        let events = record.history(&prod(), usize::MAX, None).await.unwrap();
        assert_eq!((events.len() as u64, &events[0].event.message), (version.0, &version.to_string()));
        let due = record.outbox_due(at(0), usize::MAX).await.unwrap();
        assert_eq!(due.len() as u64, 2 * version.0);
        // Every step has its audit, whether its commit came or not; at most the last step of each life is open.
        let open = record.journal_open(&prod()).await.unwrap();
        assert!(open.len() <= usize::try_from(life + 1).unwrap(), "{open:?}");
        record.verify_audit().await.unwrap();
        record.close().await;
        whole(&folder.path().join("moorline.db")).await;
    }
}

fn killed_after(url: &str, commits: usize, moment: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::commits_without_end", "--ignored", "--nocapture"])
        .env(STORE, url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // By reference: a pipe closed too early would end the process before the kill does.
    let told = lines
        .by_ref()
        .filter_map(|line| line.unwrap().strip_prefix("committed ").map(|number| number.parse().unwrap()))
        .take(commits)
        .last()
        .unwrap();
    let heard = Instant::now();
    while heard.elapsed() < moment {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    told
}

async fn whole(path: &std::path::Path) {
    let raw = sqlx::SqlitePool::connect(path.to_str().unwrap()).await.unwrap();
    let (verdict,): (String,) = sqlx::query_as("PRAGMA integrity_check").fetch_one(&raw).await.unwrap();
    assert_eq!(verdict, "ok");
    raw.close().await;
}
