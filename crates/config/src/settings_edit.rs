//! Edits of our own settings file, without loss like those of the configuration: what is not changed stays to the byte,
//! and a new text that would not be read as meant is not written.

use std::io;
use std::path::{Path, PathBuf};

use json5_edit::{Document, Edit, Expected, Path as KeyPath};

use crate::diagnostic::{Diagnostic, Severity};
use crate::home::Environment;
use crate::save::{self, SaveError};
use crate::settings_read::read_settings;

/// Why the settings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsEditError {
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file has a mistake already, or would have one.
    #[error("{0}")]
    Wrong(Box<Diagnostic>),
    /// The edit does not fit the file.
    #[error("{}: {source}", path.display())]
    Edit {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: json5_edit::EditError,
    },
    /// Somebody else wrote it at the same moment, again and again.
    #[error("{} was changed meanwhile: try again", path.display())]
    Changed {
        /// Which.
        path: PathBuf,
    },
}

/// Sets what stands at `keys` (objects on the way are made), or takes it out where `value` is none. The file is made
/// where there is none.
///
/// # Errors
/// When it cannot be read or written, or would have a mistake.
pub fn edit(
    path: &Path,
    keys: &[&str],
    value: Option<&serde_json::Value>,
    environment: &Environment,
) -> Result<(), SettingsEditError> {
    let io = |source| SettingsEditError::Io { path: path.to_owned(), source };
    // Somebody who saves in an editor just now is replayed upon, not overwritten.
    for _ in 0..3 {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(folder) = path.parent() {
                    save::create_folder(folder).map_err(io)?;
                }
                save::create(path, "{\n}\n").map_err(io)?;
                continue;
            }
            Err(error) => return Err(io(error)),
        };
        let new = edited(path, &text, keys, value, environment)?;
        if new == text {
            return Ok(());
        }
        match save::replace(path, &text, &new) {
            Ok(()) => return Ok(()),
            Err(SaveError::Changed) => {}
            Err(SaveError::Io(error)) => return Err(io(error)),
        }
    }
    Err(SettingsEditError::Changed { path: path.to_owned() })
}

fn edited(
    path: &Path,
    text: &str,
    keys: &[&str],
    value: Option<&serde_json::Value>,
    environment: &Environment,
) -> Result<String, SettingsEditError> {
    sound(path, text, environment)?;
    let wrong = |source| SettingsEditError::Edit { path: path.to_owned(), source };
    let document = Document::parse(text).map_err(|error| SettingsEditError::Wrong(Box::new(syntax(path, error))))?;
    let whole = keys.iter().fold(KeyPath::root(), |path, key| path.then(*key));
    let edits = match value {
        None if document.get(&whole).is_none() => return Ok(text.to_owned()),
        None => vec![Edit::Remove { path: whole, expected: Expected::default() }],
        Some(value) => {
            // The deepest object that is there takes all that is missing in one piece.
            let mut at = KeyPath::root();
            let mut rest = keys;
            while let [key, more @ ..] = rest
                && !more.is_empty()
                && document.get(&at.then(*key)).is_some()
            {
                at = at.then(*key);
                rest = more;
            }
            let [first, inner @ ..] = rest else { return Ok(text.to_owned()) };
            let value = inner.iter().rev().fold(value.clone(), |value, key| serde_json::json!({ *key: value }));
            vec![Edit::Set { path: at.then(*first), value, expected: Expected::default() }]
        }
    };
    let new = document.apply(&edits).map_err(wrong)?.text().to_owned();
    sound(path, &new, environment)?;
    Ok(new)
}

fn sound(path: &Path, text: &str, environment: &Environment) -> Result<(), SettingsEditError> {
    let (_, diagnostics) = read_settings(path, text, environment);
    let first = diagnostics.into_iter().find(|diagnostic| diagnostic.severity == Severity::Error);
    first.map_or(Ok(()), |diagnostic| Err(SettingsEditError::Wrong(Box::new(diagnostic))))
}

fn syntax(path: &Path, error: json5_edit::ParseError) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "syntax",
        file: path.to_owned(),
        path: String::new(),
        line: error.line,
        column: error.column,
        message: error.message,
        fix: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn environment() -> Environment {
        Environment::isolated(Path::new("/nowhere"), &[])
    }

    #[test]
    fn makes_changes_and_removes_and_keeps_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/settings.json5");
        let keys = ["access", "tokens", "ci"];
        let token = json!({"sha256": "ab".repeat(32), "localOnly": true});
        edit(&path, &keys, Some(&token), &environment()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(*Document::parse(&text).unwrap().value(), json!({"access": {"tokens": {"ci": token}}}));

        let commented = "{ // mine\n  cold: 'wait', access: { hosts: ['studio.local'] /* here */ },\n}\n";
        std::fs::write(&path, commented).unwrap();
        edit(&path, &keys, Some(&token), &environment()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("// mine") && text.contains("/* here */"), "{text}");
        edit(&path, &["access", "tokens"], None, &environment()).unwrap();
        assert_eq!(Document::parse(&std::fs::read_to_string(&path).unwrap()).unwrap().value()["cold"], "wait");
        edit(&path, &keys, None, &environment()).unwrap();
    }

    #[test]
    fn nothing_wrong_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json5");
        std::fs::write(&path, "{}").unwrap();
        let error =
            edit(&path, &["access", "tokens", "ci"], Some(&json!({"sha256": "x"})), &environment()).unwrap_err();
        assert!(error.to_string().contains("64 hexadecimal"), "{error}");
        std::fs::write(&path, "{ cold: 'warm' }").unwrap();
        assert!(edit(&path, &["named"], Some(&json!("strict")), &environment()).is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{ cold: 'warm' }");
    }
}
