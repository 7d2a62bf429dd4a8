//! A configuration's history on the disk: the texts that its files have had, by their hash, and an index. Every use of
//! it is under a lock that all programs of ours take, so that two that write never mix. Texts may hold keys: the folder
//! is for its owner alone.
//!
//! Must not know: what a configuration means.

use std::collections::{BTreeSet, HashSet};
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pilotlight_wire::Secret;
use sha2::{Digest as _, Sha256};

use crate::history_keys::{Keys, has_marks, marked, revealed};
use crate::history_log::{Kept, Line, Log, LostComments, Snapshot, Who};
use crate::location::ConfigLocation;
use crate::save::{create_folder, sync_folder};
use crate::store::StoreError;

/// How long another program of ours may hold the lock before it counts as stuck. A save takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// The history of one configuration, locked.
#[derive(Debug)]
pub(crate) struct History {
    folder: PathBuf,
    pub(crate) log: Log,
    /// Held as long as this lives.
    _lock: File,
}

/// What is about to be recorded.
pub(crate) struct Entry<'a> {
    pub revision: &'a str,
    pub who: Who,
    pub label: &'a str,
    pub files: &'a [(PathBuf, String)],
    pub lost: Option<LostComments>,
}

/// The folder of a configuration's history, whether it exists or not. A configuration is known by where it really is.
fn folder(histories: &Path, location: &ConfigLocation) -> PathBuf {
    let path = location.path.canonicalize().unwrap_or_else(|_| location.path.clone());
    histories.join(&hash(path.as_os_str().as_encoded_bytes())[..16])
}

