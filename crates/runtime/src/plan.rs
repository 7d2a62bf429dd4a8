//! What the keeper is asked to watch: local providers, their models, and which of those to hold warm.

use std::fmt;
use std::time::Duration;

use pilotlight_wire::{ModelRef, Secret};
use url::Url;

/// Everything to watch. A new plan replaces the one before it; what is the same in both goes on undisturbed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The local providers.
    pub providers: Vec<WatchedProvider>,
    /// How long from one look at a runtime to the next while nothing happens. LM Studio writes a line to its log for
    /// each look, so 5 s or more is kind.
    pub poll: Duration,
    /// What may be in memory at once, of each provider's watched models.
    pub limits: Limits,
}

/// What may be in memory at once of one provider's watched models. Where more is wanted, the least recently used goes
/// first; never one that is generating, and never one that a stronger policy holds if another can go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// So many models; none: any number.
    pub models: Option<usize>,
    /// So many bytes, by the sizes that the runtime tells; none: any. A model whose size is not told counts nothing.
    pub bytes: Option<u64>,
}

/// When the keeper holds a model warm by itself, the strongest policy last. Which one is in force changes with time and
/// the configuration; whoever makes the plan sees to that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeepWarm {
    /// Not now: it is loaded when a request or a person asks for it.
    #[default]
    No,
    /// It is the first local model of the chain.
    Chain,
    /// A window of its schedule is open.
    Scheduled,
    /// Always.
    Always,
}

impl KeepWarm {
    /// Whether it is to be loaded whenever it is seen cold.
    #[must_use]
    pub fn now(self) -> bool {
        self != Self::No
    }
}

impl Plan {
    /// The pace of looking where nobody chose another.
    pub const POLL: Duration = Duration::from_secs(5);
}

impl Default for Plan {
    /// Watches nothing.
    fn default() -> Self {
        Self { providers: Vec::new(), poll: Self::POLL, limits: Limits::default() }
    }
}

/// One local provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedProvider {
    /// The id of its entry in the configuration, in lower case.
    pub id: String,
    /// Its base URL without `/v1`, such as `http://127.0.0.1:1234`.
    pub root: Url,
    /// Sent as bearer token where there is one.
    pub key: Option<Secret>,
    /// What it is; none where it is to be found out by asking.
    pub runtime: Option<RuntimeKind>,
    /// Its models.
    pub models: Vec<WatchedModel>,
}

/// One model of a local provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedModel {
    /// `provider/model`.
    pub model: ModelRef,
    /// The id by which the runtime knows it.
    pub upstream_id: String,
    /// The context to load it with, in tokens; none leaves it to the runtime.
    pub context: Option<u64>,
    /// Whether to load it whenever it is seen cold, and for whom it may be made to go.
    pub keep_warm: KeepWarm,
    /// What a person calls it.
    pub title: String,
}

/// A runtime that the keeper knows how to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RuntimeKind {
    /// LM Studio: tells what is loaded, loads and unloads.
    LmStudio,
    /// Ollama: the same, by its own API.
    Ollama,
    /// llama.cpp's server, with one model or as a router of several.
    LlamaServer,
    /// vLLM: one model, which may be put to sleep in its development mode.
    Vllm,
    /// LiteLLM: a gateway to other servers. Whether it answers and what it lists.
    LiteLlm,
    /// Any other server of the OpenAI API: only whether it answers can be known.
    OpenaiCompatible,
}

impl RuntimeKind {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::LmStudio, Self::Ollama, Self::LlamaServer, Self::Vllm, Self::LiteLlm, Self::OpenaiCompatible];

    /// The name in our settings and on screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LmStudio => "lmstudio",
            Self::Ollama => "ollama",
            Self::LlamaServer => "llama-server",
            Self::Vllm => "vllm",
            Self::LiteLlm => "litellm",
            Self::OpenaiCompatible => "openai-compatible",
        }
    }

    /// Reads a name of our settings.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What sets the context length that it loads a model with, where a load does not name it.
    #[must_use]
    pub fn context_is_set_by(self) -> &'static str {
        match self {
            Self::LmStudio => "the model's default settings in LM Studio",
            Self::Ollama => "num_ctx of its model, or OLLAMA_CONTEXT_LENGTH for every model",
            Self::LlamaServer => "c in the model's preset or --ctx-size on its command line, and a restart of it",
            Self::Vllm => "--max-model-len on its command line, and a restart of it",
            Self::LiteLlm => "the server behind it",
            Self::OpenaiCompatible => "the server's own settings",
        }
    }

    /// What a person calls it in a sentence.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::LmStudio => "LM Studio",
            Self::Ollama => "Ollama",
            Self::LlamaServer => "llama-server",
            Self::Vllm => "vLLM",
            Self::LiteLlm => "LiteLLM",
            Self::OpenaiCompatible => "the server",
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
