//! The names of the APIs on both sides, and which upstream API answers which client API untranslated.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The API a client called us with, told by the path of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum ClientApi {
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
}

impl ClientApi {
    /// Every client API, in the order they are documented.
    pub const ALL: [Self; 5] = [Self::Responses, Self::Chat, Self::Messages, Self::Completions, Self::Embeddings];

    /// The path below our `/v1`, with its leading slash. An OpenAI-shaped base URL ends in `/v1`, so this is also
    /// what is appended to the base URL of an OpenAI upstream.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Responses => "/responses",
            Self::Chat => "/chat/completions",
            Self::Messages => "/messages",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
        }
    }

    /// What a person calls it in a sentence.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Responses => "Responses",
            Self::Chat => "Chat Completions",
            Self::Messages => "Messages",
            Self::Completions => "Completions",
            Self::Embeddings => "Embeddings",
        }
    }
}

/// The API that a provider or model speaks, as OpenClaw's `api` key names it.
///
/// Source of the names: the schema of the npm package `openclaw@2026.9.6`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamApi {
    /// OpenAI's Responses API.
    OpenaiResponses,
    /// OpenAI's Chat Completions API; what OpenClaw assumes for a custom base URL without `api`.
    OpenaiCompletions,
    /// Anthropic's Messages API.
    AnthropicMessages,
    /// Google's Gemini API.
    GoogleGenerativeAi,
    /// Ollama's native API.
    Ollama,
    /// An API that OpenClaw knows and we do not speak, by OpenClaw's name for it.
    #[serde(untagged)]
    Other(String),
}

impl UpstreamApi {
    /// The value of OpenClaw's `api` key.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::OpenaiResponses => "openai-responses",
            Self::OpenaiCompletions => "openai-completions",
            Self::AnthropicMessages => "anthropic-messages",
            Self::GoogleGenerativeAi => "google-generative-ai",
            Self::Ollama => "ollama",
            Self::Other(name) => name,
        }
    }

    /// Reads a value of OpenClaw's `api` key.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        match name {
            "openai-responses" => Self::OpenaiResponses,
            "openai-completions" => Self::OpenaiCompletions,
            "anthropic-messages" => Self::AnthropicMessages,
            "google-generative-ai" => Self::GoogleGenerativeAi,
            "ollama" => Self::Ollama,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Whether a request of `client` can be answered by this API: as it is, or translated.
    #[must_use]
    pub fn reaches(&self, client: ClientApi) -> bool {
        let talks = matches!(client, ClientApi::Responses | ClientApi::Chat | ClientApi::Messages);
        self.speaks(client) || talks && !matches!(self, Self::Other(_))
    }

    /// Whether a request of `client` can be passed to this API as it is. Completions and embeddings exist once in
    /// OpenAI's family, beside either of its chat APIs.
    #[must_use]
    pub fn speaks(&self, client: ClientApi) -> bool {
        match client {
            ClientApi::Responses => *self == Self::OpenaiResponses,
            ClientApi::Chat => *self == Self::OpenaiCompletions,
            ClientApi::Messages => *self == Self::AnthropicMessages,
            ClientApi::Completions | ClientApi::Embeddings => {
                matches!(self, Self::OpenaiResponses | Self::OpenaiCompletions)
            }
        }
    }
}
