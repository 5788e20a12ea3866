//! A thousand environments: what a commit that touches one costs, and what costs nothing happening.
//!
//! Gateways are stand-ins in this process; the daemon, its record, Git and the sockets between them are real. Processor time
//! and memory are the daemon's alone.

use std::time::{Duration, Instant};

use moorline_model::drift::DriftState;
use moorline_tests::api::answered;
use moorline_tests::{Api, Fleet, fleet, until};

use crate::figures::{Figures, ms};
use crate::plan::Plan;

const ENVIRONMENTS: usize = 1000;
const CYCLES: &str = "moorline_cycle_seconds_count";
const WRITES: &str = "moorline_record_writes_total";

/// How much is measured.
struct Size {
    /// Commits that are timed, each touching one environment.
    commits: usize,
    /// Commits that follow each other without a pause, for memory.
    many: usize,
    /// Documents that somebody changes by hand.
    edits: usize,
    /// How long nothing happens.
    idle: Duration,
}

impl Size {
    const FULL: Self = Self { commits: 20, many: 1000, edits: 20, idle: Duration::from_secs(120) };
    const QUICK: Self = Self { commits: 5, many: 200, edits: 5, idle: Duration::from_secs(60) };
}

/// Measures, and answers with a table.
pub(crate) async fn measure(plan: &Plan) -> String {
    let size = if plan.is_quick() { Size::QUICK } else { Size::FULL };
    let folder = tempfile::Builder::new().prefix("moorline-fleet-").tempdir().unwrap();
    let mut fleet = Fleet::new(folder.path(), ENVIRONMENTS).await;
    fleet.push("everything");
    let began = Instant::now();
    fleet.daemon.start().await;
    in_sync(&fleet).await;
    let first = began.elapsed();
    let cpu_first = fleet.daemon.process().cpu_micros();

    let idle = idle(&fleet, size.idle).await;
    let commits = commits(&mut fleet, size.commits).await;
    let rss_before = rss(&fleet);
    many(&mut fleet, size.many).await;
    let rss_after = rss(&fleet);
    let noticed = edits(&fleet, size.edits).await;
    let page = fleet.daemon.api().text("/metrics").await.unwrap_or_default().len();
    format!(
        "### A fleet of {ENVIRONMENTS} environments\n\n\
         | what | figure |\n|---|---|\n\
         | all brought in for the first time, and verified | {:.1} s, {:.1} s of processor time |\n\
         | a commit that touches one, from pushed to served: median and slowest of {} | {}, {} |\n\
         | processor time of such a commit and the three seconds after it: median | {} |\n\
         | cycles, and writes of the record, in that time: on average | {:.1}, {:.1} |\n\
         | nothing happens (poll 30 s, drift 30 s): share of one core | {:.1} % |\n\
         | writes of the record meanwhile, a minute; 12 of them are the lease's | {:.1} |\n\
         | memory (RSS), before and after {} further commits | {:.0} MiB, {:.0} MiB |\n\
         | a document changed by hand at a gateway, until its drift is confirmed: median and slowest of {} | {}, {} |\n\
         | `/metrics` | {:.1} MB |\n",
        first.as_secs_f64(),
        Duration::from_micros(cpu_first).as_secs_f64(),
        commits.attested.count(),
        ms(commits.attested.percentile(50)),
        ms(commits.attested.percentile(100)),
        ms(commits.cpu.percentile(50)),
        commits.cycles,
        commits.writes,
        idle.share * 100.0,
        idle.writes_a_minute,
        size.many,
        rss_before,
        rss_after,
        noticed.count(),
        ms(noticed.percentile(50)),
        ms(noticed.percentile(100)),
        page as f64 / 1e6,
    )
}

