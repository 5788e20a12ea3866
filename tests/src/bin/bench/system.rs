//! Who is measured: a process on a core of its own, whose processor time and memory the kernel tells.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use moorline_admin::{Origin, WriteOptions};
use moorline_tests::process::Process;
use moorline_tests::wait::until;
use moorline_tests::{Gateway, declared};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::cores::Cores;
use crate::{floor, workload};

/// One way from callers to the provider.
pub(crate) struct System {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// The process that does the work.
    pid: i32,
    /// Whether it speaks to providers of another dialect.
    pub(crate) is_translating: bool,
    _kept: Kept,
}

/// What lives as long as it is measured.
#[expect(dead_code, reason = "held to be dropped")]
enum Kept {
    Gateway(Box<Gateway>),
    Process(Box<Process>),
}

impl System {
    /// nginx at its cheapest: a master and one worker, connections to the provider kept, no access log.
    pub(crate) async fn nginx(cores: Cores, folder: &Path, provider: SocketAddr) -> Self {
        Self::nginx_with("nginx", "off", cores, &folder.join("nginx"), provider).await
    }

    /// nginx as it is mostly run, with its access log. The gateway always writes one.
    pub(crate) async fn nginx_with_log(cores: Cores, folder: &Path, provider: SocketAddr) -> Self {
        let folder = folder.join("nginx-with-log");
        let log = folder.join("access.log").display().to_string();
        Self::nginx_with("nginx with access log", &log, cores, &folder, provider).await
    }

    async fn nginx_with(
        name: &'static str,
        access: &str,
        cores: Cores,
        folder: &Path,
        provider: SocketAddr,
    ) -> Self {
        std::fs::create_dir(folder).unwrap();
        // nginx cannot choose a free port; nobody else takes this one in the moment between.
        let address = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let file = folder.join("nginx.conf");
        let here = folder.display();
        let text = CONFIGURATION
            .replace("ACCESS", access)
            .replace("FOLDER", &here.to_string())
            .replace("LISTEN", &address.to_string())
            .replace("PROVIDER", &provider.to_string());
        std::fs::write(&file, text).unwrap();
        let arguments = ["-p", &here.to_string(), "-c", &file.display().to_string()].map(str::to_owned);
        let log = folder.join("nginx.log");
        let on_measured = cores.measured();
        let process = Process::start(&nginx_program(), &arguments, &[], &log);
        drop(on_measured);
        let master = process.pid().as_raw_pid();
        let listening =
            || async { std::net::TcpStream::connect(address).is_ok().then(|| child(master)).flatten() };
        let pid = until("nginx listens", listening).await;
        Self { name, address, pid, is_translating: false, _kept: Kept::Process(Box::new(process)) }
    }

    /// A proxy of bare hyper, see [`floor`].
    pub(crate) async fn floor(cores: Cores, folder: &Path, provider: SocketAddr) -> Self {
        let arguments = [floor::COMMAND.to_owned(), provider.to_string()];
        let program = std::env::current_exe().unwrap();
        let log = folder.join("floor.log");
        let on_measured = cores.measured();
        let mut process = Process::start(&program, &arguments, &[], &log);
        drop(on_measured);
        let address = process.listening().await["data"].as_str().unwrap().parse().unwrap();
        let pid = process.pid().as_raw_pid();
        Self {
            name: "bare hyper",
            address,
            pid,
            is_translating: false,
            _kept: Kept::Process(Box::new(process)),
        }
    }

    /// The gateway with everything on that a request meets: a key, a limit on requests and one on tokens, prices,
    /// metrics and the access log.
    pub(crate) async fn gateway(cores: Cores, folder: &Path, provider: SocketAddr) -> Self {
        let on_measured = cores.measured();
        let gateway = Gateway::start(folder, "gateway").await;
        drop(on_measured);
        let mut document = declared::document(&format!("http://{provider}/v1"));
        document["routes"][0]["limits"] = json!([
            {"per": "key", "requests": 1_000_000_000, "window": "1h"},
            {"per": "key", "tokens": 1_000_000_000_000_u64, "window": "1m"},
        ]);
        document["models"][workload::PASSED_THROUGH]["price"] = json!({"input": 2.50, "output": 10.00});
        let options = WriteOptions { origin: Some(Origin::Git), ..WriteOptions::default() };
        let mut translating = document.clone();
        translating["providers"]["other"] = json!({"kind": "anthropic", "base_url": format!("http://{provider}/v1"), "api_key": "env:PROVIDER_KEY"});
        translating["models"][workload::TRANSLATED] = json!({
            "targets": [{"provider": "other", "model": "first"}], "price": {"input": 3.00, "output": 15.00},
        });
        translating["routes"][0]["models"] = json!([workload::PASSED_THROUGH, workload::TRANSLATED]);
        let is_translating = gateway.client.put_config(&translating, &options).await.is_ok();
        if !is_translating {
            gateway.client.put_config(&document, &options).await.unwrap();
        }
        let address = gateway.data.strip_prefix("http://").unwrap().parse().unwrap();
        let pid = gateway.process().pid().as_raw_pid();
        Self {
            name: "moorline-gateway",
            address,
            pid,
            is_translating,
            _kept: Kept::Gateway(Box::new(gateway)),
        }
    }

    /// Processor time it has used so far, of all its threads, as the scheduler counts it.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid)).unwrap();
        let of = |task: std::fs::DirEntry| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|nanos| nanos.parse::<u64>().ok()).unwrap_or(0)
        };
        Duration::from_nanos(tasks.map(|task| of(task.unwrap())).sum())
    }

    /// Memory it holds, in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        rss_kib(self.pid)
    }
}

/// Memory that a process holds, in KiB.
pub(crate) fn rss_kib(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

impl Drop for System {
    fn drop(&mut self) {
        // nginx's worker would outlive a master that is killed. One that is gone already is fine too.
        if let Some(pid) = Pid::from_raw(self.pid)
            && kill_process(pid, Signal::TERM).is_err()
        {
            eprintln!("bench: {} ended before its time", self.name);
        }
    }
}

/// Debian's defaults (`sendfile`, `tcp_nopush`) and what a proxy for an API needs beyond them: connections to the
/// provider that are kept, no buffering of answers, bodies of 64 KiB kept in memory.
const CONFIGURATION: &str = include_str!("nginx.conf");

fn nginx_program() -> std::path::PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut places = folders.map(|folder| folder.join("nginx"));
    places.find(|place| place.exists()).expect("nginx is needed: python3 .ci/tools.py nginx")
}

/// A process's only child.
fn child(pid: i32) -> Option<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
