//! Which key is kept where, and what has to happen to keep one elsewhere: first the key is in its new place, then the
//! configuration says so, and only then is it taken from the old one.

use std::path::{Path, PathBuf};

use json5_edit::Edit;
use pilotlight_wire::Secret;

use super::{KeptIn, KeyError, KeyPlace, PrivateFile, Stores, hint, refs};
use crate::check;
use crate::files::{Disk, Files as _};
use crate::home::{Environment, Home};
use crate::hosted;
use crate::location::ConfigLocation;
use crate::model::{Key, OWN_PROVIDER};
use crate::plan::read_now;
use crate::tree::At;
use crate::variables::{Variables, parse_dotenv};

/// A provider and its key, to be shown: never the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyView {
    /// The provider's id.
    pub provider: String,
    /// `config`, `environment`, `keychain`, `private-file`, `reference` or `none`.
    pub place: &'static str,
    /// The variable, the ref's source and id, or the end of the key.
    pub detail: String,
    /// Why it cannot be read, and what to do.
    pub problem: Option<String>,
}

impl KeyView {
    /// What is to be shown of a provider's key.
    #[must_use]
    pub fn of(provider: &str, key: Option<&Key>) -> Self {
        let (place, detail) = match key {
            None => ("none", String::new()),
            Some(Key::Literal(value)) => ("config", hint(value)),
            Some(Key::FromEnvironment { variable, .. } | Key::Unset { variable }) => ("environment", variable.clone()),
            Some(Key::Kept { place: KeptIn::Keychain, id, .. }) => ("keychain", id.clone()),
            Some(Key::Kept { place: KeptIn::PrivateFile, id, .. }) => ("private-file", id.clone()),
            Some(Key::Reference { source, id }) => ("reference", format!("{source}: {id}")),
        };
        Self { provider: provider.to_owned(), place, detail, problem: key.and_then(Key::problem) }
    }
}

/// Every provider of the configuration, with where its key is kept.
#[must_use]
pub fn list(location: &ConfigLocation, environment: &Environment) -> Vec<KeyView> {
    let full = read_now(location, environment);
    let providers = full.into_configuration().map(|configuration| configuration.providers).unwrap_or_default();
    let others = providers.iter().filter(|provider| provider.id != OWN_PROVIDER);
    others.map(|provider| KeyView::of(&provider.id, provider.key.as_ref())).collect()
}

/// A key that is to be kept somewhere.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The provider's id.
    pub provider: String,
    /// Where.
    pub place: KeyPlace,
    /// The key; none to move the one that there is. A variable's value is not ours to set, so there it is none.
    pub key: Option<Secret>,
    /// The `pilotlight` program, which OpenClaw runs to ask for a key in the keychain. It must be an absolute path.
    pub program: PathBuf,
}

/// What is left to do: these edits, and then [`Prepared::finish`].
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Edits of the configuration, by paths in the whole. Where the place is the file itself, they hold the key.
    pub edits: Vec<Edit>,
    /// What the change is called in the history.
    pub label: String,
    /// What is worth knowing.
    pub notes: Vec<String>,
    outdated: Option<(KeptIn, String)>,
}

