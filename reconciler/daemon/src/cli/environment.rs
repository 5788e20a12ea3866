//! stub
use super::*;
pub async fn drift(_: &EnvironmentArguments, _: Output) -> Exit { Exit::Done }
pub async fn history(_: &EnvironmentArguments, _: u32, _: Output) -> Exit { Exit::Done }
pub async fn status(_: &StatusArguments, _: Output) -> Exit { Exit::Done }
pub async fn why(_: &EnvironmentArguments, _: Output) -> Exit { Exit::Done }
pub async fn act(_: &str, _: &ActionArguments, _: Option<CommitId>, _: Output) -> Exit { Exit::Done }
