use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

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

fn layers(paths: &[&Path], tracker: &TaskTracker) -> Layers {
    let places: Vec<Place> = paths.iter().map(|path| Place::File((*path).to_owned())).collect();
    Layers::new(&places, None, &Shelf::default().resolver(), tracker)
}

/// A state bootstrapped from a file that is being watched.
struct Watching {
    state: Arc<State>,
    events: Receiver<Event>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

async fn watch(path: &Path) -> Watching {
    let tracker = TaskTracker::new();
    let resolver = Shelf::default().resolver();
    let setup = Setup { directory: None, resolver, instance: "test".to_owned(), tracker: tracker.clone() };
    let mut layers = layers(&[path], &tracker);
    assert!(layers.read().await);
    let state = Arc::new(State::start(setup, layers.proposal().as_ref(), clock::now()).unwrap());
    let (events, stop) = (state.listen(), CancellationToken::new());
    let follower = Follower::new(Arc::clone(&state), layers, Duration::from_secs(15));
    tracker.spawn(follower.run(stop.clone()));
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
    let mut watching = watch(&path).await;
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
    let mut watching = watch(&path).await;
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
    let mut watching = watch(&path).await;
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
    let mut watching = watch(&path).await;
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

#[tokio::test]
async fn a_file_that_is_not_there_or_too_large_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let problem = async |path: &Path| {
        let mut layers = layers(&[path], &TaskTracker::new());
        assert!(!layers.read().await && layers.proposal().is_none());
        layers.missing_file().unwrap()
    };
    let missing = directory.path().join("missing.yaml");
    assert!(problem(&missing).await.contains("missing.yaml"));
    let large = directory.path().join("large.yaml");
    fs::write(&large, vec![b' '; LAYER_BYTES_MAX + 1]).unwrap();
    assert!(problem(&large).await.contains("at most 4194304 bytes"));
    fs::write(&large, [0xff; 4]).unwrap();
    assert!(problem(&large).await.contains("UTF-8"));
}

#[tokio::test]
async fn a_layer_that_cannot_be_read_any_more_keeps_what_it_said() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    fs::write(&one, document("a")).unwrap();
    let mut layers = layers(&[&one, &two], &TaskTracker::new());
    assert!(!layers.read().await && layers.proposal().is_none(), "half a document is none");
    fs::write(&two, "{}").unwrap();
    assert!(layers.read().await && layers.sources().iter().all(|source| source.problem.is_none()));
    let whole = layers.proposal();
    fs::remove_file(&two).unwrap();
    assert!(!layers.read().await && layers.missing_file().is_none());
    assert_eq!((layers.proposal(), layers.sources()[1].problem.is_some()), (whole, true));
}
