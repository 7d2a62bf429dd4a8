//! What a simulator is told when it starts. Knows nothing of sockets or of any API.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// Which server is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// LM Studio 0.4 (or 0.3, see [`LmStudioOptions::v0_only`]): loads, unloads, and its own ways of failing.
    LmStudio,
    /// OpenAI's hosted API.
    OpenAi,
    /// Anthropic's hosted API.
    Anthropic,
    /// Google's hosted Gemini API.
    Google,
    /// Ollama: its own API and its imitations of OpenAI's and Anthropic's, with models that stay as long as a request
    /// says.
    Ollama,
}

impl Kind {
    /// The name used on the command line and in the line that says it is ready.
    pub fn name(self) -> &'static str {
        match self {
            Kind::LmStudio => "lmstudio",
            Kind::OpenAi => "openai",
            Kind::Anthropic => "anthropic",
            Kind::Google => "google",
            Kind::Ollama => "ollama",
        }
    }

    /// Whether it runs models itself, and so loads and unloads them.
    pub fn is_local(self) -> bool {
        matches!(self, Kind::LmStudio | Kind::Ollama)
    }
}

/// Everything that can be said at the start. `Options::default()` is a fast server on a port that the kernel chooses.
#[derive(Clone)]
pub struct Options {
    /// Where the API listens. Default: `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// Where the control server listens, apart from the API, so that it can be reached while connections are refused.
    /// Default: none; the typed [`Control`](crate::Control) needs no socket.
    pub control: Option<SocketAddr>,
    /// What is downloaded (LM Studio, Ollama) or on offer (hosted). Left empty: one MiniMax M2.1 for LM Studio, one
    /// Qwen 3 for Ollama; for a hosted server, a short list of names and an answer to any name at all.
    pub models: Vec<Model>,
    /// A key that requests must show, as bearer or as `x-api-key` (Google: also `x-goog-api-key`, or `key` in the query).
    /// Default: none is asked for.
    pub key: Option<String>,
    /// How long each word of an answer takes. Default: no time at all.
    pub word_delay: Duration,
    /// How long the prompt is read before the first byte (headers included) is sent. Default: no time at all.
    pub prompt_delay: Duration,
    /// What is answered. Default: a sentence that names who answers and repeats the last words of the user.
    pub reply: Option<String>,
    /// Reasoning before the answer. Default: none.
    pub reasoning: Option<Reasoning>,
    /// The settings that only LM Studio has.
    pub lm_studio: LmStudioOptions,
    /// The settings that only Ollama has.
    pub ollama: OllamaOptions,
    /// What [`Fault::Die`](crate::Fault::Die) does. Default: every connection and the listener close.
    pub die: Die,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            control: None,
            models: Vec::new(),
            key: None,
            word_delay: Duration::ZERO,
            prompt_delay: Duration::ZERO,
            reply: None,
            reasoning: None,
            lm_studio: LmStudioOptions::default(),
            ollama: OllamaOptions::default(),
            die: Die::CloseEverything,
        }
    }
}

/// LM Studio's own settings, as a person finds them under Developer.
#[derive(Clone, Debug)]
pub struct LmStudioOptions {
    /// Whether a request for a model that is not loaded loads it ("just in time"). Default: true.
    pub jit: bool,
    /// The idle TTL of a model that was loaded just in time. Default: 60 minutes. `None`: such models stay.
    pub jit_ttl: Option<Duration>,
    /// Whether loading one model just in time unloads the others that were loaded so. Default: true.
    pub auto_evict: bool,
    /// The flavour of LM Studio 0.3: `/api/v1` and `/v1/messages` do not exist. Default: false.
    pub v0_only: bool,
    /// Whether each request that finds a model loading starts a further copy of it, as its bug tracker's 1751
    /// reports. Default: false, they wait for the first.
    pub parallel_copies: bool,
    /// Whether its WebSocket is there, by which its SDK speaks. Default: true.
    pub websocket: bool,
    /// How much of a context a model is loaded with where the load does not say. Default: the model's maximum.
    pub default_context: Option<u64>,
}

impl Default for LmStudioOptions {
    fn default() -> Self {
        LmStudioOptions {
            jit: true,
            jit_ttl: Some(Duration::from_secs(60 * 60)),
            auto_evict: true,
            v0_only: false,
            parallel_copies: false,
            websocket: true,
            default_context: None,
        }
    }
}

