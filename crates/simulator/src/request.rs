//! Requests: what was seen of each, and what an answer needs to know of one, whichever API it speaks. Reads JSON
//! leniently: a simulator answers what it understands and does not judge the rest.

use http::HeaderMap;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

/// A request as it came in, faults or not. The last 1000 are kept.
#[derive(Clone, Debug)]
pub struct SeenRequest {
    /// `GET`, `POST`…
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

    /// The model that the body names.
    pub fn model(&self) -> Option<&str> {
        self.body.get("model").and_then(Value::as_str)
    }

    /// As JSON for a person to look at, without keys.
    pub(crate) fn to_json(&self, started: Instant) -> Value {
        let mut headers = Map::new();
        for (name, value) in &self.headers {
            let secret = matches!(name.as_str(), "authorization" | "x-api-key" | "cookie" | "proxy-authorization");
            let value = if secret { "<redacted>" } else { value.to_str().unwrap_or("<not text>") };
            headers.insert(name.as_str().to_owned(), Value::from(value));
        }
        let at_ms = u64::try_from(self.at.duration_since(started).as_millis()).unwrap_or(u64::MAX);
        json!({"method": self.method, "path": self.path, "headers": headers, "body": self.body, "at_ms": at_ms})
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
            _ => return None,
        })
    }
}

/// What an answer needs to know of its request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) api: Api,
    pub(crate) model: Option<String>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    /// The last text of a user.
    pub(crate) last_words: String,
    /// Whether the conversation ends with the result of a tool.
    pub(crate) after_tool: bool,
    /// Name and parameter schema of the first tool.
    pub(crate) tool: Option<(String, Value)>,
    /// The most tokens (here: words) the answer may have.
    pub(crate) limit: Option<usize>,
    /// An estimate: four characters a token.
    pub(crate) input_tokens: u64,
    pub(crate) ttl_seconds: Option<u64>,
    pub(crate) body: Value,
}

impl Asked {
    pub(crate) fn read(api: Api, body: Value) -> Asked {
        let items = match api {
            Api::Responses => match body.get("input") {
                Some(Value::Array(items)) => items.clone(),
                Some(text) => vec![json!({"role": "user", "content": text})],
                None => Vec::new(),
            },
            Api::Completions | Api::Embeddings => {
                let text = body.get("prompt").or_else(|| body.get("input")).cloned().unwrap_or_default();
                vec![json!({"role": "user", "content": text})]
            }
            Api::Chat | Api::Messages | Api::CountTokens => {
                body.get("messages").and_then(Value::as_array).cloned().unwrap_or_default()
            }
        };
        let last_words = items
            .iter()
            .rev()
            .filter(|item| item.get("role").and_then(Value::as_str) == Some("user"))
            .map(|item| text_of(item.get("content").unwrap_or(&Value::Null)))
            .find(|text| !text.trim().is_empty())
            .unwrap_or_default();
        let limit = ["max_output_tokens", "max_completion_tokens", "max_tokens"]
            .iter()
            .find_map(|name| body.get(name).and_then(Value::as_u64))
            .and_then(|n| usize::try_from(n).ok());
        let mut characters = 0;
        for name in ["input", "messages", "prompt", "instructions", "system", "tools"] {
            characters += body.get(name).map_or(0, count_characters);
        }
        Asked {
            api,
            model: body.get("model").and_then(Value::as_str).filter(|m| !m.is_empty()).map(str::to_owned),
            stream: body.get("stream").and_then(Value::as_bool).unwrap_or(false),
            include_usage: body.pointer("/stream_options/include_usage").and_then(Value::as_bool).unwrap_or(false),
            last_words,
            after_tool: items.last().is_some_and(is_tool_result),
            tool: first_tool(&body),
            limit,
            input_tokens: (characters as u64).div_ceil(4).max(1),
            ttl_seconds: body.get("ttl").and_then(Value::as_u64),
            body,
        }
    }
}

fn text_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            let texts: Vec<&str> =
                parts.iter().filter_map(|p| p.as_str().or_else(|| p.get("text").and_then(Value::as_str))).collect();
            texts.join(" ")
        }
        _ => String::new(),
    }
}

fn is_tool_result(item: &Value) -> bool {
    item.get("role").and_then(Value::as_str) == Some("tool")
        || item.get("type").and_then(Value::as_str) == Some("function_call_output")
        || item
            .get("content")
            .and_then(Value::as_array)
            .is_some_and(|parts| parts.iter().any(|p| p.get("type").and_then(Value::as_str) == Some("tool_result")))
}

/// Chat nests a tool under `function`; Responses does not; Messages calls the schema `input_schema`.
fn first_tool(body: &Value) -> Option<(String, Value)> {
    body.get("tools")?.as_array()?.iter().find_map(|tool| {
        let tool = tool.get("function").unwrap_or(tool);
        let name = tool.get("name")?.as_str()?.to_owned();
        let schema = tool.get("parameters").or_else(|| tool.get("input_schema")).cloned().unwrap_or_default();
        Some((name, schema))
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
