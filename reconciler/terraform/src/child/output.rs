//! Where a child's output is read from, and the end of it that is kept.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::TooMuch;

/// How often a file is looked at for more.
const LOOK: Duration = Duration::from_millis(50);

/// Makes a private file, open for writing (the child's) and for reading (ours).
pub(super) fn file(path: &Path) -> io::Result<(File, File)> {
    let write = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok((write, File::open(path)?))
}

/// The child's end and ours: of a file, or of a pipe that is made with the child.
pub(super) fn ends(file: Option<(File, File)>) -> (Stdio, Option<File>) {
    file.map_or_else(|| (Stdio::piped(), None), |(write, read)| (Stdio::from(write), Some(read)))
}

/// A child's standard output or error.
pub(super) enum Written {
    Pipe(Option<Box<dyn AsyncRead + Send + Unpin>>),
    File { file: File, look: Interval, read: u64 },
}

impl Written {
    pub(super) fn pipe(pipe: Option<impl AsyncRead + Send + Unpin + 'static>) -> Self {
        Self::Pipe(pipe.map(|pipe| Box::new(pipe) as _))
    }

    pub(super) fn file(file: File) -> Self {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self::File { file, look, read: 0 }
    }

    /// Waits for more; 0 only when a pipe has ended just now.
    pub(super) async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => Ok(read_some(pipe, buffer).await),
            Self::File { file, look, read } => loop {
                // The page cache answers; this does not wait.
                let count = file.read(buffer)?;
                if count > 0 {
                    *read += count as u64;
                    return Ok(count);
                }
                look.tick().await;
            },
        }
    }

    /// Reads what is left after the child has ended; 0 at the end.
    pub(super) async fn read_rest(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Pipe(None) => Ok(0),
            Self::Pipe(pipe) => Ok(read_some(pipe, buffer).await),
            Self::File { file, .. } => file.read(buffer),
        }
    }

    /// A pipe's content is gone once read; a file grows.
    pub(super) const fn check_size(&self, max_bytes: u64) -> Result<(), TooMuch> {
        match self {
            Self::File { read, .. } if *read > max_bytes => Err(TooMuch { max_bytes }),
            Self::File { .. } | Self::Pipe(_) => Ok(()),
        }
    }
}

/// Reads from a pipe that may have ended; when it ends now, it is dropped, and after that nothing ever comes.
async fn read_some(stream: &mut Option<Box<dyn AsyncRead + Send + Unpin>>, buffer: &mut [u8]) -> usize {
    let Some(reader) = stream else { return std::future::pending().await };
    if let Ok(read @ 1..) = reader.read(buffer).await {
        return read;
    }
    *stream = None;
    0
}

/// The last bytes of a stream.
pub(super) struct Tail {
    bytes: VecDeque<u8>,
    max: usize,
}

impl Tail {
    pub(super) const fn new(max: usize) -> Self {
        Self { bytes: VecDeque::new(), max }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let bytes = &bytes[bytes.len().saturating_sub(self.max)..];
        let over = (self.bytes.len() + bytes.len()).saturating_sub(self.max);
        self.bytes.drain(..over);
        self.bytes.extend(bytes);
    }

    pub(super) fn into_text(self) -> String {
        String::from_utf8_lossy(&self.bytes.into_iter().collect::<Vec<u8>>()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_is_kept_however_much_comes() {
        let mut tail = Tail::new(8);
        for chunk in ["abc", "defghijklmnop", "", "q", "rs"] {
            tail.push(chunk.as_bytes());
            assert!(tail.bytes.len() <= 8);
        }
        assert_eq!(tail.into_text(), "lmnopqrs");
    }
}
