//! Which runtime answers at an address: found by asking, never by the port.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::adapter::http::{Http, LISTING, is_loopback};
use crate::adapter::litellm::LiteLlm;
use crate::adapter::llama_server::LlamaServer;
use crate::adapter::lmstudio::{GREETING, LmStudio, is_greeting};
use crate::adapter::ollama::Ollama;
use crate::adapter::openai_compatible::OpenaiCompatible;
use crate::adapter::vllm::Vllm;
use crate::adapter::{Adapter, LookFailure, litellm, llama_server, lmstudio_home, lmstudio_start, ollama, vllm};
use crate::{RuntimeKind, WatchedProvider};

/// Makes the adapter of a provider.
pub(crate) trait Connect: Send + Sync + 'static {
    /// Asks what runs there, where the plan does not say.
    fn connect<'a>(&'a self, provider: &'a WatchedProvider) -> BoxFuture<'a, Result<Arc<dyn Adapter>, LookFailure>>;

    /// Starts its server, where it is one of this machine that can be started. The error is in words.
    fn start<'a>(&'a self, provider: &'a WatchedProvider) -> BoxFuture<'a, Result<(), String>>;
}

/// Asks over HTTP.
pub(crate) struct ByAsking {
    /// The ports of LM Studio's application.
    pub(crate) app_ports: Vec<u16>,
    /// The folder that holds LM Studio's own.
    pub(crate) user_home: Option<PathBuf>,
    /// The providers that were found to be LM Studio.
    lm_studios: Mutex<BTreeSet<String>>,
}

impl ByAsking {
    pub(crate) fn new(app_ports: Vec<u16>, user_home: Option<PathBuf>) -> Self {
        Self { app_ports, user_home, lm_studios: Mutex::default() }
    }

    fn lm_studio(&self, http: Http) -> LmStudio {
        LmStudio::new(http, self.app_ports.clone(), self.user_home.clone())
    }

    fn lm_studios(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.lm_studios.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a server that is gone from there is one that LM Studio's own files tell of: one that was found to be LM
    /// Studio before, or is called so. Any other is not taken for it.
    fn may_have_moved(&self, provider: &WatchedProvider) -> bool {
        let called = matches!(provider.id.as_str(), "lmstudio" | "lm-studio") && provider.runtime.is_none();
        called || provider.runtime == Some(RuntimeKind::LmStudio) || self.lm_studios().contains(&provider.id)
    }

    /// LM Studio on another port of this machine, by its own files. It is asked before it is believed, and before it is
    /// sent a key.
    async fn elsewhere(&self, http: &Http) -> Option<Http> {
        if !is_loopback(http.root()) {
            return None;
        }
        let port = lmstudio_home::server_port(self.user_home.as_deref()).await?;
        if Some(port) == http.root().port_or_known_default() {
            return None;
        }
        let greeting = http.on_port(port)?.get("lmstudio-greeting", GREETING).await.ok()?;
        if is_greeting(&greeting.body) { http.moved(port) } else { None }
    }
}

impl Connect for ByAsking {
    fn connect<'a>(&'a self, provider: &'a WatchedProvider) -> BoxFuture<'a, Result<Arc<dyn Adapter>, LookFailure>> {
        async move {
            let http = Http::new(&provider.root, provider.key.as_ref()).map_err(LookFailure::Rejected)?;
            let found = match provider.runtime {
                Some(kind @ RuntimeKind::LmStudio) => match http.get("lmstudio-greeting", LISTING).await {
                    // Whatever it answers: the settings say what it is.
                    Ok(_) => Ok(Found::just(kind)),
                    Err(failure) => Err(failure),
                },
                Some(kind) => Ok(Found { kind, version: version_of(kind, &http).await }),
                None => ask(&http).await,
            };
            let found = match found {
                Ok(found) => found,
                Err(failure @ LookFailure::Refused(_)) if self.may_have_moved(provider) => {
                    let Some(http) = self.elsewhere(&http).await else { return Err(failure) };
                    return Ok(Arc::new(self.lm_studio(http).moved()) as Arc<dyn Adapter>);
                }
                Err(failure) => return Err(failure),
            };
            Ok(match found.kind {
                RuntimeKind::LmStudio => {
                    self.lm_studios().insert(provider.id.clone());
                    Arc::new(self.lm_studio(http)) as Arc<dyn Adapter>
                }
                RuntimeKind::Ollama => Arc::new(Ollama::new(http, found.version)),
                RuntimeKind::LlamaServer => Arc::new(LlamaServer::new(http)),
                RuntimeKind::Vllm => Arc::new(Vllm::new(http, found.version)),
                RuntimeKind::LiteLlm => Arc::new(LiteLlm::new(http)),
                RuntimeKind::OpenaiCompatible => Arc::new(OpenaiCompatible::new(http)),
            })
        }
        .boxed()
    }

