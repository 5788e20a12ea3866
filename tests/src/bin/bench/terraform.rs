//! What a plan and an apply cost beside Terraform itself: ten resources, in a repository of 20,000 files.
//!
//! Terraform's own part is what the same command takes when it is run by hand, in the same checkout. The daemon's own
//! time is the rest: fetching the commit is no part of it, checking it out is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use moorline_daemon::facilities::Checkouts;
use moorline_daemon::facilities::checkouts::Request;
use moorline_model::declaration::Terraform;
use moorline_source::{CheckoutLimits, HttpsOptions, Limits, Repository, RepositoryConfig, SshOptions};
use moorline_terraform::runner::Silent;
use moorline_terraform::{EmbeddedRunner, Job, Planned, Runner as _};
use moorline_tests::repository::{Files, Repository as Origin};
use tokio_util::sync::CancellationToken;

use crate::figures::{Figures, ms};

const COMMITS: u32 = 5;
const FILES: usize = 20_000;

/// Plans and applies, and answers with a table.
pub(crate) async fn measure() -> String {
    let bench = Bench::new().await;
    let (mut plans, mut again, mut applies) = (Vec::new(), Vec::new(), Vec::new());
    let (mut whole, mut by_hand) = (Vec::new(), ByHand::default());
    for number in 0..=COMMITS {
        let commit = bench.push(number).await;
        let (planned, plan) = bench.plan(&commit).await;
        let by_hand_now = bench.by_hand(&planned.saved.path);
        let began = Instant::now();
        let job = bench.job(&commit);
        let cancel = CancellationToken::new();
        bench.runner.apply(&job, &planned.saved, &cancel, &Silent).await.expect("it applies");
        let apply = began.elapsed();
        bench.cache();
        // What looks for drift does: the commit that is in force, once more.
        let (_, drift) = bench.plan(&commit).await;
        bench.cache();
        let into = bench.folder.path().join("whole");
        let began = Instant::now();
        bench
            .repository
            .checkout(&commit, &into, CheckoutLimits::default())
            .await
            .expect("it is checked out");
        let checkout = began.elapsed();
        std::fs::remove_dir_all(&into).expect("it is removed");
        // The first is another: `init` runs, and there is no state yet.
        if number > 0 {
            plans.push(plan);
            again.push(drift);
            applies.push(apply);
            whole.push(checkout);
            by_hand.add(by_hand_now);
        }
    }
    table(plans, again, applies, whole, by_hand)
}

fn table(
    plans: Vec<Duration>,
    again: Vec<Duration>,
    applies: Vec<Duration>,
    whole: Vec<Duration>,
    by_hand: ByHand,
) -> String {
    let median = |durations: Vec<Duration>| Figures::of(durations).percentile(50);
    let (plan, show, apply) = (median(by_hand.plan), median(by_hand.show), median(by_hand.apply));
    let row = |what: &str, whole: Duration, terraform: Duration| {
        let own = whole.saturating_sub(terraform);
        format!("| {what} | {} | {} | **{}** |\n", ms(whole), ms(terraform), ms(own))
    };
    format!(
        "| medians of {COMMITS} | all of it | `terraform` by hand | own time |\n|---|---|---|---|\n{}{}{}\n\
         `terraform show -json` of that plan by hand: {}. A checkout of all {FILES} files would take {}.\n",
        row("plan of a new commit", median(plans), plan),
        row("plan of the commit in force, for drift", median(again), plan),
        row("apply of the plan just made", median(applies), apply),
        ms(show),
        ms(median(whole)),
    )
}

/// How long commands take when nothing is around them.
#[derive(Default)]
struct ByHand {
    plan: Vec<Duration>,
    show: Vec<Duration>,
    apply: Vec<Duration>,
}

impl ByHand {
    fn add(&mut self, one: Self) {
        self.plan.extend(one.plan);
        self.show.extend(one.show);
        self.apply.extend(one.apply);
    }
}

