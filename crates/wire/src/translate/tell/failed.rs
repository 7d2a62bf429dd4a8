//! An upstream's failure, as a client that is in the middle of an answer is told it.

use super::json;
use crate::failure::{Failure, Meaning};

/// The event of a Chat stream. The SDKs raise on an `error` object; nothing may follow.
pub(super) fn chat(failure: &Failure, out: &mut Vec<u8>) {
    json::raw(out, "data: {\"error\":{\"message\":");
    json::quote(out, &failure.message);
    json::raw(out, ",\"type\":\"");
    json::raw(
        out,
        match failure.meaning() {
            Meaning::ContextOverflow | Meaning::InvalidRequest | Meaning::ModelNotFound => "invalid_request_error",
            Meaning::RateLimited => "rate_limit_error",
            Meaning::Payment => "insufficient_quota",
            Meaning::Unauthorized => "authentication_error",
            _ => "server_error",
        },
    );
    json::raw(out, "\",\"param\":null,\"code\":");
    json::quote(out, code(failure));
    json::raw(out, "}}\n\n");
}

/// The event of a Messages stream. Its clients know an overflow by its words ("prompt is too long").
pub(super) fn messages(failure: &Failure, out: &mut Vec<u8>) {
    let meaning = failure.meaning();
    json::raw(out, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"");
    json::raw(
        out,
        match meaning {
            _ if failure.code.as_deref() == Some("overloaded_error") => "overloaded_error",
            Meaning::ContextOverflow | Meaning::InvalidRequest => "invalid_request_error",
            Meaning::ModelNotFound => "not_found_error",
            Meaning::RateLimited => "rate_limit_error",
            Meaning::Payment => "billing_error",
            Meaning::Unauthorized => "authentication_error",
            _ => "api_error",
        },
    );
    json::raw(out, "\",\"message\":\"");
    if meaning == Meaning::ContextOverflow && !failure.message.to_lowercase().contains("prompt is too long") {
        json::raw(out, "prompt is too long: ");
    }
    json::escape(out, &failure.message);
    json::raw(out, "\"}}\n\n");
}

/// OpenAI's word for it. Codex ends a turn at `context_length_exceeded` and `insufficient_quota`, and asks again for
/// what it does not know.
pub(super) fn code(failure: &Failure) -> &str {
    let own = failure.code.as_deref();
    match failure.meaning() {
        Meaning::ContextOverflow => "context_length_exceeded",
        Meaning::Payment => "insufficient_quota",
        Meaning::RateLimited => "rate_limit_exceeded",
        Meaning::ModelNotFound => "model_not_found",
        Meaning::Unauthorized => "invalid_api_key",
        Meaning::InvalidRequest => own.unwrap_or("invalid_prompt"),
        _ => own.unwrap_or("server_error"),
    }
}
