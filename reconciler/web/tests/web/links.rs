//! Every link that a message may carry leads to a page that is there.

use moorline_model::RolloutId;
use moorline_model::environment::EnvironmentState;
use moorline_model::page::Page;
use moorline_model::rollout::Rollout;
use reqwest::{Method, StatusCode};

use crate::actions::waiting;
use crate::rig::{Rig, name};

/// One of each sort. A new one does not compile here before it is added.
fn pages(environment: &str, id: RolloutId) -> Vec<Page> {
    let all = vec![
        Page::Overview,
        Page::Environment(name(environment)),
        Page::Drift(name(environment)),
        Page::Rollout(name(environment), id),
    ];
    for page in &all {
        match page {
            Page::Overview | Page::Environment(_) | Page::Drift(_) | Page::Rollout(..) => {}
        }
    }
    all
}

#[tokio::test]
async fn every_page_that_a_message_leads_to_is_there() {
    let rig = Rig::start().await;
    for (number, environment) in (1..).zip(["prod", "prod/eu:1@a"]) {
        let mut state = EnvironmentState::new(name(environment));
        let id = format!("01900000-0000-7000-8000-00000000000{number}").parse().unwrap();
        state.rollout = Some(Rollout { id, ..waiting("abc") });
        rig.commit(&state, &["one"]).await;
        for page in pages(environment, id) {
            let path = page.path();
            let request = rig.request(Method::GET, &path).bearer_auth("viewer").header("accept", "text/html");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
            assert!(kind.starts_with("text/html"), "{path}: {kind}");
        }
    }
}
