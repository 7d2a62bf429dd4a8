//! The configuration with texts that are not saved: what an editor shows, and what a draft would mean. Reads files;
//! writes none.

use std::path::PathBuf;

use crate::check;
use crate::files::Overlay;
use crate::home::Environment;
use crate::location::ConfigLocation;
use crate::plan::{Loaded, loaded};
use crate::rules::Surroundings;

/// Reads the configuration as it would be with `texts` in place of the files of these paths. Never fails: what is wrong
/// is in the diagnostics. With what is known of the surroundings it is also said where the two do not fit together.
#[must_use]
pub fn read_with(
    location: &ConfigLocation,
    environment: &Environment,
    texts: &[(PathBuf, String)],
    surroundings: &Surroundings,
) -> Loaded {
    let overlay = Overlay(texts.iter().cloned().collect());
    loaded(check::read_in(&overlay, location, environment, surroundings))
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

        let none = Surroundings::default();
        let disk = read_with(&location, &environment, &[], &none);
        assert_eq!(disk.value, Some(serde_json::json!({ "models": { "mode": "merge" } })));
        assert_eq!(disk.files.len(), 2);
        assert_eq!(disk.files[0].path, main);

        let draft = (folder.path().join("models.json5"), "{ mode: 'odd' }".to_owned());
        let with = read_with(&location, &environment, std::slice::from_ref(&draft), &none);
        assert_eq!((&with.files[1].path, &with.files[1].text), (&draft.0, &draft.1));
        assert!(with.reading.diagnostics.iter().any(|one| one.code == "unknown-mode"));
        assert_ne!(with.reading.revision, disk.reading.revision);

        // A text that cannot be read is there all the same, to be mended.
        let broken = read_with(&location, &environment, &[(main, "{".to_owned())], &none);
        assert_eq!((broken.files.len(), broken.files[0].text.as_str()), (1, "{"));
        assert_eq!(broken.value, None);
    }
}
