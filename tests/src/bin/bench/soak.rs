//! `bench soak`: the gateway under mixed load for minutes, at a provider that fails, with one behind it that does not.
//!
//! Every answer is held against what it has to be, byte for byte ([`caller`]); whoever could be served (what went wrong
//! did so before the first byte) must have been; a stream that breaks midway ends with an error event and without
//! `[DONE]`; memory ends where it was after the warm-up; nothing is left in flight. The first of these that does not hold
//! makes it exit with 1.
//!
//! Reading order: [`answers`] (questions, answers, faults), [`provider`], [`caller`].

mod answers;
mod caller;
mod provider;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use moorline_admin::{Origin, WriteOptions};
use moorline_tests::{Gateway, declared};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use answers::KINDS;
use caller::{Came, Lessons};

use crate::page;
use crate::system::rss_kib;

/// Its part of the page.
const PART: &str = "soak";
/// Callers that ask beside each other.
const CALLERS: usize = 24;
/// Memory may end so much above where it was after the warm-up: a share of it, and a sum.
const BAND: (f64, u64) = (0.10, 2 * 1024);
/// The most wrong answers that are shown.
const SHOWN: usize = 5;
/// How long what is still in flight may take to end, after the last caller has gone.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// The shortest run that is written down.
const KEPT: Duration = Duration::from_secs(600);

/// What came of one kind of question.
#[derive(Debug, Clone, Default)]
struct Sum {
    right: u64,
    broken: u64,
    left: u64,
    wrong: u64,
}

/// What is noted while it runs.
#[derive(Default)]
struct Notes {
    sums: [Sum; KINDS.len()],
    shown: Vec<String>,
    /// Memory in KiB, every second.
    memory: Vec<u64>,
}

/// Runs it for so long, and says what came of it: on the page if it was long enough, and as JSON in a file.
pub(crate) fn run(time: Duration, json: Option<&Path>) -> ExitCode {
    // Before it runs: the checkout may be another one after it.
    let machine = page::machine().replace("`make bench`", "`make soak`");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (notes, in_flight) = runtime.block_on(Box::pin(soak(time)));
    let verdict = Verdict::of(&notes, in_flight);
    let text = format!("{machine}\n{}", table(&notes, &verdict, time));
    println!("{text}");
    for wrong in &notes.shown {
        eprintln!("soak: {wrong}");
    }
    if let Some(file) = json {
        std::fs::write(file, told(&notes, &verdict, time).to_string()).unwrap();
    }
    if time >= KEPT {
        page::write(PART, &text);
    }
    if verdict.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn soak(time: Duration) -> (Notes, u64) {
    let folder = tempfile::tempdir().unwrap();
    let tasks = TaskTracker::new();
    let (failing, sound) = (provider::start(&tasks, false).await, provider::start(&tasks, true).await);
    let gateway = Gateway::start(folder.path(), "gateway").await;
    let options = WriteOptions { origin: Some(Origin::Git), ..WriteOptions::default() };
    gateway.client.put_config(&document(failing, sound), &options).await.unwrap();
    let address: SocketAddr = gateway.data.strip_prefix("http://").unwrap().parse().unwrap();
    let pid = gateway.process().pid().as_raw_pid();

    let lessons = Arc::new(Lessons::learn(address).await);
    let (notes, numbers) = (Arc::new(Mutex::new(Notes::default())), Arc::new(AtomicU32::new(1)));
    let end = Instant::now() + time;
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (lessons, numbers, notes) = (Arc::clone(&lessons), Arc::clone(&numbers), Arc::clone(&notes));
            tasks.spawn(async move {
                let note = |kind: usize, came| note(&mut notes.lock().unwrap(), kind, came);
                caller::ask(address, &lessons, &numbers, end, note).await;
            })
        })
        .collect();
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    while Instant::now() < end {
        seconds.tick().await;
        notes.lock().unwrap().memory.push(rss_kib(pid));
    }
    for caller in callers {
        caller.await.unwrap();
    }
    let in_flight = settled(&gateway).await;
    let notes = std::mem::take(&mut *notes.lock().unwrap());
    (notes, in_flight)
}

fn note(notes: &mut Notes, kind: usize, came: Came) {
    let sum = &mut notes.sums[kind];
    match came {
        Came::Right => sum.right += 1,
        Came::Broken => sum.broken += 1,
        Came::Left => sum.left += 1,
        Came::Wrong(how) => {
            sum.wrong += 1;
            if notes.shown.len() < SHOWN {
                notes.shown.push(format!("{}: {how}", KINDS[kind].title));
            }
        }
    }
}