/// Puts a key in its new place, if that is one of ours, and says how the configuration is to be edited. With `write`
/// false nothing is put anywhere: for a look at the edits.
///
/// # Errors
/// [`KeyError`]; then nothing has changed.
pub fn prepare(
    location: &ConfigLocation,
    environment: &Environment,
    stores: &Stores,
    new: &NewKey,
    write: bool,
) -> Result<Prepared, KeyError> {
    let full = read_now(location, environment);
    let (Some(tree), Some(configuration)) = (&full.tree, full.configuration()) else {
        let first = full.reading.diagnostics.first().map(ToString::to_string);
        return Err(KeyError::Configuration(first.unwrap_or_else(|| location.path.display().to_string())));
    };
    let root = At::root(tree);
    let id = new.provider.trim().to_lowercase();
    let current = configuration.provider(&id).and_then(|provider| provider.key.as_ref());
    if id.is_empty() || (configuration.provider(&id).is_none() && hosted::find(&id).is_none()) {
        let known: Vec<&str> = configuration.providers.iter().map(|provider| provider.id.as_str()).collect();
        return Err(KeyError::UnknownProvider { id, known: known.join(", ") });
    }
    let key = match &new.key {
        Some(key) if key.expose().trim().is_empty() => {
            return Err(KeyError::Refused("the key is empty: nothing was changed".to_owned()));
        }
        Some(key) => Some(Secret::new(key.expose().trim())),
        None => current.and_then(Key::secret).cloned(),
    };
    let mut notes = Vec::new();
    let home = Home::from(environment);
    let file = PrivateFile::new(&home);
    match &new.place {
        KeyPlace::Environment { variable } => {
            let block = check::env_block(tree);
            let folder = location.path.parent().unwrap_or(Path::new("/"));
            let dotenv = Disk.read(&folder.join(".env")).map(|text| parse_dotenv(&text)).unwrap_or_default();
            let variables = Variables { environment, dotenv: &dotenv, block: &block };
            environment_notes(&id, variable, current, variables.get(variable), &mut notes)?;
        }
        place => {
            let Some(key) = &key else {
                return Err(KeyError::Refused(format!(
                    "{id} has no key that can be read here, so there is none to move: give one"
                )));
            };
            if let Some(kept) = kept_in(place) {
                for_openclaw(location, &root, kept, &new.program, &file, &mut notes)?;
                if write {
                    put(stores, kept, &id, key)?;
                }
            }
        }
    }
    if matches!(current, Some(Key::Literal(_))) && new.place != KeyPlace::File {
        notes.push("backups of the file that other programs made still hold the key that stood in it".to_owned());
    }
    let places = refs::Places { program: &new.program, file: file.path() };
    let edits = refs::edits(&root, &id, &new.place, key.as_ref().map(Secret::expose), &places);
    let outdated = match current {
        Some(Key::Kept { place, id: before, .. }) if kept_in(&new.place) != Some(*place) || *before != id => {
            Some((*place, before.clone()))
        }
        _ => None,
    };
    let label = match &new.place {
        KeyPlace::Keychain => format!("Keep the key of {id} in the keychain"),
        KeyPlace::Environment { variable } => format!("Take the key of {id} from {variable}"),
        KeyPlace::PrivateFile => format!("Keep the key of {id} in a private file"),
        KeyPlace::File => format!("Write the key of {id} in the configuration"),
    };
    Ok(Prepared { edits, label, notes, outdated })
}

impl Prepared {
    /// Takes the key from its old place, once the configuration names the new one.
    ///
    /// # Errors
    /// [`KeyError`] when it is still there.
    pub fn finish(&self, stores: &Stores) -> Result<(), KeyError> {
        match &self.outdated {
            Some((place, id)) => stores.of(*place).remove(id),
            None => Ok(()),
        }
    }
}

fn kept_in(place: &KeyPlace) -> Option<KeptIn> {
    match place {
        KeyPlace::Keychain => Some(KeptIn::Keychain),
        KeyPlace::PrivateFile => Some(KeptIn::PrivateFile),
        KeyPlace::Environment { .. } | KeyPlace::File => None,
    }
}

/// Keeps a key, and looks whether it is really there.
fn put(stores: &Stores, place: KeptIn, id: &str, key: &Secret) -> Result<(), KeyError> {
    stores.of(place).write(id, key)?;
    match stores.of(place).read(id)? {
        Some(kept) if kept == *key => Ok(()),
        _ => Err(KeyError::Refused(format!(
            "{place} does not give back what was put in it, so nothing else was changed"
        ))),
    }
}

