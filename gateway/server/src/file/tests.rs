use std::fs;
use std::os::unix::fs::symlink;

use moorline_admin::Event;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio_util::task::TaskTracker;

use super::*;
use crate::secrets::shelf::Shelf;
use crate::state::Setup;

const DEADLINE: Duration = Duration::from_secs(10);

fn document(name: &str) -> String {
    json!({"version": 1, "name": name}).to_string()
}

/// A state bootstrapped from a file that is being watched.
struct Watching {
    state: Arc<State>,
    events: Receiver<Event>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

fn watch(path: &Path) -> Watching {
    let tracker = TaskTracker::new();
    let resolver = Shelf::default().resolver();
    let setup = Setup { directory: None, resolver, instance: "test".to_owned(), tracker: tracker.clone() };
    let paths = vec![path.to_owned()];
    let seen = read(&paths).unwrap();
    let state = Arc::new(State::start(setup, Some(&seen), clock::now()).unwrap());
    let (events, stop) = (state.listen(), CancellationToken::new());
    tracker.spawn(FileWatch::new(Arc::clone(&state), paths).run(stop.clone()));
    Watching { state, events, stop, tracker }
}

impl Watching {
    async fn event(&mut self) -> Event {
        tokio::time::timeout(DEADLINE, self.events.recv()).await.expect("an event in time").unwrap()
    }

    /// Waits until the document of this name serves.
    async fn serves(&mut self, name: &str) {
        while self.state.snapshot().stable.as_ref().unwrap().config.name.as_str() != name {
            self.event().await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(DEADLINE, self.tracker.wait()).await.expect("the watch ends");
    }
}

#[tokio::test]
async fn a_file_that_is_written_or_replaced_is_taken() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.json");
    fs::write(&path, document("a")).unwrap();
    let mut watching = watch(&path);
    fs::write(&path, document("b")).unwrap();
    watching.serves("b").await;
    for name in ["c", "d"] {
        let beside = directory.path().join("beside");
        fs::write(&beside, document(name)).unwrap();
        fs::rename(&beside, &path).unwrap();
        watching.serves(name).await;
    }
    watching.end().await;
}

#[tokio::test]
async fn a_swapped_link_on_the_way_to_the_file_is_noticed() {
    // As Kubernetes mounts a ConfigMap: gateway.json → ..data/gateway.json, ..data → a directory of each version.
    let directory = tempfile::tempdir().unwrap();
    let version = |number: &str, name: &str| {
        let below = directory.path().join(number);
        fs::create_dir(&below).unwrap();
        fs::write(below.join("gateway.json"), document(name)).unwrap();
    };
    version("..1", "a");
    symlink("..1", directory.path().join("..data")).unwrap();
    let path = directory.path().join("gateway.json");
    symlink("..data/gateway.json", &path).unwrap();
    let mut watching = watch(&path);
    for (number, before, name) in [("..2", "..1", "b"), ("..3", "..2", "c")] {
        version(number, name);
        symlink(number, directory.path().join("..tmp")).unwrap();
        fs::rename(directory.path().join("..tmp"), directory.path().join("..data")).unwrap();
        fs::remove_dir_all(directory.path().join(before)).unwrap();
        watching.serves(name).await;
    }
    watching.end().await;
}

#[tokio::test]
async fn a_link_that_leads_elsewhere_is_followed_to_where_the_file_is_written() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let real = there.path().join("real.json");
    fs::write(&real, document("a")).unwrap();
    let path = here.path().join("gateway.json");
    symlink(&real, &path).unwrap();
    let mut watching = watch(&path);
    // The first may be read at the start; the second is only noticed.
    for name in ["b", "c"] {
        fs::write(&real, document(name)).unwrap();
        watching.serves(name).await;
    }
    watching.end().await;
}

#[tokio::test]
async fn a_bad_file_is_told_and_the_good_one_serves_on_until_it_is_mended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway.json");
    fs::write(&path, document("a")).unwrap();
    let mut watching = watch(&path);
    fs::write(&path, r#"{"version": 1, "name": "b", "surprise": true}"#).unwrap();
    while !matches!(watching.event().await, Event::ConfigRejected { .. }) {}
    watching.serves("a").await;
    let beside = directory.path().join("beside");
    fs::write(&beside, document("c")).unwrap();
    fs::rename(&beside, &path).unwrap();
    watching.serves("c").await;
    assert!(watching.state.status().rejected.is_empty());
    watching.end().await;
}

#[test]
fn a_file_that_is_not_there_or_too_large_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing.yaml");
    assert!(read(&[missing]).unwrap_err().to_string().contains("missing.yaml"));
    let large = directory.path().join("large.yaml");
    fs::write(&large, vec![b' '; 4 * 1024 * 1024 + 1]).unwrap();
    assert!(matches!(read(&[large]), Err(FileError::TooLarge { .. })));
}
