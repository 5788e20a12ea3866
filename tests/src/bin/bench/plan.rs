//! What to measure, and for how long: from the command line.

use std::time::Duration;

/// The parts of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What the gateway costs a request.
    Gateway,
    /// What a stream holds that says nothing.
    Idle,
    /// How fast a push is in force.
    Push,
}

impl Part {
    /// For the command line and the page's markers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Idle => "idle-streams",
            Self::Push => "push",
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
    /// `--quick`: short turns, nothing is written. `--only NAME,…`: a part, or loads whose name begins so.
    pub(crate) fn of(arguments: &[String]) -> Self {
        let is_quick = arguments.iter().any(|argument| argument == "--quick");
        let only = arguments.iter().skip_while(|argument| *argument != "--only").nth(1);
        let only = only.map(|names| names.split(',').map(str::to_owned).collect()).unwrap_or_default();
        let (rounds, measured, warm_up) = if is_quick { (3, 800, 200) } else { (5, 2_000, 400) };
        Self {
            rounds,
            measured: Duration::from_millis(measured),
            warm_up: Duration::from_millis(warm_up),
            is_quick,
            only,
        }
    }

    /// Whether this part is wanted.
    pub(crate) fn measures(&self, part: Part) -> bool {
        match part {
            Part::Gateway => {
                let is_other = |name: &String| name == Part::Push.name() || name == Part::Idle.name();
                self.only.is_empty() || !self.only.iter().all(is_other)
            }
            Part::Idle | Part::Push => (self.only.is_empty() && !self.is_quick) || self.names(part),
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
