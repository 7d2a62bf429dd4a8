//! A configuration to show: with keys hidden. No I/O.
//!
//! Equal keys are hidden alike and different ones differently, so that a change of a key is still seen as a change.

use json5_edit::{Document, Kind, Node};
use serde_json::Value;

use crate::key_looks::{BEGINNINGS, PLACEHOLDERS, is_plain_header};

/// Hides keys, each under a number of its own.
#[derive(Debug, Default)]
pub struct Conceal {
    seen: Vec<String>,
}

impl Conceal {
    /// A text with the keys in it hidden, those in comments too; none where it cannot be read.
    #[must_use]
    pub fn text(&mut self, text: &str) -> Option<String> {
        self.text_but(text, &[])
    }

    /// The same, with strings left to see that are known to be no secret.
    pub(crate) fn text_but(&mut self, text: &str, open: &[String]) -> Option<String> {
        let document = Document::parse(text).ok()?;
        let mut spans = Vec::new();
        secrets(document.root(), false, false, &mut spans);
        spans.retain(|(_, text)| !open.contains(text));
        Some(self.spans(text, &spans))
    }

    /// A text with these spans of it hidden, and whatever else looks like a vendor's key.
    pub(crate) fn spans(&mut self, text: &str, spans: &[(std::ops::Range<usize>, String)]) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut at = 0;
        for (span, secret) in spans {
            shown += &self.words(text.get(at..span.start).unwrap_or_default());
            shown += &format!("\"{}\"", self.mask(secret));
            at = span.end;
        }
        shown + &self.words(text.get(at..).unwrap_or_default())
    }

    /// What stands for a secret.
    pub(crate) fn hidden(&mut self, secret: &str) -> String {
        self.mask(secret)
    }

    /// A value with the keys in it hidden. `path` is where it stands.
    #[must_use]
    pub fn value(&mut self, path: &json5_edit::Path, value: &Value) -> Value {
        let keys = path.steps().iter().filter_map(|step| match step {
            json5_edit::Step::Key(key) => Some(key.as_str()),
            json5_edit::Step::Index(_) => None,
        });
        let (mut all, mut this) = (false, false);
        for key in keys {
            this = hides(key, &mut all);
        }
        self.inside(value, all, this)
    }

    fn inside(&mut self, value: &Value, all: bool, this: bool) -> Value {
        match value {
            Value::String(text) if (all || this) && !is_open(text) => self.mask(text).into(),
            Value::String(text) => self.words(text).into(),
            Value::Array(items) => items.iter().map(|item| self.inside(item, all, this)).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(key, value)| {
                    let mut below = all;
                    let this = hides(key, &mut below);
                    (key.clone(), self.inside(value, below, this))
                })
                .collect(),
            other => other.clone(),
        }
    }

    /// Hides what looks like a vendor's key, wherever it stands.
    fn words(&mut self, text: &str) -> String {
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        while let Some(start) = rest.find(inner) {
            let length = rest[start..].find(|c| !inner(c)).unwrap_or(rest.len() - start);
            let word = &rest[start..start + length];
            shown += &rest[..start];
            if word.len() >= 20 && BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)) {
                shown += &self.mask(word);
            } else {
                shown += word;
            }
            rest = &rest[start + length..];
        }
        shown + rest
    }

    fn mask(&mut self, secret: &str) -> String {
        let number = self.seen.iter().position(|seen| seen == secret).unwrap_or_else(|| {
            self.seen.push(secret.to_owned());
            self.seen.len() - 1
        });
        format!("‹hidden key {}›", number + 1)
    }
}

fn secrets(node: &Node, all: bool, this: bool, found: &mut Vec<(std::ops::Range<usize>, String)>) {
    match &node.kind {
        Kind::Scalar(Value::String(text)) if (all || this) && !is_open(text) => {
            found.push((node.span.clone(), text.clone()));
        }
        Kind::Scalar(_) => {}
        Kind::Array(items) => items.iter().for_each(|item| secrets(item, all, this, found)),
        Kind::Object(members) => {
            for member in members {
                let mut below = all;
                let this = hides(&member.key, &mut below);
                secrets(&member.value, below, this, found);
            }
        }
    }
}

/// Whether what stands under this key is a secret; `all` says whether everything around it is, and then everything below.
fn hides(key: &str, all: &mut bool) -> bool {
    let around = std::mem::replace(all, *all || holds_secrets(key));
    if around && is_plain_header(key) {
        *all = false;
    }
    is_secret(key)
}

/// Whether what stands under this key, or anything below it, may be a secret: as other tools' files name it too.
pub(crate) fn may_hide(key: &str) -> bool {
    is_secret(key) || holds_secrets(key) || key == "http_headers"
}

/// Whether what stands under this key is a secret.
fn is_secret(key: &str) -> bool {
    let key: String = key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    ["apikey", "authorization", "password", "passphrase", "secret", "token", "privatekey", "bottoken", "cookie"]
        .iter()
        .any(|secret| key.ends_with(secret))
}

/// Whether everything below this key may be one.
fn holds_secrets(key: &str) -> bool {
    matches!(key, "headers" | "env" | "vars")
}

/// Whether a string in a secret's place is none: empty, a variable, or there because something must be.
fn is_open(text: &str) -> bool {
    text.is_empty()
        || PLACEHOLDERS.contains(&text.to_lowercase().as_str())
        || text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).is_some_and(|name| !name.contains('$'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keys_are_hidden_and_all_else_is_shown() {
        let text = "{ // was sk-ant-api03-abcdefghijkl\n  a: { apiKey: 'hunter2', headers: { 'x-org': \"org\", 'X-Title': 'Us' } },\n  \
                    b: { apiKey: \"${KEY}\", id: 'hunter2' }, c: { apiKey: 'lmstudio', token: 'hunter2' }, maxTokens: 1 }";
        let mut conceal = Conceal::default();
        let shown = conceal.text(text).unwrap();
        assert_eq!(
            shown,
            "{ // was ‹hidden key 1›\n  a: { apiKey: \"‹hidden key 2›\", headers: { 'x-org': \"‹hidden key 3›\", 'X-Title': 'Us' } },\n  \
             b: { apiKey: \"${KEY}\", id: 'hunter2' }, c: { apiKey: 'lmstudio', token: \"‹hidden key 2›\" }, maxTokens: 1 }"
        );
        let path = "models.providers.a.apiKey".parse().unwrap();
        assert_eq!(conceal.value(&path, &json!("hunter2")), json!("‹hidden key 2›"));
        let path = "models.providers".parse().unwrap();
        let shown = conceal.value(&path, &json!({ "a": { "apiKey": "new", "models": [{ "id": "m" }] } }));
        assert_eq!(shown, json!({ "a": { "apiKey": "‹hidden key 4›", "models": [{ "id": "m" }] } }));
    }
}
