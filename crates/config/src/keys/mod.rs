//! Where a provider's key is kept, and how it gets there: the system's keychain, a variable, a private file of ours, or the
//! configuration itself.
//!
//! A key in the keychain or in the private file stands in the configuration as a secret ref that OpenClaw reads too: it
//! runs `pilotlight key answer` for the one, and reads the file itself for the other. OpenClaw 2026.2.6 knows no such refs;
//! there, a variable is the answer.
//!
//! `refs` is pure. The keychain and the file are behind [`KeyStore`], so that what is done with them is tested without
//! them. No error and no note holds a key. Nothing falls back from one place to another by itself.

mod answer;
mod keychain;
mod private_file;
mod refs;
mod set;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use pilotlight_wire::Secret;

use crate::home::Home;

pub use answer::{MOST_BYTES, answer};
pub use keychain::SystemKeychain;
pub use private_file::PrivateFile;
pub(crate) use private_file::write_privately;
pub(crate) use refs::kept_by;
pub(crate) use set::reads_refs;
pub use set::{KeyView, NewKey, Prepared, list, prepare};

/// A place to keep a provider's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// The system's keychain.
    Keychain,
    /// A variable of the environment, or of the `.env` file beside the configuration.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A file of ours that only its owner may read.
    PrivateFile,
    /// The configuration itself.
    File,
}

/// The places that are ours to read and write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptIn {
    /// The system's keychain.
    Keychain,
    /// The private file.
    PrivateFile,
}

impl KeptIn {
    /// As the command line calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keychain => "keychain",
            Self::PrivateFile => "file",
        }
    }
}

impl fmt::Display for KeptIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keychain => "the keychain",
            Self::PrivateFile => "the private file",
        })
    }
}

/// A place that keeps keys by the provider's id.
pub trait KeyStore: Send + Sync {
    /// The key; none where there is none.
    ///
    /// # Errors
    /// [`KeyError`] when the place cannot be read.
    fn read(&self, id: &str) -> Result<Option<Secret>, KeyError>;

    /// Keeps a key, in the place of an earlier one.
    ///
    /// # Errors
    /// [`KeyError`]; the earlier one is then still there.
    fn write(&self, id: &str, key: &Secret) -> Result<(), KeyError>;

    /// Forgets a key, if there is one.
    ///
    /// # Errors
    /// [`KeyError`]; the key is then still there.
    fn remove(&self, id: &str) -> Result<(), KeyError>;
}

/// Both places that are ours.
#[derive(Clone)]
pub struct Stores {
    /// The system's keychain.
    pub keychain: Arc<dyn KeyStore>,
    /// The private file.
    pub private_file: Arc<dyn KeyStore>,
}

impl Stores {
    /// Those of this system and of this folder of ours.
    #[must_use]
    pub fn of_system(home: &Home) -> Self {
        Self { keychain: Arc::new(SystemKeychain::new(home)), private_file: Arc::new(PrivateFile::new(home)) }
    }

    pub(crate) fn of(&self, place: KeptIn) -> &dyn KeyStore {
        match place {
            KeptIn::Keychain => self.keychain.as_ref(),
            KeptIn::PrivateFile => self.private_file.as_ref(),
        }
    }
}

/// A key that the configuration says is kept by us, or why it cannot be read and what to do.
pub(crate) fn look_up(home: &Home, place: KeptIn, id: &str) -> Result<Secret, String> {
    match Stores::of_system(home).of(place).read(id) {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(format!("{place} holds no key of {id}: enter the key again")),
        Err(error) => Err(error.to_string()),
    }
}

/// The files that change when a key is kept or taken away.
pub(crate) fn files(home: &Home) -> [PathBuf; 2] {
    [home.keys().join("keychain"), home.keys().join("keys.json")]
}

/// Why a key could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There is no keychain.
    #[error(
        "there is no keychain here: {0}. Where nobody logs in to a desktop, keep the key in a file that only you can read \
         (the private file), or in a variable"
    )]
    NoKeychain(String),
    /// There is one, and it does not open. May be retried.
    #[error("the keychain does not open: {0}. Unlock it and try again")]
    Locked(String),
    /// It refused.
    #[error("the keychain refused: {0}")]
    Keychain(String),
    /// The private file cannot be read or written.
    #[error("{}: {reason}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The configuration has no such provider, and OpenClaw has none built in.
    #[error("there is no provider {id:?} in the configuration: there is {known}")]
    UnknownProvider {
        /// What was asked for.
        id: String,
        /// What there is.
        known: String,
    },
    /// What was asked for does not fit together.
    #[error("{0}")]
    Refused(String),
    /// The configuration cannot be read.
    #[error("the configuration cannot be read, so nothing was changed: {0}")]
    Configuration(String),
}

impl KeyError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn may_be_retried(&self) -> bool {
        matches!(self, Self::Locked(_))
    }
}

/// The variable in which a provider's key is usually found: `OPENAI_API_KEY` for `openai`.
#[must_use]
pub fn usual_variable(provider: &str) -> String {
    let known = crate::hosted::find(provider).and_then(|hosted| hosted.variables.first());
    known.map_or_else(|| crate::rules::variable_for(provider), |name| (*name).to_owned())
}

/// As much of a key as tells it from another: its last four characters, where it is long.
#[must_use]
pub fn hint(key: &Secret) -> String {
    let text: Vec<char> = key.expose().chars().collect();
    if text.len() < 24 { "…".to_owned() } else { format!("…{}", text[text.len() - 4..].iter().collect::<String>()) }
}
