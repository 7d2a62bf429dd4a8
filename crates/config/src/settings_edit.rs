//! Edits of our own settings file, without loss like those of the configuration: what is not changed stays to the byte,
//! and a new text that would not be read as meant is not written.

use std::io;
use std::path::{Path, PathBuf};

use json5_edit::{Document, Edit, Expected, Path as KeyPath, Position};
use serde_json::Value;

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
    /// The settings are watched no longer.
    #[error("Pilot Light is stopping")]
    Stopping,
}

/// Sets what stands at `keys` (objects on the way are made), or takes it out, with its comments, where `value` is none.
/// Of an object or array that stands there only what is to be another is changed. The file is made where there is none.
///
/// # Errors
/// When it cannot be read or written, or would have a mistake.
pub fn edit(
    path: &Path,
    keys: &[&str],
    value: Option<&Value>,
    environment: &Environment,
) -> Result<(), SettingsEditError> {
    change(path, environment, |document| match value {
        Some(value) => setting(document, keys, value),
        None => removing(document, &at(keys)),
    })
}

/// Gives what stands at `keys` its default again: it is taken out, or, where a comment would go with it, made `null`,
/// which means the same.
///
/// # Errors
/// As [`edit`].
pub fn reset(path: &Path, keys: &[&str], environment: &Environment) -> Result<(), SettingsEditError> {
    change(path, environment, |document| {
        let edits = removing(document, &at(keys));
        let kept = |after: &Document| after.comments().len() == document.comments().len();
        if document.apply(&edits).is_ok_and(|after| kept(&after)) {
            return edits;
        }
        vec![Edit::Set { path: at(keys), value: Value::Null, expected: Expected::default() }]
    })
}

/// What stands in the file, whether it is right or not; an empty object where there is no file, none where it cannot be
/// read.
#[must_use]
pub fn written(path: &Path) -> Option<Value> {
    match std::fs::read_to_string(path) {
        Ok(text) => Document::parse(&text).ok().map(|document| document.value().clone()),
        Err(error) => (error.kind() == io::ErrorKind::NotFound).then(|| Value::Object(serde_json::Map::new())),
    }
}

/// Reads the file (an empty one is made where there is none), makes the edits, and writes what comes of them.
fn change(
    path: &Path,
    environment: &Environment,
    edits: impl Fn(&Document) -> Vec<Edit>,
) -> Result<(), SettingsEditError> {
    let io = |source| SettingsEditError::Io { path: path.to_owned(), source };
    // Somebody who saves in an editor just now is replayed upon, not overwritten.
    for _ in 0..3 {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // What would be refused leaves no file behind.
                edited(path, EMPTY, environment, &edits)?;
                if let Some(folder) = path.parent() {
                    save::create_folder(folder).map_err(io)?;
                }
                save::create(path, EMPTY).map_err(io)?;
                continue;
            }
            Err(error) => return Err(io(error)),
        };
        let new = edited(path, &text, environment, &edits)?;
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

/// A file that sets nothing.
const EMPTY: &str = "{\n}\n";

fn edited(
    path: &Path,
    text: &str,
    environment: &Environment,
    edits: impl Fn(&Document) -> Vec<Edit>,
) -> Result<String, SettingsEditError> {
    sound(path, text, environment)?;
    let wrong = |source| SettingsEditError::Edit { path: path.to_owned(), source };
    let document = Document::parse(text).map_err(|error| SettingsEditError::Wrong(Box::new(syntax(path, error))))?;
    let new = document.apply(&edits(&document)).map_err(wrong)?.text().to_owned();
    sound(path, &new, environment)?;
    Ok(new)
}

fn at(keys: &[&str]) -> KeyPath {
    KeyPath::of(keys)
}

fn removing(document: &Document, path: &KeyPath) -> Vec<Edit> {
    if document.get(path).is_none() {
        return Vec::new();
    }
    vec![Edit::Remove { path: path.clone(), expected: Expected::default() }]
}

/// The edits after which `value` stands at `keys`.
fn setting(document: &Document, keys: &[&str], value: &Value) -> Vec<Edit> {
    let whole = at(keys);
    if let Some(now) = document.get(&whole) {
        let mut edits = Vec::new();
        becoming(&whole, &now.to_value(), value, &mut edits);
        return edits;
    }
    // The deepest object that is there takes all that is missing in one piece.
    let mut above = KeyPath::root();
    let mut rest = keys;
    while let [key, more @ ..] = rest
        && !more.is_empty()
        && document.get(&above.then(*key)).is_some()
    {
        above = above.then(*key);
        rest = more;
    }
    let [first, inner @ ..] = rest else { return Vec::new() };
    let value = inner.iter().rev().fold(value.clone(), |value, key| serde_json::json!({ *key: value }));
    vec![Edit::Set { path: above.then(*first), value, expected: Expected::default() }]
}

