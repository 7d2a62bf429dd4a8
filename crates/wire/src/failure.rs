//! What an upstream says when it fails, in all the forms that it is said in.

use serde_json::Value;

/// An error as an upstream told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// Its `code`, or its `type` where there is no code.
    pub code: Option<String>,
    /// In words; never empty.
    pub message: String,
}

/// What a failure means for the request. Found by codes, and by words where an upstream has no codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// The model is not there.
    ModelNotFound,
    /// The model is not in memory, and will not be loaded for this request.
    NotLoaded,
    /// The model was unloaded while the request waited or ran.
    Unloaded,
    /// The model's process has crashed.
    Crashed,
    /// The model could not be loaded.
    LoadFailed,
    /// The request is longer than the model's context.
    ContextOverflow,
    /// The key is wrong or may not do this.
    Unauthorized,
    /// No credit is left.
    Payment,
    /// Too many requests at this time.
    RateLimited,
    /// The request is wrong in itself.
    InvalidRequest,
    /// None of these.
    Other,
}

impl Failure {
    /// A failure with no code.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: None, message: message.into() }
    }

    /// Reads an error out of a JSON body or event: `{"error": {…}}`, `{"error": "…"}`, `error_type` with
    /// `error_message`, and a bare `{"object": "error", "message": …}`. None where it holds none.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let object = value.as_object()?;
        match object.get("error") {
            Some(Value::String(message)) if !message.is_empty() => {
                return Some(Self { code: text(object.get("code")), message: message.clone() });
            }
            Some(error @ Value::Object(_)) => return Some(Self::read_error(error)),
            Some(error @ Value::Array(list)) if !list.is_empty() => return Some(Self::new(error.to_string())),
            _ => {}
        }
        if object.contains_key("error_type") || object.contains_key("error_message") {
            let code = text(object.get("error_type"));
            let message = text(object.get("error_message")).or_else(|| code.clone());
            return Some(Self { code, message: message.unwrap_or_else(|| "an error without words".to_owned()) });
        }
        // vLLM: {"object": "error", "message", "type", "code"}. OpenAI's top-level `error` event is flat as well.
        let bare = object.get("object").and_then(Value::as_str) == Some("error")
            || object.get("type").and_then(Value::as_str) == Some("error");
        bare.then(|| Self::read_error(value))
    }

    /// Reads the object that says what went wrong: `message`, `code` (also a number), `type`, Google's `status`.
    #[must_use]
    pub fn read_error(error: &Value) -> Self {
        let kind = text(error.get("type")).filter(|kind| kind != "error");
        // Beside Google's `status`, the code is only the HTTP status once more.
        let status = text(error.get("status")).filter(|_| error.get("code").is_some_and(Value::is_number));
        let code = status.or_else(|| text(error.get("code"))).or(kind);
        let message = text(error.get("message"))
            .or_else(|| error.get("error").map(|inner| text(Some(inner)).unwrap_or_else(|| inner.to_string())))
            .or_else(|| code.clone())
            .unwrap_or_else(|| "an error without words".to_owned());
        Self { code, message }
    }

    /// Reads the body of an answer with an error status: JSON in any form, FastAPI's `detail` or a bare `message`,
    /// else the text itself, shortened. HTML says nothing a person wants to read.
    #[must_use]
    pub fn read_body(body: &[u8]) -> Self {
        if let Ok(value) = serde_json::from_slice::<Value>(body) {
            let detail = ["detail", "message"].iter().find_map(|key| text(value.get(key)));
            return Self::read(&value)
                .or(detail.map(Self::new))
                .unwrap_or_else(|| Self::new(short(&value.to_string())));
        }
        let text = String::from_utf8_lossy(body);
        let text = text.trim();
        match text.chars().next() {
            None => Self::new("an empty body"),
            Some('<') => Self::new("a web page in place of an answer"),
            Some(_) => Self::new(short(text)),
        }
    }

    /// What it means.
    ///
    /// Sources of the words: LM Studio's as users published them, OpenAI's and Anthropic's documentation.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        let code = self.code.as_deref().unwrap_or_default().to_ascii_lowercase();
        let message = self.message.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
        match code.as_str() {
            "model_not_found" | "model_not_loaded" if says(&["no models loaded", "not loaded"]) => {
                return Meaning::NotLoaded;
            }
            "model_not_found" => return Meaning::ModelNotFound,
            "model_not_loaded" => return Meaning::NotLoaded,
            "model_load_failed" => return Meaning::LoadFailed,
            "context_length_exceeded" => return Meaning::ContextOverflow,
            "invalid_api_key"
            | "authentication_error"
            | "permission_error"
            | "unauthenticated"
            | "permission_denied" => {
                return Meaning::Unauthorized;
            }
            "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active" | "billing_error" => {
                return Meaning::Payment;
            }
            "rate_limit_exceeded" | "rate_limit_error" | "overloaded_error" | "429" | "resource_exhausted" => {
                return Meaning::RateLimited;
            }
            _ => {}
        }
        if says(&["no models loaded", "no model loaded", "model is not loaded", "model not loaded"]) {
            return Meaning::NotLoaded;
        }
        if says(&["was unloaded", "model unloaded", "model reloaded", "has been unloaded"]) {
            return Meaning::Unloaded;
        }
        // Ollama's words are of its runner, whose end breaks off its own request to it; the last are vLLM's.
        if says(&[
            "has crashed",
            "model crashed",
            "(exit code:",
            "runner process has terminated",
            "unexpected eof",
            "enginecore encountered an issue",
        ]) {
            return Meaning::Crashed;
        }
        if says(&["failed to load", "model_load_failed", "insufficient system resources", "error loading model"]) {
            return Meaning::LoadFailed;
        }
        if says(&[
            "context overflow",
            "n_keep",
            "does not fit in context",
            "not fit in the context",
            "maximum context length",
            "prompt is too long",
            "exceeds the available context",
            "greater than the context length",
            "exceeds the maximum number of tokens",
        ]) {
            return Meaning::ContextOverflow;
        }
        if says(&["credit balance is too low", "insufficient credits", "insufficient balance"]) {
            return Meaning::Payment;
        }
        if says(&["api key not valid", "invalid api key", "incorrect api key"]) {
            return Meaning::Unauthorized;
        }
        if message.contains("model") && says(&["not found", "does not exist", "no such model", "not a valid model"]) {
            return Meaning::ModelNotFound;
        }
        if code == "not_found_error" && message.starts_with("model:") {
            return Meaning::ModelNotFound;
        }
        if code.starts_with("invalid_") {
            return Meaning::InvalidRequest;
        }
        Meaning::Other
    }
}

