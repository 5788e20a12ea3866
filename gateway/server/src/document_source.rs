//! The document where it is kept: files, S3 objects, web addresses, one layer each, followed for as long as we run.
//!
//! In: the places of `--config`. Out: [`Proposal`]s handed to the state, which takes them while the file is the owner
//! (all places count as the file), and a word on each place for [`State::status`]. Files are watched; the others are
//! asked every so often whether they changed. A place that cannot be read keeps its last text, and the state the last
//! good document, on disk too: so a gateway whose places are gone still starts and serves.

mod file;
mod https;
mod place;
mod s3;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use moorline_admin::Source;
use moorline_config::{Reference, chain};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use place::{Place, PlaceError};

use crate::backoff::Backoff;
use crate::clock;
use crate::secrets::{Resolver, SecretError};
use crate::state::{ChangeError, Proposal, State, Taken};
use crate::watch::{REREAD, Watch};

/// The most bytes of one layer.
pub const LAYER_BYTES_MAX: usize = 4 << 20;
/// The longest wait for one layer.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// The shortest time between two looks.
const POLL_MIN: Duration = Duration::from_millis(100);
/// The first wait after a failure, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// Why a layer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file cannot be opened or read.
    #[error("the file cannot be read ({0})")]
    File(std::io::ErrorKind),
    /// It is too large.
    #[error("expected at most {LAYER_BYTES_MAX} bytes")]
    TooLarge,
    /// It is not text.
    #[error("expected UTF-8")]
    NotText,
    /// The server's answer is no document.
    #[error("the server answers {0}")]
    Status(u16),
    /// There is no answer.
    #[error("no answer ({0})")]
    Unreachable(String),
    /// The token for it has no value.
    #[error("the token of --config-token has no value ({0})")]
    Token(SecretError),
}

/// What reading came to.
#[derive(Debug, PartialEq, Eq)]
enum Text {
    /// The text as it is now.
    New(String),
    /// As before.
    Unchanged,
}

/// One layer and how it is read.
struct Layer {
    place: Place,
    reader: Reader,
    text: Option<String>,
    checked: Option<Timestamp>,
    problem: Option<String>,
}

enum Reader {
    File(PathBuf),
    S3(s3::Object),
    Https(Box<https::Address>),
}

/// All layers of the document.
pub struct Layers(Vec<Layer>);

impl Layers {
    /// Layers at these places, not read yet. `token` is sent to web addresses; it is looked up on `tracker`.
    #[must_use]
    pub fn new(
        places: &[Place],
        token: Option<&Reference>,
        resolver: &Resolver,
        tracker: &TaskTracker,
    ) -> Self {
        let bearer = token.map(|token| https::Bearer::new(token.clone(), resolver.clone(), tracker.clone()));
        let account = Arc::default();
        let layer = |place: &Place| {
            let reader = match place {
                Place::File(path) => Reader::File(path.clone()),
                Place::S3 { bucket, key } => Reader::S3(s3::Object::new(bucket, key, &account)),
                Place::Https(url) => {
                    Reader::Https(Box::new(https::Address::new(url.clone(), bearer.clone())))
                }
            };
            Layer { place: place.clone(), reader, text: None, checked: None, problem: None }
        };
        Self(places.iter().map(layer).collect())
    }

    /// Reads all at once. Whether every one could be read.
    pub async fn read(&mut self) -> bool {
        join_all(self.0.iter_mut().map(Layer::read)).await.into_iter().all(|is_well| is_well)
    }

    /// The document, once every layer was read at least once.
    #[must_use]
    pub fn proposal(&self) -> Option<Proposal> {
        if self.0.is_empty() {
            return None;
        }
        let one = |layer: &Layer| Some((layer.place.to_string(), layer.text.clone()?));
        self.0.iter().map(one).collect::<Option<_>>().map(Proposal::Files)
    }

