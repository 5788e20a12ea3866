//! The main job, seen from outside: the real daemon, gateways and Terraform against real repositories, callers and
//! mail.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test needs and does not get is its report"
)]

mod acts;
mod adoption;
mod aws;
mod beginning;
mod cli;
mod crash;
mod envelope;
mod first_hour;
mod fleet;
mod heal;
mod leadership;
mod line;
mod notify;
mod refusals;
mod secrets;
mod swap;
mod terraform;
mod told;
mod unseen;
