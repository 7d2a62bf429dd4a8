//! The composition: owns the actors, reduces their events to one [`state::AppState`], offers the commands.
//!
//! Must not know: Tauri, the terminal, what a tray or a window looks like. A frontend watches [`Engine::state`], shows
//! each [`Notice`], and calls the commands.

mod access;
mod clock;
mod commands;
mod compose;
pub mod connect;
mod context;
mod control;
pub mod editor;
mod error;
mod light;
mod listener;
mod local_models;
mod location;
mod notice;
mod notices;
mod page_commands;
mod recompose;
mod reducer;
mod retention;
pub mod running;
pub mod settings_page;
mod sleep;
mod start;
pub mod state;
mod surroundings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use pilotlight_config::{Environment, Home};
use pilotlight_runtime::Loaded;
use pilotlight_wire::{ModelRef, Secret};
use tokio::sync::{broadcast, watch};

pub use access::{AccessError, token};
pub use commands::Forgotten;
pub use context::{ContextMend, ContextMended};
pub use error::{CommandError, StartError};
pub use notice::{Muted, Notice, NoticeAction, NoticeActionKind, NoticeKind};
use state::AppState;

/// How an engine is started.
#[derive(Debug)]
pub struct EngineOptions {
    /// The process's environment.
    pub environment: Environment,
    /// The configuration file, where it is not found by the rules.
    pub config: Option<PathBuf>,
    /// The settings file, where it is not the one in [`Home`].
    pub settings: Option<PathBuf>,
    /// Where to listen, where it is not as the settings say. Port 0 takes any free one.
    pub listen: Option<SocketAddr>,
    /// Who starts it: `serve` or `desktop`.
    pub frontend: &'static str,
    /// The window's files, served below `/ui` without a token: they hold no data.
    pub pages: Option<Router>,
}

impl EngineOptions {
    /// Everything by its rules and settings.
    #[must_use]
    pub fn new(environment: Environment, frontend: &'static str) -> Self {
        Self { environment, config: None, settings: None, listen: None, frontend, pages: None }
    }
}

/// A running engine. Cheap to clone; [`Engine::stop`] ends it.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<start::Inner>,
}

impl Engine {
    /// Starts everything and returns when the proxy listens.
    ///
    /// # Errors
    /// When another engine runs on the same folder, the address is taken, or a file cannot be opened.
    pub async fn start(options: EngineOptions) -> Result<Self, StartError> {
        start::start(options).await.map(|inner| Self { inner: Arc::new(inner) })
    }

    /// What a person is shown, now and whenever it changes.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<Arc<AppState>> {
        self.inner.commands.watch()
    }

    /// What a person is shown, now.
    #[must_use]
    pub fn state_now(&self) -> Arc<AppState> {
        self.inner.commands.state()
    }

    /// What a person should be told; already throttled.
    #[must_use]
    pub fn occurrences(&self) -> broadcast::Receiver<Notice> {
        self.inner.notices.subscribe()
    }

    /// Makes a model (by alias, ref or bare id) the primary, in the file and for the next request.
    ///
    /// # Errors
    /// When there is no such model, or the file cannot be changed.
    pub async fn use_model(&self, name: &str) -> Result<ModelRef, CommandError> {
        self.inner.commands.use_model(name).await
    }

    /// Loads a local model; returns when it is in memory.
    ///
    /// # Errors
    /// When there is no such local model, or its runtime cannot load it.
    pub async fn load(&self, name: &str) -> Result<Loaded, CommandError> {
        self.inner.commands.load(name).await
    }

    /// Takes a local model out of memory.
    ///
    /// # Errors
    /// When there is no such local model, it is answering, or its runtime refuses.
    pub async fn unload(&self, name: &str) -> Result<ModelRef, CommandError> {
        self.inner.commands.unload(name).await
    }

    /// Makes a model's loaded context and the configuration's agree, in one way or the other.
    ///
    /// # Errors
    /// When there is no such local model, nothing is to be mended, it is answering, or it cannot be done.
    pub async fn mend_context(&self, name: &str, mend: ContextMend) -> Result<ContextMended, CommandError> {
        self.inner.commands.mend_context(name, mend).await
    }

    /// Forgets breakers and cool-downs, of one provider or of all: the next request asks them again. Models that the
    /// keeper gave up are loaded again.
    ///
    /// # Errors
    /// When there is no such provider.
    pub fn retry(&self, provider: Option<&str>) -> Result<Vec<Forgotten>, CommandError> {
        self.inner.commands.retry(provider)
    }

    /// Starts the server of a local provider (without a name: of the one that is away); returns when it answers. Only
    /// LM Studio on this machine can be.
    ///
    /// # Errors
    /// When there is no such provider, or its server cannot be started, with what to do.
    pub async fn start_runtime(&self, provider: Option<&str>) -> Result<(), CommandError> {
        self.inner.commands.start_runtime(provider).await.map(|_| ())
    }

    /// Does what a notice offers.
    ///
    /// # Errors
    /// When there is no such notice any longer, it offers no such thing, or that cannot be done.
    pub async fn notice_action(&self, id: u64, action: NoticeActionKind) -> Result<(), CommandError> {
        self.inner.commands.notice_action(id, action).await
    }

    /// Shows notices of this kind again.
    pub fn unmute(&self, kind: NoticeKind) {
        self.inner.commands.unmute(Some(kind));
    }

    /// What the Models, Connect and Settings pages ask for, by the names of the paths below `/pilotlight`, such as
    /// `config/preview`; `body` and answer are what [`editor::types`], [`connect::types`] and [`settings_page::types`] have
    /// for it. No secret is in the answer.
    ///
    /// # Errors
    /// When there is no such thing to ask, the body is another, or it cannot be done.
    pub async fn edit(&self, name: &str, body: serde_json::Value) -> Result<serde_json::Value, CommandError> {
        self.inner.pages.ask(name, body).await
    }

    /// The token that clients are asked for, if any.
    #[must_use]
    pub fn token(&self) -> Option<Secret> {
        self.inner.token.borrow().clone()
    }

    /// The folder of settings, state and ledger.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.inner.home
    }

    /// Stops accepting, lets what is under way end (at most 10 s), writes the ledger.
    pub async fn stop(&self) {
        self.inner.stop().await;
    }
}
