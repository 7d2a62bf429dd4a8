//! A file of ours, in a folder of ours, that only its owner may read: one JSON object of provider ids and keys, as
//! OpenClaw's `file` secrets are read. I/O happens here.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pilotlight_wire::Secret;
use serde_json::{Map, Value};

use super::{KeyError, KeyStore};
use crate::home::Home;

/// The private file. It is made when the first key is kept in it.
#[derive(Clone, Debug)]
pub struct PrivateFile {
    path: PathBuf,
}

impl PrivateFile {
    /// That of this folder of ours.
    #[must_use]
    pub fn new(home: &Home) -> Self {
        Self { path: home.keys().join("keys.json") }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn keys(&self) -> Result<Map<String, Value>, KeyError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
            Err(error) => return Err(self.failed(&error)),
        };
        close_to_others(&self.path).map_err(|error| self.failed(&error))?;
        // The parser's words could repeat a part of a key.
        serde_json::from_str(&text).map_err(|error| KeyError::File {
            path: self.path.clone(),
            reason: format!("line {} is no JSON object of keys: mend it, or move the file away", error.line()),
        })
    }

    /// Of two programs that change the file at once, one waits for the other.
    fn change(&self, change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), KeyError> {
        let failed = |error: io::Error| self.failed(&error);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        make_folder(folder).map_err(failed)?;
        let lock = File::options().create(true).append(true).open(folder.join("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut keys = self.keys()?;
        change(&mut keys);
        let text = format!("{:#}\n", Value::Object(keys));
        write_privately(&self.path, &text).map_err(failed)
    }

    fn failed(&self, error: &io::Error) -> KeyError {
        KeyError::File { path: self.path.clone(), reason: error.to_string() }
    }
}

impl KeyStore for PrivateFile {
    fn read(&self, id: &str) -> Result<Option<Secret>, KeyError> {
        Ok(self.keys()?.get(id).and_then(Value::as_str).map(Secret::new))
    }

    fn write(&self, id: &str, key: &Secret) -> Result<(), KeyError> {
        self.change(|keys| {
            keys.insert(id.to_owned(), Value::from(key.expose()));
        })
    }

    fn remove(&self, id: &str) -> Result<(), KeyError> {
        if self.keys()?.contains_key(id) {
            self.change(|keys| {
                keys.shift_remove(id);
            })?;
        }
        Ok(())
    }
}

/// Puts a text in a file of mode 0600 in a folder of mode 0700: the old one or the new one is there at every moment.
pub(crate) fn write_privately(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    // It is made readable by its owner alone.
    let mut temporary = tempfile::Builder::new().prefix(".pilotlight-").suffix(".tmp").tempfile_in(folder)?;
    temporary.write_all(text.as_bytes())?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(unix)]
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    if std::fs::metadata(folder)?.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_folder(folder: &Path) -> io::Result<()> {
    std::fs::create_dir_all(folder)
}

#[cfg(unix)]
fn close_to_others(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if std::fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "the keys were readable by others; now they are not");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn close_to_others(_: &Path) -> io::Result<()> {
    Ok(())
}
