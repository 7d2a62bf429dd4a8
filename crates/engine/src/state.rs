//! `AppState`: everything a person is shown, as one value. The tray's menu, the window and `pilotlight status` are
//! functions of it; nothing else crosses to them. It holds no secret and no content of any request.

pub use pilotlight_ledger::{PassedOver, RequestOutcome, ServedRequest};
use pilotlight_wire::{ClientApi, Location, ModelRef, UpstreamApi};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::notice::{Muted, Notice};

/// What a person is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct AppState {
    /// The version of this program.
    pub version: String,
    /// What clients are given as base URL, such as `http://127.0.0.1:11235/v1`; none while the listener is not up.
    pub endpoint: Option<String>,
    /// What the tray's icon shows.
    pub light: Light,
    /// One line, such as `MiniMax · warm · 196k context`.
    pub status: String,
    /// Who would answer a request for `primary` now; none while nobody could at once.
    #[ts(type = "string | null")]
    pub answering: Option<ModelRef>,
    /// The configuration file and what is wrong with it.
    pub config: ConfigSummary,
    /// The chain's refs: primary first, then the fallbacks, without refs to ourselves.
    #[ts(type = "string[]")]
    pub chain: Vec<ModelRef>,
    /// Every configured model, in the file's order.
    pub models: Vec<ModelSummary>,
    /// The local runtimes that are watched, one for each local provider with a known runtime.
    pub runtimes: Vec<RuntimeSummary>,
    /// Upstreams that failed and are passed over for a while.
    pub cooldowns: Vec<CooldownSummary>,
    /// Requests under way, oldest first.
    pub live: Vec<LiveRequest>,
    /// The last requests, newest first; at most [`AppState::RECENT`].
    pub recent: Vec<ServedRequest>,
    /// US$ spent since local midnight, by the costs in the configuration. A model without costs there counts as 0.
    pub cost_today: f64,
    /// What was worth telling, the newest first; at most 50.
    pub notices: Vec<Notice>,
    /// Kinds of notices that are not shown just now.
    pub muted: Vec<Muted>,
}

impl AppState {
    /// How many finished requests are kept in [`AppState::recent`].
    pub const RECENT: usize = 50;

    /// Why a model is passed over just now, if it is.
    #[must_use]
    pub fn cooldown(&self, model: &ModelRef) -> Option<&CooldownSummary> {
        self.cooldowns.iter().find(|cooldown| cooldown.concerns(model) && !cooldown.half_open)
    }

    /// Before anything is known.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            endpoint: None,
            light: Light::Stopped,
            status: String::new(),
            answering: None,
            config: ConfigSummary {
                path: String::new(),
                openclaw: false,
                revision: String::new(),
                stale: false,
                problems: Vec::new(),
            },
            chain: Vec::new(),
            models: Vec::new(),
            runtimes: Vec::new(),
            cooldowns: Vec::new(),
            live: Vec::new(),
            recent: Vec::new(),
            cost_today: 0.0,
            notices: Vec::new(),
            muted: Vec::new(),
        }
    }
}

/// The state that the icon alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Light {
    /// The model that answers is local and warm.
    Warm,
    /// A local model of the chain is loading, and nothing hosted has answered meanwhile.
    Loading,
    /// A hosted model answers (by choice, or because the local one does not).
    Hosted,
    /// Nothing in the chain can answer, or the configuration has no usable model.
    Trouble,
    /// The listener is not running.
    Stopped,
}

/// The configuration file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ConfigSummary {
    /// Where it is.
    pub path: String,
    /// Whether it is OpenClaw's file (or our own of the same shape).
    pub openclaw: bool,
    /// Hash of the bytes in force.
    pub revision: String,
    /// True while the file on disk has an error, and the last good one stays in force.
    pub stale: bool,
    /// What is wrong with the file on disk.
    pub problems: Vec<Problem>,
}

/// One diagnostic of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// `error`, `warning` or `info`.
    pub severity: String,
    /// A stable name, such as `unknown-primary`.
    pub code: String,
    /// The file it stands in.
    pub file: String,
    /// The key's path, such as `agents.defaults.model.primary`; empty for a syntax error.
    pub path: String,
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// What, and what to do.
    pub message: String,
}

