//! Putting a provider's key somewhere. The key comes in and never goes out.

use json5_edit::{Edit, Expected, Path};
use serde_json::{Value, json};

use super::Editor;
use super::types::{KeyRequest, KeyStand, Saved};
use crate::error::CommandError;

impl Editor {
    /// Keeps a provider's key where the request says, and makes the configuration find it there.
    pub(super) async fn keep_key(&self, request: KeyRequest) -> Result<Saved, CommandError> {
        let KeyRequest { provider, place, value, variable } = request;
        let value = value.map(|entered| entered.0).filter(|key| !key.expose().trim().is_empty());
        let written = match place {
            KeyStand::Environment => {
                let variable = variable.as_deref().map(str::trim).unwrap_or_default().to_owned();
                if !is_variable(&variable) {
                    return Err(CommandError::new(
                        "bad-variable",
                        "name the variable in capital letters, digits and underscores, such as OPENROUTER_API_KEY",
                    ));
                }
                if value.is_some() {
                    return Err(CommandError::new(
                        "bad-request",
                        format!(
                            "a variable is set outside: put {variable} where Pilot Light and OpenClaw are started, or in the .env file beside the configuration"
                        ),
                    ));
                }
                json!(format!("${{{variable}}}"))
            }
            KeyStand::Config => match &value {
                Some(key) => json!(key.expose()),
                None => return Err(CommandError::new("bad-request", "enter the key that is to be written")),
            },
            KeyStand::None => Value::Null,
            KeyStand::Keychain | KeyStand::PrivateFile | KeyStand::Reference => {
                return Err(CommandError::new(
                    "unsupported",
                    "this cannot be done from here: `pilotlight key set` puts a key there",
                ));
            }
        };
        let configured = self.blocking(|editor| Ok(editor.read(&[]).value)).await?;
        let providers = configured.pointer("/models/providers").and_then(Value::as_object);
        let name = providers
            .and_then(|all| all.keys().find(|name| name.trim().eq_ignore_ascii_case(provider.trim())))
            .cloned()
            .unwrap_or_else(|| provider.trim().to_owned());
        let path = Path::of(&["models", "providers", &name, "apiKey"]);
        let expected = Expected::Anything;
        let edit = if written.is_null() {
            Edit::Remove { path, expected }
        } else {
            Edit::Set { path, value: written, expected }
        };
        self.saved(self.store.apply(vec![edit], format!("Key of {name}"), None).await)
    }
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}
