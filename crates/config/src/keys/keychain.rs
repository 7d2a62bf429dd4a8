//! The system's keychain: the Secret Service on Linux (over D-Bus, without a C library), Keychain Services on macOS, the
//! Credential Manager on Windows. I/O happens here.
//!
//! A keychain may ask its owner something, and so wait for ever. It is asked in a thread of its own, and waited for
//! [`PATIENCE`].

use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use keyring::{Entry, Error};
use pilotlight_wire::Secret;

use super::{KeyError, KeyStore};
use crate::home::Home;

/// The name under which its entries stand in the keychain.
const NAME: &str = "pilotlight";

/// How long a keychain may take, its owner's answer included.
const PATIENCE: Duration = Duration::from_secs(20);

/// The system's keychain.
#[derive(Clone, Debug)]
pub struct SystemKeychain {
    /// Which keys were kept, and no key: a change to it tells a running engine to read the keychain again.
    index: PathBuf,
}

impl SystemKeychain {
    /// The keychain of whoever runs this.
    #[must_use]
    pub fn new(home: &Home) -> Self {
        Self { index: home.keys().join("keychain") }
    }

    /// Notes that a key was changed. The watch goes by the file's size and time, so something must be different.
    fn note(&self, id: &str) {
        let mut lines: Vec<String> = std::fs::read_to_string(&self.index)
            .unwrap_or_default()
            .lines()
            .filter(|line| line.split(' ').next() != Some(id))
            .map(str::to_owned)
            .collect();
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        lines.push(format!("{id} {}", now.as_millis()));
        // It is only a sign: without it, the engine sees the change at its next start.
        if let Err(error) = super::private_file::write_privately(&self.index, &(lines.join("\n") + "\n")) {
            tracing::warn!(%error, "a change in the keychain could not be noted");
        }
    }
}

impl KeyStore for SystemKeychain {
    fn read(&self, id: &str) -> Result<Option<Secret>, KeyError> {
        asked(id, |entry| match entry.get_password() {
            Ok(key) => Ok(Some(Secret::new(key))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(error),
        })
    }

    fn write(&self, id: &str, key: &Secret) -> Result<(), KeyError> {
        let key = key.clone();
        asked(id, move |entry| entry.set_password(key.expose()))?;
        self.note(id);
        Ok(())
    }

    fn remove(&self, id: &str) -> Result<(), KeyError> {
        asked(id, |entry| match entry.delete_credential() {
            Err(Error::NoEntry) => Ok(()),
            other => other,
        })?;
        self.note(id);
        Ok(())
    }
}

fn asked<T: Send + 'static>(
    id: &str,
    ask: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
) -> Result<T, KeyError> {
    if let Some(reason) = nobody_there() {
        return Err(KeyError::NoKeychain(reason.to_owned()));
    }
    let (tell, told) = mpsc::channel();
    let id = id.to_owned();
    // It has a runtime of its own, which may not be started within ours.
    let thread = std::thread::Builder::new().name("keychain".to_owned()).spawn(move || {
        let done = Entry::new(NAME, &id).and_then(|entry| ask(&entry)).map_err(explained);
        // Whoever asked may have lost patience.
        let _ = tell.send(done);
    });
    if let Err(error) = thread {
        return Err(KeyError::Keychain(error.to_string()));
    }
    told.recv_timeout(PATIENCE)
        .unwrap_or_else(|_| Err(KeyError::Locked(format!("it has not answered within {} s", PATIENCE.as_secs()))))
}

/// Why there can be no keychain; none where there may be one. Looked at first, because `keyring` remembers for the life of
/// the process that it found none.
#[cfg(target_os = "linux")]
fn nobody_there() -> Option<&'static str> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let bus = set("DBUS_SESSION_BUS_ADDRESS").is_some()
        || set("XDG_RUNTIME_DIR").is_some_and(|folder| std::path::Path::new(&folder).join("bus").exists());
    (!bus).then_some("no session bus is running, on which a Secret Service would answer")
}

#[cfg(not(target_os = "linux"))]
fn nobody_there() -> Option<&'static str> {
    None
}

/// The platform's words; those errors that carry a key are told by their kind alone.
fn explained(error: Error) -> KeyError {
    match error {
        Error::NoDefaultStore => {
            let reason = match Entry::store_status() {
                Err(error) => said(error),
                Ok(()) => "none was found".to_owned(),
            };
            KeyError::NoKeychain(reason)
        }
        Error::NoStorageAccess(reason) => KeyError::Locked(reason.to_string()),
        other => {
            let reason = said(&other);
            // What D-Bus says when nothing provides the Secret Service.
            if reason.contains("ServiceUnknown") || reason.contains("was not provided by any") {
                KeyError::NoKeychain("no Secret Service answers on the session bus".to_owned())
            } else {
                KeyError::Keychain(reason)
            }
        }
    }
}

fn said(error: &Error) -> String {
    match error {
        Error::PlatformFailure(reason) | Error::NoStorageAccess(reason) => reason.to_string(),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => "what it holds under this name is no text".to_owned(),
        Error::Ambiguous(_) => "it holds several keys under this name: remove all but one there".to_owned(),
        Error::TooLong(..) => "the key is too long for it".to_owned(),
        other => other.to_string(),
    }
}
