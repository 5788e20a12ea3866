//! moto, an emulator of AWS, as a process of its own.
//!
//! It dies with the test binary, however that ends: its shell waits for the end of a pipe that this process holds.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Starts the emulator, and stops it when standard input ends.
const SCRIPT: &str = r#""$0" --host 127.0.0.1 --port 0 & read _; kill $!; wait $!"#;

/// A running emulator.
pub(crate) struct Emulator {
    shell: Child,
    address: SocketAddr,
}

impl Emulator {
    /// The one that tests share. What they make in it has names of their own.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts one, and waits until it says where it listens.
    pub(crate) fn start() -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT])
            .arg(program())
            // So that deployments count as completed.
            .env("MOTO_ECS_SERVICE_RUNNING", "2")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        let lines = BufReader::new(shell.stderr.take().expect("its standard error")).lines();
        let (sender, receiver) = sync_channel(1);
        // Reads on to the end, because a full pipe would stop the emulator.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("Running on http://") {
                    sender.try_send(address.trim().to_owned()).ok();
                }
            }
        });
        let address = receiver.recv_timeout(START_TIMEOUT).expect("the emulator did not start in time");
        Self { shell, address: address.parse().expect("an address") }
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it, and waits until it is gone.
    pub(crate) fn stop(mut self) {
        drop(self.shell.stdin.take());
        self.shell.wait().expect("the shell's end");
    }
}

fn program() -> PathBuf {
    let tools = std::env::var_os("MOORLINE_TOOLS")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.tools")), PathBuf::from);
    let program = tools.join("bin/moto_server");
    assert!(program.exists(), "{} is not there; `make tools` installs it", program.display());
    program
}