/// Ollama's own settings, which are environment variables there.
#[derive(Clone, Debug)]
pub struct OllamaOptions {
    /// For how long a model stays after a request that does not say (`OLLAMA_KEEP_ALIVE`). Default: 5 minutes. `None`:
    /// such models stay.
    pub keep_alive: Option<Duration>,
    /// The context a model is loaded with where the request does not say (`OLLAMA_CONTEXT_LENGTH`). Longer prompts are
    /// cut without a word. Default: the model's maximum.
    pub context: Option<u64>,
}

impl Default for OllamaOptions {
    fn default() -> Self {
        OllamaOptions { keep_alive: Some(Duration::from_secs(5 * 60)), context: None }
    }
}

/// A model that is downloaded or on offer.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its key, such as `minimax-m2.1-gs32`, `qwen/qwen3-4b` or, for Ollama, `qwen3:8b`.
    pub key: String,
    /// What it is.
    pub kind: ModelType,
    /// Architecture, as LM Studio names it.
    pub arch: String,
    /// Quantisation, such as `Q4_K_M` or `4bit`.
    pub quantization: String,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// The longest context it can be loaded with, in tokens.
    pub max_context: u64,
    /// How long a load takes.
    pub load_time: Duration,
    /// Whether, and how, it is loaded at the start.
    pub preloaded: Preloaded,
}

impl Model {
    /// A language model with plausible values; it loads in no time.
    pub fn new(key: impl Into<String>) -> Model {
        Model {
            key: key.into(),
            kind: ModelType::Llm,
            arch: "minimax-m2".into(),
            quantization: "Q4_K_M".into(),
            size_bytes: 138_000_000_000,
            max_context: 196_608,
            load_time: Duration::ZERO,
            preloaded: Preloaded::No,
        }
    }

    /// The same, as a model for embeddings.
    pub fn embedding(key: impl Into<String>) -> Model {
        Model {
            kind: ModelType::Embeddings,
            arch: "nomic-bert".into(),
            quantization: "F16".into(),
            size_bytes: 274_000_000,
            max_context: 8_192,
            ..Model::new(key)
        }
    }

    /// The same, taking so long to load.
    pub fn load_time(mut self, time: Duration) -> Model {
        self.load_time = time;
        self
    }

    /// The same, with so many tokens of context at most.
    pub fn context(mut self, tokens: u64) -> Model {
        self.max_context = tokens;
        self
    }

    /// The same, explicitly loaded at the start: no idle TTL.
    pub fn loaded(mut self) -> Model {
        self.preloaded = Preloaded::Explicitly;
        self
    }

    /// The same, loaded at the start as if by a request: it has the idle TTL, and may be evicted.
    pub fn loaded_just_in_time(mut self) -> Model {
        self.preloaded = Preloaded::JustInTime;
        self
    }
}

/// What a model is, in the words of `/api/v0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelType {
    /// A language model.
    Llm,
    /// A language model that sees images.
    Vlm,
    /// A model for embeddings.
    Embeddings,
}

/// Whether a model is loaded when the simulator starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preloaded {
    /// It is not.
    No,
    /// As `/api/v1/models/load` would have done it.
    Explicitly,
    /// As a request would have done it.
    JustInTime,
}

/// Reasoning that goes before an answer.
#[derive(Clone, Debug)]
pub struct Reasoning {
    /// What is thought.
    pub text: String,
    /// How it is sent.
    pub form: ReasoningForm,
}

/// How reasoning is sent. It differs between servers and between versions of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasoningForm {
    /// Apart from the text, word by word: `reasoning_text` deltas, `reasoning_content`, or a thinking block.
    Deltas,
    /// Apart from the text, in one `response.reasoning_text.done` without deltas, as older LM Studios send it.
    OneShot,
    /// At the head of the text, as MiniMax M2 does: the template opens the tag, so the output only closes it.
    InText,
}

/// What dying does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Die {
    /// Every connection breaks and the listener closes: to a client the same as the end of the process.
    CloseEverything,
    /// The process ends at once, without a word. For the binary.
    ExitProcess,
}
