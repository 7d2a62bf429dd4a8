//! What a failed attempt means: the code of an upstream's status and words, and how an attempt is told about.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use pilotlight_wire::error::{ApiError, ErrorKind};
use pilotlight_wire::failure::{Failure, Meaning};
use pilotlight_wire::{ClientApi, Secret};

use crate::code::Code;
use crate::routes::Target;

const REDACTED: &str = "<redacted>";
const SHORTEST_KEY: usize = 6;

/// An attempt that gave no answer.
#[derive(Clone, Debug)]
pub struct Miss {
    /// Why.
    pub code: Code,
    /// In words.
    pub detail: String,
    /// What the upstream said, where it said something.
    pub failure: Option<Failure>,
    /// The upstream's own answer, where it was an HTTP error.
    pub answer: Option<Box<UpstreamError>>,
}

/// An upstream's HTTP error as it came.
#[derive(Clone, Debug)]
pub struct UpstreamError {
    /// Its status.
    pub status: StatusCode,
    /// Those of its headers that a client gets.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Miss {
    /// The same with every key of the target struck out: some servers repeat the key that they refuse.
    pub fn without_secrets(mut self, target: &Target) -> Self {
        let secrets = target.key.iter().chain(target.headers.iter().map(|(_, value)| value));
        // A very short value stands in many words by chance, and is no key.
        for secret in secrets.map(Secret::expose).filter(|secret| secret.len() >= SHORTEST_KEY) {
            let strike = |text: &mut String| {
                if text.contains(secret) {
                    *text = text.replace(secret, REDACTED);
                }
            };
            strike(&mut self.detail);
            if let Some(failure) = &mut self.failure {
                strike(&mut failure.message);
                failure.code.as_mut().map(strike);
            }
            if let Some(answer) = &mut self.answer
                && let Ok(text) = std::str::from_utf8(&answer.body)
                && text.contains(secret)
            {
                answer.body = text.replace(secret, REDACTED).into();
            }
        }
        self
    }

    /// The same with an upstream's answer put into the form of the client's API, where it was in another's.
    pub fn reworded(mut self, api: ClientApi) -> Self {
        if let (Some(answer), Some(failure)) = (&mut self.answer, &self.failure) {
            let kind = match answer.status.as_u16() {
                401 => ErrorKind::Unauthorized,
                403 => ErrorKind::Forbidden,
                404 => ErrorKind::NotFound,
                413 => ErrorKind::TooLarge,
                400..500 => ErrorKind::InvalidRequest,
                _ => ErrorKind::Unavailable,
            };
            let code = failure.code.clone().unwrap_or_else(|| self.code.name().replace('-', "_"));
            answer.body = ApiError::new(kind, code, failure.message.clone()).body(api).to_string().into();
            answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        self
    }

    /// A miss without words of the upstream's.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), failure: None, answer: None }
    }

    /// An error told under a good status.
    pub fn told(code: Code, failure: Failure) -> Self {
        let code = match failure.meaning() {
            Meaning::NotLoaded => Code::NotLoaded,
            Meaning::Unloaded => Code::Unloaded,
            Meaning::Crashed => Code::Crashed,
            Meaning::LoadFailed => Code::LoadFailed,
            Meaning::ModelNotFound => Code::ModelNotFound,
            Meaning::ContextOverflow => Code::ContextOverflow,
            Meaning::Unauthorized
            | Meaning::Payment
            | Meaning::RateLimited
            | Meaning::InvalidRequest
            | Meaning::Other => code,
        };
        Self { code, detail: said(&failure), failure: Some(failure), answer: None }
    }

    /// An HTTP error.
    pub fn status(answer: UpstreamError) -> Self {
        let failure = Failure::read_body(&answer.body);
        // A web page is the word of something on the way, not of the model's server about the request.
        let page = answer.body.trim_ascii_start().starts_with(b"<");
        let code = match judge(answer.status, failure.meaning()) {
            Code::InvalidRequest if page => Code::Status,
            code => code,
        };
        let detail = format!("{}: {}", answer.status.as_u16(), said(&failure));
        Self { code, detail, failure: Some(failure), answer: Some(Box::new(answer)) }
    }
}

