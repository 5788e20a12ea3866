//! The loop of one target: change an input, try it, keep it when it reached something new.
//!
//! Whatever goes wrong ends this process: a panic aborts, a stack overflow and an exhausted memory do anyway, and a
//! watch aborts an input that takes too long. So the input is written down before it is tried, for the supervisor.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::corpus;
use crate::coverage::Coverage;
use crate::mutate::Mutator;
use crate::targets::Target;

/// Longest that one input may take. Parsers are done in microseconds; this is a busy machine's benefit of the doubt.
const INPUT_TIME_MAX: Duration = Duration::from_secs(10);

/// Fuzzes one target for so long.
pub(crate) fn run(target: &Target, time: Duration, seed: u64, scratch: &Path, found: Option<&Path>) {
    let began = Instant::now();
    let found = found.map(|folder| folder.join(target.name));
    let mut inputs = corpus::of(target);
    inputs.extend(found.as_deref().map(corpus::read).unwrap_or_default());
    let mut mutator = Mutator::new(seed, &inputs);
    let mut trial = Trial::new(target, scratch);
    for input in &inputs {
        trial.reaches_new(input);
    }
    let begun_with = inputs.len();
    let mut kept = 0_usize;
    while began.elapsed() < time {
        // The clock is read once in a while: most inputs take less than a look at it.
        for _ in 0..64 {
            let input = mutator.make(&inputs);
            if trial.reaches_new(&input) {
                kept += 1;
                if let Some(folder) = &found {
                    corpus::keep(folder, &input).expect("a found input must be writable");
                }
                inputs.push(input);
            }
        }
    }
    let (reached, counters) = trial.coverage.reached();
    let blind = if trial.coverage.is_there() { "" } else { ", blindly: built without counters" };
    println!(
        "{}: {} inputs in {} s, {begun_with} to begin with and {kept} more that reached something new, {reached} of \
         {counters} branches{blind}",
        target.name,
        trial.count.load(Ordering::Relaxed),
        time.as_secs(),
    );
}

/// Trying inputs, each written down first.
struct Trial<'a> {
    target: &'a Target,
    scratch: File,
    coverage: Coverage,
    count: Arc<AtomicU64>,
    record: Vec<u8>,
}

impl<'a> Trial<'a> {
    fn new(target: &'a Target, scratch: &Path) -> Self {
        let scratch = File::create(scratch).expect("the scratch file must be writable");
        let count = Arc::new(AtomicU64::new(0));
        watch(Arc::clone(&count));
        Self { target, scratch, coverage: Coverage::new(), count, record: Vec::new() }
    }

    fn reaches_new(&mut self, input: &[u8]) -> bool {
        self.record.clear();
        self.record.extend_from_slice(&(input.len() as u64).to_le_bytes());
        self.record.extend_from_slice(input);
        self.scratch.write_all_at(&self.record, 0).expect("the scratch file must be writable");
        self.coverage.clear();
        (self.target.run)(input);
        let is_new = self.coverage.is_new();
        self.count.fetch_add(1, Ordering::Relaxed);
        is_new
    }
}

/// Aborts when no input ends for too long.
fn watch(count: Arc<AtomicU64>) {
    std::thread::spawn(move || {
        let (mut last, mut since) = (0, Instant::now());
        loop {
            std::thread::park_timeout(Duration::from_millis(500));
            let now = count.load(Ordering::Relaxed);
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > INPUT_TIME_MAX {
                eprintln!("an input takes longer than {INPUT_TIME_MAX:?}");
                std::process::abort();
            }
        }
    });
}
