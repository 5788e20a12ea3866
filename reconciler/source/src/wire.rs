//! Git's smart protocol, version 0, the fetching side: bytes of a server come in, branches and a pack come out.
//!
//! Every length is bounded before it is believed. The protocol is described in Git's `gitprotocol-pack(5)` and
//! `gitprotocol-http(5)`.

mod advertisement;
mod answer;
mod packet;
mod request;

pub(crate) use advertisement::{Advertisement, Heads};
pub(crate) use answer::receive_pack;
pub(crate) use packet::{ByteSource, Packet, PacketReader};
pub(crate) use request::{nothing_wanted, pack_request};
