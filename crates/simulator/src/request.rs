//! Requests: what was seen of each, and what an answer needs to know of one, whichever API it speaks. Reads JSON
//! leniently: a simulator answers what it understands and does not judge the rest.

use http::HeaderMap;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::options::Kind;
use crate::wants::{Wants, text_of};

/// A request as it came in, faults or not. The last 1000 are kept.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// `GET`, `POST`…; `RPC` for a question over LM Studio's WebSocket, whose name is the path and whose parameter the body.
    pub method: String,
    /// Path with its query, as sent.
    pub path: String,
    /// All headers, keys included: a test may want to see which key was sent.
    pub headers: HeaderMap,
    /// The body: its JSON; where it is none, the text as a string; null where there was no body.
    pub body: Value,
    /// When its last byte was read, by tokio's clock.
    pub at: Instant,
}

impl SeenRequest {
    /// A header's value, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The model that the body names, or for Google the path.
    pub fn model(&self) -> Option<&str> {
        let path = self.path.split('?').next().unwrap_or_default();
        let named = self.body.get("model").and_then(Value::as_str);
        named.or_else(|| google_method(path).map(|(model, _)| model))
    }

    /// As JSON for a person to look at, without keys.
    pub(crate) fn to_json(&self, started: Instant) -> Value {
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            let secret = matches!(
                name.as_str(),
                "authorization" | "x-api-key" | "x-goog-api-key" | "cookie" | "proxy-authorization"
            );
            let value = if secret { "<redacted>" } else { value.to_str().unwrap_or("<not text>") };
            headers.insert(name.as_str().to_owned(), Value::from(value));
        }
        let at_ms = u64::try_from(self.at.duration_since(started).as_millis()).unwrap_or(u64::MAX);
        let path =
            self.path.split_once("key=").map_or(self.path.clone(), |(start, _)| format!("{start}key=<redacted>"));
        json!({"method": self.method, "path": path, "headers": headers, "body": self.body, "at_ms": at_ms})
    }
}

/// The API in which an answer is asked for, by its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Responses,
    Chat,
    Completions,
    Embeddings,
    Messages,
    CountTokens,
    /// Google's `:generateContent` and `:streamGenerateContent`.
    Gemini,
    /// Google's `:countTokens`.
    GeminiCount,
    /// Ollama's `/api/chat`.
    OllamaChat,
    /// Ollama's `/api/generate`.
    OllamaGenerate,
    /// Ollama's `/api/embed`.
    OllamaEmbed,
}

impl Api {
    pub(crate) fn of(path: &str) -> Option<Api> {
        Some(match path {
            "/v1/responses" => Api::Responses,
            "/v1/chat/completions" => Api::Chat,
            "/v1/completions" => Api::Completions,
            "/v1/embeddings" => Api::Embeddings,
            "/v1/messages" => Api::Messages,
            "/v1/messages/count_tokens" => Api::CountTokens,
            "/api/chat" => Api::OllamaChat,
            "/api/generate" => Api::OllamaGenerate,
            "/api/embed" => Api::OllamaEmbed,
            _ => match google_method(path)?.1 {
                "generateContent" | "streamGenerateContent" => Api::Gemini,
                "countTokens" => Api::GeminiCount,
                _ => return None,
            },
        })
    }

    /// Whether this kind of server has it.
    pub(crate) fn is_of(self, kind: Kind) -> bool {
        match self {
            Api::Responses | Api::Chat | Api::Completions | Api::Embeddings => {
                !matches!(kind, Kind::Anthropic | Kind::Google)
            }
            Api::Messages => !matches!(kind, Kind::OpenAi | Kind::Google),
            Api::CountTokens => kind == Kind::Anthropic,
            Api::Gemini | Api::GeminiCount => kind == Kind::Google,
            Api::OllamaChat | Api::OllamaGenerate | Api::OllamaEmbed => kind == Kind::Ollama,
        }
    }

    /// Whether it gives numbers and no words.
    pub(crate) fn is_embedding(self) -> bool {
        matches!(self, Api::Embeddings | Api::OllamaEmbed)
    }

    /// Whether such a body asks for an answer. Ollama loads and unloads by requests that ask for none.
    pub(crate) fn wants_answer(self, body: &Value) -> bool {
        let says = |key: &str| body.get(key).is_some_and(|v| !matches!(v, Value::Null) && v != "" && v != &json!([]));
        match self {
            Api::OllamaChat => says("messages"),
            Api::OllamaGenerate => says("prompt"),
            _ => true,
        }
    }
}

/// Model and method of a path of Google's: `/v1beta/models/MODEL:METHOD`.
pub(crate) fn google_method(path: &str) -> Option<(&str, &str)> {
    let rest = ["/v1beta/models/", "/v1/models/"].iter().find_map(|start| path.strip_prefix(start))?;
    rest.rsplit_once(':').filter(|(model, method)| !model.is_empty() && !method.is_empty())
}

/// The model that a request is for.
pub(crate) fn model_of(path: &str, body: &Value) -> Option<String> {
    let named = body.get("model").or_else(|| body.get("name")).and_then(Value::as_str);
    named.or_else(|| google_method(path).map(|(model, _)| model)).map(str::to_owned)
}

