//! AWS on this machine: moto, an emulator, as a process of its own, and a web ACL in it.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::tasks::Tasks;
use crate::wait::in_time;

/// Region of everything in it.
pub const REGION: &str = "us-east-1";
/// The web ACL's name.
const NAME: &str = "gateway";

/// A running emulator.
#[derive(Debug)]
pub struct Emulator {
    process: Child,
    pub url: String,
    http: reqwest::Client,
    _tasks: Tasks,
}

impl Emulator {
    /// Starts one, and waits until it says where it listens.
    ///
    /// # Panics
    /// When it is not installed or does not start; this holds for all of this type.
    pub async fn start() -> Self {
        let mut process = Command::new(program())
            .args(["--host", "127.0.0.1", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let url = in_time("the emulator says where it listens", async {
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some((_, address)) = line.split_once("Running on http://") {
                    return format!("http://{}", address.trim());
                }
            }
            panic!("the emulator ended before it listened");
        })
        .await;
        // Reads on to the end, because a full pipe would stop the emulator.
        let tasks = Tasks::new();
        tasks.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { process, url, http: reqwest::Client::new(), _tasks: tasks }
    }

    /// Makes the web ACL: one rule that lets an address ask so often in five minutes. Answers with its id.
    pub async fn make_web_acl(&self, limit: u64) -> String {
        let made = self.waf("CreateWebACL", &web_acl(limit)).await;
        made["Summary"]["Id"].as_str().unwrap().to_owned()
    }

    /// Changes the web ACL's limit, as somebody in the AWS console would.
    pub async fn set_limit(&self, id: &str, limit: u64) {
        let live = self.waf("GetWebACL", &json!({"Name": NAME, "Scope": "REGIONAL", "Id": id})).await;
        let mut changed = web_acl(limit);
        changed["Id"] = json!(id);
        changed["LockToken"] = live["LockToken"].clone();
        self.waf("UpdateWebACL", &changed).await;
    }

    /// Ends it: AWS cannot be reached any more.
    pub async fn stop(&mut self) {
        self.process.kill().await.unwrap();
    }

    async fn waf(&self, operation: &str, body: &Value) -> Value {
        // The emulator asks for no signature, but reads region and service out of one.
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential=test/20261121/{REGION}/wafv2/aws4_request, SignedHeaders=host, Signature=0"
        );
        let answer = self
            .http
            .post(&self.url)
            .header("x-amz-target", format!("AWSWAF_20190729.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .header("authorization", scope)
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{operation}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

fn program() -> PathBuf {
    let tools = std::env::var_os("MOORLINE_TOOLS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.tools")), PathBuf::from);
    let program = tools.join("bin/moto_server");
    assert!(program.exists(), "{} is not there: run `make tools` first", program.display());
    program
}

fn web_acl(limit: u64) -> Value {
    let seen = |name: &str| json!({"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": name});
    json!({
        "Name": NAME,
        "Scope": "REGIONAL",
        "DefaultAction": {"Allow": {}},
        "VisibilityConfig": seen(NAME),
        "Rules": [{
            "Name": "per-ip",
            "Priority": 1,
            "Statement": {
                "RateBasedStatement": {"Limit": limit, "AggregateKeyType": "IP", "EvaluationWindowSec": 300},
            },
            "Action": {"Block": {"CustomResponse": {"ResponseCode": 429}}},
            "VisibilityConfig": seen("per-ip"),
        }],
    })
}

/// What `terraform show -json` says of that web ACL, with types as in the AWS provider's schema. The provider itself
/// cannot be installed offline.
#[must_use]
pub fn state(id: &str, limit: u64) -> Value {
    let text = include_str!("../../reconciler/aws/tests/fixtures/state.json");
    let mut state: Value = serde_json::from_str(text).unwrap();
    let root = &mut state["values"]["root_module"];
    root["child_modules"] = json!([]);
    let resources = root["resources"].as_array_mut().unwrap();
    resources.retain(|resource| resource["type"] == "aws_wafv2_web_acl");
    let values = &mut resources[0]["values"];
    values["id"] = json!(id);
    values["name"] = json!(NAME);
    values["rule"][0]["statement"][0]["rate_based_statement"][0]["limit"] = json!(limit);
    // The fixture's second rule is not made here. What is sensitive is said in the same shape as the values.
    for part in ["values", "sensitive_values"] {
        resources[0][part]["rule"].as_array_mut().unwrap().truncate(1);
    }
    state
}
