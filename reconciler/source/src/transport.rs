//! Ways to a repository. Each one answers two questions: where are your branches, and what do I lack.

mod https;
mod local;
mod ssh;

use std::path::PathBuf;

use git2::Oid;

use crate::budget::Budget;
use crate::config::RepositoryConfig;
use crate::fetch::FetchError;
use crate::pack::PackWriter;
use crate::remote::RemoteUrl;
use crate::wire::Heads;

pub(crate) use https::{HttpsClient, InvalidAuthorities};

/// The other end of one fetch.
pub(crate) trait Upstream {
    /// The branches, as they are now.
    fn heads(&mut self) -> Result<Heads, FetchError>;

    /// Packs on this machine that are worth copying as they are, before anything is sent.
    fn packs(&mut self, _known: &[Oid]) -> Result<Vec<PathBuf>, FetchError> {
        Ok(Vec::new())
    }

    /// Sends everything that `wanted` reaches and no commit of `known` does. What `has` knows may be left out.
    fn send(
        &mut self,
        wanted: Oid,
        known: &[Oid],
        has: &dyn Fn(Oid) -> bool,
        pack: &mut PackWriter<'_>,
    ) -> Result<(), FetchError>;

    /// Takes leave when nothing is lacking, so that the other end logs no broken connection.
    fn leave(&mut self) {}
}

/// Makes ready to fetch; nothing travels yet. `runtime` is for the process of the `ssh` transport.
pub(crate) fn upstream(
    config: &RepositoryConfig,
    https: &HttpsClient,
    runtime: &tokio::runtime::Handle,
    budget: &Budget,
) -> Box<dyn Upstream> {
    match &config.url {
        RemoteUrl::Https(remote) => Box::new(https.upstream(
            remote.clone(),
            config.token.clone(),
            config.limits.clone(),
            budget.clone(),
        )),
        RemoteUrl::Ssh(remote) => Box::new(ssh::SshUpstream::new(
            remote.clone(),
            &config.ssh,
            &config.limits,
            runtime.clone(),
            budget.clone(),
        )),
        RemoteUrl::Local(remote) => {
            Box::new(local::LocalUpstream::new(remote.clone(), config.limits.clone(), budget.clone()))
        }
    }
}
