//! Chat Completions: chunks of one choice, thoughts apart from words as `reasoning_content`, the usage in a chunk
//! without choices, and `[DONE]`.
//!
//! Sources: OpenAI's published schema; `reasoning_content` as DeepSeek and LM Studio send it, `reasoning_details` as
//! OpenRouter does.

use bytes::Bytes;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::{Block, Event, Finish, Opaque, Opening, Told, gather, json, member};
use crate::Usage;

#[derive(Debug)]
pub(super) struct Chat {
    /// What every chunk begins with, up to `choices`.
    head: Vec<u8>,
    /// What every chunk ends with, after its choices.
    tail: &'static str,
    block: Option<Open>,
    calls: u64,
    details: u64,
    cited: u64,
    /// Whether thoughts were told that another paragraph must stand apart from.
    thought: bool,
    /// Whether a blank line belongs before the next thought.
    apart: bool,
}

#[derive(Debug)]
enum Open {
    Text,
    Thought,
    Refusal,
    Call { arguments: Arguments, custom: bool, sealed: bool },
}

impl Chat {
    pub(super) fn new(opening: &Opening) -> Self {
        let mut head = b"data: ".to_vec();
        identify("chat.completion.chunk", opening, &mut head);
        let tail = if opening.usage_wanted { ",\"usage\":null}\n\n" } else { "}\n\n" };
        Self { head, tail, block: None, calls: 0, details: 0, cited: 0, thought: false, apart: false }
    }

    pub(super) fn start(&mut self, out: &mut Vec<u8>) {
        self.chunk(out, |out| json::raw(out, "\"role\":\"assistant\",\"content\":\"\""));
    }

    /// A sign of life between two pieces: a chunk that says nothing.
    pub(super) fn life(&mut self, out: &mut Vec<u8>) {
        self.chunk(out, |_| {});
    }

    pub(super) fn begin(&mut self, block: &Block, opening: &Opening, out: &mut Vec<u8>) {
        self.block = Some(match block {
            Block::Text => Open::Text,
            Block::Refusal => Open::Refusal,
            Block::Reasoning | Block::Summary => {
                self.apart |= self.thought && *block == Block::Summary;
                Open::Thought
            }
            Block::ToolCall { id, name, custom } => {
                let tool = opening.names.of_upstream(name);
                let as_custom = tool.custom || *custom;
                let index = self.calls;
                self.calls += 1;
                self.chunk(out, |out| {
                    json::raw(out, "\"tool_calls\":[{\"index\":");
                    json::number(out, index);
                    json::raw(out, ",\"id\":");
                    json::quote(out, id);
                    let [kind, last] = if as_custom { ["custom", "input"] } else { ["function", "arguments"] };
                    json::raw(out, &format!(",\"type\":\"{kind}\",\"{kind}\":{{\"name\":"));
                    json::quote(out, &tool.name);
                    json::raw(out, &format!(",\"{last}\":\"\"}}}}]"));
                });
                let arguments = Arguments::new(*custom, as_custom);
                Open::Call { arguments, custom: as_custom, sealed: id.contains("~pl1.") }
            }
        });
    }

    pub(super) fn delta(&mut self, text: &str, out: &mut Vec<u8>) {
        let Some(mut block) = self.block.take() else { return };
        match &mut block {
            Open::Text => self.piece("content", text, out),
            Open::Refusal => self.piece("refusal", text, out),
            Open::Thought => {
                if std::mem::take(&mut self.apart) {
                    self.piece("reasoning_content", "\n\n", out);
                }
                self.thought = true;
                self.piece("reasoning_content", text, out);
            }
            Open::Call { arguments, custom, .. } => {
                let mut piece = String::with_capacity(text.len());
                arguments.push(text, &mut piece);
                self.call_delta(*custom, &piece, out);
            }
        }
        self.block = Some(block);
    }

