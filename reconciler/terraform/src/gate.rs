//! stub
use moorline_model::declaration::Terraform;
use std::path::Path;
use std::collections::BTreeSet;
/// stub
#[derive(Debug, Default)]
pub struct GateReport { /// x
 pub remote_modules: BTreeSet<String>, /// x
 pub uses_plugins: bool }
/// stub
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct Refusals;
/// stub
pub fn inspect(_: &Path, _: &Terraform) -> Result<GateReport, Refusals> { Ok(GateReport::default()) }
/// stub
pub fn inspect_fetched(_: &Path, _: &Terraform) -> Result<(), Refusals> { Ok(()) }
