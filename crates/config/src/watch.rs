//! One owner task for a file that people edit: reads it, watches it, publishes what it says, and makes the edits that
//! are asked for. The model configuration and the settings are both kept this way.
//!
//! What is watched is folders, not files, because editors replace a file and a watch on the old one is lost with it:
//! the file's folder, the folder of whatever a link leads to, and for a folder that is not there the nearest one that
//! is. Where the system has no word for a change (a network share, a folder above was swapped), a look at the files'
//! sizes and times every [`LOOK`] finds it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::AccessKind, event::AccessMode};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

/// How long to wait after the first sign of a change, so that a save in several steps is read once.
pub(crate) const DEBOUNCE: Duration = Duration::from_millis(100);

/// How long something bad must stay before it is published: an editor that empties a file and then writes it must not
/// be told that it made a mistake.
pub(crate) const CONFIRM: Duration = Duration::from_millis(200);

/// How often the files are looked at without being told.
pub(crate) const LOOK: Duration = Duration::from_secs(2);

/// Something that is read from files.
pub(crate) trait Source: Send + Sync + 'static {
    /// What is published.
    type State: PartialEq + Send + Sync + 'static;

    /// Reads everything anew; `before` is what is published now. Also names every file it depends on, whether it exists
    /// or not, as absolute paths.
    fn read(&self, before: Option<&Self::State>) -> (Self::State, Vec<PathBuf>);

    /// Whether the files are bad, so that what is in force is older than they are.
    fn is_bad(state: &Self::State) -> bool;
}

/// Runs on the task's behalf where blocking is allowed, and gives back what to call once the new state is published.
type Job = Box<dyn FnOnce() -> Box<dyn FnOnce() + Send> + Send>;

/// A handle. The task ends when the last one is dropped.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    state: watch::Receiver<Arc<T>>,
    jobs: mpsc::Sender<Job>,
    signs: mpsc::Sender<()>,
}

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), jobs: self.jobs.clone(), signs: self.signs.clone() }
    }
}

/// The task is gone, as the runtime is shutting down.
#[derive(Debug)]
pub(crate) struct Gone;

impl<T: PartialEq + Send + Sync + 'static> Watched<T> {
    /// Reads `source` at once and starts its task. Needs a tokio runtime.
    pub(crate) fn open<S: Source<State = T>>(source: S) -> Self {
        let (first, files) = source.read(None);
        let (publish, state) = watch::channel(Arc::new(first));
        let (jobs, inbox) = mpsc::channel(8);
        let (owner, signs) = Owner::new(Arc::new(source), publish, files);
        tokio::spawn(owner.run(inbox));
        Self { state, jobs, signs }
    }

    /// Has everything read again soon, because something else than the files has changed.
    pub(crate) fn look_again(&self) {
        // A full channel already says it.
        let _ = self.signs.try_send(());
    }

    pub(crate) fn state(&self) -> watch::Receiver<Arc<T>> {
        self.state.clone()
    }

    /// Runs `work` in turn. What it changed is read and published before this returns.
    pub(crate) async fn run<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> Result<R, Gone> {
        let (answer, result) = tokio::sync::oneshot::channel();
        let job: Job = Box::new(move || {
            let done = work();
            // Whoever asked may have gone; the work is done all the same.
            Box::new(move || drop(answer.send(done)))
        });
        self.jobs.send(job).await.map_err(|_| Gone)?;
        result.await.map_err(|_| Gone)
    }
}

struct Owner<S: Source> {
    source: Arc<S>,
    publish: watch::Sender<Arc<S::State>>,
    files: Vec<PathBuf>,
    folders: Arc<Mutex<Folders>>,
    signs: mpsc::Receiver<()>,
    /// Bad and not yet published, waiting to be confirmed.
    suspect: Option<S::State>,
}

impl<S: Source> Owner<S> {
    fn new(source: Arc<S>, publish: watch::Sender<Arc<S::State>>, files: Vec<PathBuf>) -> (Self, mpsc::Sender<()>) {
        // One sign is as good as many.
        let (sign, signs) = mpsc::channel(1);
        let mut folders = Folders::new(sign.clone());
        folders.arm(&files);
        folders.looks_different(&files);
        let folders = Arc::new(Mutex::new(folders));
        (Self { source, publish, files, folders, signs, suspect: None }, sign)
    }

    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        // Something may have changed between the first read and the watch.
        let mut due = Some(Instant::now());
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                job = jobs.recv() => {
                    let Some(job) = job else { return };
                    let Ok(reply) = tokio::task::spawn_blocking(job).await else { continue };
                    self.read(true).await;
                    reply();
                }
                Some(()) = self.signs.recv() => {
                    due.get_or_insert_with(|| Instant::now() + DEBOUNCE);
                }
                _ = look.tick() => {
                    if self.look().await {
                        due.get_or_insert_with(|| Instant::now() + DEBOUNCE);
                    }
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                    due = self.read(false).await.then(|| Instant::now() + CONFIRM);
                }
            }
        }
    }

    /// Watches what is to be watched by now. Whether something may have changed unseen.
    async fn look(&self) -> bool {
        let (folders, files) = (self.folders.clone(), self.files.clone());
        // A share that is gone keeps whoever asks it waiting.
        let looked = tokio::task::spawn_blocking(move || {
            let mut folders = folders.lock().unwrap_or_else(PoisonError::into_inner);
            folders.arm(&files) | folders.looks_different(&files)
        });
        looked.await.unwrap_or_default()
    }

    /// Reads everything and publishes it if it differs. True when it is bad and has to be confirmed first.
    async fn read(&mut self, at_once: bool) -> bool {
        // Armed before reading: a change after the read is then always seen.
        self.look().await;
        let source = Arc::clone(&self.source);
        let before = Arc::clone(&self.publish.borrow());
        let published = Arc::clone(&before);
        let Ok((state, files)) = tokio::task::spawn_blocking(move || source.read(Some(&before))).await else {
            return false;
        };
        if files != self.files {
            self.files = files;
            self.look().await;
        }
        if state == *published {
            self.suspect = None;
            return false;
        }
        if !at_once && S::is_bad(&state) && self.suspect.as_ref() != Some(&state) {
            self.suspect = Some(state);
            return true;
        }
        self.suspect = None;
        self.publish.send_replace(Arc::new(state));
        false
    }
}

