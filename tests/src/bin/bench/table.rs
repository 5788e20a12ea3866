//! The tables of [`crate::gateway`]: medians over the rounds, and the ratio to nginx taken round by round.

use std::fmt::Write as _;
use std::time::Duration;

use crate::figures::ms;
use crate::gateway::{Measured, Turn};
use crate::system::System;
use crate::workload::Workload;

/// The place of nginx among the systems.
const NGINX: usize = 0;

/// Writes what was measured.
pub(crate) fn write(systems: &[System], all: &[Measured], unserved: &[&Workload]) -> String {
    let mut text = "| load | way | requests/s | p50 | p99 | first byte p50 | CPU a request | over nginx |\n\
                    |---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for Measured { workload, turns } in all {
        for (index, system) in systems.iter().enumerate().filter(|(index, _)| !turns[*index].is_empty()) {
            let own = &turns[index];
            writeln!(
                text,
                "| {} | {} | {:.0} | {} | {} | {} | {:.1} µs | {} |",
                workload.title,
                system.name,
                median(own.iter().map(|turn| turn.per_second)),
                middle(own, |turn| turn.whole.percentile(50)),
                middle(own, |turn| turn.whole.percentile(99)),
                middle(own, |turn| turn.first.percentile(50)),
                median(own.iter().map(|turn| turn.cpu_micros)),
                over(own, all, workload, index),
            )
            .unwrap();
        }
    }
    for workload in unserved {
        writeln!(text, "\nNot served by this commit: {}.", workload.title).unwrap();
    }
    text.push_str("\n| way | memory (RSS) after the run |\n|---|---|\n");
    for system in systems {
        let mebibytes = system.rss_kib() as f64 / 1024.0;
        writeln!(text, "| {} | {mebibytes:.1} MiB |", system.name).unwrap();
    }
    text
}

/// The ratio of processor time: to nginx at the same load, or, for what nginx cannot do, to the same system passing
/// the same request through.
fn over(own: &[Turn], all: &[Measured], workload: &Workload, system: usize) -> String {
    let beside = |name: &str| all.iter().find(|measured| measured.workload.name == name);
    let (others, note) = match workload.beside {
        None => (beside(workload.name).map(|measured| &measured.turns[NGINX]), ""),
        Some(name) => (beside(name).map(|measured| &measured.turns[system]), " of passed through"),
    };
    let Some(others) = others else { return "not measured".to_owned() };
    let ratios = || own.iter().zip(others).map(|(own, other)| own.cpu_micros / other.cpu_micros);
    let (least, most) =
        ratios().fold((f64::MAX, 0_f64), |(least, most), ratio| (least.min(ratio), most.max(ratio)));
    format!("**{:.2}**{note} ({least:.2} to {most:.2})", median(ratios()))
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// The middle one of a duration of each turn.
fn middle(turns: &[Turn], of: impl Fn(&Turn) -> Duration) -> String {
    let mut durations: Vec<Duration> = turns.iter().map(of).collect();
    durations.sort();
    ms(durations[durations.len() / 2])
}
