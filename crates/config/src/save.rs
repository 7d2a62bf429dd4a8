//! Writes a file so that whoever reads it, at whatever moment, sees the old bytes or the new ones.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

/// Why a file was not written.
#[derive(Debug)]
pub(crate) enum SaveError {
    /// Its bytes are no longer those that the edit was made from.
    Changed,
    /// The file system refused.
    Io(io::Error),
}

impl From<io::Error> for SaveError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Puts `new` in the place of `expected`. A link is followed and stays one; the mode is kept, and the owner where the
/// system allows it. The bytes are compared right before the rename; nothing short of a lock that every editor obeys
/// could close the instant between the two.
pub(crate) fn replace(path: &Path, expected: &str, new: &str) -> Result<(), SaveError> {
    let target = path.canonicalize()?;
    let metadata = std::fs::metadata(&target)?;
    if metadata.permissions().readonly() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is marked read-only").into());
    }
    let temporary = written_beside(&target, new.as_bytes())?;
    temporary.as_file().set_permissions(metadata.permissions())?;
    keep_owner(temporary.as_file(), &metadata);
    temporary.as_file().sync_all()?;
    if std::fs::read(&target)? != expected.as_bytes() {
        return Err(SaveError::Changed);
    }
    temporary.persist(&target).map_err(|error| error.error)?;
    sync_folder(&target);
    sweep(&target);
    Ok(())
}

/// How old a temporary file is that nobody is still writing. A save takes milliseconds.
const ABANDONED: Duration = Duration::from_secs(60);

/// Deletes what a crash left half written beside a file. It may hold keys, so it is not left for somebody else to find.
fn sweep(target: &Path) {
    let folder = target.parent().unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX));
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if ours && age().is_some_and(|age| age > ABANDONED) {
            // What cannot be deleted now will be with another save.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

const PREFIX: &str = ".pilotlight-";
const SUFFIX: &str = ".tmp";

/// Makes a file that is not there yet, readable by its owner alone, with the folders above it. False when it was there
/// already, which is left as it is.
pub(crate) fn create(path: &Path, text: &str) -> io::Result<bool> {
    if path.exists() {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    let temporary = written_beside(path, text.as_bytes())?;
    temporary.as_file().sync_all()?;
    match temporary.persist_noclobber(path) {
        Ok(_) => {
            sync_folder(path);
            Ok(true)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

/// A temporary file in the same folder, since a rename across file systems is no rename. It is made readable by its
/// owner alone, so that a key in it is never open to others, not even before its mode is set.
fn written_beside(target: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let folder = target.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    let made = tempfile::Builder::new().prefix(PREFIX).suffix(SUFFIX).tempfile_in(&folder);
    let mut temporary = made.map_err(|error| match error.kind() {
        // The system's own words name a file that nobody has heard of.
        kind @ (io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => io::Error::new(
            kind,
            format!(
                "nothing may be written in the folder {}, where the new text is put before it takes the file's place: \
                 change the folder's owner or mode",
                folder.display()
            ),
        ),
        _ => error,
    })?;
    temporary.write_all(bytes)?;
    Ok(temporary)
}

#[cfg(unix)]
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
pub(crate) fn create_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Another owner can be kept only by root; anybody else gets a file of their own, which they could read before.
#[cfg(unix)]
fn keep_owner(file: &File, before: &std::fs::Metadata) {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let same = file.metadata().is_ok_and(|now| (now.uid(), now.gid()) == (before.uid(), before.gid()));
    if !same && let Err(error) = fchown(file, Some(before.uid()), Some(before.gid())) {
        tracing::debug!(%error, "the file's owner could not be kept");
    }
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &std::fs::Metadata) {}

/// Makes the rename itself last. Not every file system has this, and the bytes are safe either way.
pub(crate) fn sync_folder(target: &Path) {
    #[cfg(unix)]
    if let Some(folder) = target.parent()
        && let Err(error) = File::open(folder).and_then(|folder| folder.sync_all())
    {
        tracing::debug!(%error, "the folder could not be synced");
    }
    #[cfg(not(unix))]
    let _ = target;
}