/// What a file looks like from outside.
#[derive(PartialEq)]
struct Look {
    modified: Option<SystemTime>,
    length: u64,
    identity: u64,
}

impl Look {
    fn at(file: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(file).ok()?;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), identity: identity(&metadata) })
    }
}

/// Tells a file or folder from another one that took its place.
#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    metadata.ino() ^ metadata.dev().rotate_left(48)
}

#[cfg(not(unix))]
fn identity(metadata: &std::fs::Metadata) -> u64 {
    let created = metadata.created().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
    created.map_or(0, |since| since.as_nanos() as u64)
}

/// The folders that are watched, and the signs of change from them.
struct Folders {
    watcher: Option<RecommendedWatcher>,
    /// By path, with the identity of the folder that the watch is on.
    watched: HashMap<PathBuf, u64>,
    interesting: Arc<Mutex<HashSet<PathBuf>>>,
    seen: Vec<Option<Look>>,
}

impl Folders {
    fn new(sign: mpsc::Sender<()>) -> Self {
        let interesting = Arc::new(Mutex::new(HashSet::<PathBuf>::new()));
        let shown = Arc::clone(&interesting);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let tell = match event {
                Ok(event) => {
                    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
                    is_change(&event.kind)
                        && (event.need_rescan() || event.paths.iter().any(|path| shown.contains(path)))
                }
                Err(_) => true,
            };
            if tell {
                // A full channel already says it.
                let _ = sign.try_send(());
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::warn!(%error, "files cannot be watched here; they are looked at instead"))
            .ok();
        Self { watcher, watched: HashMap::new(), interesting, seen: Vec::new() }
    }

    /// Whether the files look different from the last time.
    fn looks_different(&mut self, files: &[PathBuf]) -> bool {
        let now: Vec<_> = files.iter().map(|file| Look::at(file)).collect();
        let different = now != self.seen;
        self.seen = now;
        different
    }

    /// Watches the folders that matter for `files` now, and no others. True when a folder came or was swapped, since
    /// what is in it may then be new.
    fn arm(&mut self, files: &[PathBuf]) -> bool {
        let mut wanted: HashMap<PathBuf, u64> = HashMap::new();
        let mut interesting = HashSet::new();
        for file in files {
            for path in through_links(file) {
                place(&path, &mut wanted, &mut interesting);
            }
        }
        *self.interesting.lock().unwrap_or_else(PoisonError::into_inner) = interesting;
        let Some(watcher) = &mut self.watcher else { return false };
        for gone in self.watched.keys().filter(|path| wanted.get(*path) != self.watched.get(*path)) {
            // The watch may have gone with the folder.
            let _ = watcher.unwatch(gone);
        }
        let mut new = false;
        for (folder, identity) in &wanted {
            if self.watched.get(folder) == Some(identity) {
                continue;
            }
            match watcher.watch(folder, RecursiveMode::NonRecursive) {
                Ok(()) => new = true,
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "a folder cannot be watched; its files are looked at instead");
                }
            }
        }
        self.watched = wanted;
        new
    }
}

/// Reading is no change; on Linux it is told all the same, and our own reads would never end.
fn is_change(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}

/// A path, and where it leads link by link, and its final place.
fn through_links(file: &Path) -> Vec<PathBuf> {
    let mut paths = vec![file.to_owned()];
    let mut at = file.to_owned();
    // As many links as Linux follows.
    for _ in 0..40 {
        let Ok(target) = std::fs::read_link(&at) else { break };
        at = at.parent().map_or_else(|| target.clone(), |folder| folder.join(&target));
        paths.push(at.clone());
    }
    paths.extend(file.canonicalize());
    paths
}

/// The folder to watch for `path`, and what to look for in it: the path itself, or the missing folder that leads to it.
fn place(path: &Path, wanted: &mut HashMap<PathBuf, u64>, interesting: &mut HashSet<PathBuf>) {
    let mut child = path;
    while let Some(folder) = child.parent() {
        interesting.insert(child.to_owned());
        if let Some(real) = folder.canonicalize().ok().zip(child.file_name()).map(|(folder, name)| folder.join(name)) {
            // Some systems tell the real path.
            interesting.insert(real);
        }
        interesting.insert(folder.to_owned());
        if let Ok(metadata) = std::fs::metadata(folder)
            && metadata.is_dir()
        {
            wanted.insert(folder.to_owned(), identity(&metadata));
            return;
        }
        child = folder;
    }
}
