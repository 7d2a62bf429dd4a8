//! How a configuration's files are read: from the disk, or with one of them replaced by a text that is not saved yet.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes. A configuration has a few kilobytes; what is far above that is a mistake.
pub(crate) const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// A place to read files from.
pub(crate) trait Files {
    /// A file's text.
    fn read(&self, path: &Path) -> io::Result<String>;

    /// Where a path leads once its links are followed.
    fn real(&self, path: &Path) -> PathBuf;
}

/// The disk.
pub(crate) struct Disk;

impl Files for Disk {
    fn read(&self, path: &Path) -> io::Result<String> {
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "this is a folder"));
        }
        if metadata.len() > MAX_BYTES {
            let message = format!("it has more than {} MiB", MAX_BYTES / 1024 / 1024);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        String::from_utf8(std::fs::read(path)?)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8: save it as UTF-8"))
    }

    fn real(&self, path: &Path) -> PathBuf {
        path.canonicalize().unwrap_or_else(|_| path.to_owned())
    }
}

/// The disk with some files as they would be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay(pub BTreeMap<PathBuf, String>);

impl Files for Overlay {
    fn read(&self, path: &Path) -> io::Result<String> {
        self.0.get(path).map_or_else(|| Disk.read(path), |text| Ok(text.clone()))
    }

    fn real(&self, path: &Path) -> PathBuf {
        Disk.real(path)
    }
}

/// The disk with one file as it would be.
pub(crate) struct With<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl Files for With<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        if path == self.path { Ok(self.text.to_owned()) } else { Disk.read(path) }
    }

    fn real(&self, path: &Path) -> PathBuf {
        Disk.real(path)
    }
}
