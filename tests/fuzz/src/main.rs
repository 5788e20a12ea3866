//! Fuzzing: inputs that nobody thought of, for everything that reads what strangers send.
//!
//! `make fuzz [TARGET=…] [SECONDS=…]` builds this with the compiler's coverage counters and runs it; `make test` does so
//! for 20 seconds a target. An input that reaches code no other did is kept and changed further. Without counters (a
//! plain `cargo run`) it still runs, blindly. See `docs/decisions/0009-fuzzing.md`.
//!
//! Reading order: [`targets`] (what is fuzzed and what must hold), [`supervisor`] (a process a target, so that a crash
//! of any kind is a finding), [`engine`] (the loop), [`mutate`], [`corpus`], [`coverage`].

mod corpus;
mod coverage;
mod engine;
mod mutate;
mod supervisor;
mod targets;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// What the command line says.
#[derive(Debug, Default)]
struct Arguments {
    targets: Vec<String>,
    seconds: Option<u64>,
    seed: Option<u64>,
    found: Option<PathBuf>,
    /// Set in the process of one target: where it writes down what it is about to try.
    scratch: Option<PathBuf>,
    input: Option<PathBuf>,
}

const USAGE: &str = "fuzz [TARGET…] [--seconds N] [--seed N] [--found DIR]   fuzz; all targets by default
fuzz TARGET --input FILE                                 try one input, as a finding is told";

impl Arguments {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut read = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--seconds" => read.seconds = Some(words.next()?.parse().ok()?),
                "--seed" => read.seed = Some(words.next()?.parse().ok()?),
                "--found" => read.found = Some(words.next()?.into()),
                "--scratch" => read.scratch = Some(words.next()?.into()),
                "--input" => read.input = Some(words.next()?.into()),
                name => read.targets.push(targets::named(name)?.name.to_owned()),
            }
        }
        Some(read)
    }
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::read(std::env::args().skip(1)) else {
        let names: Vec<_> = targets::ALL.iter().map(|target| target.name).collect();
        eprintln!("{USAGE}\ntargets: {}", names.join(" "));
        return ExitCode::from(64);
    };
    let time = Duration::from_secs(arguments.seconds.unwrap_or(60));
    let first = arguments.targets.first().and_then(|name| targets::named(name));
    match (&arguments.input, &arguments.scratch, first) {
        (Some(file), _, Some(target)) => {
            (target.run)(&std::fs::read(file).expect("the input must be readable"));
            println!("{}: nothing is wrong with it", target.name);
            ExitCode::SUCCESS
        }
        (None, Some(scratch), Some(target)) => {
            let seed = arguments.seed.expect("a supervisor says the seed");
            engine::run(target, time, seed, scratch, arguments.found.as_deref());
            ExitCode::SUCCESS
        }
        _ => supervisor::run(&arguments, time),
    }
}
