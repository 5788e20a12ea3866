//! What the gateway costs a request: the same load through nginx, the gateway and the floor in turn, over several
//! rounds, so that whatever else the machine does meets all of them.

use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::client::{self, Taken};
use crate::cores::Cores;
use crate::figures::Figures;
use crate::plan::Plan;
use crate::provider;
use crate::system::System;
use crate::table;
use crate::workload::{self, Workload};

/// One turn of one system at one workload.
pub(crate) struct Turn {
    pub(crate) per_second: f64,
    pub(crate) whole: Figures,
    pub(crate) first: Figures,
    /// Processor time a request, in microseconds.
    pub(crate) cpu_micros: f64,
}

/// Everything that was measured of one workload: for each system its turns, in the order of the rounds.
pub(crate) struct Measured {
    pub(crate) workload: &'static Workload,
    pub(crate) turns: Vec<Vec<Turn>>,
}

/// Measures everything the plan asks for. Answers with the tables.
pub(crate) fn measure(plan: &Plan) -> String {
    let cores = Cores::take();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let tables = runtime.block_on(Box::pin(rounds(plan, cores)));
    cores.give_back();
    tables
}

async fn rounds(plan: &Plan, cores: Cores) -> String {
    let folder = tempfile::tempdir().unwrap();
    let tasks = TaskTracker::new();
    let provider = provider::start(&tasks).await;
    let systems = [
        System::nginx(cores, folder.path(), provider).await,
        System::nginx_with_log(cores, folder.path(), provider).await,
        System::gateway(cores, folder.path(), provider).await,
        System::floor(cores, folder.path(), provider).await,
    ];
    let wanted = workload::ALL.iter().filter(|workload| plan.asks(workload.name));
    let is_served = |workload: &&Workload| systems.iter().any(|system| serves(system, workload));
    let (served, unserved): (Vec<_>, Vec<_>) = wanted.partition(is_served);
    let nothing = |workload| Measured { workload, turns: systems.iter().map(|_| Vec::new()).collect() };
    let mut all: Vec<Measured> = served.into_iter().map(nothing).collect();
    for round in 1..=plan.rounds {
        for Measured { workload, turns } in &mut all {
            for (system, turns) in systems.iter().zip(turns).filter(|(system, _)| serves(system, workload)) {
                turns.push(turn(plan, system, workload).await);
            }
            eprintln!("bench: round {round} of {}: {}", plan.rounds, workload.name);
        }
    }
    table::write(&systems, &all, &unserved)
}

fn serves(system: &System, workload: &Workload) -> bool {
    !workload.is_translated() || system.is_translating
}

async fn turn(plan: &Plan, system: &System, workload: &Workload) -> Turn {
    if let Err(wrong) = client::check(system.address, workload).await {
        panic!("{} by {wrong}", system.name);
    }
    client::load(system.address, workload, plan.warm_up).await;
    let before = system.cpu();
    let taken = client::load(system.address, workload, plan.measured).await;
    let cpu = system.cpu().saturating_sub(before);
    let of = |part: fn(&Taken) -> Duration| Figures::of(taken.iter().map(part).collect());
    Turn {
        per_second: taken.len() as f64 / plan.measured.as_secs_f64(),
        whole: of(|taken| taken.whole),
        first: of(|taken| taken.first),
        cpu_micros: cpu.as_secs_f64() * 1e6 / taken.len() as f64,
    }
}
