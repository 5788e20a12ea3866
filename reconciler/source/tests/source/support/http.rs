//! A smart HTTP server: the machine's own `git upload-pack` behind a listener that notes every request.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What the server does with a request.
#[derive(Clone)]
pub(crate) enum Behaviour {
    /// Serves a repository to whoever has the token, or to all.
    Serve { path: PathBuf, token: Option<&'static str> },
    /// Serves the branches as they are, and of the pack only so many bytes.
    Cut { path: PathBuf, bytes: usize },
    /// Serves the branches as they are, and this instead of the pack.
    Instead { path: PathBuf, pack: Vec<u8> },
    /// Sends everyone elsewhere.
    Redirect(String),
    /// Answers with a status, a kind and a body.
    Answer(u16, &'static str, Vec<u8>),
    /// Takes the request and never answers.
    Silence,
}

/// A request that came in.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) authorization: Option<String>,
}

pub(crate) struct Server {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(behaviour: Behaviour) -> Self {
        Self::start_with(behaviour, None)
    }

    pub(crate) fn start_tls(behaviour: Behaviour, tls: Arc<rustls::ServerConfig>) -> Self {
        Self::start_with(behaviour, Some(tls))
    }

    fn start_with(behaviour: Behaviour, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (noted, stopped) = (seen.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            // Connections that are never answered stay open until the server goes.
            let mut silent = Vec::new();
            while let Ok((stream, _)) = listener.accept() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                let mut stream: Box<dyn ReadWrite> = match &tls {
                    None => Box::new(stream),
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(config.clone()).unwrap();
                        Box::new(rustls::StreamOwned::new(connection, stream))
                    }
                };
                // A client that hangs up in the middle, or trusts us not, is part of the tests.
                if let Ok(true) = answer(stream.as_mut(), &behaviour, &noted) {
                    silent.push(stream);
                }
            }
        });
        Self { address, scheme, seen, stop, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}/acme/deploy.git", self.scheme, self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

trait ReadWrite: Read + Write {}
impl<T: Read + Write> ReadWrite for T {}

/// Reads one request and answers it; `true` when it was left without an answer.
fn answer(
    stream: &mut dyn ReadWrite,
    behaviour: &Behaviour,
    noted: &Mutex<Vec<Seen>>,
) -> std::io::Result<bool> {
    let mut reader = BufReader::new(&mut *stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header == "\r\n" {
            break;
        }
        let (name, value) = header.trim_end().split_once(": ").unwrap_or_default();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap(),
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let line = line.trim_end().to_owned();
    noted.lock().unwrap().push(Seen { line: line.clone(), authorization: authorization.clone() });
    let (status, headers, body) = match behaviour {
        Behaviour::Silence => return Ok(true),
        Behaviour::Redirect(to) => (302, format!("location: {to}\r\n"), Vec::new()),
        Behaviour::Answer(status, kind, body) => (*status, format!("content-type: {kind}\r\n"), body.clone()),
        Behaviour::Serve { path, token } => {
            let expected =
                token.map(|token| format!("Basic {}", STANDARD.encode(format!("x-access-token:{token}"))));
            if expected.is_some() && authorization != expected {
                (401, "www-authenticate: Basic\r\n".to_owned(), Vec::new())
            } else {
                serve(path, &line, &body)
            }
        }
        Behaviour::Cut { path, bytes } => {
            let (status, headers, mut answer) = serve(path, &line, &body);
            if line.starts_with("POST") {
                answer.truncate(*bytes);
            }
            (status, headers, answer)
        }
        Behaviour::Instead { path, pack } => {
            let (status, headers, mut answer) = serve(path, &line, &body);
            if line.starts_with("POST") {
                answer = b"0008NAK\n".to_vec();
                for piece in pack.chunks(60_000) {
                    answer.extend(format!("{:04x}\u{1}", piece.len() + 5).into_bytes());
                    answer.extend(piece);
                }
                answer.extend(b"0000");
            }
            (status, headers, answer)
        }
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)?;
    stream.flush()?;
    Ok(false)
}

fn serve(path: &Path, line: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let kind = |suffix| format!("content-type: application/x-git-upload-pack-{suffix}\r\n");
    if line.starts_with("GET /acme/deploy.git/info/refs?service=git-upload-pack ") {
        let mut answer = b"001e# service=git-upload-pack\n0000".to_vec();
        answer.extend(upload_pack(path, &["--advertise-refs"], b""));
        (200, kind("advertisement"), answer)
    } else if line.starts_with("POST /acme/deploy.git/git-upload-pack ") {
        (200, kind("result"), upload_pack(path, &[], body))
    } else {
        (404, String::new(), Vec::new())
    }
}

fn upload_pack(path: &Path, options: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("git")
        .args(["upload-pack", "--stateless-rpc", "--strict"])
        .args(options)
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect(
            "THESE TESTS NEED `git` ON PATH: it is the server that the https transport is tested against",
        );
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap().stdout
}
