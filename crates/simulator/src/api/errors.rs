//! Errors in each server's own words: whole bodies, and events in the midst of a stream.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{data, named};
use crate::answer::{fresh_id, unix_seconds};
use crate::options::Kind;
use crate::request::Api;

/// What LM Studio says when a model's process has ended by itself.
pub(crate) const CRASHED: &str = "The model has crashed without additional information. (Exit code: null)";
/// What LM Studio says to a request whose model was unloaded while it answered.
pub(crate) const UNLOADED: &str = "Model unloaded.";
/// What LM Studio says to a request whose model was unloaded before it began to answer.
pub(crate) const UNLOADED_IN_QUEUE: &str = "Model was unloaded while the request was still in queue..";

/// OpenAI's error object, which LM Studio uses too for some of its errors.
pub(crate) fn openai(message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Value {
    json!({"error": {"message": message, "type": kind, "param": param, "code": code}})
}

/// Anthropic's error object.
pub(crate) fn anthropic(kind: &str, message: &str) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message},
        "request_id": format!("req_{}", fresh_id())})
}

/// The body that this kind of server sends with this status.
pub(crate) fn body_for_status(kind: Kind, status: u16, message: Option<&str>, code: Option<&str>) -> Value {
    match kind {
        Kind::LmStudio => {
            let usual = match status {
                404 => "No models loaded. Please load a model in the developer page or use the 'lms load' command.",
                429 => "Too many requests.",
                503 => "The server is busy.",
                _ => CRASHED,
            };
            let message = message.unwrap_or(usual);
            if status == 404 {
                openai(message, "invalid_request_error", Some("model"), code)
            } else {
                json!({"error": message})
            }
        }
        Kind::OpenAi => {
            let (usual, kind, usual_code) = match status {
                400 => ("The request is invalid.", "invalid_request_error", None),
                401 => ("Incorrect API key provided.", "invalid_request_error", Some("invalid_api_key")),
                403 => ("Your organisation may not use this model.", "invalid_request_error", None),
                404 => (
                    "The model does not exist or you do not have access to it.",
                    "invalid_request_error",
                    Some("model_not_found"),
                ),
                429 => ("Rate limit reached for requests.", "requests", Some("rate_limit_exceeded")),
                503 => {
                    ("The engine is currently overloaded, please try again later.", "service_unavailable_error", None)
                }
                _ => (OVERTAXED, "server_error", None),
            };
            openai(message.unwrap_or(usual), kind, None, code.or(usual_code))
        }
        Kind::Anthropic => {
            let (kind, usual) = match status {
                400 => ("invalid_request_error", "The request is invalid."),
                401 => ("authentication_error", "invalid x-api-key"),
                402 => ("billing_error", "Your credit balance is too low."),
                403 => ("permission_error", "Your API key may not use this resource."),
                404 => ("not_found_error", "Not found"),
                413 => ("request_too_large", "Request exceeds the maximum size"),
                429 => ("rate_limit_error", "This request would exceed your rate limit."),
                529 => ("overloaded_error", "Overloaded"),
                _ => ("api_error", "Internal server error"),
            };
            anthropic(code.unwrap_or(kind), message.unwrap_or(usual))
        }
    }
}

/// A stream that may end in an error: what the error event must agree with.
pub(crate) struct Streaming {
    pub(crate) kind: Kind,
    pub(crate) api: Api,
    pub(crate) model: String,
    /// The id of the answer.
    pub(crate) id: String,
}

impl Streaming {
    /// An error in the midst of the stream, after so many events of any sort.
    pub(crate) fn error(&self, sent: usize, message: Option<&str>, code: Option<&str>) -> Bytes {
        match (self.kind, self.api) {
            (Kind::LmStudio, _) => {
                let message = message.unwrap_or(CRASHED);
                named("error", &json!({"error": {"message": message}, "message": message}))
            }
            (Kind::Anthropic, _) | (_, Api::Messages | Api::CountTokens) => {
                let kind = code.unwrap_or("overloaded_error");
                let error = json!({"type": kind, "message": message.unwrap_or("Overloaded")});
                named("error", &json!({"type": "error", "error": error}))
            }
            (Kind::OpenAi, Api::Responses) => self.response_failed(sent, message, code),
            (Kind::OpenAi, Api::Chat | Api::Completions | Api::Embeddings) => {
                data(&openai(message.unwrap_or(OVERTAXED), "server_error", None, code))
            }
        }
    }

    /// OpenAI sends two events: `error`, and the response as it failed.
    fn response_failed(&self, sent: usize, message: Option<&str>, code: Option<&str>) -> Bytes {
        let message = message.unwrap_or(OVERTAXED);
        let code = code.unwrap_or("server_error");
        let error = json!({"type": "error", "sequence_number": sent,
            "error": {"type": code, "code": code, "message": message, "param": null}});
        let failed = json!({"type": "response.failed", "sequence_number": sent + 1, "response": {
            "id": format!("resp_{}", self.id), "object": "response", "created_at": unix_seconds(), "status": "failed",
            "error": {"code": code, "message": message}, "incomplete_details": null, "model": self.model,
            "output": [], "usage": null}});
        Bytes::from([named("error", &error), named("response.failed", &failed)].concat())
    }
}

const OVERTAXED: &str = "The server had an error while processing your request.";
