//! What a person can tell the engine to do, from the tray, the window or the command line.

use std::sync::Arc;

use pilotlight_config::Environment;
use pilotlight_config::store::{ConfigStore, StoreError};
use pilotlight_gateway::Gateway;
use pilotlight_runtime::{Keeper, KeeperError, Loaded, RuntimeStatus};
use pilotlight_wire::ModelRef;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::error::CommandError;
use crate::notice::{NoticeActionKind, NoticeKind};
use crate::notices::NoticeLog;
use crate::state::AppState;

/// A breaker or a cool-down that was forgotten on request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forgotten {
    /// The provider's id.
    pub provider: String,
    /// The model it was about; none: every model of the provider.
    pub model: Option<ModelRef>,
    /// As in [`crate::state::CooldownSummary`]; `given-up`: the keeper had given up to load the model, since it would not
    /// stay.
    pub cause: String,
}

/// The engine's commands. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Commands {
    pub(crate) config: ConfigStore,
    pub(crate) keeper: Keeper,
    pub(crate) gateway: Gateway,
    pub(crate) notices: NoticeLog,
    pub(crate) states: watch::Receiver<Arc<AppState>>,
    pub(crate) environment: Environment,
}

impl Commands {
    pub(crate) fn state(&self) -> Arc<AppState> {
        self.states.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<AppState>> {
        self.states.clone()
    }

    /// Makes a model the primary: in the file, and with it for the next request.
    pub(crate) async fn use_model(&self, name: &str) -> Result<ModelRef, CommandError> {
        let model = self.resolve(name)?;
        self.config.set_primary(&model).await.map_err(|error| store_error(&error))?;
        Ok(model)
    }

    /// Loads a local model, and returns when it is in memory.
    pub(crate) async fn load(&self, name: &str) -> Result<Loaded, CommandError> {
        let model = self.resolve(name)?;
        self.keeper.load(&model).await.map_err(|error| keeper_error(&error))
    }

    /// Takes a local model out of memory, and leaves it out until a person or a request that nobody else can answer
    /// asks for it.
    pub(crate) async fn unload(&self, name: &str) -> Result<ModelRef, CommandError> {
        let model = self.resolve(name)?;
        self.keeper.unload(&model).await.map_err(|error| keeper_error(&error))?;
        Ok(model)
    }

    /// Forgets breakers and cool-downs, of one provider or of all: the next request asks them again. Models that the
    /// keeper gave up are loaded again.
    pub(crate) fn retry(&self, provider: Option<&str>) -> Result<Vec<Forgotten>, CommandError> {
        if let Some(provider) = provider {
            let state = self.state();
            let mut known: Vec<_> = state.models.iter().map(|model| model.model.provider()).collect();
            known.dedup();
            if !known.iter().any(|known| known.eq_ignore_ascii_case(provider)) {
                let message = format!("no provider is called {provider:?}: there is {}", known.join(", "));
                return Err(CommandError::new("unknown-provider", message));
            }
        }
        let cooling = self.gateway.retry(provider).into_iter().map(|cooldown| Forgotten {
            provider: cooldown.provider,
            model: cooldown.model,
            cause: cooldown.cause.name().to_owned(),
        });
        let given_up = self.keeper.retry(provider).into_iter().map(|model| Forgotten {
            provider: model.provider().to_owned(),
            model: Some(model),
            cause: "given-up".to_owned(),
        });
        Ok(cooling.chain(given_up).collect())
    }

    /// Starts the server of a local provider, and returns when it answers. Without a name: that of the one provider
    /// whose server is away.
    pub(crate) async fn start_runtime(&self, provider: Option<&str>) -> Result<RuntimeStatus, CommandError> {
        let provider = match provider {
            Some(provider) => provider.trim().to_lowercase(),
            None => {
                let state = self.state();
                let away: Vec<_> = state.runtimes.iter().filter(|runtime| !runtime.reachable).collect();
                match away.as_slice() {
                    [one] => one.provider.clone(),
                    [] => return Err(CommandError::new("not-started", "every local server answers already")),
                    several => {
                        let names: Vec<_> = several.iter().map(|runtime| runtime.provider.as_str()).collect();
                        let message = format!("several servers are away: name one of {}", names.join(", "));
                        return Err(CommandError::new("bad-request", message));
                    }
                }
            }
        };
        self.keeper.start_runtime(&provider).await.map_err(|error| keeper_error(&error))
    }

    /// Does what a notice offers.
    pub(crate) async fn notice_action(&self, id: u64, action: NoticeActionKind) -> Result<(), CommandError> {
        let notice = self.notices.find(id).ok_or_else(|| {
            CommandError::new("unknown-notice", format!("there is no notice {id} any longer: only the last are kept"))
        })?;
        let offered = notice.actions.iter().find(|offered| offered.action == action).ok_or_else(|| {
            CommandError::new("unknown-action", format!("the notice {:?} offers no {}", notice.title, action.name()))
        })?;
        match (action, &offered.model) {
            (NoticeActionKind::Mute, _) => self.notices.mute(notice.kind),
            (NoticeActionKind::Reload, Some(model)) => drop(self.load(&model.to_string()).await?),
            (NoticeActionKind::UseHosted, Some(model)) => drop(self.use_model(&model.to_string()).await?),
            (NoticeActionKind::Reload | NoticeActionKind::UseHosted, None) => {}
        }
        Ok(())
    }

    /// Shows notices of this kind again, or of all.
    pub(crate) fn unmute(&self, kind: Option<NoticeKind>) {
        self.notices.unmute(kind);
    }

    pub(crate) fn resolve(&self, name: &str) -> Result<ModelRef, CommandError> {
        let configuration = self.config.watch().borrow().in_force.clone();
        if let Some(model) = configuration.resolve(name) {
            return Ok(model);
        }
        // A person is shown display names.
        let state = self.state();
        let shown: Vec<_> = state.models.iter().filter(|model| model.name.eq_ignore_ascii_case(name.trim())).collect();
        let several = shown.len() > 1;
        let known = match shown[..] {
            [only] => return Ok(only.model.clone()),
            [] => &state.models.iter().collect(),
            _ => &shown,
        };
        let known: Vec<_> = known
            .iter()
            .map(|model| match &model.alias {
                Some(alias) => format!("{} ({alias})", model.model),
                None => model.model.to_string(),
            })
            .collect();
        let message = match known.join(", ") {
            known if several => format!("more than one model is called {name:?}: there is {known}"),
            known if known.is_empty() => {
                format!("no model or alias is called {name:?}: no model is configured")
            }
            known => format!("no model or alias is called {name:?}: there is {known}"),
        };
        Err(CommandError::new("unknown-model", message))
    }
}

pub(crate) fn keeper_error(error: &KeeperError) -> CommandError {
    let code = match error {
        KeeperError::UnknownModel(_) => "not-local",
        KeeperError::UnknownProvider(_) => "unknown-provider",
        KeeperError::NotStarted { .. } => "not-started",
        KeeperError::Unsupported { .. } => "unsupported",
        KeeperError::Unreachable { .. } => "unreachable",
        KeeperError::Missing(_) => "missing",
        KeeperError::Busy { .. } => "busy",
        KeeperError::Failed { .. } => "load-failed",
        KeeperError::Dropped(_) => "superseded",
    };
    let advice = match error {
        KeeperError::Unreachable { .. } => ". Start its server, or correct its baseUrl in the configuration",
        _ => "",
    };
    CommandError::new(code, format!("{error}{advice}"))
}

fn store_error(error: &StoreError) -> CommandError {
    CommandError::new("configuration", error.to_string())
}
