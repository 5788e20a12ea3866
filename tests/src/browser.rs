//! A browser, for tests of the console: Debian's Chromium without a window, driven by its chromedriver over WebDriver.
//!
//! In: scripts and clicks. Out: what a person would see, also as pictures in `$CARGO_TARGET_DIR/browser`, which are kept.
//! Nothing here reaches the network. On a machine without a browser [`Browser::start`] says so and answers with none;
//! with `MOORLINE_BROWSER=required` that fails the test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::wait::{DEADLINE, before, in_time, until};

/// Longest wait for one answer of chromedriver's.
const TIMEOUT: Duration = Duration::from_secs(60);
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const DRIVER: &str = "chromedriver";
const REQUIRED: &str = "MOORLINE_BROWSER";
/// By what WebDriver marks an element in JSON.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
const FLAGS: [&str; 12] = [
    "--headless",
    // Tests of CI run as root, in containers: there Chromium's sandbox does not start.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--window-size=1280,900",
];

/// A browser with one window.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    session: String,
    pictures: PathBuf,
    browser: Pid,
    _driver: Child,
    /// Kept: a closed pipe would end a program that writes to it.
    _lines: Lines<BufReader<ChildStdout>>,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser with an empty profile. `None`: this machine has none.
    ///
    /// # Panics
    /// When it does not start, or is missing though it is required; this holds for all of this type.
    pub async fn start() -> Option<Self> {
        let (Some(browser), Some(driver)) = (BROWSERS.iter().find_map(|name| found(name)), found(DRIVER))
        else {
            missing();
            return None;
        };
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = in_time("chromedriver says where it listens", port(&mut lines)).await;
        let profile = tempfile::Builder::new().prefix("moorline-browser-").tempdir().unwrap();
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", profile.path().display()));
        let options = json!({"binary": browser, "args": flags});
        let http = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build().unwrap();
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let body = json!({"capabilities": {"alwaysMatch": wanted}});
        let started =
            answer(http.post(format!("http://127.0.0.1:{port}/session")).json(&body)).await.unwrap();
        let id = started["sessionId"].as_str().unwrap();
        let process = started["capabilities"]["goog:processID"].as_i64().unwrap();
        let pictures = pictures();
        std::fs::create_dir_all(&pictures).unwrap();
        Some(Self {
            session: format!("http://127.0.0.1:{port}/session/{id}"),
            http,
            pictures,
            browser: Pid::from_raw(process.try_into().unwrap()).unwrap(),
            _driver: driver,
            _lines: lines,
            _profile: profile,
        })
    }

    async fn ask(&self, path: &str, body: Value) -> Result<Value, String> {
        answer(self.http.post(format!("{}{path}", self.session)).json(&body)).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        self.ask(path, body).await.unwrap()
    }

    /// Opens an address, as one that is typed.
    pub async fn open(&self, url: &str) {
        self.post("/url", json!({"url": url})).await;
    }

    /// Loads the page anew.
    pub async fn reload(&self) {
        self.post("/refresh", json!({})).await;
    }

    /// Goes back to the page before.
    pub async fn back(&self) {
        self.post("/back", json!({})).await;
    }

    /// The window's title.
    pub async fn title(&self) -> String {
        self.run("return document.title").await.as_str().unwrap().to_owned()
    }

    /// Path and query of the page that is open.
    pub async fn path(&self) -> String {
        self.run("return location.pathname + location.search").await.as_str().unwrap().to_owned()
    }

    /// All that the page says, as it is laid out.
    pub async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap().to_owned()
    }

    /// Runs a script in the page; answers with what it returns.
    pub async fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", json!({"script": script, "args": []})).await
    }

    /// Waits until a script's expression is true.
    pub async fn when(&self, what: &str, expression: &str) {
        let script = json!({"script": format!("return Boolean({expression})"), "args": []});
        // While one page makes room for another, a script may find neither.
        let look = || async {
            let seen = self.ask("/execute/sync", script.clone()).await;
            (seen == Ok(Value::Bool(true))).then_some(())
        };
        if before(DEADLINE, look).await.is_none() {
            self.picture("not-in-time").await;
            panic!("not within {DEADLINE:?}: {what}\n{}\n{}", self.title().await, self.text().await);
        }
    }

    /// Waits until the page says this.
    pub async fn says(&self, text: &str) {
        let expression = format!("document.body && document.body.innerText.includes({})", json!(text));
        self.when(&format!("the page says `{text}`"), &expression).await;
    }

    async fn element(&self, css: &str) -> String {
        let what = format!("the page has {css}");
        let look = || async {
            let found = self.post("/elements", json!({"using": "css selector", "value": css})).await;
            found[0][ELEMENT].as_str().map(str::to_owned)
        };
        until(&what, look).await
    }

    /// Clicks on an element, as a person does: what is hidden or covered cannot be clicked.
    pub async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.post(&format!("/element/{element}/click"), json!({})).await;
    }

    /// Types into a field.
    pub async fn enter(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        self.post(&format!("/element/{element}/value"), json!({"text": text})).await;
    }

    /// What the browser found wrong with the pages so far: scripts that failed, what the policy of their content forbids.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({"type": "browser"})).await;
        let is_ours = |entry: &&Value| entry["level"] == "SEVERE" && entry["source"] != "network";
        log.as_array().unwrap().iter().filter(is_ours).map(ToString::to_string).collect()
    }

    /// A command of Chromium's own, for what WebDriver has none for.
    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({"cmd": command, "params": parameters})).await
    }

    /// Runs a script in every page from now on, before anything of its own.
    pub async fn prepare(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": script})).await;
    }

    /// Makes the window a phone's, this many pixels wide.
    pub async fn narrow(&self, width: u32) {
        let metrics = json!({"width": width, "height": 740, "deviceScaleFactor": 2, "mobile": true});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Makes the window a desk's again.
    pub async fn widen(&self) {
        self.devtools("Emulation.clearDeviceMetricsOverride", json!({})).await;
    }

    /// Prefers dark pages, or light ones.
    pub async fn prefer(&self, scheme: &str) {
        // Without motion: a picture is taken of what was meant, not of the way there.
        let features = json!({"features": [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]});
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Keeps a picture of the whole page as `NAME.png`.
    pub async fn picture(&self, name: &str) {
        self.keep(name, json!({"format": "png", "captureBeyondViewport": true})).await;
    }

    /// Keeps a picture of what is seen without scrolling as `NAME.png`.
    pub async fn glance(&self, name: &str) {
        self.keep(name, json!({"format": "png"})).await;
    }

    async fn keep(&self, name: &str, parameters: Value) {
        let taken = self.devtools("Page.captureScreenshot", parameters).await;
        let bytes =
            base64::engine::general_purpose::STANDARD.decode(taken["data"].as_str().unwrap()).unwrap();
        std::fs::write(self.pictures.join(format!("{name}.png")), bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium outlives its driver. It may be gone already.
        kill_process(self.browser, Signal::KILL).ok();
    }
}

/// What chromedriver answers, or why it refuses.
async fn answer(request: reqwest::RequestBuilder) -> Result<Value, String> {
    let mut answer: Value = request.send().await.expect("chromedriver answers").json().await.unwrap();
    let value = answer["value"].take();
    if value["error"].is_null() {
        Ok(value)
    } else {
        Err(format!("{}: {}", value["error"], value["message"]))
    }
}

async fn port(lines: &mut Lines<BufReader<ChildStdout>>) -> u16 {
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return port.trim_end_matches('.').parse().unwrap();
        }
    }
    panic!("chromedriver ended before it listened");
}

/// Where pictures are kept: beside the profiles' folders of Cargo's target directory.
fn pictures() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let debug = here.parent().and_then(Path::parent).unwrap();
    debug.parent().unwrap().join("browser")
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn missing() {
    let is_required = std::env::var(REQUIRED).is_ok_and(|word| word == "required");
    assert!(!is_required, "no {} and {DRIVER} on PATH, and {REQUIRED}=required", BROWSERS[0]);
    // Not `eprintln!`: the harness hides what a test that passes says.
    let line = format!("SKIPPED: no {} and {DRIVER} on PATH: python3 .ci/tools.py chromium\n", BROWSERS[0]);
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
