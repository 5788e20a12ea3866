//! What the keepers of all environments share.

use std::path::PathBuf;
use std::sync::Arc;

use moorline_cycle::Cache;
use moorline_record::{Fence, Record};
use moorline_source::Repository;
use moorline_terraform::Runner;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::event_streams::EventStreams;
use crate::explanations::Explanations;
use crate::facilities::{AwsMemory, Checkouts, Connections, Identities};
use crate::metrics::Metrics;
use crate::secrets::Secrets;
use crate::turns::Turns;

/// What the keepers share.
pub struct Shared {
    /// What outlives a cycle.
    pub record: Record,
    /// Shown with each write: this daemon leads.
    pub fence: Fence,
    /// The watched repository.
    pub repository: Repository,
    /// The declaration's path in it.
    pub declaration_path: String,
    /// Who runs Terraform.
    pub runner: Arc<dyn Runner>,
    /// Connections of gateways.
    pub connections: Connections,
    /// Who follows the gateways' events.
    pub event_streams: EventStreams,
    /// Who resolves references.
    pub secrets: Secrets,
    /// The daemon's working folder.
    pub work_dir: PathBuf,
    /// A provider mirror on disk.
    pub mirror: Option<PathBuf>,
    /// The daemon's own figures.
    pub metrics: Arc<Metrics>,
    /// What each commit's Terraform is, to know whether there is something new to plan.
    pub identities: Identities,
    /// What the AWS lane keeps from one look to the next.
    pub aws: AwsMemory,
    /// Checkouts for Terraform.
    pub checkouts: Checkouts,
    /// Why changes are not applied, for people who ask.
    pub explanations: Arc<Explanations>,
    /// What is cached between cycles, in memory only.
    pub cache: Cache,
    /// How many cycles run at once.
    pub turns: Turns,
    /// Notified when a message waits in the outbox.
    pub outbox: Arc<Notify>,
    /// Set when the daemon stops: then a Terraform that runs is interrupted.
    pub stopping: CancellationToken,
}
