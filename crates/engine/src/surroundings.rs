//! What the keeper and the settings know that the configuration's rules want to know too: how models are loaded, and
//! where a provider runs. The diagnostics follow; nothing is written.

use std::sync::Arc;

use pilotlight_config::Settings;
use pilotlight_config::rules::{LiveModel, Surroundings};
use pilotlight_config::settings_store::SettingsState;
use pilotlight_config::store::ConfigStore;
use pilotlight_runtime::{KeeperState, Warmth};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What is known now.
pub(crate) fn surroundings(keeper: &KeeperState, settings: &Settings) -> Surroundings {
    let live = keeper.models.iter().map(|(model, local)| {
        let warm = matches!(local.state, Warmth::Warm { .. });
        let live = LiveModel {
            missing: matches!(local.state, Warmth::Missing),
            loaded_context: local.loaded_context.filter(|_| warm),
            quantization: local.quantization.clone(),
            size_bytes: local.size_bytes,
            billions: None,
        };
        (model.clone(), live)
    });
    let locations =
        settings.providers.iter().filter_map(|(id, provider)| Some((id.to_lowercase(), provider.location?)));
    Surroundings {
        live: live.filter(|(_, live)| *live != LiveModel::default()).collect(),
        locations: locations.collect(),
    }
}

/// Tells the configuration's store, now and whenever it changes, until `stop`.
pub(crate) async fn follow(
    config: ConfigStore,
    mut keeper: watch::Receiver<Arc<KeeperState>>,
    mut settings: watch::Receiver<Arc<SettingsState>>,
    stop: CancellationToken,
) {
    loop {
        let now = surroundings(&keeper.borrow_and_update(), &settings.borrow_and_update().settings);
        config.surround(now);
        let changed = async {
            tokio::select! {
                changed = keeper.changed() => changed,
                changed = settings.changed() => changed,
            }
        };
        if stop.run_until_cancelled(changed).await.is_none_or(|changed| changed.is_err()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use std::collections::BTreeMap;

    use pilotlight_config::settings::ProviderSettings;
    use pilotlight_runtime::{LocalModel, Stay};
    use pilotlight_wire::Location;
    use tokio::time::Instant;

    use super::*;

    fn local(state: Warmth) -> LocalModel {
        LocalModel {
            state,
            loaded_context: Some(8192),
            quantization: Some("Q2_K".to_owned()),
            size_bytes: Some(7),
            stay: Stay::default(),
            last_used: None,
            activity: None,
            progress: None,
            kept_warm: false,
            given_up: false,
            load_failed: None,
            manageable: true,
            instances: Vec::new(),
            problem: None,
        }
    }

    #[tokio::test]
    async fn a_context_counts_while_its_model_is_in_memory() {
        let warm: pilotlight_wire::ModelRef = "lmstudio/warm".parse().unwrap();
        let cold: pilotlight_wire::ModelRef = "lmstudio/cold".parse().unwrap();
        let gone: pilotlight_wire::ModelRef = "lmstudio/gone".parse().unwrap();
        let models = BTreeMap::from([
            (warm.clone(), local(Warmth::Warm { since: Instant::now() })),
            (cold.clone(), local(Warmth::Cold { reason: None })),
            (gone.clone(), local(Warmth::Missing)),
        ]);
        let mut settings = Settings::default();
        let provider = ProviderSettings { location: Some(Location::Hosted), ..ProviderSettings::default() };
        settings.providers.insert("Studio".to_owned(), provider);
        let known = surroundings(&KeeperState { models, ..KeeperState::default() }, &settings);
        assert_eq!((known.live[&warm].loaded_context, known.live[&cold].loaded_context), (Some(8192), None));
        assert_eq!([&warm, &cold, &gone].map(|model| known.live[model].missing), [false, false, true]);
        assert_eq!(known.live[&cold].quantization.as_deref(), Some("Q2_K"));
        assert_eq!(known.locations, BTreeMap::from([("studio".to_owned(), Location::Hosted)]));
    }
}
