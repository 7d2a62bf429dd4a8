//! How a key that is kept elsewhere stands in the configuration, and which edits put it there. No I/O.
//!
//! Source of the forms: OpenClaw's pages "SecretRef contract and provider config" and "Secrets operations" as they come
//! with the npm package `openclaw@2026.9.6`.

use std::path::Path as FilePath;

use json5_edit::{Edit, Expected, Path};
use serde_json::{Value, json};

use super::{KeptIn, KeyPlace};
use crate::hosted;
use crate::tree::At;

/// Our entries of `secrets.providers`.
const KEYCHAIN: &str = "pilotlight-keychain";
const PRIVATE_FILE: &str = "pilotlight-keys";

/// What `pilotlight key answer` needs of the environment, to reach the keychain of whoever runs OpenClaw.
const PASSED: [&str; 10] = [
    "HOME",
    "USER",
    "LOGNAME",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "DBUS_SESSION_BUS_ADDRESS",
    "PILOTLIGHT_HOME",
    "USERPROFILE",
    "APPDATA",
    "SYSTEMROOT",
];

/// Where one of our refs says that a key is kept, and under which id; none for a ref that is not ours.
pub(crate) fn kept_by(source: &str, provider: &str, id: &str) -> Option<(KeptIn, String)> {
    match (source, provider) {
        ("exec", KEYCHAIN) => Some((KeptIn::Keychain, id.to_owned())),
        // A JSON pointer (RFC 6901).
        ("file", PRIVATE_FILE) => {
            Some((KeptIn::PrivateFile, id.strip_prefix('/')?.replace("~1", "/").replace("~0", "~")))
        }
        _ => None,
    }
}

/// Where things are that a ref names.
pub(super) struct Places<'a> {
    /// The `pilotlight` program.
    pub program: &'a FilePath,
    /// The private file.
    pub file: &'a FilePath,
}

/// The edits that make a provider's key stand at a place: its `apiKey`, and our entry of `secrets.providers` where the
/// place needs one. `key` is what is written out where the place is the file itself.
pub(super) fn edits(
    root: &At<'_>,
    provider: &str,
    place: &KeyPlace,
    key: Option<&str>,
    places: &Places<'_>,
) -> Vec<Edit> {
    let mut edits = Vec::new();
    let new = match place {
        KeyPlace::Environment { variable } => Value::from(format!("${{{variable}}}")),
        KeyPlace::File => Value::from(key.unwrap_or_default()),
        KeyPlace::Keychain => {
            let entry = json!({
                "source": "exec",
                "command": places.program.to_string_lossy(),
                "args": ["key", "answer"],
                "passEnv": PASSED,
                // Its owner may be asked to unlock it.
                "timeoutMs": 30_000,
            });
            edits.extend(secrets_provider(root, KEYCHAIN, &entry));
            json!({ "source": "exec", "provider": KEYCHAIN, "id": provider })
        }
        KeyPlace::PrivateFile => {
            let entry = json!({ "source": "file", "path": places.file.to_string_lossy(), "mode": "json" });
            edits.extend(secrets_provider(root, PRIVATE_FILE, &entry));
            json!({ "source": "file", "provider": PRIVATE_FILE, "id": format!("/{}", escaped(provider)) })
        }
    };
    let entries = Path::root().then("models").then("providers");
    let entry = entry_of(root, provider);
    let path = match entry.as_ref().and_then(|entry| entry.path().steps().last().cloned()) {
        Some(step) => entries.then(step).then("apiKey"),
        None => {
            // A hosted provider that OpenClaw has built in gets an entry that both versions take.
            let whole = match hosted::find(provider) {
                Some(hosted) => {
                    json!({ "baseUrl": hosted.base_url, "api": hosted.api, "apiKey": new, "models": [] })
                }
                None => json!({ "apiKey": new }),
            };
            edits.push(set(entries.then(provider), whole));
            return edits;
        }
    };
    if entry.and_then(|entry| entry.member("apiKey")).is_none_or(|at| at.tree.value() != new) {
        edits.push(set(path, new));
    }
    edits
}

/// A provider's entry, whatever the case of its key.
pub(super) fn entry_of<'a>(root: &At<'a>, provider: &str) -> Option<At<'a>> {
    let providers = root.at(&["models", "providers"])?;
    match &providers.tree.data {
        crate::tree::Data::Object(members) => {
            let (key, _) = members.iter().find(|(key, _)| key.trim().eq_ignore_ascii_case(provider))?;
            providers.get(key)
        }
        _ => None,
    }
}

fn secrets_provider(root: &At<'_>, name: &str, entry: &Value) -> Option<Edit> {
    let there = root.at(&["secrets", "providers", name]).is_some_and(|at| at.tree.value() == *entry);
    (!there).then(|| set(Path::root().then("secrets").then("providers").then(name), entry.clone()))
}

/// What stands there now may be a key, so nothing is said of it.
fn set(path: Path, value: Value) -> Edit {
    Edit::Set { path, value, expected: Expected::Anything }
}

fn escaped(id: &str) -> String {
    id.replace('~', "~0").replace('/', "~1")
}
