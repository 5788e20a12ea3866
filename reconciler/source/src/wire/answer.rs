//! What a server answers to a request: acknowledgements, then the pack, in a channel of its own.

use super::packet::{Packet, PacketReader};
use crate::fetch::FetchError;
use crate::pack::PackWriter;
use crate::text;

/// Passes the pack on, and gives the server's words of refusal as an error.
pub(crate) fn receive_pack(
    packets: &mut PacketReader<'_>,
    pack: &mut PackWriter<'_>,
) -> Result<(), FetchError> {
    let remote = packets.remote().to_owned();
    let refused = |words: &[u8]| {
        let message = text::line(&String::from_utf8_lossy(words), 300);
        FetchError::Refused { remote: remote.clone(), message }
    };
    let mut has_begun = false;
    loop {
        match packets.next()? {
            Packet::Flush => return Ok(()),
            Packet::Data(line) if !has_begun && (line.starts_with(b"ACK ") || line.starts_with(b"NAK")) => {}
            Packet::Data(line) if !has_begun && line.starts_with(b"ERR ") => return Err(refused(&line[4..])),
            Packet::Data([1, bytes @ ..]) => {
                has_begun = true;
                pack.write(bytes)?;
            }
            // Progress, for people at a terminal.
            Packet::Data([2, ..]) => {}
            Packet::Data([3, words @ ..]) => return Err(refused(words)),
            Packet::Data(_) => return Err(packets.protocol("an answer of no known channel")),
        }
    }
}