/// What an answer needs to know of its request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) api: Api,
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// Gemini: whether the stream is one of events. Otherwise it is a list that grows.
    pub(crate) sse: bool,
    /// The last text of a user.
    pub(crate) last_words: String,
    /// What the user said before that, if anything.
    pub(crate) earlier_words: Option<String>,
    /// What the user has said since the model's last words that has the word TOOL in it.
    pub(crate) order: Option<String>,
    /// Whether the result of a tool has come since that or else since the user's last words, or with them.
    pub(crate) after_tool: bool,
    /// Whether the conversation ends with words of the model's own.
    pub(crate) begun: bool,
    pub(crate) wants: Wants,
    /// The conversation, in the items of its API.
    pub(crate) items: Vec<Value>,
    /// The most tokens (here: words) the answer may have.
    pub(crate) limit: Option<usize>,
    /// An estimate: four characters a token.
    pub(crate) input_tokens: u64,
    pub(crate) ttl_seconds: Option<u64>,
    pub(crate) body: Value,
}

impl Asked {
    /// `before` is what stands before the request's own items.
    pub(crate) fn read(api: Api, body: Value, before: Vec<Value>) -> Asked {
        let own = match api {
            Api::Responses => match body.get("input") {
                Some(Value::Array(items)) => items.clone(),
                Some(text) => vec![json!({"role": "user", "content": text})],
                None => Vec::new(),
            },
            Api::Completions | Api::Embeddings => {
                let text = body.get("prompt").or_else(|| body.get("input")).cloned().unwrap_or_default();
                vec![json!({"role": "user", "content": text})]
            }
            Api::OllamaGenerate => vec![json!({"role": "user", "content": body.get("prompt")})],
            Api::OllamaEmbed => vec![json!({"role": "user", "content": body.get("input")})],
            Api::Gemini | Api::GeminiCount => {
                let contents = body.get("contents").and_then(Value::as_array).into_iter().flatten();
                let role = |content: &Value| content.get("role").cloned().unwrap_or_else(|| json!("user"));
                contents.map(|content| json!({"role": role(content), "content": content.get("parts")})).collect()
            }
            Api::Chat | Api::Messages | Api::CountTokens | Api::OllamaChat => {
                body.get("messages").and_then(Value::as_array).cloned().unwrap_or_default()
            }
        };
        let mut items = before;
        items.extend(own);
        let said: Vec<(usize, String)> = items
            .iter()
            .enumerate()
            .filter(|(_, item)| item.get("role").and_then(Value::as_str) == Some("user"))
            .map(|(at, item)| (at, text_of(item.get("content").unwrap_or(&Value::Null))))
            .filter(|(_, text)| !text.trim().is_empty())
            .collect();
        let (asked_at, last_words) = said.last().cloned().unwrap_or_default();
        // Some clients put words of their own behind the user's: what was said since the model's last words counts.
        let models_own = |item: &Value| {
            item.get("role").and_then(Value::as_str).is_some_and(|role| role == "assistant" || role == "model")
                || item.get("type").and_then(Value::as_str) == Some("function_call")
        };
        let since = items.iter().rposition(models_own).map_or(0, |at| at + 1);
        let order = said.iter().rfind(|(at, text)| *at >= since && text.contains("TOOL")).cloned();
        let (order_at, order) = order.map_or((asked_at, None), |(at, text)| (at, Some(text)));
        let earlier_words = said.len().checked_sub(2).and_then(|at| said.get(at)).map(|(_, text)| text.clone());
        let begun = items.last().and_then(|item| item.get("role")).and_then(Value::as_str) == Some("assistant");
        let wants = Wants::read(api, &body, &items);
        let limits = ["/max_output_tokens", "/max_completion_tokens", "/max_tokens", "/options/num_predict"];
        let limit = limits
            .iter()
            .chain(&["/generationConfig/maxOutputTokens", "/generation_config/max_output_tokens"])
            .find_map(|name| body.pointer(name).and_then(Value::as_u64))
            .and_then(|n| usize::try_from(n).ok());
        let mut characters = 0;
        let parts = ["input", "messages", "prompt", "instructions", "system", "tools"];
        for name in parts.iter().chain(&["contents", "systemInstruction", "system_instruction"]) {
            characters += body.get(name).map_or(0, count_characters);
        }
        Asked {
            api,
            model: body.get("model").and_then(Value::as_str).filter(|m| !m.is_empty()).map(str::to_owned),
            // Ollama streams unless it is told not to.
            stream: body
                .get("stream")
                .and_then(Value::as_bool)
                .unwrap_or(matches!(api, Api::OllamaChat | Api::OllamaGenerate)),
            include_usage: body.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or(false),
            sse: true,
            last_words,
            earlier_words,
            after_tool: items.iter().skip(order_at).any(is_tool_result),
            order,
            begun,
            wants,
            items,
            limit,
            input_tokens: (characters as u64).div_ceil(4).max(1),
            ttl_seconds: body.get("ttl").and_then(Value::as_u64),
            body,
        }
    }
}

fn is_tool_result(item: &Value) -> bool {
    item.get("role").and_then(Value::as_str) == Some("tool")
        || item.get("type").and_then(Value::as_str) == Some("function_call_output")
        || item.get("content").and_then(Value::as_array).is_some_and(|parts| {
            let is_result = |p: &Value| p.get("type").and_then(Value::as_str) == Some("tool_result");
            parts.iter().any(|p| is_result(p) || p.get("functionResponse").is_some())
        })
}

/// Counts the characters of all strings, so that the names of JSON members do not count as prompt.
fn count_characters(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.iter().map(count_characters).sum(),
        Value::Object(members) => members.values().map(count_characters).sum(),
        _ => 0,
    }
}
