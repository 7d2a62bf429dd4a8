//! Translation between the client and upstream APIs, in two halves that meet in no API's own form: a request becomes a
//! [`Prompt`] and is written for the upstream; what the upstream answers becomes [`Event`]s and is written for the client.
//!
//! Only a request whose two sides differ comes here; where they are the same, the bytes pass untouched. Must not know:
//! sockets, clocks, which upstream is asked next.

pub mod answer;
pub mod compat;
pub mod count;
pub mod dated;
pub mod event;
mod exact;
pub mod history;
mod keep;
pub mod names;
pub mod note;
pub mod opaque;
pub mod prompt;
pub mod read;
pub mod sanitise;
pub mod stream;
pub mod tell;
mod write;

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::Value;

pub use answer::{Reader, read_answer};
pub use compat::Compat;
pub use count::{count_tokens_body, estimate_tokens};
pub use event::{Block, Event, Finish};
pub use names::{ClientTool, Names};
pub use note::Note;
pub use opaque::{Opaque, OpaqueKind};
pub use prompt::{Part, Prompt, Role, Turn};
pub use read::read_request;
pub use sanitise::sanitise;
pub use stream::{StreamTranslator, translate_answer};
pub use tell::{Writer, whole};
pub use write::write_request;

use crate::UpstreamApi;

/// What the writer of a request must know of the upstream.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The API it speaks.
    pub api: UpstreamApi,
    /// The provider's id in the configuration: what [`Opaque`] is checked against.
    pub provider: String,
    /// The `model` to ask it for.
    pub model: String,
    /// The most tokens that the configuration lets it write.
    pub max_tokens: Option<u64>,
    /// Whether it is the vendor of the API itself (api.openai.com, api.anthropic.com, generativelanguage.googleapis.com),
    /// which refuses what others need and takes what others refuse.
    pub vendor: bool,
    /// Whether the configuration says that the model takes pictures; none: not known.
    pub images: Option<bool>,
    /// What the configuration says that it does its own way.
    pub compat: Compat,
}

/// A request, written for an upstream.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// The path below the base URL, with its leading slash (`/chat/completions`; `/models/x:streamGenerateContent`).
    /// Messages' is `/v1/messages`, Ollama's `/api/chat`: the gateway knows which base URLs have a `/v1` of their own.
    pub path: String,
    /// The query without its question mark.
    pub query: Option<String>,
    /// Headers that the API asks for, besides key and content type.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Bytes,
    /// The tools' names there and here.
    pub names: Names,
    /// What was left out, in reading and in writing.
    pub notes: Vec<Note>,
}

/// What the reader of an upstream's answer must know of the request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The API that the upstream speaks.
    pub api: UpstreamApi,
    /// The provider's id: the name on every [`Opaque`] that is read.
    pub provider: String,
    /// The `model` that it was asked for; tells MiniMax, whose answers begin inside their thoughts.
    pub model: String,
    /// The JSON Schemas of the tools' arguments, by the names that the upstream was told. Only MiniMax's own form of
    /// calls needs them: it does not say which arguments are text. May be empty.
    pub tools: HashMap<String, Value>,
    /// The stop sequences that the upstream could not be told: the answer is ended here.
    pub stops: Vec<String>,
    /// Whether the upstream could not be told to call one tool at a time: further calls are left out here.
    pub one_call: bool,
}

impl Asked {
    /// Of a request without tools.
    #[must_use]
    pub fn new(api: UpstreamApi, provider: impl Into<String>, model: impl Into<String>) -> Self {
        let (provider, model) = (provider.into(), model.into());
        Self { api, provider, model, tools: HashMap::new(), stops: Vec::new(), one_call: false }
    }

    /// Of a request that was written for `upstream`, its tools under `names`.
    #[must_use]
    pub fn of(prompt: &Prompt, upstream: &Upstream, names: &Names) -> Self {
        let mut asked = Self::new(upstream.api.clone(), &upstream.provider, &upstream.model);
        if asked.is_minimax() {
            let named = |tool: &prompt::Tool| names.of_client(&tool.name, tool.namespace.as_deref()).to_owned();
            let tools = prompt.tools.iter().filter_map(|tool| Some((named(tool), tool.parameters.clone()?)));
            asked.tools = tools.collect();
        }
        asked
    }

    /// The same, taking over what `notes` says was left out and can be kept to here. Those notes go.
    #[must_use]
    pub fn keeping(mut self, prompt: &Prompt, notes: &mut Vec<Note>) -> Self {
        notes.retain(|note| match note.name() {
            "stop" => {
                self.stops.clone_from(&prompt.sampling.stop);
                self.stops.is_empty()
            }
            "parallel_tool_calls" => {
                self.one_call = prompt.parallel_tools == Some(false);
                !self.one_call
            }
            _ => true,
        });
        self
    }

    /// Whether the model is of the MiniMax M2 family, by its name.
    #[must_use]
    pub fn is_minimax(&self) -> bool {
        let letters = self.model.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
        letters.collect::<String>().contains("minimaxm2")
    }
}

/// What the writer of an answer must know of the request.
#[derive(Clone, Debug)]
pub struct Opening {
    /// An id of ours, of letters and digits, from which the API's own are made (`resp_…`, `chatcmpl-…`, `msg_…`).
    pub id: String,
    /// Unix time in seconds.
    pub created: u64,
    /// The `model` that the client is told: the ref that answers.
    pub model: String,
    /// Whether a Chat stream tells its usage.
    pub usage_wanted: bool,
    /// An estimate of the input's tokens, for Messages' `message_start`.
    pub input_estimate: u64,
    /// The tools' names there and here.
    pub names: Names,
    /// What Responses repeats of its request: `tools`, `tool_choice`, `temperature`, `instructions`, `metadata` and so on,
    /// as the client sent them. Null for the other APIs.
    pub echo: serde_json::Value,
}
