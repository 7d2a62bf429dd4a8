//! Our own settings: every key, its meaning and its default. No I/O; reading the text is `settings_read`'s.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use indexmap::IndexMap;
use pilotlight_wire::{Location, ModelRef, Secret};

pub use crate::schedule::{Schedule, Window};
pub use crate::settings_access::{AccessSettings, TokenLimits};

/// The settings file, once read. Every key has a default.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `listen`: where the proxy listens. Default `127.0.0.1:11235`.
    pub listen: SocketAddr,
    /// `token`: what clients must show. Default: one is made at the first run.
    pub token: TokenSetting,
    /// `cold`: what happens to a request for a cold local model. Default: bridge.
    pub cold: Cold,
    /// `named`: whether a request for a named model may be answered by another. Default: strict.
    pub named: Named,
    /// `map`: patterns of model names that no model has, and what each means, such as `"claude-*": "primary"`; the first
    /// that fits wins. Default: none, so that an unknown name is an error that says so.
    pub map: IndexMap<String, String>,
    /// `privacy`.
    pub privacy: Privacy,
    /// `access`.
    pub access: AccessSettings,
    /// `providers`, by provider id in lower case.
    pub providers: IndexMap<String, ProviderSettings>,
    /// `models`, by ref.
    pub models: IndexMap<ModelRef, ModelSettings>,
    /// `keeper`.
    pub keeper: KeeperSettings,
    /// `notifications`.
    pub notifications: NotificationSettings,
    /// `ledger`.
    pub ledger: LedgerSettings,
}

impl Settings {
    /// The port that is used where `listen` does not say.
    pub const PORT: u16 = 11235;

    /// What is said of a provider; the defaults where nothing is.
    #[must_use]
    pub fn provider(&self, id: &str) -> ProviderSettings {
        self.providers.get(&id.to_lowercase()).cloned().unwrap_or_default()
    }

    /// What is said of a model; the defaults where nothing is.
    #[must_use]
    pub fn model(&self, model: &ModelRef) -> ModelSettings {
        self.models.get(model).cloned().unwrap_or_default()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, Self::PORT)),
            token: TokenSetting::Made,
            cold: Cold::Bridge,
            named: Named::Strict,
            map: IndexMap::new(),
            privacy: Privacy::default(),
            access: AccessSettings::default(),
            providers: IndexMap::new(),
            models: IndexMap::new(),
            keeper: KeeperSettings::default(),
            notifications: NotificationSettings::default(),
            ledger: LedgerSettings::default(),
        }
    }
}

/// The token that clients must show.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenSetting {
    /// `token` left out: one is made at the first run and kept in [`crate::Home::token_file`].
    Made,
    /// `token: null`: none is asked for. Only on loopback.
    None,
    /// `token: "${VARIABLE}"`, or a secret ref to one.
    Env {
        /// The variable.
        variable: String,
        /// Its value.
        value: Secret,
    },
    /// Written out in the file.
    Literal(Secret),
}

impl TokenSetting {
    /// The token, where it is in the settings; none where one is made, or none asked for.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Made | Self::None => None,
            Self::Env { value, .. } | Self::Literal(value) => Some(value),
        }
    }
}

impl fmt::Debug for TokenSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made => f.write_str("Made"),
            Self::None => f.write_str("None"),
            Self::Env { variable, .. } => f.debug_struct("Env").field("variable", variable).finish_non_exhaustive(),
            Self::Literal(value) => f.debug_tuple("Literal").field(value).finish(),
        }
    }
}

/// What happens to a request for a cold local model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cold {
    /// The next allowed candidate answers while it loads.
    #[default]
    Bridge,
    /// The request waits for it, with signs of life.
    Wait,
}

/// Whether a request for a named model (not for `primary`) may be answered by another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// It is for that model alone.
    #[default]
    Strict,
    /// It goes on along the chain when that model fails.
    Failover,
}

/// Where requests may go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Privacy {
    /// No byte goes to a hosted upstream, whatever fails.
    pub local_only: bool,
    /// The only regions that a hosted provider may be in, in lower case; none: any.
    pub regions: Option<Vec<String>>,
}

/// What is said of one provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderSettings {
    /// Where it runs; none: told by its address.
    pub location: Option<Location>,
    /// The region it is in, in lower case.
    pub region: Option<String>,
    /// What it is; none: found by asking.
    pub runtime: Option<Runtime>,
}

/// A local runtime that can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// `lmstudio`
    LmStudio,
    /// `ollama`
    Ollama,
    /// `llama-server`, as a router or with one model
    LlamaServer,
    /// `vllm`
    Vllm,
    /// `litellm`
    LiteLlm,
    /// `openai-compatible`: any server of OpenAI's shape, whose models can be listed and called and no more.
    OpenaiCompatible,
}

/// What is said of one model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelSettings {
    /// When it is kept warm.
    pub keep_warm: KeepWarm,
    /// How long its first content may take once it is warm; none: the default for where it runs.
    pub first_token: Option<Duration>,
}

/// When a local model is kept warm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeepWarm {
    /// Always.
    Always,
    /// While it is the first local model of the chain.
    #[default]
    Chain,
    /// On some days, at some hours.
    Schedule(Schedule),
    /// Never: it is loaded when a request or a person asks for it.
    Never,
}

/// How local models are watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeeperSettings {
    /// How often a runtime is asked for its state. Default 5 s.
    pub poll: Duration,
    /// The most models in memory at once, per provider; none: any number.
    pub max_models: Option<u32>,
    /// The most memory that models may take at once, per provider, in bytes; none: any.
    pub max_memory: Option<u64>,
}

impl Default for KeeperSettings {
    fn default() -> Self {
        Self { poll: Duration::from_secs(5), max_models: None, max_memory: None }
    }
}

/// Which notifications are shown. All are by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotificationSettings {
    /// A local model was unloaded, or its runtime went away.
    pub unloaded: bool,
    /// It is back.
    pub back: bool,
    /// A hosted model is answering instead.
    pub hosted: bool,
    /// A load failed, or was given up.
    pub load_failed: bool,
    /// The configuration or the settings have a mistake, or are good again.
    pub configuration: bool,
    /// A provider refuses its key, or no credit is left with it.
    pub key_refused: bool,
    /// An answer broke off after content had been sent.
    pub cut: bool,
    /// Hours in which nothing is shown; what happens is kept to be read later.
    pub quiet: Option<QuietHours>,
}

/// A part of every day, by local time. Where `to` is not after `from`, it goes over midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    /// In minutes since midnight.
    pub from: u16,
    /// In minutes since midnight; no longer a part of it.
    pub to: u16,
}

impl QuietHours {
    /// Whether this minute of the day is in it.
    #[must_use]
    pub fn hold(self, minute: u16) -> bool {
        if self.from < self.to {
            (self.from..self.to).contains(&minute)
        } else {
            minute >= self.from || minute < self.to
        }
    }
}

impl Default for NotificationSettings {
    fn default() -> Self {
        Self {
            unloaded: true,
            back: true,
            hosted: true,
            load_failed: true,
            configuration: true,
            key_refused: true,
            cut: true,
            quiet: None,
        }
    }
}

/// How long what was served is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerSettings {
    /// In days. Default 90.
    pub keep_days: u32,
}

impl Default for LedgerSettings {
    fn default() -> Self {
        Self { keep_days: 90 }
    }
}
