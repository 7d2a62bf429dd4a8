//! How a running engine is found: a lock that says that one runs on this folder, and a file that says where it
//! listens. `pilotlight status` and a second start read them; only the engine writes them.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where a running engine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// Its address, such as `http://127.0.0.1:11235`; clients are given this with `/v1`.
    pub address: String,
    /// `serve` or `desktop`.
    pub frontend: String,
    /// The settings file it works by, which says what token it asks for.
    pub settings: PathBuf,
    /// Unix time in milliseconds.
    pub started: u64,
}

/// Finds the engine that runs on the folder of `running_file`, if one does.
///
/// # Errors
/// When the folder's lock cannot be asked, or the engine holds the lock and its file cannot be read.
pub fn find(running_file: &Path) -> io::Result<Option<Running>> {
    let lock = match File::open(lock_file(running_file)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match lock.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
        Err(TryLockError::WouldBlock) => {
            let text = std::fs::read_to_string(running_file)?;
            serde_json::from_str(&text).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        }
    }
}

/// The right to be the engine of a folder. Dropping it gives it back; a process that dies gives it back too.
pub(crate) struct Claim {
    running_file: PathBuf,
    _lock: File,
}

/// Why a folder could not be claimed.
pub(crate) enum Refused {
    Held,
    Failed(io::Error),
}

impl Claim {
    pub(crate) fn take(running_file: &Path) -> Result<Self, Refused> {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(lock_file(running_file))
            .map_err(Refused::Failed)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => Refused::Held,
            TryLockError::Error(error) => Refused::Failed(error),
        })?;
        Ok(Self { running_file: running_file.to_owned(), _lock: lock })
    }

    /// Says where the engine listens. A reader sees the whole of it or what was there before.
    pub(crate) fn announce(&self, running: &Running) -> io::Result<()> {
        let folder = self.running_file.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(serde_json::to_string_pretty(running)?.as_bytes())?;
        file.persist(&self.running_file)?;
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Best effort: a file left behind is not believed without the lock.
        let _ = std::fs::remove_file(&self.running_file);
    }
}

fn lock_file(running_file: &Path) -> PathBuf {
    running_file.with_extension("lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_found_while_it_holds_the_folder_and_not_after() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("running.json");
        assert_eq!(find(&file).unwrap(), None);

        let claim = Claim::take(&file).ok().expect("nobody holds it");
        let running = Running {
            pid: 42,
            address: "http://127.0.0.1:1".into(),
            frontend: "serve".into(),
            settings: "settings.json5".into(),
            started: 1,
        };
        claim.announce(&running).unwrap();
        assert_eq!(find(&file).unwrap(), Some(running.clone()));
        assert!(matches!(Claim::take(&file), Err(Refused::Held)));

        drop(claim);
        std::fs::write(&file, serde_json::to_string(&running).unwrap()).unwrap();
        assert_eq!(find(&file).unwrap(), None, "a file that a crash left behind is not believed");
    }
}
