//! The typed view of OpenClaw's model configuration: what the file says, once read and checked. No I/O.
//!
//! Must not know: text, lines and files (that is `interpret`'s), or what a request is routed to (the engine's).

use std::fmt;

use indexmap::IndexMap;
use pilotlight_wire::translate::Compat;
use pilotlight_wire::{ModelRef, Secret, UpstreamApi};
use url::Url;

use crate::keys::KeptIn;

/// The id under which OpenClaw knows us. When its primary is `pilotlight/…`, its fallbacks are the real chain.
pub const OWN_PROVIDER: &str = "pilotlight";

/// The model part of the configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelConfiguration {
    /// `models.mode`.
    pub mode: Mode,
    /// `models.providers` in the file's order, then the hosted ones that OpenClaw has built in and that the chain or
    /// an alias names. Our own entry is among them where OpenClaw is connected through us.
    pub providers: Vec<Provider>,
    /// The primary as written: a ref or an alias.
    pub primary: Option<String>,
    /// The fallbacks as written.
    pub fallbacks: Vec<String>,
    /// `agents.defaults.models.<ref>.alias`, in the file's order.
    pub aliases: IndexMap<ModelRef, String>,
}

/// `models.mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The rows of the file, and what OpenClaw's providers have besides.
    #[default]
    Merge,
    /// Only the rows of the file.
    Replace,
}

/// An entry of `models.providers`.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    /// Its id, in lower case.
    pub id: String,
    /// `baseUrl`, without a trailing slash in its path. For an OpenAI-shaped API it ends in `/v1`; for
    /// `anthropic-messages` it does not (OpenClaw appends `/v1/messages`).
    pub base_url: Option<Url>,
    /// `api`. With none, OpenClaw takes Chat Completions.
    pub api: Option<UpstreamApi>,
    /// `apiKey`.
    pub key: Option<Key>,
    /// `headers`: values may be keys, so they are treated as such.
    pub headers: Vec<(String, Key)>,
    /// `authHeader`: whether the key goes into `Authorization: Bearer` whatever the API's custom.
    pub auth_header: Option<bool>,
    /// `models`, in the file's order.
    pub models: Vec<Model>,
    /// True when the file has no entry for it and what is known comes from [`crate::hosted`].
    pub built_in: bool,
}

/// A key, or another header's value that may be one.
#[derive(Clone, PartialEq, Eq)]
pub enum Key {
    /// Written out in the file.
    Literal(Secret),
    /// Taken from the environment: `${VAR}`, a bare variable name, or `{source: "env", provider: "default", id: "VAR"}`.
    FromEnvironment {
        /// The variable; of several in one value, the first.
        variable: String,
        /// The whole value.
        value: Secret,
    },
    /// Meant to come from the environment, where it is not.
    Unset {
        /// The variable.
        variable: String,
    },
    /// Kept by us outside the file, which holds a secret ref to it.
    Kept {
        /// Where.
        place: KeptIn,
        /// Under which id.
        id: String,
        /// The key, or why it cannot be read and what to do.
        value: Result<Secret, String>,
    },
    /// A secret ref that only OpenClaw can read, such as a file, a command or its own store.
    Reference {
        /// `file`, `exec` or `store`.
        source: String,
        /// What the ref names there.
        id: String,
    },
}

impl Key {
    /// The key itself, where it can be read.
    #[must_use]
    pub fn secret(&self) -> Option<&Secret> {
        match self {
            Self::Literal(value) | Self::FromEnvironment { value, .. } => Some(value),
            Self::Kept { value, .. } => value.as_ref().ok(),
            Self::Unset { .. } | Self::Reference { .. } => None,
        }
    }

    /// Why it cannot be read, and what to do; none where it can.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        match self {
            Self::Literal(_) | Self::FromEnvironment { .. } => None,
            Self::Kept { value, .. } => value.as_ref().err().cloned(),
            Self::Unset { variable } => Some(format!(
                "the key's variable {variable} is not set: set it where Pilot Light is started, or in the .env file \
                 beside the configuration"
            )),
            Self::Reference { source, id } => Some(format!(
                "the key is a secret ref that cannot be read here (source {source:?}, id {id:?}): use \"${{VARIABLE}}\" \
                 or {{source: \"env\", provider: \"default\", id: \"VARIABLE\"}}"
            )),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(value) => f.debug_tuple("Literal").field(value).finish(),
            Self::FromEnvironment { variable, value } => {
                f.debug_struct("FromEnvironment").field("variable", variable).field("value", value).finish()
            }
            Self::Unset { variable } => f.debug_struct("Unset").field("variable", variable).finish(),
            Self::Kept { place, id, value } => {
                f.debug_struct("Kept").field("place", place).field("id", id).field("value", value).finish()
            }
            Self::Reference { source, .. } => {
                f.debug_struct("Reference").field("source", source).finish_non_exhaustive()
            }
        }
    }
}

/// A row of a provider's `models`.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The model's id as its provider knows it.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// `api`, where it differs from the provider's.
    pub api: Option<UpstreamApi>,
    /// `baseUrl`, where it differs from the provider's.
    pub base_url: Option<Url>,
    /// Whether it reasons.
    pub reasoning: bool,
    /// `text`, `image`, `audio`, `video`; empty where the file does not say.
    pub input: Vec<String>,
    /// US$ per million tokens.
    pub cost: Option<Cost>,
    /// In tokens.
    pub context_window: Option<u64>,
    /// The most it may answer, in tokens.
    pub max_tokens: Option<u64>,
    /// `compat` and `thinkingLevelMap`: what its server does its own way.
    pub compat: Compat,
}

impl Model {
    /// A row of which only the id is known.
    #[must_use]
    pub fn named(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            name: id.to_owned(),
            api: None,
            base_url: None,
            reasoning: false,
            input: Vec::new(),
            cost: None,
            context_window: None,
            max_tokens: None,
            compat: Compat::default(),
        }
    }
}

/// US$ per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Tokens of the prompt.
    pub input: f64,
    /// Tokens of the answer.
    pub output: f64,
    /// Tokens of the prompt that were read from a cache.
    pub cache_read: f64,
    /// Tokens of the prompt that were written to a cache.
    pub cache_write: f64,
}

/// Everything that is needed to call one model: its row with the provider's values where the row has none.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    /// The provider.
    pub provider: &'a Provider,
    /// The row.
    pub model: &'a Model,
    /// The alias, if any.
    pub alias: Option<&'a str>,
    /// The base URL; none only where the file has an error.
    pub base_url: Option<&'a Url>,
    /// The API; Chat Completions where the file does not say.
    pub api: &'a UpstreamApi,
}

impl Upstream<'_> {
    /// What a person calls it: the alias, else the row's name.
    #[must_use]
    pub fn title(&self) -> &str {
        self.alias.unwrap_or(&self.model.name)
    }
}