/// A string, or a number as one; not an empty one.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// At most 300 characters, on one line.
fn short(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(301).collect();
    if line.chars().count() > 300 { line.chars().take(299).chain(['…']).collect() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_every_form() {
        let table = [
            (json!({"error": "Model unloaded."}), None, "Model unloaded."),
            (json!({"error": {"message": "m", "code": "c", "type": "t"}}), Some("c"), "m"),
            (json!({"error": {"message": "m", "code": null, "type": "t"}}), Some("t"), "m"),
            (json!({"error": {"message": "m", "code": 429}}), Some("429"), "m"),
            (
                json!({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}),
                Some("RESOURCE_EXHAUSTED"),
                "m",
            ),
            (json!({"error": {"message": "m"}, "message": "m"}), None, "m"),
            (
                json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}),
                Some("overloaded_error"),
                "m",
            ),
            (json!({"type": "error", "code": "c", "message": "m", "param": null}), Some("c"), "m"),
            (json!({"error_type": "c", "error_message": "m"}), Some("c"), "m"),
            (json!({"object": "error", "message": "m", "code": 404}), Some("404"), "m"),
            (json!({"error": {}}), None, "an error without words"),
        ];
        for (value, code, message) in table {
            let failure = Failure::read(&value).unwrap_or_else(|| panic!("{value}"));
            assert_eq!((failure.code.as_deref(), failure.message.as_str()), (code, message), "{value}");
        }
        for value in [json!({"error": null}), json!({"error": ""}), json!({"choices": []}), json!([1]), json!("error")]
        {
            assert_eq!(Failure::read(&value), None, "{value}");
        }
    }

    #[test]
    fn reads_bodies_that_are_no_json() {
        assert_eq!(Failure::read_body(b"").message, "an empty body");
        assert_eq!(Failure::read_body(b" <html>").message, "a web page in place of an answer");
        assert_eq!(Failure::read_body(b"upstream\nbroke").message, "upstream broke");
        assert_eq!(Failure::read_body(br#"{"detail":"Not Found"}"#).message, "Not Found");
        assert_eq!(Failure::read_body("é".repeat(999).as_bytes()).message.chars().count(), 300);
    }

    #[test]
    fn knows_the_words() {
        let table = [
            ("No models loaded. Please load a model in the developer page", Meaning::NotLoaded),
            ("Model was unloaded while the request was still in queue..", Meaning::Unloaded),
            ("Model unloaded.", Meaning::Unloaded),
            ("Model reloaded.", Meaning::Unloaded),
            ("The model has crashed without additional information. (Exit code: null)", Meaning::Crashed),
            ("llama runner process has terminated: exit status 2", Meaning::Crashed),
            ("an error was encountered while running the model: unexpected EOF", Meaning::Crashed),
            ("EngineCore encountered an issue. See stack trace (above) for the root cause.", Meaning::Crashed),
            ("Trying to keep the first 9000 tokens from the prompt when context overflows", Meaning::ContextOverflow),
            ("n_keep: 9000 >= n_ctx: 4096", Meaning::ContextOverflow),
            ("Input does not fit in context length", Meaning::ContextOverflow),
            ("The model `x` does not exist or you do not have access to it.", Meaning::ModelNotFound),
            ("The input token count (1048577) exceeds the maximum number of tokens allowed.", Meaning::ContextOverflow),
            ("Your credit balance is too low to access the Anthropic API.", Meaning::Payment),
            ("Unsupported parameter: 'temperature'", Meaning::Other),
        ];
        for (message, meaning) in table {
            assert_eq!(Failure::new(message).meaning(), meaning, "{message}");
        }
        let coded = |code: &str| Failure { code: Some(code.to_owned()), message: "m".to_owned() }.meaning();
        assert_eq!(coded("model_not_found"), Meaning::ModelNotFound);
        assert_eq!(coded("model_load_failed"), Meaning::LoadFailed);
        assert_eq!(coded("insufficient_quota"), Meaning::Payment);
        assert_eq!(coded("invalid_request_error"), Meaning::InvalidRequest);
        assert_eq!(coded("RESOURCE_EXHAUSTED"), Meaning::RateLimited);
        assert_eq!(coded("PERMISSION_DENIED"), Meaning::Unauthorized);
        assert_eq!(coded("INVALID_ARGUMENT"), Meaning::InvalidRequest);
    }
}