struct Bench {
    folder: tempfile::TempDir,
    origin: Origin,
    repository: Repository,
    terraform: Terraform,
    checkouts: Checkouts,
    runner: EmbeddedRunner,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let origin = Origin::init(&folder.path().join("deploy.git"));
        let config = RepositoryConfig {
            url: origin.path().to_str().expect("a path").parse().expect("an address"),
            branch: "main".to_owned(),
            token: None,
            https: HttpsOptions::default(),
            ssh: SshOptions::default(),
            work_dir: folder.path().join("work"),
            limits: Limits::default(),
        };
        let repository = Repository::open(config).await.expect("a mirror");
        let terraform = serde_json::json!({"directory": "infra"});
        let terraform = serde_json::from_value(terraform).expect("a declaration");
        let checkouts = Checkouts::default();
        Self { folder, origin, repository, terraform, checkouts, runner: EmbeddedRunner::default() }
    }

    /// A commit that changes one resource among ten, in one file among 20,000.
    async fn push(&self, number: u32) -> moorline_model::CommitId {
        let state = self.folder.path().join("terraform.tfstate");
        let code = format!(
            "terraform {{\n  backend \"local\" {{\n    path = \"{}\"\n  }}\n}}\n\
             resource \"terraform_data\" \"many\" {{\n  count = 10\n  input = \"v${{count.index}}-{number}\"\n}}\n",
            state.display()
        );
        let mut files: Files =
            (0..FILES).map(|n| (format!("services/{}/{n}.yaml", n % 200), format!("name: {n}\n"))).collect();
        files.insert("infra/main.tf".to_owned(), code);
        self.origin.push(&files, "one more");
        self.repository.fetch().await.expect("it is fetched").head.commit
    }

    fn run_dir(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn job(&self, commit: &moorline_model::CommitId) -> Job {
        Job {
            tree: self.tree(),
            commit: commit.clone(),
            environment: self.terraform.clone(),
            variables: BTreeMap::new(),
            run_dir: self.run_dir(),
            data_dir: self.folder.path().join("data"),
            mirror: None,
            now: "2026-11-21T06:00:00Z".parse().expect("a time"),
        }
    }

    /// As the daemon plans: what is read of the commit is checked out, or the last checkout taken.
    async fn plan(&self, commit: &moorline_model::CommitId) -> (Planned, Duration) {
        let began = Instant::now();
        let variables = BTreeMap::new();
        let request = Request { commit, terraform: &self.terraform, variables: &variables };
        let cache = self.folder.path().join("cache");
        let in_use = self.checkouts.acquire(&self.repository, request, &cache, &self.tree()).await;
        let in_use = in_use.expect("it is checked out");
        let cancel = CancellationToken::new();
        let planned = self.runner.plan(&self.job(commit), &cancel, &Silent).await.expect("it plans");
        self.checkouts.release(in_use);
        (planned, began.elapsed())
    }

    fn cache(&self) {
        self.checkouts.cache(&self.tree(), &self.folder.path().join("cache"));
        std::fs::remove_dir_all(self.run_dir()).ok();
        std::fs::remove_dir_all(self.tree()).ok();
    }

    /// The same commands in the same place, with nothing around them. The state is put back afterwards.
    fn by_hand(&self, plan: &Path) -> ByHand {
        let out = self.folder.path().join("by-hand.tfplan");
        let state = self.folder.path().join("terraform.tfstate");
        let before = std::fs::read(&state).ok();
        let time = |arguments: &[&str]| {
            let began = Instant::now();
            let ended = Command::new("terraform")
                .args(arguments)
                .current_dir(self.tree().join("infra"))
                .env("TF_DATA_DIR", self.folder.path().join("data/terraform"))
                .env("TF_IN_AUTOMATION", "1")
                .env("CHECKPOINT_DISABLE", "1")
                .output()
                .expect("terraform runs");
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
            vec![began.elapsed()]
        };
        let out_argument = format!("-out={}", out.display());
        let made = time(&["plan", "-json", "-input=false", &out_argument]);
        let show = time(&["show", "-json", plan.to_str().expect("a path")]);
        let apply = time(&["apply", "-json", "-input=false", out.to_str().expect("a path")]);
        match before {
            Some(before) => std::fs::write(&state, before).expect("the state is put back"),
            None => std::fs::remove_file(&state).expect("the state is removed"),
        }
        ByHand { plan: made, show, apply }
    }
}