/// Two models, each at the provider that fails and falling back to the sound one. Clocks of a second, so that what
/// hangs is given up while the run lasts; breakers that never open, so that faults go on to be met.
fn document(failing: SocketAddr, sound: SocketAddr) -> Value {
    let provider = |kind: &str, at: SocketAddr| json!({"kind": kind, "base_url": format!("http://{at}/v1"), "api_key": "env:PROVIDER_KEY"});
    let model = |provider: &str, fallback: &[&str]| {
        json!({
            "targets": [{"provider": provider, "model": "first"}], "fallback": fallback,
            "price": {"input": 2.50, "output": 10.00},
            "breaker": {"failures": 10_000, "window": "1s", "cooldown": "1s"},
        })
    };
    let mut document = declared::document(&format!("http://{failing}/v1"));
    document["providers"] = json!({
        "openai": provider("openai_compatible", failing), "openai-sound": provider("openai_compatible", sound),
        "anthropic": provider("anthropic", failing), "anthropic-sound": provider("anthropic", sound),
    });
    document["models"] = json!({
        "small": model("openai", &["small-sound"]), "small-sound": model("openai-sound", &[]),
        "claude": model("anthropic", &["claude-sound"]), "claude-sound": model("anthropic-sound", &[]),
    });
    document["routes"] = json!([{
        "path": "/v1/*",
        "limits": [
            {"per": "key", "requests": 1_000_000_000, "window": "1h"},
            {"per": "key", "tokens": 1_000_000_000_000_u64, "window": "1m"},
        ],
        "retry": {"attempts": 2, "backoff": "5ms"},
        "timeouts": {"connect": "2s", "headers": "1s", "first_token": "1s", "idle": "1s", "total": "30s"},
    }]);
    document
}

/// Requests that are still in flight when there should be none any more.
async fn settled(gateway: &Gateway) -> u64 {
    let by = Instant::now() + SETTLED_WITHIN;
    loop {
        let request = reqwest::Client::new().get(format!("{}/metrics", gateway.admin));
        let answer = request.bearer_auth(moorline_tests::gateway::ADMIN_TOKEN).send().await.unwrap();
        let page = answer.text().await.unwrap();
        let value = page.lines().find_map(|line| line.strip_prefix("moorline_gateway_requests_in_flight "));
        let value: u64 = value.expect("the gauge is there").parse().unwrap();
        if value == 0 || Instant::now() >= by {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether every goal was met.
struct Verdict {
    wrong: u64,
    in_flight: u64,
    /// After the warm-up, at the end, and the most it may be then, in KiB.
    memory: (u64, u64, u64),
}

impl Verdict {
    fn of(notes: &Notes, in_flight: u64) -> Self {
        // The first fifth warms up. What follows it, and the end, are looked at for a tenth of the time each.
        let all = &notes.memory;
        let (fifth, tenth) = (all.len() / 5, (all.len() / 10).max(1));
        let middle = |of: &[u64]| {
            let mut sorted = of.to_vec();
            sorted.sort_unstable();
            sorted[sorted.len() / 2]
        };
        let before = middle(&all[fifth..(fifth + tenth).min(all.len())]);
        let after = middle(&all[all.len() - tenth..]);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a process's memory"
        )]
        let most = before + (before as f64 * BAND.0) as u64 + BAND.1;
        let wrong = notes.sums.iter().map(|sum| sum.wrong).sum();
        Self { wrong, in_flight, memory: (before, after, most) }
    }

    fn is_good(&self) -> bool {
        let (_, after, most) = self.memory;
        self.wrong == 0 && self.in_flight == 0 && after <= most
    }
}

fn table(notes: &Notes, verdict: &Verdict, time: Duration) -> String {
    let mut text =
        "| questions | right | broke midway, and said so | caller left | wrong |\n|---|---|---|---|---|\n"
            .to_owned();
    let mut line = |title: &str, sum: &Sum| {
        writeln!(text, "| {title} | {} | {} | {} | {} |", sum.right, sum.broken, sum.left, sum.wrong)
            .unwrap();
    };
    let mut all = Sum::default();
    for (kind, sum) in KINDS.iter().zip(&notes.sums) {
        line(kind.title, sum);
        all.right += sum.right;
        all.broken += sum.broken;
        all.left += sum.left;
        all.wrong += sum.wrong;
    }
    line("**all**", &all);
    let mebibytes = |kib: u64| kib as f64 / 1024.0;
    let (before, after, most) = verdict.memory;
    writeln!(
        text,
        "\n{:.1} minutes, {CALLERS} callers. Memory (RSS): {:.1} MiB after the warm-up, {:.1} MiB at the end (at most {:.1} MiB). \
         In flight at the end: {}. {}",
        time.as_secs_f64() / 60.0,
        mebibytes(before),
        mebibytes(after),
        mebibytes(most),
        verdict.in_flight,
        if verdict.is_good() { "All well." } else { "**Not well.**" },
    )
    .unwrap();
    text
}

fn told(notes: &Notes, verdict: &Verdict, time: Duration) -> Value {
    let kinds: Vec<Value> = KINDS
        .iter()
        .zip(&notes.sums)
        .map(|(kind, sum)| {
            json!({"kind": kind.title, "right": sum.right, "broken": sum.broken, "left": sum.left, "wrong": sum.wrong})
        })
        .collect();
    let (before, after, most) = verdict.memory;
    json!({
        "seconds": time.as_secs(), "callers": CALLERS, "kinds": kinds, "shown": notes.shown,
        "memory_kib": {"warm": before, "end": after, "most": most, "every_second": notes.memory},
        "in_flight": verdict.in_flight, "good": verdict.is_good(),
    })
}
