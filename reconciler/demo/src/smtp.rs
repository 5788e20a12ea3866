//! A mail server on this machine that takes every message and gives it to nobody but the demo.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const CONVERSATION_MAX: Duration = Duration::from_secs(30);
/// Most bytes of one message.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Messages kept for a reader that is slow.
const KEPT: usize = 256;

/// A message as it came over the wire, headers and body, line ends as `\n`.
pub type Mail = String;

/// Starts the server on a free port of this machine.
///
/// # Errors
/// The operating system's, when no port can be had.
pub async fn start(
    tasks: &TaskTracker,
    cancel: CancellationToken,
) -> std::io::Result<(SocketAddr, mpsc::Receiver<Mail>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let (mails, received) = mpsc::channel(KEPT);
    let conversations = tasks.clone();
    tasks.spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = cancel.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else { continue };
            let mails = mails.clone();
            let cancel = cancel.clone();
            conversations.spawn(async move {
                tokio::select! {
                    () = cancel.cancelled() => {}
                    _ = tokio::time::timeout(CONVERSATION_MAX, converse(stream, &mails)) => {}
                }
            });
        }
    });
    Ok((address, received))
}

/// One SMTP conversation (RFC 5321): as much of it as a sender needs.
async fn converse(stream: TcpStream, mails: &mpsc::Sender<Mail>) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 localhost the demo's mail server\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let verb = line.get(..4).unwrap_or("").to_ascii_uppercase();
        let answer: &[u8] = match verb.as_str() {
            "EHLO" => b"250-localhost\r\n250 8BITMIME\r\n",
            "HELO" | "MAIL" | "RCPT" | "RSET" | "NOOP" => b"250 ok\r\n",
            "DATA" => {
                write.write_all(b"354 end with a dot\r\n").await?;
                let mail = message(&mut lines).await?;
                // A demo that reads no more mail has ended.
                drop(mails.send(mail).await);
                b"250 taken\r\n"
            }
            "QUIT" => {
                return write.write_all(b"221 bye\r\n").await;
            }
            _ => b"502 not known here\r\n",
        };
        write.write_all(answer).await?;
    }
    Ok(())
}

async fn message<R: tokio::io::AsyncBufRead + Unpin>(
    lines: &mut tokio::io::Lines<R>,
) -> std::io::Result<Mail> {
    let mut mail = String::new();
    while let Some(line) = lines.next_line().await? {
        if line == "." {
            break;
        }
        if mail.len() + line.len() < MESSAGE_BYTES_MAX {
            mail.push_str(line.strip_prefix('.').unwrap_or(&line));
            mail.push('\n');
        }
    }
    Ok(mail)
}
