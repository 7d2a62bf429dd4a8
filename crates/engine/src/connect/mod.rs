//! Connecting other tools, as the engine has it: the Connect page's questions, and whether a connection works, found out by
//! one small request.
//!
//! Must not know: what stands in a tool's settings, which is the configuration's.

pub mod types;
mod verify;

use std::sync::Arc;

use pilotlight_config::connect::{ConnectError, Connector, Tool};
use pilotlight_config::settings_store::SettingsState;
use pilotlight_config::{ConfigLocation, Environment};
use serde_json::Value;
use tokio::sync::watch;

pub use types::Verification;
pub use verify::{base_for_clients, verify};

use crate::editor::{read, written};
use crate::error::CommandError;
use crate::state::AppState;
use types::{ConnectOutcome, ConnectRequest, ToolView};

/// The names of what can be asked; each is also a path below `/pilotlight`.
pub(crate) const READS: [&str; 1] = ["connect"];
/// Those that are asked with a body.
pub(crate) const COMMANDS: [&str; 3] = ["connect/preview", "connect/apply", "connect/verify"];

/// The Connect page's commands. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connections {
    pub(crate) location: ConfigLocation,
    pub(crate) environment: Arc<Environment>,
    pub(crate) settings: watch::Receiver<Arc<SettingsState>>,
    pub(crate) states: watch::Receiver<Arc<AppState>>,
}

impl Connections {
    /// Does what one of [`READS`] or [`COMMANDS`] says. `body` is what [`types`] has for it.
    pub(crate) async fn ask(&self, name: &str, body: Value) -> Result<Value, CommandError> {
        match name {
            "connect" => {
                let list = self.blocking(|connector| Ok(connector.list())).await?;
                written(&list.into_iter().map(ToolView::from).collect::<Vec<_>>())
            }
            "connect/preview" | "connect/apply" => {
                let request: ConnectRequest = read(body)?;
                let tool = known(&request.tool)?;
                let apply = name == "connect/apply";
                let outcome = self.blocking(move |connector| match (apply, request.disconnect) {
                    (false, false) => connector.preview_connect(tool),
                    (false, true) => connector.preview_disconnect(tool),
                    (true, false) => connector.connect(tool),
                    (true, true) => connector.disconnect(tool),
                });
                written(&ConnectOutcome::from(outcome.await?))
            }
            "connect/verify" => {
                let request: ConnectRequest = read(body)?;
                let tool = known(&request.tool)?;
                let token = self.blocking(move |connector| connector.token(tool)).await?;
                written(&verify(&self.base(), tool, token.as_ref()).await)
            }
            other => Err(CommandError::new("unknown-command", format!("there is no {other}"))),
        }
    }

    /// Where we listen, for clients on this machine.
    fn base(&self) -> String {
        let endpoint = self.states.borrow().endpoint.clone();
        match endpoint {
            Some(endpoint) => base_for_clients(endpoint.trim_end_matches("/v1")),
            None => base_for_clients(&format!("http://{}", self.settings.borrow().settings.listen)),
        }
    }

    /// Files are read and written on a thread where that may take a while.
    async fn blocking<R: Send + 'static>(
        &self,
        work: impl FnOnce(&Connector<'_>) -> Result<R, ConnectError> + Send + 'static,
    ) -> Result<R, CommandError> {
        let this = self.clone();
        let base = self.base();
        let settings = self.settings.borrow().path.clone();
        let done = tokio::task::spawn_blocking(move || {
            let connector = Connector {
                environment: &this.environment,
                location: &this.location,
                settings: &settings,
                base: &base,
            };
            work(&connector)
        });
        let done = done.await.map_err(|error| CommandError::new("failed", format!("connecting failed: {error}")))?;
        done.map_err(|error| {
            let code = match &error {
                ConnectError::NoOpenClaw { .. } => "not-found",
                ConnectError::NotConnected { .. } => "not-connected",
                ConnectError::NoChain { .. } => "no-chain",
                ConnectError::KeepsChanging { .. } => "busy",
                _ => "connect",
            };
            CommandError::new(code, error.to_string())
        })
    }
}

fn known(id: &str) -> Result<Tool, CommandError> {
    Tool::named(id).ok_or_else(|| {
        let all = Tool::ALL.map(Tool::id).join(", ");
        CommandError::new("bad-request", format!("there is no tool {id:?}: there is {all}"))
    })
}