    /// How each place was found.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let one = |layer: &Layer| Source {
            place: layer.place.to_string(),
            checked: layer.checked,
            problem: layer.problem.clone(),
        };
        self.0.iter().map(one).collect()
    }

    /// A file that cannot be read and never was: waiting does not bring it.
    #[must_use]
    pub fn missing_file(&self) -> Option<String> {
        let missing = |layer: &&Layer| matches!(layer.place, Place::File(_)) && layer.text.is_none();
        let layer = self.0.iter().find(missing)?;
        Some(format!("{}: {}", layer.place, layer.problem.as_deref().unwrap_or("not read")))
    }

    fn files(&self) -> Vec<PathBuf> {
        let file = |layer: &Layer| match &layer.place {
            Place::File(path) => Some(path.clone()),
            Place::S3 { .. } | Place::Https(_) => None,
        };
        self.0.iter().filter_map(file).collect()
    }

    fn are_files(&self) -> bool {
        self.0.iter().all(|layer| matches!(layer.place, Place::File(_)))
    }
}

impl Layer {
    async fn read(&mut self) -> bool {
        let read = async {
            match &mut self.reader {
                Reader::File(path) => file::read(path).await,
                Reader::S3(object) => object.read().await,
                Reader::Https(address) => address.read().await,
            }
        };
        let took_too_long =
            |_| Err(SourceError::Unreachable(format!("nothing within {} s", READ_TIMEOUT.as_secs())));
        match tokio::time::timeout(READ_TIMEOUT, read).await.unwrap_or_else(took_too_long) {
            Ok(text) => {
                if let Text::New(text) = text {
                    self.text = Some(text);
                }
                self.checked = Some(clock::now());
                if self.problem.take().is_some() {
                    tracing::info!(place = %self.place, "the document can be read again");
                }
                true
            }
            Err(error) => {
                let problem = error.to_string();
                if self.problem.as_ref() != Some(&problem) {
                    tracing::warn!(place = %self.place, %error, "the document cannot be read; what serves keeps serving");
                }
                self.problem = Some(problem);
                false
            }
        }
    }
}

/// Follows the layers and hands each new document to the state.
pub struct Follower {
    state: Arc<State>,
    layers: Layers,
    poll: Duration,
    seen: Option<Proposal>,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Nothing until something changes.
    Wait,
    /// The same again, soon.
    TryAgain,
}

impl Follower {
    /// Follows layers that were read once; those that are no files are asked each `poll` (at least 100 ms).
    #[must_use]
    pub fn new(state: Arc<State>, layers: Layers, poll: Duration) -> Self {
        let poll = if layers.are_files() { REREAD } else { poll.max(POLL_MIN) };
        Self { state, layers, poll, seen: None }
    }

    /// Follows them until `stop` is cancelled.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut watch = Watch::new();
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        let files = self.layers.files();
        loop {
            // Before reading: what changes after this is noticed.
            watch.cover(&files);
            let wait = match self.look().await {
                Next::Wait => backoff.after_success(self.poll),
                Next::TryAgain => backoff.after_failure().max(POLL_MIN),
            };
            // Every arm is cancel safe, and ends in a look at everything.
            tokio::select! {
                () = watch.changed() => {}
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Reads the layers and, when they say something new, hands it over.
    async fn look(&mut self) -> Next {
        let is_read = self.layers.read().await;
        self.state.note_sources(self.layers.sources());
        let next = match self.layers.proposal() {
            Some(proposal) if self.seen.as_ref() != Some(&proposal) => self.hand_over(proposal).await,
            _ => Next::Wait,
        };
        if is_read { next } else { Next::TryAgain }
    }

    async fn hand_over(&mut self, proposal: Proposal) -> Next {
        let handed_over = proposal.clone();
        match self.state.change(move |state| state.reload(&handed_over, clock::now())).await {
            Ok(Taken::Changed(number)) => tracing::info!(generation = number.0, "the document was taken"),
            Ok(Taken::Same(_)) => {}
            Ok(Taken::Ignored(owner)) => {
                tracing::info!(%owner, "the document of --config has another owner now and is not read");
            }
            // The state has told of every mistake.
            Err(ChangeError::Invalid(_)) => {}
            // Its secrets may be there in a while.
            Err(ChangeError::Secrets(_)) => return Next::TryAgain,
            // Not the document's fault: to be tried again.
            Err(error) => {
                tracing::warn!(error = chain::of(&error), "the document was not taken");
                return Next::TryAgain;
            }
        }
        self.seen = Some(proposal);
        Next::Wait
    }
}

#[cfg(test)]
mod tests;
