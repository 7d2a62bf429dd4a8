//! The items of a response while they grow. Texts are kept as they stand in JSON, so that the events that repeat them
//! need not escape them again.

use super::super::arguments::Arguments;
use super::json;

#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Message { done: Vec<u8>, parts: u64, part: Option<Part> },
    Reasoning { summary: Vec<u8>, summaries: u64, content: Vec<u8>, contents: u64, part: Option<Thought> },
    Call { head: Vec<u8>, arguments: Option<Arguments>, custom: bool, text: Vec<u8> },
}

/// Words that grow. Texts are kept as they stand in JSON.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) refusal: bool,
    pub(super) text: Vec<u8>,
    pub(super) citations: Vec<u8>,
    pub(super) cited: u64,
}

/// Thoughts that grow.
#[derive(Debug)]
pub(super) struct Thought {
    pub(super) is_summary: bool,
    pub(super) text: Vec<u8>,
}

impl Item {
    pub(super) fn write(&self, status: &str, encrypted: Option<&str>, out: &mut Vec<u8>) {
        json::raw(out, "{\"id\":\"");
        json::raw(out, &self.id);
        json::raw(out, "\",");
        match &self.kind {
            Kind::Message { done, .. } => {
                json::raw(out, "\"type\":\"message\",\"status\":\"");
                json::raw(out, status);
                json::raw(out, "\",\"role\":\"assistant\",\"content\":[");
                out.extend_from_slice(done);
                json::raw(out, "]}");
            }
            Kind::Reasoning { summary, content, .. } => {
                json::raw(out, "\"type\":\"reasoning\",\"summary\":[");
                out.extend_from_slice(summary);
                out.push(b']');
                if !content.is_empty() {
                    json::raw(out, ",\"content\":[");
                    out.extend_from_slice(content);
                    out.push(b']');
                }
                if let Some(encrypted) = encrypted {
                    json::raw(out, ",\"encrypted_content\":");
                    json::quote(out, encrypted);
                }
                out.push(b'}');
            }
            Kind::Call { head, custom, text, .. } => {
                out.extend_from_slice(head);
                json::raw(out, ",\"status\":\"");
                json::raw(out, status);
                json::raw(out, if *custom { "\",\"input\":\"" } else { "\",\"arguments\":\"" });
                out.extend_from_slice(text);
                json::raw(out, "\"}");
            }
        }
    }
}

impl Part {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        json::raw(
            out,
            if self.refusal { "{\"type\":\"refusal\",\"refusal\":\"" } else { "{\"type\":\"output_text\",\"text\":\"" },
        );
        out.extend_from_slice(&self.text);
        if self.refusal {
            return json::raw(out, "\"}");
        }
        json::raw(out, "\",\"annotations\":[");
        out.extend_from_slice(&self.citations);
        json::raw(out, "],\"logprobs\":[]}");
    }
}

/// Tells a piece, and keeps it as it was told.
pub(super) fn grow(kept: &mut Vec<u8>, piece: &str, out: &mut Vec<u8>) {
    let from = kept.len();
    json::escape(kept, piece);
    json::raw(out, ",\"delta\":\"");
    out.extend_from_slice(kept.get(from..).unwrap_or_default());
    out.push(b'"');
}

/// Whether the call's id carries a signature already.
pub(super) fn has_seal(item: &Item) -> bool {
    matches!(&item.kind, Kind::Call { head, .. } if head.windows(5).any(|window| window == b"~pl1."))
}
