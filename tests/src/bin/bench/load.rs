//! What the gateway adds to a request: the same callers against the same provider, with the gateway between and
//! without it.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use moorline_admin::{Origin, WriteOptions};
use moorline_tests::traffic::Caller;
use moorline_tests::{Gateway, Provider, declared};

use crate::figures::{Figures, ms};

/// Callers that ask all the time.
const CONNECTIONS: usize = 32;
/// How long is measured, and how long is warmed up before.
const MEASURED: Duration = Duration::from_secs(8);
const WARM_UP: Duration = Duration::from_secs(2);

/// Measures both ways. Answers with a table.
pub(crate) async fn measure() -> String {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::start().await;
    let gateway = Gateway::start(folder.path(), "gateway").await;
    let options = WriteOptions { origin: Some(Origin::Git), ..WriteOptions::default() };
    gateway.client.put_config(&declared::document(&provider.base_url()), &options).await.unwrap();

    let direct = format!("http://{}", provider.address());
    run(&direct, WARM_UP).await;
    let without = run(&direct, MEASURED).await;
    run(&gateway.data, WARM_UP).await;
    let cpu_before = gateway.process().cpu_micros();
    let with = run(&gateway.data, MEASURED).await;
    let cpu = gateway.process().cpu_micros() - cpu_before;
    let row = |name: &str, figures: &Figures, cpu: String| {
        let rate = figures.count() as u64 / MEASURED.as_secs();
        let (p50, p99) = (ms(figures.percentile(50)), ms(figures.percentile(99)));
        format!("| {name} | {rate} | {p50} | {p99} | {cpu} |\n")
    };
    let micros = cpu / with.count() as u64;
    let share = with.count() * 100 / without.count();
    format!(
        "### A chat completion, {CONNECTIONS} callers in a closed loop\n\n\
         | way | requests/s | p50 | p99 | gateway CPU a request |\n|---|---|---|---|---|\n{}{}\n\
         Callers, provider and gateway share the cores: with the gateway between, {share} % of the requests a second \
         without it.\n",
        row("to the provider directly", &without, "none".to_owned()),
        row("through the gateway", &with, format!("{micros} µs")),
    )
}

/// Lets every caller ask for so long.
async fn run(data: &str, time: Duration) -> Figures {
    let end = Instant::now() + time;
    let callers = (0..CONNECTIONS).map(|_| {
        let caller = Caller::new(data);
        async move {
            let mut durations = Vec::new();
            while Instant::now() < end {
                let began = Instant::now();
                caller.post().await;
                durations.push(began.elapsed());
            }
            durations
        }
    });
    Figures::of(join_all(callers).await.into_iter().flatten().collect())
}
