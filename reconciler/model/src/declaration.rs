//! What a repository declares: `moorline.yaml`.
//!
//! In: the file's text. Out: a checked [`Declaration`], or every mistake at once.

mod check;
mod deliver;
mod notify;
mod references;
mod rollout;

use std::collections::BTreeMap;

use jiff::civil::Date;
use moorline_config::document::Version;
use moorline_config::schema::{self, RELATIVE_PATH};
use moorline_config::{Decoded, Duration, Mistakes, Percent, Reference, Source, Usd};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use deliver::{Document, EcsService, Endpoints};
pub use notify::{
    Channel, ChannelKind, ChannelName, DeclaredChannel, EnvironmentPattern, Notifications, Route,
};
pub use references::NamedSecret;
pub(crate) use references::{only_supported, unsupported};
pub use rollout::{RolloutPlan, RolloutStep, RolloutStrategy, Traffic};

use crate::EnvironmentName;
use crate::drift::Lane;
use crate::schedule::Schedule;
use crate::window::Window;

/// Variables that Moorline sets itself, as JSON Schema takes it: what Terraform code is not given.
const OWN_VARIABLES: &str = "^(TF_(?!VAR_)|(PATH|HOME|LD_PRELOAD|LD_LIBRARY_PATH)$)";

/// A repository's declaration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    /// Format version: 1.
    pub version: Version,
    /// The environments; at least one.
    #[schemars(length(min = 1))]
    pub environments: Vec<Environment>,
    /// Where people are notified. Absent: nowhere but the console.
    #[serde(default)]
    pub notifications: Notifications,
    /// Folders with Rego policies, relative to the repository's root.
    #[serde(default)]
    #[schemars(inner(regex(pattern = RELATIVE_PATH)))]
    pub policies: Vec<String>,
}

impl Declaration {
    /// Reads a declaration, but for the settings of its channels: for whoever sends nothing. What is to be in force is read
    /// with [`Declaration::decode`].
    ///
    /// # Errors
    /// Every mistake in the text, with file, line and path.
    pub fn parse(name: &str, text: &str) -> Result<Self, Mistakes> {
        let rules = |declaration: &Self| check::check(declaration, None);
        moorline_config::decode_checked(&[Source { name, text }], rules).map(|decoded| decoded.document)
    }

    /// Reads a declaration whose channels are of these kinds, and keeps where each part stands.
    ///
    /// # Errors
    /// Every mistake in the text, with file, line and path.
    pub fn decode(name: &str, text: &str, kinds: &[ChannelKind]) -> Result<Decoded<Self>, Mistakes> {
        let rules = |declaration: &Self| check::check(declaration, Some(kinds));
        moorline_config::decode_checked(&[Source { name, text }], rules)
    }

    /// Its JSON Schema, for editors. `kinds`: those of channels.
    #[must_use]
    pub fn schema(kinds: &[ChannelKind]) -> Value {
        let example = json!({"version": 1, "environments": [{
            "name": "prod",
            "gateway": {
                "document": ["gateway.yaml"],
                "endpoints": ["http://10.0.1.10:8788", "http://10.0.1.11:8788"],
                "admin_token": "env:GATEWAY_ADMIN_TOKEN",
            },
            "drift": {"heal": ["gateway"]},
            "rollout": {"strategy": "canary", "steps": [{"weight": "1%", "hold": "2m"}, {"weight": "50%", "hold": "5m"}]},
            "verify": {"probes": [{"model": "gpt-4o-mini", "key": "env:PROBE_KEY"}]},
        }]});
        let about = schema::About { name: "repository", applies: schema::Applies::Live, example };
        only_supported(schema::schema_with::<Self>(&about, |schema| notify::add_kinds(schema, kinds)))
    }

    /// The environment of that name.
    #[must_use]
    pub fn environment(&self, name: &EnvironmentName) -> Option<&Environment> {
        self.environments.iter().find(|environment| environment.name == *name)
    }
}

/// One environment: one Terraform directory and workspace, one gateway document, one fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Its name.
    pub name: EnvironmentName,
    /// The gateways and their document.
    pub gateway: Gateway,
    /// Its Terraform. Absent: none is run.
    #[serde(default)]
    pub terraform: Option<Terraform>,
    /// Its AWS. Absent: nothing is read there.
    #[serde(default)]
    pub aws: Option<Aws>,
    /// When to look.
    #[serde(default)]
    pub schedule: Schedules,
    /// What to do about drift.
    #[serde(default)]
    pub drift: DriftPolicy,
    /// When merged changes are applied.
    #[serde(default)]
    pub apply: Apply,
    /// How a new document reaches requests.
    #[serde(default)]
    pub rollout: RolloutPlan,
    /// When a new document counts as healthy.
    #[serde(default)]
    pub verify: Verify,
    /// What happens when it is not.
    #[serde(default)]
    pub rollback: Rollback,
}

