//! The providers of a configuration as a page lists them, and whom a test or a listing asks.

use pilotlight_config::keys::KeptIn;
use pilotlight_config::{Key, ModelConfiguration, PRESETS, Provider, Settings};
use pilotlight_wire::{Location, UpstreamApi};
use serde_json::{Value, json};

use super::Editor;
use super::mask::is_no_key;
use super::probe::Target;
use super::types::{KeyStand, KeyView, ProviderRequest, ProviderView};
use crate::error::CommandError;
use crate::location;

impl Editor {
    pub(super) fn providers(&self, configuration: &ModelConfiguration) -> Vec<ProviderView> {
        let settings = self.settings();
        let state = self.states.borrow().clone();
        let view = |provider: &Provider| ProviderView {
            id: provider.id.clone(),
            title: title(provider),
            location: location_of(provider, &settings),
            region: settings.provider(&provider.id).region,
            api: provider.api.as_ref().unwrap_or(&UpstreamApi::OpenaiCompletions).name().to_owned(),
            base_url: provider.base_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned()),
            built_in: provider.built_in,
            key: key(provider.key.as_ref()),
            runtime: state.runtimes.iter().find(|runtime| runtime.provider == provider.id).cloned(),
        };
        configuration.providers.iter().map(view).collect()
    }

    /// Whom a request means.
    pub(super) async fn target(&self, request: ProviderRequest) -> Result<Target, CommandError> {
        self.blocking(move |editor| editor.find_target(request)).await
    }

    fn find_target(&self, request: ProviderRequest) -> Result<Target, CommandError> {
        let id = request.provider.as_deref().unwrap_or("draft").trim().to_lowercase();
        if request.provider.is_none() && request.draft.is_none() {
            return Err(CommandError::new("bad-request", "name a provider, or send a draft of one"));
        }
        let disk = self.read(&[]);
        let configuration = match request.draft {
            None => disk.configuration,
            Some(mut draft) => {
                self.masks.reveal_value(&mut draft)?;
                let text = with_provider(disk.value.unwrap_or_default(), &id, draft).to_string();
                self.read(&[(self.store.location().path.clone(), text)]).configuration
            }
        };
        let configuration = configuration.unwrap_or_else(|| (*self.store.watch().borrow().in_force).clone());
        let said = self.settings().provider(&id).location;
        Target::of(&configuration, &id, said).ok_or_else(|| {
            let known: Vec<&str> = configuration.providers.iter().map(|provider| provider.id.as_str()).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            CommandError::new("unknown-provider", format!("there is no provider {id:?}; there is {known}"))
        })
    }
}

/// The configuration with another provider in the place of the one of this id.
fn with_provider(mut configuration: Value, id: &str, draft: Value) -> Value {
    if !configuration.is_object() {
        configuration = json!({});
    }
    for path in ["/models", "/models/providers"] {
        let is_object = configuration.pointer(path).is_some_and(Value::is_object);
        if !is_object {
            let (parent, key) = path.rsplit_once('/').unwrap_or_default();
            if let Some(parent) = configuration.pointer_mut(parent) {
                parent[key] = json!({});
            }
        }
    }
    if let Some(providers) = configuration.pointer_mut("/models/providers").and_then(Value::as_object_mut) {
        providers.retain(|name, _| name.trim().to_lowercase() != id);
        providers.insert(id.to_owned(), draft);
    }
    configuration
}

fn title(provider: &Provider) -> String {
    let known = PRESETS.iter().find(|preset| preset.provider_id == provider.id && preset.id != "custom");
    known.map_or_else(|| provider.id.clone(), |preset| preset.title.to_owned())
}

fn location_of(provider: &Provider, settings: &Settings) -> Location {
    let guessed = || provider.base_url.as_ref().map_or(Location::Hosted, location::guess);
    settings.provider(&provider.id).location.unwrap_or_else(guessed)
}

fn key(key: Option<&Key>) -> KeyView {
    let (place, detail) = match key {
        None => (KeyStand::None, "no key".to_owned()),
        Some(Key::Literal(text)) if is_no_key(text.expose()) => {
            (KeyStand::None, "a placeholder that is no key".to_owned())
        }
        Some(Key::Literal(_)) => (KeyStand::Config, "written out in the configuration".to_owned()),
        Some(Key::FromEnvironment { variable, .. } | Key::Unset { variable }) => {
            (KeyStand::Environment, format!("the variable {variable}"))
        }
        Some(Key::Kept { place: KeptIn::Keychain, .. }) => (KeyStand::Keychain, "the system's keychain".to_owned()),
        Some(Key::Kept { place: KeptIn::PrivateFile, .. }) => {
            (KeyStand::PrivateFile, "a file that only you can read".to_owned())
        }
        Some(Key::Reference { source, .. }) => (KeyStand::Reference, format!("a secret ref ({source})")),
    };
    KeyView { place, detail, problem: key.and_then(Key::problem) }
}
