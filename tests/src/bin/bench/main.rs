//! Measured figures, side by side: what the gateway costs a request beside nginx, and how fast a push is in force.
//!
//! `make bench` runs this with optimised builds, prints the tables and writes each into its place in
//! `docs/benchmarks.md`. Nothing here fails for being slow: machines differ.
//!
//! Reading order: [`gateway`] (who is measured, in which order), [`workload`] (what is asked),
//! [`client`] (the load), [`provider`] (who answers), [`system`] (nginx, the gateway and the [`floor`] as processes on
//! a core of their own), [`table`], [`idle`] (streams that say nothing), [`line`] (a push), [`terraform`] (what a plan costs beside Terraform),
//! [`fleet`] (a thousand environments). Apart from these: [`soak`] (minutes of faults, judged).

#![expect(clippy::unwrap_used, reason = "a figure that cannot be measured is reported by how it failed")]
#![expect(clippy::expect_used, clippy::panic, reason = "the same")]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the tables are what it is for, and how far it is"
)]

mod client;
mod cores;
mod figures;
mod fleet;
mod floor;
mod gateway;
mod http1;
mod idle;
mod line;
mod page;
mod plan;
mod provider;
mod soak;
mod system;
mod table;
mod terraform;
mod workload;

use std::process::ExitCode;

use clap::Parser as _;
use plan::{Arguments, Command, Part, Plan};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return refused(&error),
    };
    match &arguments.command {
        // The bare proxy is a process of its own, so that its processor time can be told apart.
        Some(Command::Floor { upstream }) => {
            floor::run(*upstream);
            return ExitCode::SUCCESS;
        }
        Some(Command::Soak { time, json }) => return soak::run(*time, json.as_deref()),
        None => {}
    }
    let plan = Plan::of(&arguments);
    if plan.measures(Part::Gateway) {
        show(&plan, Part::Gateway, &gateway::measure(&plan));
    }
    if plan.measures(Part::Idle) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        show(&plan, Part::Idle, &runtime.block_on(Box::pin(idle::measure())));
    }
    if plan.measures(Part::Push) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        show(&plan, Part::Push, &runtime.block_on(Box::pin(line::measure())));
    }
    if plan.measures(Part::Terraform) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        show(&plan, Part::Terraform, &runtime.block_on(Box::pin(terraform::measure())));
    }
    if plan.measures(Part::Fleet) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        show(&plan, Part::Fleet, &runtime.block_on(Box::pin(fleet::measure(&plan))));
    }
    ExitCode::SUCCESS
}

/// Help is asked for; anything else is a wrong command line, which ends as for our other programs.
fn refused(error: &clap::Error) -> ExitCode {
    // A closed pipe is nobody's error.
    drop(error.print());
    ExitCode::from(if error.use_stderr() { 64 } else { 0 })
}

fn show(plan: &Plan, part: Part, table: &str) {
    let text = format!("{}\n{table}", page::machine());
    println!("{text}");
    if plan.keeps(part) {
        page::write(part.name(), &text);
    }
}
