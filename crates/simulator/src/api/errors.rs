//! Errors in each server's own words: whole bodies, and events in the midst of a stream.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{data, named, ollama};
use crate::answer::{fresh_id, unix_seconds};
use crate::options::Kind;
use crate::request::Api;

/// What LM Studio says when a model's process has ended by itself.
pub(crate) const CRASHED: &str = "The model has crashed without additional information. (Exit code: null)";
/// What LM Studio says to a request whose model was unloaded while it answered.
pub(crate) const UNLOADED: &str = "Model unloaded.";
/// What LM Studio says to a request whose model was unloaded before it began to answer.
pub(crate) const UNLOADED_IN_QUEUE: &str = "Model was unloaded while the request was still in queue..";

/// What Ollama says when a model's process has ended in the midst of an answer.
const RUNNER_ENDED: &str = "an error was encountered while running the model: unexpected EOF";
/// What Ollama says when a model was stopped before it answered.
const RUNNER_STOPPED: &str = "llama runner process has terminated: signal: killed";

/// What a server says of a model that went away under a request: crashed, or unloaded.
pub(crate) fn gone(kind: Kind, crashed: bool, in_queue: bool) -> &'static str {
    match (kind, crashed, in_queue) {
        (Kind::Ollama, _, true) => RUNNER_STOPPED,
        (Kind::Ollama, _, false) => RUNNER_ENDED,
        (_, true, _) => CRASHED,
        (_, false, true) => UNLOADED_IN_QUEUE,
        (_, false, false) => UNLOADED,
    }
}

/// The status with which a server that runs models itself says that it failed.
pub(crate) fn own_failure(kind: Kind) -> u16 {
    if kind == Kind::LmStudio { 400 } else { 500 }
}

/// What a load ends in that no fault gave words to.
pub(crate) fn no_memory(kind: Kind) -> &'static str {
    if kind == Kind::Ollama {
        "model requires more system memory (138.0 GiB) than is available (61.2 GiB)"
    } else {
        "Failed to load model: the model needs more memory than this system has free (insufficient system resources)"
    }
}

/// Google's error object.
pub(crate) fn google(code: u16, message: &str, status: &str) -> Value {
    json!({"error": {"code": code, "message": message, "status": status}})
}

/// Google's word for a status.
fn google_status(status: u16) -> (&'static str, &'static str) {
    match status {
        400 => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
        401 => ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
        403 => ("PERMISSION_DENIED", "The caller does not have permission"),
        404 => ("NOT_FOUND", "Requested entity was not found."),
        429 => ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
        503 => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
        504 => ("DEADLINE_EXCEEDED", "The request timed out. Please try again."),
        _ => ("INTERNAL", "An internal error has occurred. Please retry or report it."),
    }
}

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
        Kind::Google => {
            let (word, usual) = google_status(status);
            google(status, message.unwrap_or(usual), code.unwrap_or(word))
        }
        Kind::Ollama => {
            let usual = match status {
                401 => "unauthorized",
                404 => "model not found, try pulling it first",
                429 => "too many requests",
                503 => "server busy, please try again.  maximum pending requests exceeded",
                _ => RUNNER_ENDED,
            };
            json!({"error": message.unwrap_or(usual)})
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
    /// Whether the stream is one of events: see [`Asked::sse`](crate::request::Asked::sse).
    pub(crate) sse: bool,
}

impl Streaming {
    /// An error in the midst of the stream, after so many events of any sort.
    pub(crate) fn error(&self, sent: usize, message: Option<&str>, code: Option<&str>) -> Bytes {
        match (self.kind, self.api) {
            (Kind::Google, _) => {
                let error = body_for_status(Kind::Google, 503, message, code);
                match (self.sse, sent) {
                    (true, _) => data(&error),
                    (false, 0) => Bytes::from(format!("[{error}]")),
                    (false, _) => Bytes::from(format!(",\r\n{error}]")),
                }
            }
            (Kind::Ollama, Api::OllamaChat | Api::OllamaGenerate) => {
                ollama::line(&json!({"error": message.unwrap_or(RUNNER_ENDED)}))
            }
            (Kind::Ollama, Api::Chat | Api::Completions | Api::Responses) => {
                data(&openai(message.unwrap_or(RUNNER_ENDED), "api_error", None, code))
            }
            (Kind::Ollama, Api::Messages) => {
                named("error", &anthropic(code.unwrap_or("api_error"), message.unwrap_or(RUNNER_ENDED)))
            }
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
            (Kind::OpenAi | Kind::Ollama, _) => data(&openai(message.unwrap_or(OVERTAXED), "server_error", None, code)),
        }
    }

    /// The type of a stream's content.
    pub(crate) fn content_type(&self) -> &'static str {
        match self.api {
            Api::OllamaChat | Api::OllamaGenerate => "application/x-ndjson",
            Api::Gemini if !self.sse => "application/json; charset=UTF-8",
            _ => "text/event-stream; charset=utf-8",
        }
    }

    /// A piece of the stream that is framed as it must be, and is no JSON.
    pub(crate) fn bad_json(&self) -> Bytes {
        Bytes::from_static(match self.api {
            Api::OllamaChat | Api::OllamaGenerate => b"{\"model\":\"x\",\"mess\n",
            Api::Gemini if !self.sse => b",\r\n{\"candidates\":[{\"con]",
            Api::Gemini => b"data: {\"candidates\":[{\"con\n\n",
            _ => b"data: {\"id\":\"x\",\"choices\":[{\"del\n\n",
        })
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