fn said(failure: &Failure) -> String {
    match &failure.code {
        Some(code) if *code != failure.message => {
            // The bracket belongs to the sentence.
            let message = failure.message.strip_suffix('.').unwrap_or(&failure.message);
            format!("{message} ({code})")
        }
        _ => failure.message.clone(),
    }
}

/// The code of an HTTP error.
///
/// A 400 is the client's own mistake, unless the words say that the model is at fault: LM Studio answers 400 when a
/// model is not loaded or has crashed, Anthropic when the credit is used up.
pub fn judge(status: StatusCode, meaning: Meaning) -> Code {
    let said = match meaning {
        Meaning::NotLoaded => Some(Code::NotLoaded),
        Meaning::Unloaded => Some(Code::Unloaded),
        Meaning::Crashed => Some(Code::Crashed),
        Meaning::LoadFailed => Some(Code::LoadFailed),
        Meaning::ModelNotFound => Some(Code::ModelNotFound),
        Meaning::Payment => Some(Code::Payment),
        Meaning::ContextOverflow => Some(Code::ContextOverflow),
        Meaning::Unauthorized | Meaning::RateLimited | Meaning::InvalidRequest | Meaning::Other => None,
    };
    match status.as_u16() {
        401 | 403 => said.filter(|code| *code == Code::Payment).unwrap_or(Code::Unauthorized),
        402 => Code::Payment,
        404 => said.unwrap_or(Code::ModelNotFound),
        408 => Code::Timeout,
        429 => said.filter(|code| *code == Code::Payment).unwrap_or(Code::RateLimited),
        400 | 413 | 415 | 422 => said.unwrap_or(match meaning {
            Meaning::Unauthorized => Code::Unauthorized,
            Meaning::RateLimited => Code::RateLimited,
            _ => Code::InvalidRequest,
        }),
        _ => said.unwrap_or(Code::Status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_repeated_is_struck_out() {
        let target = Target { key: Some(Secret::new("sk-123456")), ..(*crate::fixture::target("a/b")).clone() };
        let body = Bytes::from_static(br#"{"error":{"message":"wrong key sk-123456","code":"x"}}"#);
        let answer = UpstreamError { status: StatusCode::UNAUTHORIZED, headers: HeaderMap::new(), body };
        let miss = Miss::status(answer).without_secrets(&target);
        assert_eq!(miss.detail, "401: wrong key <redacted> (x)");
        assert!(!format!("{miss:?}").contains("123456"));
    }

    #[test]
    fn statuses() {
        let table = [
            (400, r#"{"error":{"message":"bad temperature","type":"invalid_request_error"}}"#, Code::InvalidRequest),
            (400, r#"{"error":"Model unloaded."}"#, Code::Unloaded),
            (
                400,
                r#"{"error":"The model has crashed without additional information. (Exit code: null)"}"#,
                Code::Crashed,
            ),
            (
                400,
                r#"{"error":{"message":"No models loaded. Please load a model","type":"invalid_request_error"}}"#,
                Code::NotLoaded,
            ),
            (400, r#"{"error":{"message":"m","code":"model_not_found"}}"#, Code::ModelNotFound),
            (
                400,
                r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low"}}"#,
                Code::Payment,
            ),
            (400, r#"{"error":"n_keep: 9000 >= n_ctx: 4096"}"#, Code::ContextOverflow),
            (422, r#"{"detail":[]}"#, Code::InvalidRequest),
            (400, "bad temperature", Code::InvalidRequest),
            (413, " <html>", Code::Status),
            (401, "{}", Code::Unauthorized),
            (402, "{}", Code::Payment),
            (403, "{}", Code::Unauthorized),
            (404, "Not Found", Code::ModelNotFound),
            (404, r#"{"error":{"message":"No models loaded. x"}}"#, Code::NotLoaded),
            (408, "", Code::Timeout),
            (429, "{}", Code::RateLimited),
            (429, r#"{"error":{"code":"insufficient_quota","message":"m"}}"#, Code::Payment),
            (500, "oops", Code::Status),
            (503, r#"{"error":"Model unloaded."}"#, Code::Unloaded),
            (301, "", Code::Status),
            (529, "{}", Code::Status),
        ];
        for (status, body, expected) in table {
            let answer = UpstreamError {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: Bytes::from_static(body.as_bytes()),
            };
            assert_eq!(Miss::status(answer).code, expected, "{status} {body}");
        }
    }
}
