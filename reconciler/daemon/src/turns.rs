//! How many cycles run at once: a thousand at a time would wait for the record and for each other, and need the memory of a
//! thousand.
//!
//! A cycle takes a turn for as long as it runs. While it waits for Terraform, which has a bound of its own, another may go.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Cycles at once: enough to ask many gateways at the same time, few enough for the record's connections.
const CYCLES_MAX: usize = 64;
/// Terraforms at once: each needs some hundred MiB with its providers.
const TERRAFORMS_MAX: usize = 8;

#[derive(Debug)]
pub struct Turns {
    cycles: Semaphore,
    terraforms: Semaphore,
}

impl Default for Turns {
    fn default() -> Self {
        Self { cycles: Semaphore::new(CYCLES_MAX), terraforms: Semaphore::new(TERRAFORMS_MAX) }
    }
}

impl Turns {
    /// Waits for a turn. Those who wait go in the order in which they came.
    pub async fn take(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.cycles.acquire().await.ok()
    }

    /// Runs Terraform inside a cycle, whose turn another may have until then.
    pub async fn terraform<T>(&self, work: impl Future<Output = T>) -> T {
        let aside = Aside::step(&self.cycles);
        let turn = self.terraforms.acquire().await.ok();
        let result = work.await;
        drop(turn);
        aside.back().await;
        result
    }
}

/// A turn that is given away for a while.
struct Aside<'a> {
    cycles: &'a Semaphore,
    is_back: bool,
}

impl<'a> Aside<'a> {
    fn step(cycles: &'a Semaphore) -> Self {
        cycles.add_permits(1);
        Self { cycles, is_back: false }
    }

    async fn back(mut self) {
        if let Ok(turn) = self.cycles.acquire().await {
            turn.forget();
        }
        self.is_back = true;
    }
}

impl Drop for Aside<'_> {
    /// A cycle that ends here gives its turn back a second time.
    fn drop(&mut self) {
        if !self.is_back {
            self.cycles.forget_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cycle_that_waits_for_terraform_keeps_no_other_from_running() {
        let turns = Turns::default();
        let first = turns.take().await;
        let mut others = Vec::new();
        for _ in 1..CYCLES_MAX {
            others.push(turns.take().await);
        }
        assert_eq!(turns.cycles.available_permits(), 0);
        turns
            .terraform(async {
                assert_eq!(turns.cycles.available_permits(), 1);
            })
            .await;
        assert_eq!(turns.cycles.available_permits(), 0);
        let cut_short = turns.terraform(std::future::pending::<()>());
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), cut_short).await.is_err());
        assert_eq!(turns.cycles.available_permits(), 0, "nothing is given back twice");
        drop((first, others));
        assert_eq!(turns.cycles.available_permits(), CYCLES_MAX);
    }
}
