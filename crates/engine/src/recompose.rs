//! What the actors are given when a file in force changes, or when the keeper has found a server at another address.
//!
//! Must not know: what a composition means.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use pilotlight_config::Home;
use pilotlight_config::settings_store::SettingsState;
use pilotlight_config::store::ConfigState;
use pilotlight_gateway::{Routes, Target};
use pilotlight_runtime::{KeeperState, Plan};
use pilotlight_wire::Secret;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::access::token;
use crate::compose::{Composition, compose, next_turn};

/// How late the opening of a schedule may be seen after the machine slept.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(15);

/// What the composition is made of.
pub(crate) struct Inputs {
    pub(crate) config: watch::Receiver<Arc<ConfigState>>,
    pub(crate) settings: watch::Receiver<Arc<SettingsState>>,
    pub(crate) keeper: watch::Receiver<Arc<KeeperState>>,
    pub(crate) home: Home,
}

/// Who is given the composition.
pub(crate) struct Outputs {
    pub(crate) token: watch::Sender<Option<Secret>>,
    pub(crate) routes: watch::Sender<Arc<pilotlight_gateway::Routes>>,
    pub(crate) plan: watch::Sender<Arc<pilotlight_runtime::Plan>>,
    pub(crate) composition: watch::Sender<Composition>,
}

/// Composes anew whenever a file in force changes, or a server is found at another address. A request in flight keeps
/// the routes it was given.
pub(crate) async fn recompose(mut inputs: Inputs, outputs: Outputs, stop: CancellationToken) {
    let mut moved = Moved::new();
    loop {
        let turn = next_turn(&inputs.settings.borrow().settings, Utc::now());
        let changed = async {
            tokio::select! {
                changed = inputs.config.changed() => changed,
                changed = inputs.settings.changed() => changed,
                changed = moves(&mut inputs.keeper, &moved) => changed,
                () = passed(turn) => Ok(()),
            }
        };
        if stop.run_until_cancelled(changed).await.is_none_or(|changed| changed.is_err()) {
            return;
        }
        moved = moved_now(&inputs.keeper.borrow_and_update());
        let configuration = inputs.config.borrow_and_update().in_force.clone();
        let settings = inputs.settings.borrow_and_update().settings.clone();
        let token = match token(&settings, &inputs.home) {
            Ok(token) => token,
            Err(error) => {
                // Without a token that can be read, the one in force stays: never none.
                tracing::error!(%error, "the token cannot be read: the old one stays");
                outputs.token.borrow().clone()
            }
        };
        let mut next = compose(&configuration, &settings, token.clone(), Utc::now());
        next.routes = follow(next.routes, &moved, &next.plan);
        outputs.token.send_replace(token);
        outputs.plan.send_if_modified(|plan| {
            let changed = *plan != next.plan;
            *plan = next.plan.clone();
            changed
        });
        outputs.routes.send_replace(next.routes.clone());
        outputs.composition.send_replace(next);
    }
}

/// Waits until this moment of the calendar, which may come sooner than the clock of this machine's running says: it may
/// sleep, and be set.
async fn passed(turn: Option<DateTime<Utc>>) {
    let Some(turn) = turn else { return std::future::pending().await };
    loop {
        let left = (turn - Utc::now()).to_std().unwrap_or_default();
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LOOK_AT_THE_CLOCK)).await;
    }
}

/// Where each provider's server is, by the provider's id, as the keeper last saw.
type Moved = BTreeMap<String, Url>;

fn moved_now(keeper: &KeeperState) -> Moved {
    keeper.runtimes.iter().map(|(id, runtime)| (id.clone(), runtime.address.clone())).collect()
}

/// Waits until a server is at another address than `known`.
async fn moves(keeper: &mut watch::Receiver<Arc<KeeperState>>, known: &Moved) -> Result<(), watch::error::RecvError> {
    loop {
        keeper.changed().await?;
        if moved_now(&keeper.borrow_and_update()) != *known {
            return Ok(());
        }
    }
}

/// The routes, with the addresses at which the keeper found the servers. Only the port of a server of this machine is
/// ever another one than the configuration's, so nothing goes to a place that the configuration does not name.
fn follow(routes: Arc<Routes>, moved: &Moved, plan: &Plan) -> Arc<Routes> {
    let other_port = |target: &Target| {
        let provider = plan.providers.iter().find(|provider| provider.id == target.model.provider())?;
        let found = moved.get(&provider.id)?;
        (found.host() == provider.root.host() && found.port() != provider.root.port()).then(|| found.port())
    };
    if !routes.targets.iter().any(|target| other_port(target).is_some()) {
        return routes;
    }
    let mut routes = Arc::unwrap_or_clone(routes);
    for target in &mut routes.targets {
        if let Some(port) = other_port(target) {
            let mut there = Target::clone(target);
            // An address that has a host can have any port.
            let _ = there.base_url.set_port(port);
            *target = Arc::new(there);
        }
    }
    Arc::new(routes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use pilotlight_config::settings::Settings;

    #[tokio::test]
    async fn only_the_port_of_a_server_that_moved_is_another() {
        let text = r#"{ models: { providers: {
            lmstudio: { baseUrl: "http://127.0.0.1:1234/v1", api: "openai-responses", models: [{ id: "m", name: "m" }] },
            other: { baseUrl: "http://127.0.0.1:8080/v1", api: "openai-completions", models: [{ id: "n", name: "n" }] },
        } }, agents: { defaults: { model: { primary: "lmstudio/m" } } } }"#;
        let bench = tempfile::tempdir().unwrap();
        let file = bench.path().join("openclaw.json");
        std::fs::write(&file, text).unwrap();
        let environment = pilotlight_config::Environment::of_process();
        let home = Home::at(bench.path().join("home"));
        let location = pilotlight_config::ConfigLocation::find(&environment, &home, Some(&file));
        let store = pilotlight_config::store::ConfigStore::open(location, environment).unwrap();
        let first = compose(&store.watch().borrow().in_force, &Settings::default(), None, Utc::now());
        let at = |lm_studio: &str| {
            let address = |id: &str, at: &str| (id.to_owned(), at.parse().unwrap());
            [address("lmstudio", lm_studio), address("other", "http://127.0.0.1:8080/")].into()
        };
        let same = follow(first.routes.clone(), &at("http://127.0.0.1:1234/"), &first.plan);
        assert!(Arc::ptr_eq(&same, &first.routes));
        let moved = follow(first.routes.clone(), &at("http://127.0.0.1:4321/"), &first.plan);
        let addresses: Vec<_> = moved.targets.iter().map(|target| target.base_url.to_string()).collect();
        assert_eq!(addresses, ["http://127.0.0.1:4321/v1", "http://127.0.0.1:8080/v1"]);
        // Never another machine.
        let elsewhere = follow(first.routes.clone(), &at("http://10.0.0.9:1234/"), &first.plan);
        assert!(Arc::ptr_eq(&elsewhere, &first.routes));
    }
}
