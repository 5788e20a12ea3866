//! A mail server that takes every message and keeps it for the test.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::tasks::Tasks;

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Headers and body, line ends as `\n`, headers unfolded.
    pub text: String,
}

impl Mail {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (head, _) = self.text.split_once("\n\n")?;
        let found = |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        Some(head.lines().find(found)?.split_once(':')?.1.trim())
    }

    /// What follows the headers, with quoted-printable undone.
    #[must_use]
    pub fn body(&self) -> String {
        let body = self.text.split_once("\n\n").map_or("", |(_, body)| body);
        if self.header("Content-Transfer-Encoding") == Some("quoted-printable") {
            return unquoted(body);
        }
        body.to_owned()
    }
}

#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<Mail>>>,
    _tasks: Tasks,
}

impl Server {
    /// Starts a server on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let tasks = Tasks::new();
        let (inbox, spawner) = (Arc::clone(&mails), tasks.spawner());
        tasks.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let inbox = Arc::clone(&inbox);
                // A conversation that breaks off brings no mail.
                spawner.spawn(async move { drop(converse(socket, &inbox).await) });
            }
        });
        Self { address, mails, _tasks: tasks }
    }

    /// The URL that a sender needs. The password is one of the secrets that must show up nowhere.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Everything that came so far, in order.
    #[must_use]
    pub fn mails(&self) -> Vec<Mail> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The mails whose text holds this.
    #[must_use]
    pub fn holding(&self, text: &str) -> Vec<Mail> {
        let holds = |mail: &Mail| mail.text.contains(text) || mail.body().contains(text);
        self.mails().into_iter().filter(holds).collect()
    }
}

/// One SMTP conversation (RFC 5321): as much of it as a sender needs.
async fn converse(socket: TcpStream, inbox: &Mutex<Vec<Mail>>) -> std::io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 localhost\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-localhost\r\n250 8BITMIME\r\n",
            "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => b"250 ok\r\n",
            "QUIT" => return write.write_all(b"221 bye\r\n").await,
            "DATA" => {
                write.write_all(b"354 end with a dot\r\n").await?;
                let mut text = String::new();
                loop {
                    match lines.next_line().await? {
                        // What a killed daemon did not end was never sent.
                        None => return Ok(()),
                        Some(line) if line == "." => break,
                        Some(line) => {
                            text.push_str(line.strip_prefix('.').unwrap_or(&line));
                            text.push('\n');
                        }
                    }
                }
                inbox.lock().unwrap_or_else(PoisonError::into_inner).push(Mail { text: unfolded(&text) });
                b"250 taken\r\n"
            }
            _ => b"502 not known here\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}

fn unfolded(text: &str) -> String {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    format!("{}\n\n{body}", head.replace("\n ", " ").replace("\n\t", " "))
}

fn unquoted(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = (first == b'=').then(|| after.get(..2)).flatten();
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
