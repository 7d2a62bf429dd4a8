//! Putting a provider's key somewhere. The key comes in and never goes out.

use std::path::{Path, PathBuf};

use json5_edit::{Edit, Expected, Path as KeyPath};
use pilotlight_config::Home;
use pilotlight_config::keys::{KeyError, KeyPlace, NewKey, Prepared, Stores, prepare};
use serde_json::Value;

use super::Editor;
use super::types::{KeyKept, KeyRequest, KeyStand};
use crate::error::CommandError;

impl Editor {
    /// Keeps a provider's key where the request says, makes the configuration find it there, and only then takes it
    /// from its old place.
    pub(super) async fn keep_key(&self, request: KeyRequest) -> Result<KeyKept, CommandError> {
        let KeyRequest { provider, place, value, variable } = request;
        let place = match place {
            KeyStand::Environment => {
                let variable = variable.map(|name| name.trim().to_owned()).unwrap_or_default();
                if value.is_some() {
                    let message = "a variable is set outside: where Pilot Light and OpenClaw are started, or in the .env \
                                   file beside the configuration";
                    return Err(CommandError::new("bad-request", message));
                }
                KeyPlace::Environment { variable }
            }
            KeyStand::Keychain => KeyPlace::Keychain,
            KeyStand::PrivateFile => KeyPlace::PrivateFile,
            KeyStand::Config => KeyPlace::File,
            KeyStand::None => return self.forget_key(&provider).await,
            KeyStand::Reference => {
                let message = "a secret ref of OpenClaw's own is written by hand: see its documentation";
                return Err(CommandError::new("unsupported", message));
            }
        };
        let new = NewKey { provider, place, key: value.map(|entered| entered.0), program: program() };
        let prepared = self.blocking(move |editor| editor.prepare(&new)).await?;
        let saved = self.saved(self.store.apply(prepared.edits.clone(), prepared.label.clone(), None).await)?;
        let notes = prepared.notes.clone();
        let finished = self
            .blocking(move |editor| Ok(prepared.finish(&editor.key_stores()).err().map(|error| error.to_string())))
            .await?;
        let left = finished.map(|error| format!("the key could not be taken from its old place: {error}"));
        Ok(KeyKept { revision: saved.revision, notes: notes.into_iter().chain(left).collect() })
    }

    fn prepare(&self, new: &NewKey) -> Result<Prepared, CommandError> {
        prepare(self.store.location(), &self.environment, &self.key_stores(), new, true).map_err(|error| {
            let code = match &error {
                KeyError::NoKeychain(_) => "no-keychain",
                KeyError::UnknownProvider { .. } => "unknown-provider",
                _ => "key",
            };
            CommandError::new(code, error.to_string())
        })
    }

    fn key_stores(&self) -> Stores {
        Stores::of_system(&Home::from(&*self.environment))
    }

    async fn forget_key(&self, provider: &str) -> Result<KeyKept, CommandError> {
        let configured = self.blocking(|editor| Ok(editor.read(&[]).value.unwrap_or_default())).await?;
        let providers = configured.pointer("/models/providers").and_then(Value::as_object);
        let name = providers
            .and_then(|all| all.keys().find(|name| name.trim().eq_ignore_ascii_case(provider.trim())))
            .ok_or_else(|| CommandError::new("unknown-provider", format!("the file has no provider {provider:?}")))?;
        let path = KeyPath::of(&["models", "providers", name, "apiKey"]);
        let edit = Edit::Remove { path, expected: Expected::Anything };
        let saved = self.saved(self.store.apply(vec![edit], format!("No key for {name}"), None).await)?;
        Ok(KeyKept { revision: saved.revision, notes: Vec::new() })
    }
}

/// The `pilotlight` program, which OpenClaw runs for a key in the keychain: this one, or the one beside it.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let name = format!("pilotlight{}", std::env::consts::EXE_SUFFIX);
    let beside = own.parent().unwrap_or(Path::new("/")).join(name);
    if beside.is_file() { beside } else { own }
}
