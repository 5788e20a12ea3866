//! The watched Git repository, through git2.
//!
//! In goes a [`RepositoryConfig`]: an address, a branch, perhaps a token. Out come commits and files: a private bare
//! mirror holds what was fetched, so that a remote which disappears takes nothing away. A commit is read from the
//! mirror ([`Repository::read`], [`Repository::log`]) or written out whole for Terraform ([`Repository::checkout`]).
//!
//! What a repository says is written by strangers. So the address becomes a typed value before it is used, each
//! fetch has a deadline and limits, a pack is measured before libgit2 sees it, nothing in a tree can name a place
//! outside of it, and no hook, filter, attribute or configuration of the repository is ever followed.
//!
//! Reading order: [`repository`](Repository) is the way in; `fetch` is the sequence of one fetch, over one of the
//! `transport`s; `wire` is Git's smart protocol; `pack` measures what arrives, `incoming` holds it and
//! hands it to the `mirror`; `tree` and
//! `checkout` read it. Why the transports are our own: `docs/decisions/0003-git-transports.md`.

#![expect(missing_docs, reason = "only this workspace uses the crate; a doc says what a name does not")]

mod budget;
mod changed;
mod checkout;
mod config;
mod fetch;
mod incoming;
mod list;
mod mirror;
mod pack;
mod read;
mod remote;
mod repack;
mod repository;
mod text;
mod transport;
mod tree;
mod walk;
mod wire;

pub use checkout::{CheckedOut, CheckoutError, EntryProblem, RefusedEntry};
pub use config::{
    CheckoutLimits, HttpsOptions, InvalidSshFile, Limits, RepositoryConfig, SshEnvironment, SshFile,
    SshOptions,
};
pub use fetch::{FetchError, Fetched, Limit};
pub use pack::FetchProgress;
pub use read::ReadError;
pub use remote::{HttpsRemote, InvalidRemoteUrl, LocalRemote, RemoteUrl, SshRemote};
pub use repository::{OpenError, Repository};
pub use tree::TreeDigest;