    pub(super) fn end(&mut self, opaque: Option<&Opaque>, out: &mut Vec<u8>) -> bool {
        match self.block.take() {
            Some(Open::Call { arguments, custom, sealed }) => {
                let mut rest = String::new();
                arguments.end(&mut rest);
                self.call_delta(custom, &rest, out);
                if sealed {
                    return true;
                }
            }
            Some(Open::Thought) => self.apart |= opaque.is_some() && self.thought,
            _ => {}
        }
        if let Some(opaque) = opaque {
            let index = self.details;
            self.details += 1;
            self.chunk(out, |out| {
                json::raw(out, "\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":");
                json::quote(out, &opaque.seal());
                member(out, "index", index);
                json::raw(out, "}]");
            });
        }
        true
    }

    pub(super) fn cite(&mut self, url: &str, title: Option<&str>, out: &mut Vec<u8>) -> bool {
        let index = self.cited;
        self.cited += 1;
        self.chunk(out, |out| {
            // OpenAI's SDK refuses entries of a list in a delta that have no index.
            json::raw(out, "\"annotations\":[{\"index\":");
            json::number(out, index);
            json::raw(out, ",\"type\":\"url_citation\",\"url_citation\":{\"url\":");
            json::quote(out, url);
            json::raw(out, ",\"title\":");
            json::quote(out, title.unwrap_or(url));
            json::raw(out, ",\"start_index\":0,\"end_index\":0}}]");
        });
        true
    }

    pub(super) fn finish(&mut self, opening: &Opening, told: &Told, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        json::raw(out, "[{\"index\":0,\"delta\":{},\"logprobs\":null,\"finish_reason\":\"");
        json::raw(out, reason(told));
        json::raw(out, "\"}]");
        json::raw(out, self.tail);
        if let Some(usage) = told.usage.filter(|_| opening.usage_wanted) {
            out.extend_from_slice(&self.head);
            json::raw(out, "[],\"usage\":");
            json::raw(out, &counts(usage).to_string());
            json::raw(out, "}\n\n");
        }
        json::raw(out, "data: [DONE]\n\n");
    }

    fn piece(&self, key: &str, text: &str, out: &mut Vec<u8>) {
        self.chunk(out, |out| {
            out.push(b'"');
            json::raw(out, key);
            json::raw(out, "\":");
            json::quote(out, text);
        });
    }

    fn call_delta(&self, custom: bool, piece: &str, out: &mut Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        self.chunk(out, |out| {
            json::raw(out, "\"tool_calls\":[{\"index\":");
            json::number(out, self.calls.saturating_sub(1));
            json::raw(out, if custom { ",\"custom\":{\"input\":" } else { ",\"function\":{\"arguments\":" });
            json::quote(out, piece);
            json::raw(out, "}}]");
        });
    }

    fn chunk(&self, out: &mut Vec<u8>, delta: impl FnOnce(&mut Vec<u8>)) {
        out.extend_from_slice(&self.head);
        json::raw(out, "[{\"index\":0,\"delta\":{");
        delta(out);
        json::raw(out, "},\"logprobs\":null,\"finish_reason\":null}]");
        json::raw(out, self.tail);
    }
}

/// The whole answer as one `chat.completion`.
pub(super) fn whole(opening: &Opening, events: &[Event]) -> Bytes {
    let (blocks, told) = gather(events);
    let (mut text, mut thoughts, mut refusal) = (String::new(), String::new(), String::new());
    let (mut calls, mut details, mut citations) = (Vec::new(), Vec::new(), Vec::new());
    let mut apart = false;
    for block in &blocks {
        let mut sealed = false;
        match &block.block {
            Block::Text => text += &block.text,
            Block::Refusal => refusal += &block.text,
            Block::Reasoning | Block::Summary => {
                apart |= block.block == Block::Summary && !thoughts.is_empty();
                if !block.text.is_empty() && std::mem::take(&mut apart) {
                    thoughts += "\n\n";
                }
                thoughts += &block.text;
                apart |= block.opaque.is_some() && !thoughts.is_empty();
            }
            Block::ToolCall { id, name, custom } => {
                let tool = opening.names.of_upstream(name);
                let as_custom = tool.custom || *custom;
                let arguments = block.arguments(*custom, as_custom);
                sealed = true;
                calls.push(if as_custom {
                    json!({"id": id, "type": "custom", "custom": {"name": tool.name, "input": arguments}})
                } else {
                    json!({"id": id, "type": "function", "function": {"name": tool.name, "arguments": arguments}})
                });
            }
        }
        if let Some(opaque) = block.opaque.as_ref().filter(|_| !sealed) {
            details.push(json!({"type": "reasoning.encrypted", "data": opaque.seal(), "index": details.len()}));
        }
        citations.extend(block.citations.iter().map(|(url, title)| {
            let title = title.as_ref().unwrap_or(url);
            json!({"type": "url_citation", "url_citation": {"url": url, "title": title, "start_index": 0, "end_index": 0}})
        }));
    }
    let content = if text.is_empty() && !(calls.is_empty() && refusal.is_empty()) { Value::Null } else { text.into() };
    let refusal = if refusal.is_empty() { Value::Null } else { refusal.into() };
    let mut message = json!({"role": "assistant", "content": content, "refusal": refusal});
    for (key, list) in [("annotations", citations), ("tool_calls", calls), ("reasoning_details", details)] {
        if !list.is_empty() {
            message[key] = list.into();
        }
    }
    if !thoughts.is_empty() {
        message["reasoning_content"] = thoughts.into();
    }
    let mut out = Vec::new();
    identify("chat.completion", opening, &mut out);
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": reason(&told)});
    json::raw(&mut out, &format!("[{choice}]"));
    if let Some(usage) = told.usage {
        json::raw(&mut out, &format!(",\"usage\":{}", counts(usage)));
    }
    out.push(b'}');
    out.into()
}

/// Begins an object up to its choices.
fn identify(object: &str, opening: &Opening, out: &mut Vec<u8>) {
    json::raw(out, "{\"id\":\"chatcmpl-");
    json::escape(out, &opening.id);
    json::raw(out, "\",\"object\":\"");
    json::raw(out, object);
    json::raw(out, "\",\"created\":");
    json::number(out, opening.created);
    json::raw(out, ",\"model\":");
    json::quote(out, &opening.model);
    json::raw(out, ",\"choices\":");
}

fn reason(told: &Told) -> &'static str {
    match told.finish() {
        Finish::ToolCalls => "tool_calls",
        Finish::Length | Finish::ContextFull => "length",
        Finish::ContentFilter => "content_filter",
        // A model that declines says so in `refusal`; without a word of it, something stopped it.
        Finish::Refusal if !told.refused => "content_filter",
        Finish::Refusal | Finish::Stop | Finish::StopSequence(_) | Finish::Pause | Finish::Other(_) => "stop",
    }
}

/// OpenAI's input includes what was read from the cache.
fn counts(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.total_input(), "completion_tokens": usage.output,
        "total_tokens": usage.total_input().saturating_add(usage.output),
        "prompt_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    })
}
