//! The console in a real browser, before the real daemon. Pictures of what was seen are kept in
//! `$CARGO_TARGET_DIR/browser`.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its report")]

use moorline_tests::daemon::VIEWER_TOKEN;
use moorline_tests::{Browser, World};
use serde_json::{Value, json};

const PAGE: &str = "/environments/test";
/// That the bar says that nobody is there, and the page, its title and its icon say so too.
const LOST: &str = "document.getElementById('silence')?.hidden === false \
    && getComputedStyle(document.getElementById('main')).filter.includes('grayscale') \
    && document.title.startsWith('✖ No word from the daemon since') \
    && document.getElementById('icon').href.startsWith('data:image/svg+xml')";
const WELL: &str = "document.getElementById('silence')?.hidden && !document.title.includes('✖') \
    && document.getElementById('icon').getAttribute('href') === '/assets/icon.svg' \
    && document.getElementById('live').textContent === 'Live'";

async fn sign_in(browser: &Browser, token: &str) {
    browser.enter("#token", token).await;
    browser.click("main button").await;
}

/// A page on a desk and on a phone, light and dark. Nothing may stand out at its side.
async fn pictures(browser: &Browser, name: &str) {
    for scheme in ["light", "dark"] {
        browser.prefer(scheme).await;
        browser.picture(&format!("{name}-{scheme}")).await;
        browser.narrow(360).await;
        browser.picture(&format!("{name}-phone-{scheme}")).await;
        let wide = browser.run("return document.documentElement.scrollWidth").await;
        assert_eq!(wide, 360, "{name} is wider than a phone");
        browser.widen().await;
    }
    browser.prefer("light").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_sees_the_page_they_wanted_and_signs_out() {
    let Some(browser) = Browser::start().await else { return };
    let mut world = World::new().await;
    world.settle().await;
    let at = |path: &str| format!("{}{path}", world.daemon.base());
    let wanted = format!("{PAGE}?from=mail&note=a%20b");

    browser.open(&at(&wanted)).await;
    browser.says("Sign in").await;
    pictures(&browser, "sign-in").await;
    assert!(!browser.text().await.contains("in sync"), "who is not signed in sees nothing");
    sign_in(&browser, "nobody's token").await;
    browser.says("That token is unknown.").await;
    pictures(&browser, "wrong-token").await;
    sign_in(&browser, VIEWER_TOKEN).await;
    browser.says("in sync").await;
    assert_eq!(browser.path().await, wanted);
    browser.when("the page is live", WELL).await;
    pictures(&browser, "environment").await;

    // A link in a mail is one of another site.
    let mail = format!("data:text/html,<a href=\"{}\">{PAGE}</a>", at(PAGE));
    browser.open(&mail).await;
    browser.click("a").await;
    browser.says("in sync").await;

    browser.open(&at("/nowhere/at/all")).await;
    browser.says("Nothing is at this address.").await;
    pictures(&browser, "unknown-page").await;
    browser.click("main a").await;
    browser.says("in sync").await;
    assert_eq!(browser.path().await, "/");
    pictures(&browser, "overview").await;

    browser.click("header.top button").await;
    browser.says("Sign in").await;
    assert_eq!(browser.path().await, "/session");
    browser.back().await;
    browser.says("Sign in").await;
    browser.open(&at(PAGE)).await;
    browser.says("Sign in").await;
    assert!(!browser.text().await.contains("in sync"), "who signed out sees nothing");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

/// The addresses that a page leads to.
async fn links(browser: &Browser) -> Vec<String> {
    let links = browser.run("return [...document.links].map((link) => link.pathname)").await;
    links.as_array().unwrap().iter().map(|link| link.as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_may_look_everywhere_and_is_offered_nothing_that_would_be_refused() {
    let Some(browser) = Browser::start().await else { return };
    let mut world = World::new().await;
    world.settle().await;
    let at = |path: &str| format!("{}{path}", world.daemon.base());
    browser.open(&at("/")).await;
    sign_in(&browser, VIEWER_TOKEN).await;
    browser.says("in sync").await;
    let (mut todo, mut seen) = (links(&browser).await, Vec::new());
    while let Some(path) = todo.pop() {
        if seen.contains(&path) {
            continue;
        }
        browser.open(&at(&path)).await;
        let status = "return performance.getEntriesByType('navigation')[0].responseStatus";
        assert_eq!(browser.run(status).await, 200, "{path} leads nowhere");
        let acts = "return [...document.querySelectorAll('form, button, input')].filter((element) => \
            !element.closest('form[action=\"/session/end\"]')).length";
        assert_eq!(browser.run(acts).await, 0, "{path} offers what a viewer may not do");
        todo.extend(links(&browser).await);
        seen.push(path);
    }
    for path in ["/", PAGE, "/environments/test/drift"] {
        assert!(seen.iter().any(|seen| seen == path), "no link leads to {path}: {seen:?}");
    }
    assert!(seen.iter().any(|path| path.starts_with("/environments/test/rollouts/")), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_and_drift_show_on_an_open_page_without_loading_it_anew() {
    let Some(browser) = Browser::start().await else { return };
    let mut world = World::with_canary().await;
    world.declaration["environments"][0]["drift"]["heal"] = json!([]);
    world.settle().await;
    let base = world.daemon.base().to_owned();
    let at = |path: &str| format!("{base}{path}");
    browser.open(&at(PAGE)).await;
    sign_in(&browser, VIEWER_TOKEN).await;
    browser.when("the page is live", WELL).await;
    browser.run("window.isSamePage = true").await;

    let commit = world.push_model("second");
    world.verified(&commit).await;
    let shown = format!(
        "[...document.querySelectorAll('tbody tr')].some((row) => \
         row.textContent.startsWith('verified') && row.textContent.includes('{}'))",
        commit.short()
    );
    browser.when("the page shows the commit as verified", &shown).await;
    assert_eq!(browser.run("return window.isSamePage").await, true, "it was loaded anew");

    world.gateways[0].edit(|document| document["routes"][0]["limits"][0]["requests"] = 9.into()).await;
    browser.says("drifted").await;
    assert_eq!(browser.run("return window.isSamePage").await, true, "it was loaded anew");
    pictures(&browser, "drifted").await;
    browser.click("h3 a[href$='/drift']").await;
    browser.says("routes[0].limits[0].requests").await;
    browser.says("moorline heal test --only").await;
    pictures(&browser, "drift").await;
    let list = links(&browser).await;
    assert!(list.iter().any(|path| path == PAGE), "a way back: {list:?}");
    let rollout = world.environment().await.unwrap().rollout.unwrap().id;
    browser.open(&at(&format!("{PAGE}/rollouts/{rollout}"))).await;
    browser.says("second").await;
    pictures(&browser, "rollout").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_died_never_looks_well_and_one_that_is_back_does() {
    let Some(browser) = Browser::start().await else { return };
    let mut world = World::new().await;
    // Reading is open then: sessions do not outlive a daemon.
    world.daemon.settings["tokens"].as_object_mut().unwrap().remove("viewer");
    world.settle().await;
    browser.open(&format!("{}{PAGE}", world.daemon.base())).await;
    browser.when("the page is live", WELL).await;
    browser.run("window.isSamePage = true").await;

    world.daemon.kill().await;
    browser.when("the page says that nobody is there", LOST).await;
    let bar = "return document.getElementById('silence').getBoundingClientRect().toJSON()";
    let bar: Value = browser.run(bar).await;
    let full = browser.run("return document.documentElement.clientWidth").await;
    assert_eq!((&bar["x"], &bar["width"]), (&json!(0), &full), "the bar is as wide as the page");
    let since = browser.run("return document.getElementById('silence').textContent").await;
    assert!(since.as_str().unwrap().contains(" UTC"), "it says since when: {since}");
    pictures(&browser, "no-word").await;
    browser.narrow(360).await;
    browser.prefer("dark").await;
    browser.run("scrollTo(0, 1200)").await;
    let top = "return document.getElementById('silence').getBoundingClientRect().top";
    assert_eq!(browser.run(top).await, 0, "the bar stays in sight");
    browser.glance("no-word-phone-scrolled").await;
    browser.widen().await;
    // Ages go on: what was checked long ago says so.
    let age = "return parseInt(document.querySelector(\"td[data-label='Checked'] time\").textContent)";
    let age = browser.run(age).await.as_i64().unwrap();
    assert!(age >= 15, "checked {age} s ago");

    world.daemon.start().await;
    browser.when("the page is live again", WELL).await;
    assert_eq!(browser.run("return window.isSamePage").await, Value::Null, "it was not loaded anew");
    browser.says("in sync").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_hangs_never_looks_well_and_one_that_forgot_its_sessions_asks_for_a_token() {
    let Some(browser) = Browser::start().await else { return };
    let mut world = World::new().await;
    world.settle().await;
    let page = format!("{}{PAGE}", world.daemon.base());
    browser.open(&page).await;
    sign_in(&browser, VIEWER_TOKEN).await;
    browser.when("the page is live", WELL).await;

    // It speaks, but its record does not answer: what is shown grows old all the same.
    let broken = "window.fetchWell = window.fetch; window.fetch = async () => new Response( \
        `<meta name='moorline-now' content='${new Date().toISOString()}'>`, { status: 503 });";
    browser.run(broken).await;
    browser
        .when("the page says that it is not shown", "document.title.includes('cannot show this page (503)')")
        .await;
    browser.run("window.fetch = window.fetchWell").await;
    browser.when("the page is live again", WELL).await;

    world.daemon.freeze();
    browser.when("the page says that nobody is there", LOST).await;
    world.daemon.thaw();
    browser.when("the page is live again", WELL).await;

    world.daemon.restart().await;
    browser.says("Sign in").await;
    sign_in(&browser, VIEWER_TOKEN).await;
    browser.when("the page is live", WELL).await;
    assert_eq!(browser.path().await, PAGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_does_not_lie_and_a_page_out_of_a_cache_is_not_believed() {
    let Some(browser) = Browser::start().await else { return };
    let mut world = World::new().await;
    world.daemon.settings["tokens"].as_object_mut().unwrap().remove("viewer");
    world.settle().await;
    let page = format!("{}{PAGE}", world.daemon.base());
    let clock = "const now = Date.now.bind(Date); Date.now = () => now() + 86400000;";
    browser.prepare(clock).await;
    browser.open(&page).await;
    browser.when("the page is live", WELL).await;
    let age = "return document.querySelector(\"td[data-label='Checked'] time\").textContent";
    let age = browser.run(age).await;
    assert!(age.as_str().unwrap().ends_with(" s"), "the daemon's clock counts: checked {age} ago");

    // As if it came out of a cache a day later, with nobody there.
    // A proxy in front has a page for that, which says that all is well.
    let nobody = "window.EventSource = class extends EventTarget { close() {} get readyState() { return 0; } }; \
        window.EventSource.CLOSED = 2; window.asked = 0; \
        window.fetch = async () => { window.asked += 1; return new Response('<main id=main>in sync</main>'); };";
    browser.prepare(nobody).await;
    let at_once = "addEventListener('load', () => { \
        window.isLostAtOnce = document.documentElement.classList.contains('lost'); });";
    browser.prepare(at_once).await;
    browser.open(&page).await;
    browser.when("the page says that nobody is there", LOST).await;
    assert_eq!(browser.run("return window.isLostAtOnce").await, true, "it looked well at first");
    browser
        .when(
            "it asked whether somebody is there, and did not believe the answer",
            &format!("window.asked > 1 && {LOST}"),
        )
        .await;
}
