//! From `git push` until both replicas attest the new document: everything at once, no Terraform change, a repository
//! on this machine.

use std::time::Instant;

use moorline_tests::{World, declared, until};

use crate::figures::{Figures, ms};

const PUSHES: u32 = 20;

/// Pushes and measures. Answers with a table.
pub(crate) async fn measure() -> String {
    let mut world = World::new().await;
    world.settle().await;
    let mut durations = Vec::new();
    for number in 1..=PUSHES {
        declared::aim(&mut world.document, &format!("model-{number}"));
        let digest = declared::digest(&world.document);
        let began = Instant::now();
        let commit = world.push(&format!("push {number}"));
        let attest =
            || async { world.digests().await.iter().all(|serving| *serving == digest).then_some(()) };
        until("both replicas attest it", attest).await;
        durations.push(began.elapsed());
        // The next push meets a fleet at rest.
        world.verified(&commit).await;
    }
    let figures = Figures::of(durations);
    format!(
        "### From push to attested by both replicas\n\n\
         | pushes | median | 90th percentile | slowest |\n|---|---|---|---|\n| {} | {} | {} | {} |\n",
        figures.count(),
        ms(figures.percentile(50)),
        ms(figures.percentile(90)),
        ms(figures.percentile(100)),
    )
}