/// The edits that make `old` at `path` into `new` and leave alone what is the same in both, with its comments.
fn becoming(path: &KeyPath, old: &Value, new: &Value, edits: &mut Vec<Edit>) {
    let expected = Expected::default;
    match (old, new) {
        _ if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                edits.push(Edit::Remove { path: path.then(key.as_str()), expected: expected() });
            }
            for (key, value) in new {
                let path = path.then(key.as_str());
                match old.get(key) {
                    Some(old) => becoming(&path, old, value, edits),
                    None => edits.push(Edit::Set { path, value: value.clone(), expected: expected() }),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            let start = old.iter().zip(new).take_while(|(old, new)| old == new).count();
            let most = old.len().min(new.len()) - start;
            let same_end =
                old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(old, new)| old == new).count();
            let (before, after) = (&old[start..old.len() - same_end], &new[start..new.len() - same_end]);
            for (index, (old, new)) in before.iter().zip(after).enumerate() {
                becoming(&path.then(start + index), old, new, edits);
            }
            for index in (after.len()..before.len()).rev() {
                edits.push(Edit::Remove { path: path.then(start + index), expected: expected() });
            }
            for (index, value) in after.iter().enumerate().skip(before.len()) {
                let position = Position::At(start + index);
                let (path, value) = (path.clone(), value.clone());
                edits.push(Edit::Insert { path, key: None, position, value, expected: expected() });
            }
        }
        _ => edits.push(Edit::Set { path: path.clone(), value: new.clone(), expected: expected() }),
    }
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

    #[test]
    fn what_stays_the_same_keeps_its_comments() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json5");
        let text = "{\n  notifications: {\n    back: true, // always good news\n    quiet: { from: '22:00', /* bed */ to: '07:00' },\n  },\n  models: {\n    'LMStudio/big': { keepWarm: [\n      // the working week\n      { days: ['mon', 'fri'], from: '08:00', to: '18:00' }, // long days\n      // a short Saturday\n      { days: ['sat'], from: '09:00', to: '12:00' },\n    ] },\n  },\n}\n";
        std::fs::write(&path, text).unwrap();
        let mut expected = text.to_owned();
        let mut becomes = |keys: &[&str], value: Value, old: &str, new: &str| {
            edit(&path, keys, Some(&value), &environment()).unwrap();
            assert_eq!(expected.matches(old).count(), 1, "{old}");
            expected = expected.replace(old, new);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        };
        becomes(&["notifications", "back"], json!(false), "back: true", "back: false");
        becomes(&["notifications", "quiet"], json!({"from": "23:00", "to": "07:00"}), "'22:00'", "'23:00'");
        let keep_warm = ["models", "LMStudio/big", "keepWarm"];
        let week = json!({"days": ["mon", "tue", "fri"], "from": "08:00", "to": "18:00"});
        let saturday = json!({"days": ["sat"], "from": "09:00", "to": "12:00"});
        becomes(&keep_warm, json!([week, saturday]), "['mon', 'fri']", "['mon', 'tue', 'fri']");
        let sunday = json!({"days": ["sun"], "from": "09:00", "to": "12:00", "timeZone": "Europe/Berlin"});
        edit(&path, &keep_warm, Some(&json!([week, sunday, saturday])), &environment()).unwrap();
        edit(&path, &keep_warm, Some(&json!([week, saturday])), &environment()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected, "put in the middle, and taken out again");
        let after_week = expected[expected.find("// a short").unwrap()..].to_owned();
        edit(&path, &keep_warm, Some(&json!([saturday])), &environment()).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().ends_with(&after_week), "the other window keeps its comment");
    }

    #[test]
    fn a_default_is_given_back_without_losing_a_comment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json5");
        let text = "{ keeper: { maxModels: 2, maxMemory: '48GB' /* of 64 */, poll: '2s' } }";
        std::fs::write(&path, text).unwrap();
        reset(&path, &["keeper", "maxModels"], &environment()).unwrap();
        reset(&path, &["keeper", "maxMemory"], &environment()).unwrap();
        reset(&path, &["keeper", "nowhere"], &environment()).unwrap();
        let after = std::fs::read_to_string(&path).unwrap();
        assert_eq!(after, "{ keeper: { maxMemory: null /* of 64 */, poll: '2s' } }");
        assert_eq!(written(&path), Some(json!({"keeper": {"maxMemory": null, "poll": "2s"}})));
        assert_eq!(written(&folder.path().join("none")), Some(json!({})));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(written(&path), None);
    }

    #[test]
    fn what_is_refused_makes_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json5");
        assert!(edit(&path, &["keeper", "poll"], Some(&json!("soon")), &environment()).is_err());
        assert!(!path.exists());
    }
}
