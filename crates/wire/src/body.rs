//! The two things a request is routed by, read from its body without rebuilding it.

use std::ops::Range;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::splice;

/// What is read of a request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// The `model`, as asked.
    pub model: String,
    /// Whether a stream is asked for.
    pub stream: bool,
    /// Responses' `previous_response_id`.
    pub previous_response_id: Option<String>,
    /// Where the value of `model` stands, quotes included.
    span: Range<usize>,
    /// Where that of `previous_response_id` stands.
    previous: Range<usize>,
}

/// A body that cannot be routed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// No JSON object.
    #[error("the request's body is not a JSON object: {message} (line {line}, column {column})")]
    Syntax {
        /// What is wrong.
        message: String,
        /// From 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
    },
    /// A key that is missing or has the wrong type.
    #[error("{message}")]
    Key {
        /// Which.
        key: &'static str,
        /// What is wrong.
        message: String,
    },
}

#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    stream: Option<&'a RawValue>,
    #[serde(borrow, default)]
    previous_response_id: Option<&'a RawValue>,
}

impl RequestHead {
    /// Reads a request's body.
    ///
    /// # Errors
    /// When it is no JSON object, or `model` or `stream` are not what they must be.
    pub fn read(body: &[u8]) -> Result<Self, BodyError> {
        let text = std::str::from_utf8(body).map_err(|error| {
            let (before, _) = body.split_at(error.valid_up_to());
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
            BodyError::Syntax { message: "it is not UTF-8".to_owned(), line, column }
        })?;
        let head: Head<'_> = serde_json::from_str(text).map_err(|error| syntax(&error))?;
        // Serde would read a list as the object's values in order.
        if !text.trim_start().starts_with('{') {
            let message = "it must begin with `{`".to_owned();
            return Err(BodyError::Syntax { message, line: 1, column: 1 });
        }
        let Some(model) = head.model.filter(|model| model.get() != "null") else {
            return Err(BodyError::Key { key: "model", message: "`model` is missing from the request".to_owned() });
        };
        let name: String = serde_json::from_str(model.get()).map_err(|_| BodyError::Key {
            key: "model",
            message: "`model` must be a string: a model ref, an alias, or \"primary\"".to_owned(),
        })?;
        let stream = match head.stream.map(RawValue::get) {
            None | Some("null" | "false") => false,
            Some("true") => true,
            Some(_) => {
                let message = "`stream` must be true or false".to_owned();
                return Err(BodyError::Key { key: "stream", message });
            }
        };
        let span = splice::span(text, model).unwrap_or_default();
        let previous = head.previous_response_id.and_then(|raw| splice::span(text, raw)).unwrap_or_default();
        // Another type is the upstream's to complain of.
        let previous_response_id = head.previous_response_id.and_then(|raw| serde_json::from_str(raw.get()).ok());
        Ok(Self { model: name, stream, previous_response_id, span, previous })
    }

    /// The body with `model` in place of its own, and every other byte as it was. `body` is the one that was read.
    #[must_use]
    pub fn with_model(&self, body: &Bytes, model: &str) -> Bytes {
        self.rewritten(body, model, None)
    }

    /// The same, with `previous` in place of its `previous_response_id` as well, if it has one.
    #[must_use]
    pub fn rewritten(&self, body: &Bytes, model: &str, previous: Option<&str>) -> Bytes {
        let mut parts = Vec::new();
        if model != self.model {
            parts.push((self.span.clone(), splice::quoted(model)));
        }
        if let Some(previous) = previous.filter(|_| !self.previous.is_empty()) {
            parts.push((self.previous.clone(), splice::quoted(previous)));
        }
        parts.sort_by_key(|(range, _)| range.start);
        match std::str::from_utf8(body) {
            Ok(text) if !parts.is_empty() => splice::replace(text, &parts).into(),
            _ => body.clone(),
        }
    }
}

fn syntax(error: &serde_json::Error) -> BodyError {
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or(&message).to_owned();
    BodyError::Syntax { message, line: error.line(), column: error.column() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_model_and_stream_wherever_they_stand() {
        let head = RequestHead::read(br#" {"messages":[{"model":"no"}], "stream" : true, "model" : "a\/b"} "#).unwrap();
        assert_eq!((head.model.as_str(), head.stream), ("a/b", true));
    }

    #[test]
    fn changes_the_model_and_nothing_else() {
        let body = Bytes::from_static(
            b"{ \"x\": 1e5, \"model\":\t\"primary\" , \"y\": 12345678901234567890123, \"x\": \"\\u0041\" }",
        );
        let changed = RequestHead::read(&body).unwrap().with_model(&body, "q\"uote");
        let expected = "{ \"x\": 1e5, \"model\":\t\"q\\\"uote\" , \"y\": 12345678901234567890123, \"x\": \"\\u0041\" }";
        assert_eq!(changed, expected);
    }

    #[test]
    fn changes_the_previous_response_too() {
        let body = Bytes::from_static(br#"{"previous_response_id" : "resp_a","model":"b", "x":1.0}"#);
        let head = RequestHead::read(&body).unwrap();
        assert_eq!(head.previous_response_id.as_deref(), Some("resp_a"));
        let changed = head.rewritten(&body, "c", Some("resp_d"));
        assert_eq!(changed, r#"{"previous_response_id" : "resp_d","model":"c", "x":1.0}"#);
        let without = Bytes::from_static(br#"{"model":"b"}"#);
        let head = RequestHead::read(&without).unwrap();
        assert_eq!(head.rewritten(&without, "b", Some("resp_d")), without);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let wrong = |body: &str| RequestHead::read(body.as_bytes()).unwrap_err().to_string();
        assert_eq!(wrong("{}"), "`model` is missing from the request");
        assert_eq!(wrong("{\"model\":null}"), "`model` is missing from the request");
        assert!(wrong("{\"model\":1}").starts_with("`model` must be a string"));
        assert_eq!(wrong("{\"model\":\"a\",\"stream\":1}"), "`stream` must be true or false");
        assert!(wrong("{\"model\":\"a\",\n \"b\" 1}").contains("(line 2, column 6)"));
        assert!(wrong("{\"model\":\"a\"} x").contains("trailing characters"));
        assert!(wrong("{\"model\":\"a\",\"model\":\"b\"}").contains("duplicate field"));
        assert!(wrong("[]").contains("not a JSON object"));
        assert!(wrong("").contains("line 1"));
        let error = RequestHead::read(b"{\"model\":\n \"\xff\"}").unwrap_err();
        assert!(matches!(error, BodyError::Syntax { line: 2, column: 3, .. }), "{error:?}");
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            ".{0,8}".prop_map(Into::into)
        ];
        leaf.prop_recursive(3, 20, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map("[a-z]{1,5}", inner, 0..4)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_body_keeps_its_other_values(value in json(), old in ".{0,12}", new in ".{0,12}") {
            let mut whole = serde_json::json!({"a": value, "model": old, "z": [value]});
            let body = Bytes::from(serde_json::to_string_pretty(&whole).unwrap());
            let changed = RequestHead::read(&body).unwrap().with_model(&body, &new);
            whole["model"] = new.into();
            prop_assert_eq!(serde_json::from_slice::<serde_json::Value>(&changed).unwrap(), whole);
        }
    }
}
