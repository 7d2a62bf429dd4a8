//! Who wrote what only its writer can read: signatures and encrypted items that passed to a client untouched, so that
//! a later request that goes elsewhere can be cleared of them. Remembered as hashes, in bounded memory.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::Value;

/// The most values that are remembered.
const MOST: usize = 20_000;
/// The keys that such values stand under: Responses', Messages' two, Gemini's.
const KEYS: [&str; 3] = ["encrypted_content", "signature", "data"];

/// Who wrote which value.
#[derive(Debug, Default)]
pub struct Provenance {
    hasher: RandomState,
    writers: Mutex<IndexMap<u64, String>>,
}

impl Provenance {
    /// The provider that wrote this value, if it was seen to.
    pub fn writer(&self, value: &str) -> Option<String> {
        let writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.get(&self.hasher.hash_one(value)).cloned()
    }

    /// Reads along what a provider sends: the data of one event, or a whole body. Costs a search for a word where
    /// there is nothing.
    pub fn read(&self, provider: &str, data: &Bytes) {
        if !may_hold(data) {
            return;
        }
        let Ok(value) = serde_json::from_slice::<Value>(data) else { return };
        self.walk(provider, &value);
    }

    fn walk(&self, provider: &str, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.walk(provider, item)),
            Value::Object(object) => {
                for (key, inner) in object {
                    match inner {
                        Value::String(text) if KEYS.contains(&key.as_str()) && !text.is_empty() => {
                            self.note(provider, text);
                        }
                        other => self.walk(provider, other),
                    }
                }
            }
            _ => {}
        }
    }

    fn note(&self, provider: &str, value: &str) {
        let hash = self.hasher.hash_one(value);
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        writers.insert(hash, provider.to_owned());
        if writers.len() > MOST {
            writers.shift_remove_index(0);
        }
    }
}

/// Whether a text names any of what is looked for.
fn may_hold(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    text.contains("encrypted_content") || text.contains("signature") || text.contains("redacted_thinking")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_who_wrote_a_value() {
        let provenance = Provenance::default();
        let event = r#"{"type":"response.output_item.done","item":{"type":"reasoning","encrypted_content":"gAAA"}}"#;
        provenance.read("openai", &Bytes::from_static(event.as_bytes()));
        let event = r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"EqQB"}}"#;
        provenance.read("anthropic", &Bytes::from_static(event.as_bytes()));
        let event = r#"{"content_block":{"type":"redacted_thinking","data":"Ek"}}"#;
        provenance.read("anthropic", &Bytes::from_static(event.as_bytes()));
        provenance.read("x", &Bytes::from_static(br#"{"data":"words","text":"signature"}"#));
        assert_eq!(provenance.writer("gAAA").as_deref(), Some("openai"));
        assert_eq!(provenance.writer("EqQB").as_deref(), Some("anthropic"));
        assert_eq!(provenance.writer("Ek").as_deref(), Some("anthropic"));
        assert_eq!(provenance.writer("other"), None);
    }
}
