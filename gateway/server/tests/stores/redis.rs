//! A Redis server of a test's own.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// No wait in these tests is longer.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Redis {
    port: u16,
    arguments: Vec<String>,
    directory: tempfile::TempDir,
    child: Option<Child>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        for _ in 0..5 {
            let mut redis = Self::on_a_free_port();
            if redis.run() {
                return redis;
            }
        }
        panic!("redis-server does not start; `make tools` installs it");
    }

    /// A server that speaks TLS only and wants a password; and the authority that its certificate is from.
    pub(crate) fn start_secure(password: &str) -> (Self, String) {
        let authority = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        for _ in 0..5 {
            let mut redis = Self::on_a_free_port();
            let file = |name: &str, text: String| {
                let path = redis.directory.path().join(name);
                std::fs::write(&path, text).unwrap();
                path.to_str().unwrap().to_owned()
            };
            let certificate = file("certificate.pem", authority.cert.pem());
            let key = file("key.pem", authority.signing_key.serialize_pem());
            let port = redis.port.to_string();
            redis.arguments = [
                ["--port", "0"],
                ["--tls-port", &port],
                ["--tls-cert-file", &certificate],
                ["--tls-key-file", &key],
                ["--tls-auth-clients", "no"],
                ["--requirepass", password],
            ]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect();
            if redis.run() {
                return (redis, authority.cert.pem());
            }
        }
        panic!("redis-server does not start");
    }

    fn on_a_free_port() -> Self {
        // Somebody else may take the port before the server does: then it ends, and another port is tried.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = vec!["--port".to_owned(), port.to_string()];
        Self { port, arguments, directory: tempfile::tempdir().unwrap(), child: None }
    }

    /// Starts the server, empty, on its port.
    fn run(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command.args(&self.arguments).args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        command.arg("--dir").arg(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("redis-server is on PATH; `make tools` installs it");
        let child = self.child.insert(child);
        let by = Instant::now() + DEADLINE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < by, "redis-server did not answer in time");
            std::thread::yield_now();
        }
        true
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub(crate) fn secure_url(&self, password: &str) -> String {
        format!("rediss://:{password}@localhost:{}/", self.port)
    }

    /// Ends it as a lost machine does; what it knew is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on the same port, knowing nothing.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let by = Instant::now() + DEADLINE;
        while !self.run() {
            assert!(Instant::now() < by, "redis-server does not start again");
        }
    }

    /// Makes it silent: connections stay, answers do not come.
    pub(crate) fn freeze(&self, signal: Signal) {
        let id = i32::try_from(self.child.as_ref().unwrap().id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Everything it holds: keys with their fields and times to live.
    pub(crate) fn dump(&self) -> Vec<(String, i64)> {
        let client = ::redis::Client::open(self.url()).unwrap();
        let mut connection = client.get_connection().unwrap();
        let keys: Vec<String> = ::redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
        keys.into_iter()
            .map(|key| {
                let ttl = ::redis::cmd("PTTL").arg(&key).query(&mut connection).unwrap();
                (key, ttl)
            })
            .collect()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}
