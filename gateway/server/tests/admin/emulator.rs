//! moto, an emulator of AWS, as a process of its own, spoken to over the wire.
//!
//! It dies with the test binary, however that ends: its shell waits for the end of a pipe that we hold.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use serde_json::{Value, json};

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Starts the emulator, and stops it when standard input ends.
const SCRIPT: &str = r#""$0" --host 127.0.0.1 --port 0 & read _; kill $!; wait $!"#;
const REGION: &str = "us-east-1";

/// The emulator that tests share; what they make in it has names of their own.
pub(crate) struct Emulator {
    /// Where it listens.
    pub(crate) url: String,
    _pipe: std::process::ChildStdin,
}

impl Emulator {
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    #[expect(
        clippy::zombie_processes,
        reason = "the shell ends with our end of its pipe, and is nobody's to wait for"
    )]
    fn start() -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(program())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(shell.stderr.take().unwrap()).lines();
        let (said, heard) = sync_channel(1);
        // Reads on to the end, because a full pipe would stop the emulator.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("Running on http://") {
                    said.try_send(address.trim().to_owned()).ok();
                }
            }
        });
        let address = heard.recv_timeout(START_TIMEOUT).expect("the emulator did not start in time");
        Self { url: format!("http://{address}"), _pipe: shell.stdin.take().unwrap() }
    }

    /// What a gateway needs in its environment to take this for AWS.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ENDPOINT_URL", self.url.clone()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ]
    }

    pub(crate) async fn create_secret(&self, name: &str, value: &str) {
        self.json("secretsmanager", "CreateSecret", json!({"Name": name, "SecretString": value})).await;
    }

    pub(crate) async fn change_secret(&self, name: &str, value: &str) {
        self.json("secretsmanager", "PutSecretValue", json!({"SecretId": name, "SecretString": value})).await;
    }

    pub(crate) async fn put_parameter(&self, name: &str, value: &str) {
        let body = json!({"Name": name, "Value": value, "Type": "SecureString", "Overwrite": true});
        self.json("ssm", "PutParameter", body).await;
    }

    async fn json(&self, service: &str, operation: &str, body: Value) {
        let target = if service == "ssm" { "AmazonSSM" } else { service };
        let request = reqwest::Client::new()
            .post(&self.url)
            .header("x-amz-target", format!("{target}.{operation}"))
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string());
        succeed(request, service).await;
    }

    pub(crate) async fn create_bucket(&self, bucket: &str) {
        succeed(reqwest::Client::new().put(format!("{}/{bucket}", self.url)), "s3").await;
    }

    pub(crate) async fn put_object(&self, bucket: &str, key: &str, body: &str) {
        let request = reqwest::Client::new().put(format!("{}/{bucket}/{key}", self.url));
        succeed(request.body(body.to_owned()), "s3").await;
    }

    pub(crate) async fn delete_object(&self, bucket: &str, key: &str) {
        succeed(reqwest::Client::new().delete(format!("{}/{bucket}/{key}", self.url)), "s3").await;
    }
}

/// The emulator asks for no signature, but reads region and service out of one.
async fn succeed(request: reqwest::RequestBuilder, service: &str) {
    let scope = format!(
        "AWS4-HMAC-SHA256 Credential=test/20261121/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=0"
    );
    let answer = request.header("authorization", scope).send().await.unwrap();
    let status = answer.status();
    assert!(status.is_success(), "{status} {}", answer.text().await.unwrap());
}

fn program() -> PathBuf {
    let tools = std::env::var_os("MOORLINE_TOOLS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools")), PathBuf::from);
    let program = tools.join("bin/moto_server");
    assert!(program.exists(), "{} is not there; `make tools` installs it", program.display());
    program
}