/// The hash of bytes, as hexadecimal digits.
pub(crate) fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl History {
    /// Whether anything has been recorded.
    pub(crate) fn exists(histories: &Path, location: &ConfigLocation) -> bool {
        folder(histories, location).join("index").exists()
    }

    /// Waits for the lock and reads the index. What a crash broke off is still to be settled.
    pub(crate) fn unsettled(histories: &Path, location: &ConfigLocation) -> Result<Self, StoreError> {
        let folder = folder(histories, location);
        let failed = |source| StoreError::NoHistory { path: folder.clone(), source };
        for folder in [histories, &folder, &folder.join("texts")] {
            create_folder(folder).and_then(|()| for_owner_alone(folder)).map_err(failed)?;
        }
        let lock = lock(&folder.join("lock"))?;
        let index = folder.join("index");
        let text = match std::fs::read(&index) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let first = line_of(&Line::Of(location.path.clone())).map_err(failed)?;
                append(&index, &first, true).map_err(failed)?;
                sync_folder(&index);
                first
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Self { log: Log::read(&text), folder, _lock: lock })
    }

    /// Settles what a crash broke off: the configuration is at `revision`, and nobody else writes now.
    pub(crate) fn settle(&mut self, revision: &str) -> Result<(), StoreError> {
        self.log.settle(revision).map_or(Ok(()), |line| self.write(&[line], true))
    }

    /// Records what is there already.
    pub(crate) fn record(&mut self, entry: Entry<'_>) -> Result<(), StoreError> {
        let snapshot = self.snapshot(entry)?;
        let id = snapshot.id;
        self.write(&[Line::Save(snapshot), Line::Done(id)], true)?;
        self.compact()
    }

    /// Records what is about to be written; [`History::done`] or [`History::void`] tells how it went.
    pub(crate) fn begin(&mut self, entry: Entry<'_>) -> Result<u64, StoreError> {
        let snapshot = self.snapshot(entry)?;
        let id = snapshot.id;
        self.write(&[Line::Save(snapshot)], true)?;
        Ok(id)
    }

    /// Records that this snapshot is about to be gone to.
    pub(crate) fn begin_move(&mut self, to: u64) -> Result<u64, StoreError> {
        let id = self.log.next_id();
        self.write(&[Line::Move { id, to }], true)?;
        Ok(id)
    }

    /// It has happened.
    pub(crate) fn done(&mut self, id: u64) -> Result<(), StoreError> {
        // Lost in a crash it is found out again from the bytes.
        self.write(&[Line::Done(id)], false)?;
        self.compact()
    }

    /// The comments that were dropped before this snapshot are not wanted back.
    pub(crate) fn dismiss(&mut self, id: u64) -> Result<(), StoreError> {
        self.write(&[Line::Dismissed(id)], true)
    }

    /// It has not.
    pub(crate) fn void(&mut self, id: u64) -> Result<(), StoreError> {
        self.write(&[Line::Void(id)], false)
    }

    /// The texts of a snapshot, with the keys that `keys` gives where marks stand for them.
    pub(crate) fn texts(&self, snapshot: &Snapshot, keys: &Keys<'_>) -> Result<Vec<(PathBuf, String)>, StoreError> {
        snapshot.files.iter().map(|kept| Ok((kept.path.clone(), self.text(&kept.blob, Some(keys))?))).collect()
    }

    /// The texts of a snapshot, with the marks that stand for keys.
    pub(crate) fn marked_texts(&self, snapshot: &Snapshot) -> Result<Vec<(PathBuf, String)>, StoreError> {
        snapshot.files.iter().map(|kept| Ok((kept.path.clone(), self.text(&kept.blob, None)?))).collect()
    }

    fn text(&self, blob: &str, keys: Option<&Keys<'_>>) -> Result<String, StoreError> {
        let path = self.folder.join("texts").join(blob);
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "this earlier text is damaged");
        let failed = |source| StoreError::Io { path: path.clone(), source };
        let text = String::from_utf8(std::fs::read(&path).map_err(failed)?).map_err(|_| failed(damaged()))?;
        if hash(text.as_bytes()) == blob {
            return Ok(text);
        }
        if !has_marks(&text) {
            return Err(failed(damaged()));
        }
        match keys {
            None => Ok(text),
            Some(keys) => {
                let whole = |revealed: &str| hash(revealed.as_bytes()) == blob;
                revealed(&text, keys, &whole).map_err(|provider| StoreError::KeyGone { provider })
            }
        }
    }

    /// Puts a mark in the place of a key in every text that is kept. What cannot be written now stays as it is, and is
    /// told.
    pub(crate) fn conceal(&self, provider: &str, key: &Secret) -> io::Result<()> {
        let folder = self.folder.join("texts");
        for entry in std::fs::read_dir(&folder)?.flatten() {
            if !is_text_name(&entry.file_name().to_string_lossy()) {
                continue;
            }
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            let Some(marked) = marked(&text, provider, key) else { continue };
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&folder)?;
            file.write_all(marked.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(entry.path()).map_err(|error| error.error)?;
        }
        sync_folder(&folder.join("any"));
        Ok(())
    }

    fn snapshot(&self, entry: Entry<'_>) -> Result<Snapshot, StoreError> {
        let mut files: Vec<Kept> = Vec::new();
        for (path, text) in entry.files {
            if files.iter().any(|kept| kept.path == *path) {
                continue;
            }
            files.push(Kept { path: path.clone(), blob: self.keep(text)? });
        }
        sync_folder(&self.folder.join("texts").join("any"));
        Ok(Snapshot {
            id: self.log.next_id(),
            revision: entry.revision.to_owned(),
            at: now(),
            who: entry.who,
            label: entry.label.to_owned(),
            parent: self.log.now,
            files,
            lost: entry.lost,
        })
    }

    /// Keeps a text, whole or not at all. One that stood here with a mark for a key is kept with the key again: it stands
    /// in the file, and may soon stand nowhere else.
    pub(crate) fn keep(&self, text: &str) -> Result<String, StoreError> {
        let blob = hash(text.as_bytes());
        let folder = self.folder.join("texts");
        let path = folder.join(&blob);
        if std::fs::metadata(&path).is_ok_and(|known| known.len() == text.len() as u64)
            && std::fs::read(&path).is_ok_and(|known| known == text.as_bytes())
        {
            return Ok(blob);
        }
        let kept = || {
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)
        };
        match kept() {
            Ok(_) => Ok(blob),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    fn write(&mut self, lines: &[Line], last: bool) -> Result<(), StoreError> {
        let path = self.folder.join("index");
        let written =
            lines.iter().map(line_of).collect::<io::Result<String>>().and_then(|text| append(&path, &text, last));
        written.map_err(|source| StoreError::Io { path, source })?;
        for line in lines {
            self.log.add(line);
        }
        Ok(())
    }

    /// Leaves out what is too old. Nothing is deleted before the index no longer names it.
    fn compact(&mut self) -> Result<(), StoreError> {
        let Some((log, lines)) = self.log.compacted() else { return Ok(()) };
        let path = self.folder.join("index");
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let first = old.lines().next().map(|line| format!("{line}\n")).unwrap_or_default();
        let rewritten = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.folder)?;
            file.write_all(first.as_bytes())?;
            for line in &lines {
                file.write_all(line_of(line)?.as_bytes())?;
            }
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            sync_folder(&path);
            Ok(())
        };
        rewritten().map_err(|source| StoreError::Io { path, source })?;
        self.log = log;
        self.sweep();
        Ok(())
    }

    /// Deletes the texts that no snapshot names, and what a crash left half written. What cannot be deleted now will
    /// be another time.
    fn sweep(&self) {
        let named: HashSet<&str> =
            self.log.snapshots.iter().flat_map(|snapshot| &snapshot.files).map(|kept| kept.blob.as_str()).collect();
        for folder in [self.folder.join("texts"), self.folder.clone()] {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.starts_with(".new-") || is_text_name(&name) && !named.contains(&*name) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
    }
}

