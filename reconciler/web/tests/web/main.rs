//! The web over real sockets, with a real record behind it.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod actions;
mod census;
mod console;
mod documents;
mod drift;
mod hooks;
mod links;
mod many;
mod openapi;
mod pages;
mod rig;
mod shield;
mod stream;