    fn start<'a>(&'a self, provider: &'a WatchedProvider) -> BoxFuture<'a, Result<(), String>> {
        async move {
            if !is_loopback(&provider.root) {
                return Err("it is on another machine: start it there".to_owned());
            }
            // Of another runtime it is known how to ask it, not how its owner starts it.
            let port = provider.root.port_or_known_default();
            let by_port = provider.runtime.is_none()
                && lmstudio_home::server_port(self.user_home.as_deref()).await.is_some_and(|own| Some(own) == port);
            if !by_port && !self.may_have_moved(provider) {
                return Err("only LM Studio can be started from here: start this one as you did before".to_owned());
            }
            lmstudio_start::start_server(self.user_home.as_deref(), port.unwrap_or_default()).await
        }
        .boxed()
    }
}

/// What answers there.
struct Found {
    kind: RuntimeKind,
    version: Option<String>,
}

impl Found {
    fn just(kind: RuntimeKind) -> Self {
        Self { kind, version: None }
    }
}

async fn ask(http: &Http) -> Result<Found, LookFailure> {
    // Answered without a token, since LM Studio has tokens. Asked first and alone: LM Studio writes a path that it does
    // not know to its log as an error.
    let greeting = http.get("lmstudio-greeting", LISTING).await?;
    if is_greeting(&greeting.body) {
        return Ok(Found::just(RuntimeKind::LmStudio));
    }
    if llama_server::is_loading(&greeting) {
        return Ok(Found::just(RuntimeKind::LlamaServer));
    }
    if greeting.status.is_server_error() {
        // Just starting, or a proxy without its server: this says nothing about what it will be.
        return Err(LookFailure::Rejected(format!("it answers HTTP {}", greeting.status.as_u16())));
    }
    let (ollama, props, version, alive, states) = tokio::join!(
        http.get("api/version", LISTING),
        http.get("props", LISTING),
        http.get("version", LISTING),
        http.get("health/liveliness", LISTING),
        http.get("api/v0/models", LISTING),
    );
    // Should the greeting go one day: a listing with LM Studio's states is LM Studio's.
    if lists_states(&states?.body) {
        return Ok(Found::just(RuntimeKind::LmStudio));
    }
    let props = props?;
    if llama_server::is_props(&props.body) || llama_server::is_loading(&props) {
        return Ok(Found::just(RuntimeKind::LlamaServer));
    }
    if let Some(version) = ollama::read_version(&ollama?.body) {
        return Ok(Found { kind: RuntimeKind::Ollama, version: Some(version) });
    }
    if litellm::is_alive(&alive?) {
        return Ok(Found::just(RuntimeKind::LiteLlm));
    }
    // Others have a version too; vLLM's listing has marks of its own.
    if let Some(version) = ollama::read_version(&version?.body)
        && vllm::is_listing(&http.get("v1/models", LISTING).await?.body)
    {
        return Ok(Found { kind: RuntimeKind::Vllm, version: Some(version) });
    }
    Ok(Found::just(RuntimeKind::OpenaiCompatible))
}

/// The version of a runtime whose kind the settings name.
async fn version_of(kind: RuntimeKind, http: &Http) -> Option<String> {
    let path = match kind {
        RuntimeKind::Ollama => "api/version",
        RuntimeKind::Vllm => "version",
        _ => return None,
    };
    ollama::read_version(&http.get(path, LISTING).await.ok()?.body)
}

fn lists_states(body: &Value) -> bool {
    let states = ["loaded", "loading", "not-loaded"];
    let lines = body.get("data").and_then(Value::as_array);
    lines
        .into_iter()
        .flatten()
        .any(|line| line.get("state").and_then(Value::as_str).is_some_and(|state| states.contains(&state)))
}
