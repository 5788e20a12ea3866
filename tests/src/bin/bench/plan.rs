//! What to measure, and for how long: from the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::workload;

/// Measures what the gateway costs beside nginx, what silent streams hold, and how fast a push is in force.
#[derive(Debug, Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Short turns, of which nothing is written down.
    #[arg(long)]
    quick: bool,
    /// Parts (gateway, idle-streams, push, terraform, fleet), or loads by how their name begins.
    #[arg(long, value_delimiter = ',', value_parser = part_or_load, value_name = "NAME,…")]
    only: Vec<String>,
}

/// What else this program is.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Minutes of faults, every answer judged.
    Soak {
        /// How long.
        #[arg(long = "minutes", value_name = "MINUTES", default_value = "10", value_parser = minutes)]
        time: Duration,
        /// Where to write what came of it, as JSON.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// A proxy of bare hyper, measured beside the others.
    #[command(hide = true)]
    Floor {
        /// Where it forwards to.
        upstream: SocketAddr,
    },
}

fn minutes(text: &str) -> Result<Duration, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number of minutes".to_owned())?;
    Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| error.to_string())
}

fn part_or_load(name: &str) -> Result<String, String> {
    let is_part = [Part::Gateway, Part::Idle, Part::Push, Part::Terraform, Part::Fleet]
        .iter()
        .any(|part| part.name() == name);
    let loads = || workload::ALL.iter().map(|load| load.name);
    if is_part || loads().any(|load| load.starts_with(name)) {
        return Ok(name.to_owned());
    }
    Err(format!("no part or load; loads are {}", loads().collect::<Vec<_>>().join(", ")))
}

/// The parts of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What the gateway costs a request.
    Gateway,
    /// What a stream holds that says nothing.
    Idle,
    /// How fast a push is in force.
    Push,
    /// What a plan costs beside Terraform.
    Terraform,
    /// What a thousand environments cost.
    Fleet,
}

impl Part {
    /// For the command line and the page's markers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Idle => "idle-streams",
            Self::Push => "push",
            Self::Terraform => "terraform",
            Self::Fleet => "fleet",
        }
    }
}

/// What to measure.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Turns that each way gets at each workload.
    pub(crate) rounds: usize,
    /// How long one turn is measured, and how long it is warmed up before.
    pub(crate) measured: Duration,
    pub(crate) warm_up: Duration,
    is_quick: bool,
    only: Vec<String>,
}

impl Plan {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        let (is_quick, only) = (arguments.quick, arguments.only.clone());
        let (rounds, measured, warm_up) = if is_quick { (3, 800, 200) } else { (5, 2_000, 400) };
        Self {
            rounds,
            measured: Duration::from_millis(measured),
            warm_up: Duration::from_millis(warm_up),
            is_quick,
            only,
        }
    }

    /// Whether less is measured, of which nothing is written down.
    pub(crate) const fn is_quick(&self) -> bool {
        self.is_quick
    }

    /// Whether this part is wanted.
    pub(crate) fn measures(&self, part: Part) -> bool {
        match part {
            Part::Gateway => {
                let others = [Part::Idle, Part::Push, Part::Terraform, Part::Fleet];
                let is_other = |name: &String| others.iter().any(|part| name == part.name());
                self.only.is_empty() || !self.only.iter().all(is_other)
            }
            Part::Idle | Part::Push | Part::Terraform | Part::Fleet => {
                (self.only.is_empty() && !self.is_quick) || self.names(part)
            }
        }
    }

    /// Whether a workload is wanted.
    pub(crate) fn asks(&self, workload: &str) -> bool {
        let is_named = self.only.iter().any(|name| workload.starts_with(name.as_str()));
        self.only.is_empty() || self.names(Part::Gateway) || is_named
    }

    /// Whether the page is renewed: only by what measured all of a part, for long enough.
    pub(crate) fn keeps(&self, part: Part) -> bool {
        !self.is_quick && (self.only.is_empty() || self.names(part))
    }

    fn names(&self, part: Part) -> bool {
        self.only.iter().any(|name| name == part.name())
    }
}