/// Whether a file of the history has the name of a text's hash.
fn is_text_name(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The parts of a revision that are enough to tell it from every other of the history.
pub(crate) fn by_prefix<'a>(log: &'a Log, prefix: &str) -> Result<&'a Snapshot, StoreError> {
    let fits = |snapshot: &&Snapshot| !prefix.is_empty() && snapshot.revision.starts_with(prefix);
    let revisions: BTreeSet<&str> = log.snapshots.iter().filter(fits).map(|found| found.revision.as_str()).collect();
    let unknown = || StoreError::UnknownRevision { revision: prefix.to_owned(), several: revisions.len() > 1 };
    if revisions.len() > 1 {
        return Err(unknown());
    }
    log.snapshots.iter().rev().find(fits).ok_or_else(unknown)
}

fn line_of(line: &Line) -> io::Result<String> {
    Ok(serde_json::to_string(line)? + "\n")
}

/// Adds lines at the end of a file, on a line of their own even where a crash cut the last one off.
fn append(path: &Path, lines: &str, sync: bool) -> io::Result<()> {
    let mut file = for_owner().read(true).append(true).create(true).open(path)?;
    let torn = {
        use std::io::{Read as _, Seek as _, SeekFrom};
        let mut last = [b'\n'];
        if file.metadata()?.len() > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        last != [b'\n']
    };
    let text = if torn { format!("\n{lines}") } else { lines.to_owned() };
    file.write_all(text.as_bytes())?;
    if sync {
        file.sync_all()?;
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "called where blocking is allowed; another process holds the lock")]
fn lock(path: &Path) -> Result<File, StoreError> {
    let failed = |source| StoreError::NoHistory { path: path.to_owned(), source };
    let file = for_owner().append(true).create(true).open(path).map_err(failed)?;
    let patience = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { path: path.to_owned() }),
            // Some network shares have no locks. The bytes are compared before each write all the same.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
    }
}

#[cfg(unix)]
fn for_owner() -> std::fs::OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(not(unix))]
fn for_owner() -> std::fs::OpenOptions {
    std::fs::OpenOptions::new()
}

#[cfg(unix)]
fn for_owner_alone(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(folder)?.permissions().mode();
    if mode & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn for_owner_alone(_: &Path) -> io::Result<()> {
    Ok(())
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
