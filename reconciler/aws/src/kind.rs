//! What one kind of AWS resource says of itself.

use std::fmt;
use std::future::Future;

use aws_config::SdkConfig;
use moorline_model::drift::Finding;

use crate::read::{ReadError, Refused};
use crate::state::{Declared, State};

/// A kind of AWS resource that is compared. The implementor is one such resource as the state declares it.
pub(crate) trait Kind: fmt::Debug + Sized + Send + Sync + 'static {
    /// Its types in Terraform: the one that its file is named after, then other names of the same.
    const TYPES: &'static [&'static str];
    /// The IAM action that reading it takes.
    const PERMISSION: &'static str;
    /// Most resources that AWS takes in one call.
    const PER_CALL: usize;

    /// The SDK's client of the service.
    type Client: Clone + Send + Sync + 'static;
    /// What one call answers.
    type Answer: Send + Sync;
    /// The resource as AWS has it.
    type Live;

    /// Makes the client. Kinds of the same service share the first one that is made.
    fn connect(config: &SdkConfig) -> Self::Client;

    /// The resources of these types in a state. Other resources may bound what is declared: an autoscaler, for one.
    fn declared(state: &State<'_>) -> Vec<Declared<Self>>;

    /// What all resources of one call have in common.
    fn place(&self) -> Place<'_>;

    /// Asks for several resources, all of one place and at most [`Self::PER_CALL`] of them.
    fn read(
        client: &Self::Client,
        requested: &[&Self],
    ) -> impl Future<Output = Result<Self::Answer, Refused>> + Send;

    /// This resource in the answer; `None` only when AWS itself says that it is not there.
    fn find<'a>(&self, answer: &'a Self::Answer) -> Result<Option<&'a Self::Live>, ReadError>;

    /// What differs, and how much each difference matters: what decides who is let in, or what is served, is critical;
    /// what decides how well is a warning.
    fn findings(&self, address: &str, live: Option<&Self::Live>) -> Vec<Finding>;
}

/// Where resources are that can be read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place<'a> {
    /// The region, where the state names one.
    pub(crate) region: Option<&'a str>,
    /// What else they share, a cluster for one; empty when the region is all.
    pub(crate) within: &'a str,
}
