//! Against small repositories, without Terraform.

use std::fs;

use moorline_model::declaration::Declaration;

use super::*;

const BACKEND: (&str, &str) = ("infra/backend.tf", "terraform {\n  backend \"s3\" {}\n}\n");

struct Bench {
    folder: tempfile::TempDir,
    repository: Repository,
    commit: CommitId,
    terraform: Terraform,
    checkouts: Checkouts,
}

impl Bench {
    async fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<_> = [BACKEND, ("other/one.txt", "1")].iter().chain(files).copied().collect();
        let (repository, head) = crate::sample::repository(folder.path(), &files).await;
        let text = "version: 1\nenvironments: [{name: prod, gateway: {document: [g.yaml], endpoints: ['http://a'], \
            admin_token: 'env:A'}, terraform: {directory: infra, allow: {modules: ['./']}}}]";
        let mut declared = Declaration::parse("moorline.yaml", text).unwrap();
        let terraform = declared.environments.remove(0).terraform.unwrap();
        Self { folder, repository, commit: head.commit, terraform, checkouts: Checkouts::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn acquire(&self) -> Result<InUse, CheckoutError> {
        let variables = BTreeMap::new();
        let request = Request { commit: &self.commit, terraform: &self.terraform, variables: &variables };
        self.checkouts.acquire(&self.repository, request, &self.path("kept"), &self.path("run")).await
    }

    /// A run that does something in its checkout, and then its folder is removed.
    async fn run(&self, during: impl FnOnce(&Path)) {
        let in_use = self.acquire().await.unwrap();
        during(&self.path("run"));
        self.checkouts.release(in_use);
        self.clean_up();
    }

    /// Whether the next run would get the checkout that is kept: without a mirror, there is no other.
    async fn is_kept(&self) -> bool {
        fs::remove_dir_all(self.path("work/repository.git")).unwrap();
        self.acquire().await.is_ok()
    }

    fn clean_up(&self) {
        self.checkouts.cache(&self.path("run"), &self.path("kept"));
        remove(&self.path("run"));
    }

    async fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        self.run(|tree| files = files_below(tree, tree)).await;
        files.sort();
        files
    }
}

fn files_below(root: &Path, folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = |path: PathBuf| match path.is_dir() && !path.is_symlink() {
        true => files_below(root, &path),
        false => vec![path.strip_prefix(root).unwrap().display().to_string()],
    };
    entries.flat_map(below).collect()
}

#[tokio::test]
async fn only_what_terraform_reads_is_checked_out() {
    let bench = Bench::new(&[
        ("infra/main.tf", "module \"a\" {\n  source = \"../modules/a\"\n}\n"),
        ("modules/a/main.tf", "module \"b\" {\n  source = \"../b\"\n}\n"),
        ("modules/a/x.json", "{}"),
        ("modules/b/main.tf", "locals {\n  text = file(\"${path.module}/../../texts/b.txt\")\n}\n"),
        ("modules/c/main.tf", ""),
        ("texts/b.txt", "b"),
    ])
    .await;
    let expected = [
        "infra/backend.tf",
        "infra/main.tf",
        "modules/a/main.tf",
        "modules/a/x.json",
        "modules/b/main.tf",
        "texts/b.txt",
    ];
    assert_eq!(bench.files().await, expected);
}

#[tokio::test]
async fn what_cannot_be_told_is_checked_out_whole() {
    let code = "resource \"x\" \"y\" {\n  filename = \"../other/one.txt\"\n}\n";
    let bench = Bench::new(&[("infra/main.tf", code)]).await;
    assert_eq!(bench.files().await, ["infra/backend.tf", "infra/main.tf", "other/one.txt"]);
}

#[tokio::test]
async fn a_checkout_that_was_only_read_serves_the_next_run_at_the_same_commit() {
    let bench = Bench::new(&[]).await;
    bench.run(|tree| drop(fs::read(tree.join(BACKEND.0)).unwrap())).await;
    assert!(bench.is_kept().await);
}

#[tokio::test]
async fn a_checkout_of_another_commit_or_another_way_to_run_is_not_used() {
    let mut bench = Bench::new(&[]).await;
    bench.run(|_| {}).await;
    bench.terraform.workspace = "other".to_owned();
    assert!(!bench.is_kept().await);
    let mut bench = Bench::new(&[]).await;
    bench.run(|_| {}).await;
    bench.commit = "f".repeat(40).parse().unwrap();
    assert!(!bench.is_kept().await);
}

#[tokio::test]
async fn what_a_run_wrote_does_not_reach_the_next() {
    let writes: [fn(&Path); 3] = [
        |tree| fs::write(tree.join("infra/generated.zip"), "").unwrap(),
        |tree| fs::write(tree.join(BACKEND.0), BACKEND.1.replace("s3", "s4")).unwrap(),
        |tree| fs::write(tree.join("infra/errored.tfstate"), "{}").unwrap(),
    ];
    for write in writes {
        let bench = Bench::new(&[]).await;
        bench.run(write).await;
        assert!(!bench.is_kept().await);
    }
}

#[tokio::test]
async fn what_is_written_into_a_kept_checkout_is_not_used() {
    let bench = Bench::new(&[]).await;
    bench.run(|_| {}).await;
    fs::write(bench.path("kept/infra/main.tf"), "").unwrap();
    assert!(!bench.is_kept().await);
}

#[tokio::test]
async fn a_run_that_was_dropped_keeps_nothing() {
    let bench = Bench::new(&[]).await;
    drop(bench.acquire().await.unwrap());
    bench.clean_up();
    assert!(!bench.is_kept().await);
}

#[tokio::test]
async fn the_apply_of_a_rollout_hands_in_what_its_plan_worked_in() {
    let bench = Bench::new(&[]).await;
    let in_use = bench.acquire().await.unwrap();
    bench.checkouts.release(in_use);
    let again = bench.checkouts.reacquire(&bench.path("run"));
    bench.checkouts.release(again);
    bench.clean_up();
    assert!(bench.is_kept().await);
    // An apply that did not come to its end may still run in there.
    let bench = Bench::new(&[]).await;
    let in_use = bench.acquire().await.unwrap();
    bench.checkouts.release(in_use);
    drop(bench.checkouts.reacquire(&bench.path("run")));
    bench.clean_up();
    assert!(!bench.is_kept().await);
}
