//! Which runtime answers at an address: found by asking, never by the port.

use std::path::PathBuf;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::adapter::http::{Http, LISTING};
use crate::adapter::lmstudio::{APP_PORTS, LmStudio, is_greeting};
use crate::adapter::openai_compatible::OpenaiCompatible;
use crate::adapter::{Adapter, LookFailure};
use crate::{RuntimeKind, WatchedProvider};

/// Makes the adapter of a provider.
pub(crate) trait Connect: Send + Sync + 'static {
    /// Asks what runs there, where the plan does not say.
    fn connect<'a>(&'a self, provider: &'a WatchedProvider) -> BoxFuture<'a, Result<Arc<dyn Adapter>, LookFailure>>;
}

/// Asks over HTTP.
pub(crate) struct ByAsking {
    /// The ports of LM Studio's application.
    pub(crate) app_ports: Vec<u16>,
    /// The folder that holds LM Studio's own.
    pub(crate) user_home: Option<PathBuf>,
}

impl Default for ByAsking {
    fn default() -> Self {
        Self { app_ports: APP_PORTS.to_vec(), user_home: std::env::home_dir() }
    }
}

impl Connect for ByAsking {
    fn connect<'a>(&'a self, provider: &'a WatchedProvider) -> BoxFuture<'a, Result<Arc<dyn Adapter>, LookFailure>> {
        async move {
            let http = Http::new(&provider.root, provider.key.as_ref()).map_err(LookFailure::Rejected)?;
            let kind = match provider.runtime {
                Some(kind) => kind,
                None => ask(&http).await?,
            };
            Ok(match kind {
                RuntimeKind::LmStudio => {
                    Arc::new(LmStudio::new(http, self.app_ports.clone(), self.user_home.clone())) as Arc<dyn Adapter>
                }
                RuntimeKind::OpenaiCompatible => Arc::new(OpenaiCompatible::new(http)),
            })
        }
        .boxed()
    }
}

async fn ask(http: &Http) -> Result<RuntimeKind, LookFailure> {
    // Answered without a token, since LM Studio has tokens.
    let greeting = http.get("lmstudio-greeting", LISTING).await?;
    if is_greeting(&greeting.body) {
        return Ok(RuntimeKind::LmStudio);
    }
    if greeting.status.is_server_error() {
        // Just starting, or a proxy without its server: this says nothing about what it will be.
        return Err(LookFailure::Rejected(format!("it answers HTTP {}", greeting.status.as_u16())));
    }
    // Should the greeting go one day: a listing with LM Studio's states is LM Studio's.
    if lists_states(&http.get("api/v0/models", LISTING).await?.body) {
        return Ok(RuntimeKind::LmStudio);
    }
    Ok(RuntimeKind::OpenaiCompatible)
}

fn lists_states(body: &Value) -> bool {
    let states = ["loaded", "loading", "not-loaded"];
    let lines = body.get("data").and_then(Value::as_array);
    lines
        .into_iter()
        .flatten()
        .any(|line| line.get("state").and_then(Value::as_str).is_some_and(|state| states.contains(&state)))
}
