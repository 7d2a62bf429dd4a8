//! The configuration with texts that are not saved: what an editor shows, and what a draft would mean. Reads files;
//! writes none.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::check::{self, Reading};
use crate::files::{Disk, Files};
use crate::home::Environment;
use crate::location::ConfigLocation;
use crate::model::ModelConfiguration;
use crate::rules::Surroundings;
use crate::tree::{Data, Tree};

/// A configuration, with all that an editor needs of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    /// What it says, and what is wrong with it. `files` also names what could not be read.
    pub reading: Reading,
    /// The texts it was read from: the main file first, then what it includes. Not the `.env` file beside it.
    pub texts: Vec<(PathBuf, String)>,
    /// The whole configuration, includes put in and variables not; `null` where it cannot be read.
    pub value: Value,
    /// The typed view as far as the errors allow.
    pub configuration: Option<ModelConfiguration>,
}

/// Reads the configuration as it would be with `texts` in place of the files of these paths. Never fails: what is wrong
/// is in the diagnostics.
#[must_use]
pub fn read_with(location: &ConfigLocation, environment: &Environment, texts: &[(PathBuf, String)]) -> Preview {
    read_among(location, environment, texts, &Surroundings::default())
}

/// The same, with what is known of the surroundings, so that it is also said where the two do not fit together.
#[must_use]
pub fn read_among(
    location: &ConfigLocation,
    environment: &Environment,
    texts: &[(PathBuf, String)],
    surroundings: &Surroundings,
) -> Preview {
    let files = Overlay { texts, seen: RefCell::new(Vec::new()) };
    let full = check::read_in(&files, location, environment, surroundings);
    let mut seen = files.seen.into_inner();
    // The last file is the `.env` beside the configuration.
    let last = full.reading.files.len().saturating_sub(1);
    let named = full.reading.files.iter().take(last).filter_map(|path| {
        let at = seen.iter().position(|(seen, _)| seen == path)?;
        Some(seen.swap_remove(at))
    });
    let texts = named.collect();
    let value = full.tree.as_ref().map_or(Value::Null, value);
    Preview { reading: full.reading, texts, value, configuration: full.configuration }
}

/// The disk with some files as they would be. Each is read once, so that all that is said is about the same bytes.
struct Overlay<'a> {
    texts: &'a [(PathBuf, String)],
    seen: RefCell<Vec<(PathBuf, String)>>,
}

impl Files for Overlay<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        if let Some((_, text)) = self.seen.borrow().iter().find(|(seen, _)| seen == path) {
            return Ok(text.clone());
        }
        let text = match self.texts.iter().find(|(named, _)| named == path) {
            Some((_, text)) => text.clone(),
            None => Disk.read(path)?,
        };
        self.seen.borrow_mut().push((path.to_owned(), text.clone()));
        Ok(text)
    }

    fn real(&self, path: &Path) -> PathBuf {
        Disk.real(path)
    }
}

fn value(tree: &Tree) -> Value {
    match &tree.data {
        Data::Scalar(value) => value.clone(),
        Data::Array(items) => Value::Array(items.iter().map(value).collect()),
        Data::Object(members) => Value::Object(members.iter().map(|(key, tree)| (key.clone(), value(tree))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_not_saved_takes_the_place_of_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let main = folder.path().join("openclaw.json");
        std::fs::write(&main, "{ models: { $include: './models.json5' } }").unwrap();
        std::fs::write(folder.path().join("models.json5"), "{ mode: 'merge' }").unwrap();
        std::fs::write(folder.path().join(".env"), "A=1").unwrap();
        let location = ConfigLocation { path: main.clone(), openclaw: true, read_only: false };
        let environment = Environment::isolated(folder.path(), &[]);

        let disk = read_with(&location, &environment, &[]);
        assert_eq!(disk.value, serde_json::json!({ "models": { "mode": "merge" } }));
        assert_eq!(disk.texts.len(), 2);
        assert_eq!(disk.texts[0].0, main);

        let draft = (folder.path().join("models.json5"), "{ mode: 'odd' }".to_owned());
        let with = read_with(&location, &environment, std::slice::from_ref(&draft));
        assert_eq!(with.texts[1], draft);
        assert!(with.reading.diagnostics.iter().any(|one| one.code == "unknown-mode"));
        assert_ne!(with.reading.revision, disk.reading.revision);

        // A text that cannot be read is there all the same, to be mended.
        let broken = read_with(&location, &environment, &[(main, "{".to_owned())]);
        assert_eq!((broken.texts.len(), broken.texts[0].1.as_str()), (1, "{"));
        assert_eq!(broken.value, Value::Null);
    }
}