/// Waits until every environment has verified what is declared.
async fn in_sync(fleet: &Fleet) {
    let api = fleet.daemon.api();
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        let in_sync = sum(&api, "moorline_environment_status", "word=\"in sync\"").await;
        if in_sync >= ENVIRONMENTS as f64 {
            return;
        }
        assert!(Instant::now() < deadline, "{in_sync} are in sync\n{}", fleet.daemon.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

struct Idle {
    share: f64,
    writes_a_minute: f64,
}

async fn idle(fleet: &Fleet, time: Duration) -> Idle {
    // What the beginning left to do is over, and what waits in memory was written.
    tokio::time::sleep(Duration::from_secs(70)).await;
    let api = fleet.daemon.api();
    let writes = figure(&api, "moorline_record_writes_total").await;
    let cpu = fleet.daemon.process().cpu_micros();
    tokio::time::sleep(time).await;
    let cpu = Duration::from_micros(fleet.daemon.process().cpu_micros() - cpu);
    let writes = figure(&api, "moorline_record_writes_total").await - writes;
    let minutes = time.as_secs_f64() / 60.0;
    Idle { share: cpu.as_secs_f64() / time.as_secs_f64(), writes_a_minute: writes / minutes }
}

struct Commits {
    attested: Figures,
    cpu: Figures,
    cycles: f64,
    writes: f64,
}

async fn commits(fleet: &mut Fleet, count: usize) -> Commits {
    let (mut attested, mut cpu) = (Vec::new(), Vec::new());
    let api = fleet.daemon.api();
    let before = (figure(&api, CYCLES).await, figure(&api, WRITES).await);
    for number in 0..count {
        let touched = number * 37 % ENVIRONMENTS;
        let digest = fleet.change(touched, &format!("model-{number}"));
        let used = fleet.daemon.process().cpu_micros();
        let began = Instant::now();
        fleet.push(&format!("change {number}"));
        let pushed = began.elapsed();
        let look = || std::future::ready((fleet.serves(touched) == Some(digest.clone())).then_some(()));
        until("the gateway serves it", look).await;
        attested.push(began.elapsed().checked_sub(pushed).unwrap_or_default());
        tokio::time::sleep(Duration::from_secs(3)).await;
        cpu.push(Duration::from_micros(fleet.daemon.process().cpu_micros() - used));
    }
    let commits = f64::from(u32::try_from(count).unwrap());
    Commits {
        attested: Figures::of(attested),
        cpu: Figures::of(cpu),
        cycles: (figure(&api, CYCLES).await - before.0) / commits,
        writes: (figure(&api, WRITES).await - before.1) / commits,
    }
}

/// Commits as fast as each is attested.
async fn many(fleet: &mut Fleet, count: usize) {
    for number in 0..count {
        let touched = number % ENVIRONMENTS;
        let digest = fleet.change(touched, &format!("many-{number}"));
        fleet.push(&format!("many {number}"));
        let look = || std::future::ready((fleet.serves(touched) == Some(digest.clone())).then_some(()));
        until("the gateway serves it", look).await;
    }
    in_sync(fleet).await;
}

/// Documents that somebody changes by hand, each noticed through its gateway's events: the schedule comes every 30 s.
async fn edits(fleet: &Fleet, count: usize) -> Figures {
    let client = fleet.daemon.client();
    let mut noticed = Vec::new();
    for number in 0..count {
        let name = fleet::name(number * 41);
        let began = Instant::now();
        fleet.edit(number * 41, "by-hand");
        let look = async || {
            let drift = answered(client.drift(&name).await)?.drift;
            drift.iter().any(|drift| drift.state == DriftState::Open).then_some(())
        };
        until("the drift is confirmed", look).await;
        noticed.push(began.elapsed());
    }
    Figures::of(noticed)
}

/// The daemon's resident memory in MiB.
fn rss(fleet: &Fleet) -> f64 {
    let pid = fleet.daemon.process().pid().as_raw_nonzero();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024.0
}

/// The sum of a metric's samples whose labels hold a text.
async fn sum(api: &Api, name: &str, label: &str) -> f64 {
    let text = api.text("/metrics").await.unwrap_or_default();
    let samples = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
    samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

async fn figure(api: &Api, name: &str) -> f64 {
    sum(api, name, "").await
}
