//! A thousand environments: lists and the first page are read in pages.

use serde_json::Value;

use crate::rig::Rig;

/// `prod`, and 999 like it, one of which no commit declares any more.
async fn thousand() -> Rig {
    let rig = Rig::start().await;
    let raw = sqlx::SqlitePool::connect(rig.store.strip_prefix("sqlite:").unwrap()).await.unwrap();
    let copies = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) \
                  INSERT INTO environments (name, version, state) SELECT printf('env-%04d', i), version, \
                  json_set(state, '$.name', printf('env-%04d', i)) FROM environments, n WHERE name = 'prod'";
    sqlx::raw_sql(copies).execute(&raw).await.unwrap();
    let gone = "UPDATE environments SET state = json_set(state, '$.undeclared_since', '2026-11-21T12:00:00Z') \
                WHERE name = 'env-0005'";
    sqlx::raw_sql(gone).execute(&raw).await.unwrap();
    raw.close().await;
    rig
}

fn names(page: &Value) -> Vec<String> {
    let environments = page["environments"].as_array().unwrap().iter();
    environments.map(|environment| environment["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn environments_are_read_in_pages_each_once() {
    let rig = thousand().await;
    let mut seen = Vec::new();
    let mut path = "/api/v1/environments".to_owned();
    loop {
        let answer = rig.get(&path, "viewer").await.text().await.unwrap();
        assert!(answer.len() < 400_000, "{} bytes", answer.len());
        let page: Value = serde_json::from_str(&answer).unwrap();
        assert!(names(&page).len() <= 100);
        seen.extend(names(&page));
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/environments?after={next}"),
            None => break,
        }
    }
    let mut expected: Vec<_> =
        (1..1000).map(|i| format!("env-{i:04}")).filter(|name| name != "env-0005").collect();
    expected.push("prod".to_owned());
    assert_eq!(seen, expected);
    let few: Value =
        rig.get("/api/v1/environments?limit=3&after=env-0003", "viewer").await.json().await.unwrap();
    assert_eq!(names(&few), ["env-0004", "env-0006", "env-0007"]);
    assert_eq!(few["next"], "env-0007");
    let client = moorline_api::Client::new(
        &format!("http://{}", rig.address),
        Some(moorline_model::Secret::new("viewer".to_owned())),
    );
    let all = client.unwrap().environments().await.unwrap();
    assert_eq!((all.environments.len(), all.next), (999, None), "a client reads all pages");
}

#[tokio::test]
async fn the_first_page_shows_a_page_of_environments_with_a_filter_by_name() {
    let rig = thousand().await;
    let page = rig.page("/").await;
    assert!(page.len() < 150_000, "{} bytes", page.len());
    assert!(page.contains("env-0100") && !page.contains("env-0102"));
    assert!(page.contains("href=\"/?after=env-0101&amp;filter=\""), "the way to the next page");
    let next = rig.page("/?after=env-0101&filter=").await;
    assert!(next.contains("env-0102") && !next.contains("env-0101\""));
    let found = rig.page("/?filter=-099").await;
    assert!(found.contains("env-0990") && found.contains("env-0999") && !found.contains("env-0100"));
    assert!(found.contains("value=\"-099\""), "what was typed is still there");
    let none = rig.page("/?filter=%22%3E%3Cscript%3E").await;
    assert!(none.contains("No environment is called like that") && !none.contains("\"><script>"));
}
