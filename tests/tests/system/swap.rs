//! A document changes under load: no request is lost or refused, and none sees two of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::{join, join_all};
use moorline_admin::{Origin, WriteOptions};
use moorline_tests::traffic::{Caller, Served};
use moorline_tests::{Gateway, Provider, declared, in_time};

/// Documents swapped in.
const SWAPS: u64 = 500;
/// Callers that ask all the time.
const CONNECTIONS: usize = 32;

/// What the callers were served, and what the gateway said of each document as it took it.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_swaps_under_load_lose_nothing_and_mix_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::start().await;
    let gateway = Gateway::start(folder.path(), "gateway").await;
    let mut generations = BTreeMap::new();
    swap(&gateway, &provider, 0, &mut generations).await;

    let is_over = AtomicBool::new(false);
    let callers = (0..CONNECTIONS).map(|number| {
        let caller = Caller::new(&gateway.data);
        let is_over = &is_over;
        async move {
            let mut served = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                served.push(caller.ask(number % 4 == 0).await);
            }
            served
        }
    });
    let swaps = async {
        for number in 1..=SWAPS {
            swap(&gateway, &provider, number, &mut generations).await;
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (served, ()) = in_time("the swaps under load", join(join_all(callers), swaps)).await;

    let served: Vec<Result<Served, String>> = served.into_iter().flatten().collect();
    let failed: Vec<_> = served.iter().filter_map(|served| served.as_ref().err()).collect();
    assert!(failed.is_empty(), "{} of {} failed: {:?}", failed.len(), served.len(), failed.first());
    for served in served.iter().flatten() {
        let declared = generations.get(&served.generation);
        assert_eq!(declared, Some(&served.model), "a response of one generation with another's content");
    }
    let seen: std::collections::BTreeSet<_> =
        served.iter().flatten().map(|served| served.generation).collect();
    assert!(
        served.len() > 1_000 && seen.len() > 100,
        "{} requests saw {} documents",
        served.len(),
        seen.len()
    );
}

/// Puts a document that aims at a model named after its number, and notes the generation that it became.
async fn swap(gateway: &Gateway, provider: &Provider, number: u64, generations: &mut BTreeMap<u64, String>) {
    let model = format!("model-{number}");
    let mut document = declared::document(&provider.base_url());
    declared::aim(&mut document, &model);
    let options = WriteOptions { origin: Some(Origin::Git), ..WriteOptions::default() };
    let status = gateway.client.put_config(&document, &options).await.unwrap();
    generations.insert(status.stable.unwrap().generation.0, model);
}