/// The gateways and their document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Where the document comes from.
    pub document: Document,
    /// Where the replicas' admin APIs are.
    pub endpoints: Endpoints,
    /// Token of the admin APIs.
    pub admin_token: Reference,
    /// Replace what the replicas serve when Moorline first meets them, without asking. Default: false, and
    /// `moorline adopt` says it. Either way their documents are kept, and a rollback can go back to them.
    #[serde(default)]
    pub adopt: bool,
    /// With `document: {terraform: …}`: a token that may write this environment's document and nothing else.
    /// Absent: an operator's token is needed.
    #[serde(default)]
    pub document_token: Option<Reference>,
}

/// An environment's Terraform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Terraform {
    /// `terraform`, `tofu` or an absolute path of one. Default: `terraform`.
    #[serde(default = "Terraform::default_binary")]
    #[schemars(regex(pattern = "^(?!(.*/)?terragrunt$)[^-]"))]
    pub binary: String,
    /// The root module's folder, relative to the repository's root.
    #[schemars(regex(pattern = RELATIVE_PATH))]
    pub directory: String,
    /// Workspace. Default: `default`.
    #[serde(default = "Terraform::default_workspace")]
    #[schemars(regex(pattern = "^[A-Za-z0-9_.][A-Za-z0-9_.-]*$"))]
    pub workspace: String,
    /// Variable files, relative to `directory`.
    #[serde(default)]
    #[schemars(inner(regex(pattern = RELATIVE_PATH)))]
    pub var_files: Vec<String>,
    /// `-backend-config` values.
    #[serde(default)]
    pub backend_config: BTreeMap<String, String>,
    /// All that the child process sees of an environment. Values are references.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"not": {"pattern": OWN_VARIABLES}}))]
    pub environment: BTreeMap<String, Reference>,
    /// What the static gate lets through.
    #[serde(default)]
    pub allow: Allow,
    /// Longest plan or apply. Default: 30m.
    #[serde(default = "Terraform::default_timeout")]
    pub timeout: Duration,
    /// Addresses (or `type.*`) that are never destroyed or replaced by an automatic apply.
    #[serde(default)]
    pub protect: Vec<String>,
    /// Largest share of existing resources that one automatic apply may destroy. Default: 20%.
    #[serde(default = "Terraform::default_deletion_share_max")]
    pub deletion_share_max: Percent,
}

impl Terraform {
    fn default_binary() -> String {
        "terraform".to_owned()
    }
    fn default_workspace() -> String {
        "default".to_owned()
    }
    const fn default_timeout() -> Duration {
        Duration::from_seconds(1800)
    }
    const fn default_deletion_share_max() -> Percent {
        Percent::whole(20)
    }
}

/// What Terraform code may use; all else is refused before `init`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Allow {
    /// Provider sources. Default: moorline/moorline and hashicorp/aws.
    pub providers: Vec<String>,
    /// Module sources, exactly or as a prefix that ends in `/`; local ones begin with `./`. Default: `./`.
    pub modules: Vec<String>,
    /// Backend types. Default: s3 and local.
    pub backends: Vec<String>,
}

impl Default for Allow {
    fn default() -> Self {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            providers: own(&["moorline/moorline", "hashicorp/aws"]),
            modules: own(&["./"]),
            backends: own(&["s3", "local"]),
        }
    }
}

/// An environment's AWS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aws {
    /// Region.
    pub region: String,
    /// Another address for every AWS service: an emulator's, on loopback.
    #[serde(default)]
    #[schemars(regex(pattern = "^[Hh][Tt][Tt][Pp][Ss]?:"))]
    pub endpoint_url: Option<String>,
}

/// When to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Schedules {
    /// Terraform plans. Default: every quarter of an hour.
    pub plan: Schedule,
    /// Reads of gateways and AWS. Default: 30s.
    pub drift: Schedule,
}

impl Default for Schedules {
    fn default() -> Self {
        Self {
            plan: Schedule::Every(Duration::from_seconds(900)),
            drift: Schedule::Every(Duration::from_seconds(30)),
        }
    }
}

