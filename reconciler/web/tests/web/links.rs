//! Every link that a message may carry leads to a page that is there.

use moorline_model::environment::EnvironmentState;
use moorline_model::page::Page;
use reqwest::{Method, StatusCode};

use crate::actions::waiting;
use crate::rig::{Rig, name};

/// One of each sort. A new one does not compile here before it is added.
fn pages(environment: &str) -> Vec<Page> {
    let id = waiting("abc").id;
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
    for environment in ["prod", "prod/eu:1@a"] {
        let mut state = EnvironmentState::new(name(environment));
        state.rollout = Some(waiting("abc"));
        rig.commit(&state, &["one"]).await;
        for page in pages(environment) {
            let path = page.path();
            let request = rig.request(Method::GET, &path).bearer_auth("viewer").header("accept", "text/html");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
            assert!(kind.starts_with("text/html"), "{path}: {kind}");
        }
    }
}
