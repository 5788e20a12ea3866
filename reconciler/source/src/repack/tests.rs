//! Against a mirror of single objects and small packs.

use std::time::Duration;

use git2::ObjectType;
use tokio_util::sync::CancellationToken;

use super::*;

struct Bench {
    _folder: tempfile::TempDir,
    path: PathBuf,
    ids: Vec<Oid>,
}

const FEW: Thresholds = Thresholds { loose: 10, packs: 2, pack_bytes: 1024 * 1024, objects: 1_000 };

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Mirror::create(folder.path()).unwrap();
        Self { _folder: folder, path, ids: Vec::new() }
    }

    fn mirror(&self) -> Mirror {
        Mirror::open(&self.path).unwrap()
    }

    fn write_loose(&mut self, count: usize) {
        let mirror = self.mirror();
        let odb = mirror.objects().unwrap();
        for number in self.ids.len()..self.ids.len() + count {
            self.ids.push(odb.write(ObjectType::Blob, format!("object {number}").as_bytes()).unwrap());
        }
    }

    fn repack(&self) -> Option<Repacked> {
        let budget = Budget::start(Duration::from_secs(60), CancellationToken::new());
        repack(&self.mirror(), FEW, &Limits::default(), &budget).unwrap()
    }

    fn loose(&self) -> usize {
        loose(&self.path.join("objects"), usize::MAX).len()
    }

    fn packs(&self) -> usize {
        let entries = std::fs::read_dir(self.path.join("objects/pack")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().extension().unwrap() == "pack").count()
    }

    fn all_are_there(&self) {
        let mirror = self.mirror();
        let odb = mirror.objects().unwrap();
        for (number, id) in self.ids.iter().enumerate() {
            assert_eq!(odb.read(*id).unwrap().data(), format!("object {number}").as_bytes());
        }
    }
}

#[test]
fn many_single_objects_become_one_pack_and_few_are_left() {
    let mut bench = Bench::new();
    bench.write_loose(10);
    assert_eq!(bench.repack(), None);
    bench.write_loose(1);
    assert_eq!(bench.repack(), Some(Repacked { objects: 11, superseded: Vec::new() }));
    assert_eq!((bench.loose(), bench.packs()), (0, 1));
    bench.all_are_there();
}

#[test]
fn a_reader_from_before_finds_what_was_packed() {
    let mut bench = Bench::new();
    bench.write_loose(11);
    let mirror = bench.mirror();
    let odb = mirror.objects().unwrap();
    odb.read(bench.ids[0]).unwrap();
    bench.repack().unwrap();
    assert_eq!(odb.read(bench.ids[5]).unwrap().data(), b"object 5");
}

#[test]
fn small_packs_become_one_and_stay_until_nobody_has_them_open() {
    let mut bench = Bench::new();
    for _ in 0..3 {
        bench.write_loose(11);
        let repacked = bench.repack().unwrap();
        assert_eq!(repacked.objects, 11);
    }
    assert_eq!(bench.packs(), 3);
    bench.write_loose(1);
    let repacked = bench.repack().unwrap();
    assert_eq!((repacked.objects, repacked.superseded.len()), (34, 3));
    assert_eq!((bench.loose(), bench.packs()), (0, 4));
    bench.all_are_there();
    remove_superseded(&repacked.superseded);
    assert_eq!(bench.packs(), 1);
    bench.all_are_there();
}

#[test]
fn nothing_is_removed_when_the_new_pack_cannot_be_made() {
    let mut bench = Bench::new();
    bench.write_loose(11);
    let limits = Limits { object_bytes: 1, ..Limits::default() };
    let budget = Budget::start(Duration::from_secs(60), CancellationToken::new());
    repack(&bench.mirror(), FEW, &limits, &budget).unwrap_err();
    let over = Budget::start(Duration::ZERO, CancellationToken::new());
    repack(&bench.mirror(), FEW, &Limits::default(), &over).unwrap_err();
    assert_eq!((bench.loose(), bench.packs()), (11, 0));
    bench.all_are_there();
}

#[test]
fn a_mirror_that_is_being_fetched_into_is_left_alone() {
    let mut bench = Bench::new();
    bench.write_loose(11);
    let mirror = bench.mirror();
    let _fetching = mirror.lock_for_fetch().unwrap();
    let budget = Budget::start(Duration::from_secs(60), CancellationToken::new());
    let error = repack(&bench.mirror(), FEW, &Limits::default(), &budget).unwrap_err();
    assert!(matches!(error, FetchError::Busy), "{error}");
    assert_eq!(bench.loose(), 11);
}