/// What to do about drift.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DriftPolicy {
    /// Lanes that are healed without asking; the others alert only. Default: none.
    pub heal: Vec<Lane>,
    /// Findings that do not alert.
    pub ignore: Vec<Ignore>,
}

/// A finding that does not alert, for a reason and a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ignore {
    /// The address, exactly.
    pub address: String,
    /// The field; absent: all of them.
    #[serde(default)]
    pub path: Option<String>,
    /// Who answers for it.
    #[serde(deserialize_with = "crate::masking::deserialize")]
    pub owner: String,
    /// Why.
    #[serde(deserialize_with = "crate::masking::deserialize")]
    pub reason: String,
    /// The last day on which it holds.
    #[schemars(with = "String", regex(pattern = "^[0-9]{4}-?[0-9]{2}-?[0-9]{2}"), extend("examples" = ["2027-06-30"]))]
    pub expires: Date,
}

/// When merged changes are applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Apply {
    /// Without a person starting it. Default: true.
    pub auto: bool,
    /// Whether a person must approve a change: `none`, `plan` (what Terraform would change) or `required` (a changed
    /// document too). Default: none.
    pub approval: ApprovalRule,
    /// When it may happen. None: always.
    pub windows: Vec<AllowWindow>,
}

impl Default for Apply {
    fn default() -> Self {
        Self { auto: true, approval: ApprovalRule::None, windows: Vec::new() }
    }
}

/// Whether a person must approve a change.
// In order: each asks for more than the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalRule {
    /// No.
    #[default]
    None,
    /// Yes, each Terraform plan that changes something. A change of the document alone needs nobody.
    Plan,
    /// Yes, each Terraform plan that changes something, and each changed document before it reaches a gateway. A plan's
    /// approval covers the document that its apply hands over. A person's rollback needs no second word for the document.
    Required,
}

impl ApprovalRule {
    /// The rule as it is written in `moorline.yaml`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Plan => "plan",
            Self::Required => "required",
        }
    }
}

/// A window in which applies may start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowWindow {
    /// The window.
    pub allow: Window,
}

/// When a new document counts as healthy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("if" = schema::is("min_requests", &json!(0)), "then" = schema::given_and_filled("probes")))]
pub struct Verify {
    /// How long it must serve everything before it counts as verified. Default: 2m.
    pub window: Duration,
    /// Fewer requests are no verdict. Default: 50. 0: probes alone decide.
    pub min_requests: u64,
    /// Longest wait for a verdict at one step, after which a person is notified. Default: 30m.
    pub patience: Duration,
    /// Requests we send ourselves, through the candidate.
    pub probes: Vec<Probe>,
    /// What must not be exceeded.
    pub limits: VerifyLimits,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            window: Duration::from_seconds(120),
            min_requests: 50,
            patience: Duration::from_seconds(1800),
            probes: Vec::new(),
            limits: VerifyLimits::default(),
        }
    }
}

/// A request we send ourselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The model, as callers name it.
    pub model: String,
    /// What to ask. Default: ping.
    #[serde(default = "Probe::default_prompt")]
    pub prompt: String,
    /// The status that is right. Default: 200.
    #[serde(default = "Probe::default_status")]
    #[schemars(range(min = 200, max = 599))]
    pub expect_status: u16,
    /// A virtual key to ask with. Absent: none is sent.
    #[serde(default)]
    pub key: Option<Reference>,
}

impl Probe {
    fn default_prompt() -> String {
        "ping".to_owned()
    }
    const fn default_status() -> u16 {
        200
    }
}

/// What a candidate must not exceed. An absent limit is not checked, but for the error rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct VerifyLimits {
    /// Share of requests that fail through the document or an upstream. Default: 2%.
    pub error_rate: Percent,
    /// 95th percentile of latency.
    pub p95: Option<Duration>,
    /// 99th percentile of latency.
    pub p99: Option<Duration>,
    /// Growth of the 99th percentile over stable's in the same time.
    pub p99_increase: Option<Percent>,
    /// USD a minute.
    pub cost_per_minute: Option<Usd>,
    /// Failures of any one model that stable does not show too.
    pub model_failures: Option<u64>,
}

impl Default for VerifyLimits {
    fn default() -> Self {
        Self {
            error_rate: Percent::whole(2),
            p95: None,
            p99: None,
            p99_increase: None,
            cost_per_minute: None,
            model_failures: None,
        }
    }
}

/// What happens when a document is not healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rollback {
    /// Go back to the last verified commit without asking. Default: true.
    pub automatic: bool,
}

impl Default for Rollback {
    fn default() -> Self {
        Self { automatic: true }
    }
}