/// One configured model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ModelSummary {
    /// `provider/model`.
    #[serde(rename = "ref")]
    #[ts(type = "string")]
    pub model: ModelRef,
    /// The configuration's alias, if any.
    pub alias: Option<String>,
    /// The configuration's display name, or the model id.
    pub name: String,
    /// Where it runs.
    pub location: Location,
    /// The API it speaks.
    #[ts(type = "string")]
    pub api: UpstreamApi,
    /// Its place in the chain: 0 is the primary.
    #[ts(type = "number | null")]
    pub place: Option<u32>,
    /// Whether it can answer now.
    pub state: ModelState,
    /// The configuration's `contextWindow`, in tokens.
    #[ts(type = "number | null")]
    pub context_window: Option<u64>,
    /// What the runtime has loaded, in tokens.
    #[ts(type = "number | null")]
    pub loaded_context: Option<u64>,
    /// Such as `Q4_K_M`, where its runtime tells.
    pub quantization: Option<String>,
    /// What it takes on disk, in bytes, where its runtime tells.
    #[ts(type = "number | null")]
    pub size_bytes: Option<u64>,
    /// What it is doing, in words, where its runtime tells: `idle`, `reading the prompt`, `answering`.
    pub activity: Option<String>,
    /// How far its load has come, in percent, where its runtime tells.
    pub progress: Option<u8>,
    /// Unix time in milliseconds at which its idle timer strikes if nobody uses it; none where it has none, or where
    /// that is not known.
    #[ts(type = "number | null")]
    pub stays_until: Option<u64>,
    /// Unix time in milliseconds of its last use, where that is known.
    #[ts(type = "number | null")]
    pub last_used: Option<u64>,
    /// Whether the keeper holds it warm.
    pub kept_warm: bool,
    /// Whether it can be loaded and unloaded from here.
    pub manageable: bool,
    /// Why no request is sent to it: only local models are allowed, its region is not, its key cannot be read.
    pub barred: Option<String>,
    /// What a person should know of it: its last load failed, it is in memory twice.
    pub problem: Option<String>,
}

/// Whether a model can answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum ModelState {
    /// Hosted: taken to answer until it does not.
    Ready,
    /// Local, in memory.
    Warm {
        /// Unix time in milliseconds at which it was first seen warm.
        #[ts(type = "number")]
        since: u64,
    },
    /// Local, being loaded.
    Loading {
        /// Unix time in milliseconds at which the load was first seen.
        #[ts(type = "number")]
        since: u64,
        /// How long its loads took before, in milliseconds.
        #[ts(type = "number | null")]
        expected: Option<u64>,
    },
    /// Local, not in memory.
    Cold {
        /// Why it went, where it was seen to go.
        reason: Option<String>,
    },
    /// The runtime answers and does not have this model.
    Missing,
    /// The runtime does not answer.
    Unreachable {
        /// What was seen.
        reason: String,
    },
    /// Not asked yet, or a server that cannot tell.
    Unknown,
}

/// One watched runtime.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeSummary {
    /// The provider's id.
    pub provider: String,
    /// `lmstudio`, `ollama`, `llama-server`, `vllm`, `litellm`, `openai-compatible`; `unknown` until it has answered.
    pub kind: String,
    /// What a person calls it, such as `LM Studio`.
    pub title: String,
    /// Its version, where it tells.
    pub version: Option<String>,
    /// Where it is: the configuration's address, or another port of this machine where it was found again.
    pub address: String,
    /// Whether it answered when it was last asked.
    pub reachable: bool,
    /// What was seen when it did not.
    pub detail: Option<String>,
    /// Whether it can be told to load a model.
    pub loads: bool,
    /// Whether a load can name a context length.
    pub load_context: bool,
    /// Whether the context length that a model is loaded with can be set there for good.
    pub sets_context: bool,
    /// What sets that length, such as `--max-model-len on its command line`; none where a load does, or where the
    /// runtime is not known.
    pub context_set_by: Option<String>,
    /// Whether it can be told to unload a model.
    pub unloads: bool,
    /// Whether it tells by itself that something changed.
    pub pushes: bool,
    /// What keeping a model warm takes there, as a sentence.
    pub keeping_warm: String,
    /// What it does not tell, such as `when a model was last used`.
    pub cannot_tell: Vec<String>,
}

/// An upstream that failed and is passed over for a while, unless nobody else is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct CooldownSummary {
    /// The provider's id.
    pub provider: String,
    /// The model it is about; none: every model of the provider.
    #[ts(type = "string | null")]
    pub model: Option<ModelRef>,
    /// `failures` (its breaker is open), `unauthorized`, `payment`, `rate-limited` or `overloaded`.
    pub cause: String,
    /// The failure that began it.
    pub detail: String,
    /// Unix time in milliseconds since when it has not been well.
    #[ts(type = "number")]
    pub since: u64,
    /// Unix time in milliseconds until when it is passed over.
    #[ts(type = "number")]
    pub until: u64,
    /// Whether its time is over and the next request is to show whether it is well again.
    pub half_open: bool,
}

impl CooldownSummary {
    /// Whether this model is passed over because of it.
    #[must_use]
    pub fn concerns(&self, model: &ModelRef) -> bool {
        match &self.model {
            Some(own) => own == model,
            None => self.provider.eq_ignore_ascii_case(model.provider()),
        }
    }

    /// The model's ref, or the provider's id.
    #[must_use]
    pub fn who(&self) -> String {
        self.model.as_ref().map_or_else(|| self.provider.clone(), ToString::to_string)
    }
}

/// A request under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct LiveRequest {
    /// Counted from 1 since the engine started.
    #[ts(type = "number")]
    pub id: u64,
    /// Unix time in milliseconds.
    #[ts(type = "number")]
    pub started: u64,
    /// The request's `model`, as asked.
    pub asked: String,
    /// The client's API.
    pub api: ClientApi,
    /// The candidate being tried, waited for or streamed.
    #[ts(type = "string | null")]
    pub candidate: Option<ModelRef>,
    /// What it is doing.
    pub phase: Phase,
}

/// What a request is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waiting for a local model to load.
    Loading,
    /// Sent upstream; no content yet.
    Asking,
    /// Content is flowing.
    Streaming,
}
