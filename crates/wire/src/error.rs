//! Our own errors, in the form of each client API: as the body of an answer, and as the last event of a stream.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::ClientApi;

/// What kind of error it is; decides the status and the API's own word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request cannot be understood or served as it is.
    InvalidRequest,
    /// No token, or a wrong one.
    Unauthorized,
    /// The caller may not call us, whatever its token.
    Forbidden,
    /// No such path or model.
    NotFound,
    /// The path knows other methods.
    MethodNotAllowed,
    /// The body is too large.
    TooLarge,
    /// The headers are too large.
    HeadTooLarge,
    /// It comes too often.
    RateLimited,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// No upstream could answer.
    Unavailable,
    /// An upstream broke off in the middle of its answer.
    Interrupted,
}

impl ErrorKind {
    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::TooLarge => 413,
            Self::HeadTooLarge => 431,
            Self::UnsupportedMediaType => 415,
            Self::RateLimited => 429,
            Self::Unavailable => 503,
            Self::Interrupted => 502,
        }
    }

    /// OpenAI's `error.type`.
    fn openai(self) -> &'static str {
        match self {
            Self::InvalidRequest
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::TooLarge
            | Self::HeadTooLarge
            | Self::UnsupportedMediaType => "invalid_request_error",
            Self::Unauthorized => "authentication_error",
            Self::Forbidden => "permission_error",
            Self::RateLimited => "rate_limit_error",
            Self::Unavailable | Self::Interrupted => "server_error",
        }
    }

    /// Anthropic's `error.type`. Source: "Errors" in Anthropic's API documentation.
    fn anthropic(self) -> &'static str {
        match self {
            Self::InvalidRequest | Self::MethodNotAllowed | Self::UnsupportedMediaType => "invalid_request_error",
            Self::Unauthorized => "authentication_error",
            Self::Forbidden => "permission_error",
            Self::NotFound => "not_found_error",
            Self::TooLarge | Self::HeadTooLarge => "request_too_large",
            Self::RateLimited => "rate_limit_error",
            Self::Unavailable | Self::Interrupted => "api_error",
        }
    }
}

/// An error that we tell a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// Its kind.
    pub kind: ErrorKind,
    /// A stable name, such as `model_not_found`.
    pub code: Cow<'static, str>,
    /// What, and what to do.
    pub message: String,
    /// The key of the request that is wrong: `model`, `messages[2].content`.
    pub param: Option<Cow<'static, str>>,
    /// In how many seconds it is worth asking again, for the header `Retry-After`.
    pub retry_after: Option<u64>,
}

/// Where a stream stands when an error ends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The id of the response that began (Responses only).
    pub response_id: String,
    /// The next `sequence_number` (Responses only).
    pub sequence: u64,
    /// Unix time in seconds.
    pub created: u64,
    /// The `model` that the client asked for.
    pub model: String,
}

impl ApiError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: ErrorKind, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { kind, code: code.into(), message: message.into(), param: None, retry_after: None }
    }

    /// The same, about a key of the request.
    #[must_use]
    pub fn about(mut self, param: impl Into<Cow<'static, str>>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// The same, worth asking again after so many seconds.
    #[must_use]
    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The JSON body.
    #[must_use]
    pub fn body(&self, api: ClientApi) -> Value {
        match api {
            ClientApi::Messages => {
                json!({"type": "error", "error": {"type": self.kind.anthropic(), "message": self.message}})
            }
            ClientApi::Responses | ClientApi::Chat | ClientApi::Completions | ClientApi::Embeddings => {
                json!({"error": {
                    "message": self.message, "type": self.kind.openai(), "param": self.param, "code": self.code,
                }})
            }
        }
    }

    /// The event that ends a stream. Nothing may follow it, least of all a `[DONE]`.
    #[must_use]
    pub fn event(&self, api: ClientApi, at: &Position) -> Bytes {
        match api {
            ClientApi::Messages => event(Some("error"), &self.body(api)),
            ClientApi::Chat | ClientApi::Completions | ClientApi::Embeddings => event(None, &self.body(api)),
            ClientApi::Responses => {
                let mut response = response_object(at, "failed");
                if let Some(response) = response.as_object_mut() {
                    // OpenAI's codes for a failed response are few; `server_error` is the one that every client knows.
                    let code = match self.kind {
                        ErrorKind::Interrupted | ErrorKind::Unavailable => "server_error",
                        _ => &self.code,
                    };
                    response.insert("error".to_owned(), json!({"code": code, "message": self.message}));
                }
                let data = json!({"type": "response.failed", "sequence_number": at.sequence, "response": response});
                event(Some("response.failed"), &data)
            }
        }
    }
}

/// One event as text.
pub(crate) fn event(name: Option<&str>, data: &Value) -> Bytes {
    match name {
        Some(name) => format!("event: {name}\ndata: {data}\n\n"),
        None => format!("data: {data}\n\n"),
    }
    .into()
}

/// A response of the Responses API without output. Every key that its schema requires is there, since typed clients
/// refuse an object without them.
pub(crate) fn response_object(at: &Position, status: &str) -> Value {
    json!({
        "id": at.response_id, "object": "response", "created_at": at.created, "status": status, "error": null,
        "incomplete_details": null, "instructions": null, "max_output_tokens": null, "metadata": {}, "model": at.model,
        "output": [], "parallel_tool_calls": true, "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null}, "store": false, "temperature": null,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": null,
        "truncation": "disabled", "usage": null,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Signal, StreamReader};
    use crate::sse::Framer;

    fn error() -> ApiError {
        ApiError::new(ErrorKind::Interrupted, "cut", "it broke\noff")
    }

    #[test]
    fn bodies() {
        assert_eq!(
            ApiError::new(ErrorKind::NotFound, "model_not_found", "m").about("model").body(ClientApi::Chat),
            json!({"error": {"message": "m", "type": "invalid_request_error", "param": "model", "code": "model_not_found"}})
        );
        assert_eq!(
            ApiError::new(ErrorKind::NotFound, "model_not_found", "m").body(ClientApi::Messages),
            json!({"type": "error", "error": {"type": "not_found_error", "message": "m"}})
        );
    }

    #[test]
    fn our_events_are_read_as_errors_of_their_api() {
        let at = Position { response_id: "resp_1".to_owned(), sequence: 7, created: 1, model: "primary".to_owned() };
        for api in ClientApi::ALL {
            let mut framer = Framer::default();
            framer.push(&error().event(api, &at));
            let frame = framer.next_frame().unwrap().unwrap();
            assert_eq!(framer.next_frame().unwrap(), None, "one event");
            let signal = StreamReader::new(api).read(&frame);
            assert!(
                matches!(&signal, Signal::Error { failure, own: true } if failure.message == "it broke\noff"),
                "{signal:?}"
            );
        }
    }

    #[test]
    fn a_failed_response_goes_on_where_the_stream_stood() {
        let at = Position { response_id: "resp_1".to_owned(), sequence: 7, created: 1, model: "primary".to_owned() };
        let text = error().event(ClientApi::Responses, &at);
        let text = std::str::from_utf8(&text).unwrap();
        let data: Value = serde_json::from_str(text.trim().split_once("data: ").unwrap().1).unwrap();
        assert_eq!((&data["sequence_number"], &data["response"]["id"]), (&json!(7), &json!("resp_1")));
        assert_eq!(data["response"]["error"], json!({"code": "server_error", "message": "it broke\noff"}));
    }
}