fn environment_notes(
    id: &str,
    variable: &str,
    current: Option<&Key>,
    value: Option<&str>,
    notes: &mut Vec<String>,
) -> Result<(), KeyError> {
    if !crate::variables::is_name(variable) {
        let message =
            format!("{variable:?} is no name for a variable here: write it in capitals, such as OPENAI_API_KEY");
        return Err(KeyError::Refused(message));
    }
    let held = current.and_then(Key::secret).map(Secret::expose);
    match (value.map(str::trim), current) {
        // It would be lost.
        (value, Some(Key::Literal(_) | Key::Kept { .. })) if held.is_some() && value != held => {
            Err(KeyError::Refused(format!(
                "{variable} does not hold the key that {id} has now, which would be lost: set it first, where Pilot Light \
                 and OpenClaw are started or in the .env file beside the configuration"
            )))
        }
        (None, _) => {
            notes.push(format!(
                "{variable} is not set yet: set it where Pilot Light and OpenClaw are started, or in the .env file beside \
                 the configuration"
            ));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Versions of OpenClaw of which it is known that they cannot, and can, read a secret ref.
const OLD: [u32; 3] = [2026, 2, 6];
const NEW: [u32; 3] = [2026, 9, 6];

/// The version of OpenClaw that wrote the file last, if it says so.
fn written_by(root: &At<'_>) -> Option<Vec<u32>> {
    numbers(root.at(&["meta", "lastTouchedVersion"])?.as_str()?)
}

fn numbers(version: &str) -> Option<Vec<u32>> {
    let numbers: Vec<u32> = version.split(['.', '-']).take(3).map_while(|part| part.parse().ok()).collect();
    (numbers.len() == 3).then_some(numbers)
}

/// Whether the version of OpenClaw that wrote a configuration last, as far as it says so, reads secret refs for sure.
pub(crate) fn reads_refs(whole: &serde_json::Value) -> bool {
    let version = whole.pointer("/meta/lastTouchedVersion").and_then(serde_json::Value::as_str).and_then(numbers);
    version.is_some_and(|version| version.as_slice() >= &NEW[..])
}

/// What OpenClaw asks of a ref, beyond its form.
fn for_openclaw(
    location: &ConfigLocation,
    root: &At<'_>,
    place: KeptIn,
    program: &Path,
    file: &PrivateFile,
    notes: &mut Vec<String>,
) -> Result<(), KeyError> {
    if !location.openclaw {
        return Ok(());
    }
    match written_by(root) {
        Some(version) if version.as_slice() <= &OLD[..] => {
            return Err(KeyError::Refused(
                "OpenClaw 2026.2.6 has written this file, and cannot read keys that are kept elsewhere: put the key in a \
                 variable, or let a newer OpenClaw write the file once"
                    .to_owned(),
            ));
        }
        Some(version) if version.as_slice() >= &NEW[..] => {}
        _ => notes.push(
            "OpenClaw 2026.2.6 refuses a file with such a key; 2026.9.6 takes it. For the older one, use a variable"
                .to_owned(),
        ),
    }
    if place == KeptIn::Keychain
        && let Some(problem) = untrusted(program, file.path())
    {
        return Err(KeyError::Refused(format!(
            "OpenClaw would have to run {} to ask for the key, and will not: {problem}. Keep it in the private file or \
             in a variable",
            program.display()
        )));
    }
    Ok(())
}

/// Why OpenClaw would not run a program for a secret.
///
/// Source: "Exec provider" in OpenClaw's page on secrets: no link, not writable by others, owned by whoever runs it.
#[cfg(unix)]
fn untrusted(program: &Path, ours: &Path) -> Option<String> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let Ok(metadata) = std::fs::symlink_metadata(program) else { return Some("it is not there".to_owned()) };
    let me = ours.ancestors().find_map(|path| std::fs::metadata(path).ok()).map(|metadata| metadata.uid());
    let process = std::fs::metadata("/proc/self").ok().map(|metadata| metadata.uid()).or(me);
    if metadata.file_type().is_symlink() {
        Some("it is a link".to_owned())
    } else if metadata.permissions().mode() & 0o022 != 0 {
        Some("others may write to it".to_owned())
    } else if process.is_some_and(|me| me != metadata.uid()) {
        Some("it belongs to another user".to_owned())
    } else {
        None
    }
}

#[cfg(not(unix))]
fn untrusted(program: &Path, _: &Path) -> Option<String> {
    (!program.is_file()).then(|| "it is not there".to_owned())
}
