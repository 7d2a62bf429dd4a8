//! Messages: numbered blocks that never overlap, the input's tokens guessed at the start and told at the end.
//!
//! Sources: "Streaming messages" in Anthropic's API documentation, its SDKs, and what Claude Code 2.1 reads.

use bytes::Bytes;
use serde_json::{Value, json};

use super::arguments::Arguments;
use super::{Block, Event, Finish, Opaque, OpaqueKind, Opening, Told, carried, gather, json, member};
use crate::Usage;
use crate::translate::exact;

#[derive(Debug, Default)]
pub(super) struct Messages {
    /// The next block's index, or the open one's.
    index: u64,
    open: Option<Open>,
    /// The block that began and has said nothing yet. None is told that says nothing, since Anthropic refuses empty
    /// blocks when they come back.
    begun: Option<Block>,
}

#[derive(Debug)]
enum Open {
    Text,
    /// It stays open when its block ends without a proof: the next paragraph may bring one.
    Thinking,
    Call {
        arguments: Arguments,
        sealed: bool,
    },
}

pub(super) fn start(opening: &Opening, told: &Told, out: &mut Vec<u8>) {
    json::raw(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{");
    identify(opening, out);
    json::raw(out, "\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
    counts(told.usage, opening, 0, out);
    json::raw(out, "}}\n\n");
}

pub(super) fn life(out: &mut Vec<u8>) {
    json::raw(out, "event: ping\ndata: {\"type\":\"ping\"}\n\n");
}

impl Messages {
    pub(super) fn begin(&mut self, block: &Block, opening: &Opening, out: &mut Vec<u8>) {
        let Block::ToolCall { id, name, custom } = block else {
            self.begun = Some(block.clone());
            return;
        };
        self.stop(out);
        self.block_start(out);
        json::raw(out, "{\"type\":\"tool_use\",\"id\":");
        json::quote(out, id);
        json::raw(out, ",\"name\":");
        json::quote(out, &opening.names.of_upstream(name).name);
        json::raw(out, ",\"input\":{}}}\n\n");
        self.open = Some(Open::Call { arguments: Arguments::new(*custom, false), sealed: id.contains("~pl1.") });
    }

    pub(super) fn delta(&mut self, text: &str, out: &mut Vec<u8>) {
        match self.begun.take() {
            Some(block @ (Block::Reasoning | Block::Summary)) => {
                if !matches!(self.open, Some(Open::Thinking)) {
                    self.open_thinking(out);
                } else if block == Block::Summary {
                    self.piece("thinking_delta", "thinking", "\n\n", out);
                }
            }
            Some(_) => {
                self.stop(out);
                self.block_start(out);
                json::raw(out, "{\"type\":\"text\",\"text\":\"\"}}\n\n");
                self.open = Some(Open::Text);
            }
            None => {}
        }
        match &mut self.open {
            Some(Open::Text) => self.piece("text_delta", "text", text, out),
            Some(Open::Thinking) => self.piece("thinking_delta", "thinking", text, out),
            Some(Open::Call { arguments, .. }) => {
                let mut piece = String::with_capacity(text.len());
                arguments.push(text, &mut piece);
                if !piece.is_empty() {
                    self.piece("input_json_delta", "partial_json", &piece, out);
                }
            }
            None => {}
        }
    }

    /// The end of a block. False where the block cannot carry what it ends with.
    pub(super) fn end(&mut self, opaque: Option<&Opaque>, out: &mut Vec<u8>) -> bool {
        let empty = self.begun.take();
        let thought = match (&empty, &self.open) {
            (Some(block), _) => matches!(block, Block::Reasoning | Block::Summary),
            (None, open) => matches!(open, Some(Open::Thinking)),
        };
        if thought {
            let Some(opaque) = opaque else { return true };
            if opaque.kind == OpaqueKind::Redacted {
                self.stop(out);
                self.block_start(out);
                json::raw(out, "{\"type\":\"redacted_thinking\",\"data\":");
                json::quote(out, &opaque.value);
                json::raw(out, "}}\n\n");
                self.block_stop(out);
                return true;
            }
            if !matches!(self.open, Some(Open::Thinking)) {
                self.open_thinking(out);
            }
            self.piece("signature_delta", "signature", &carried(opaque, OpaqueKind::Signature), out);
            self.stop(out);
            return true;
        }
        let sealed = matches!(self.open, Some(Open::Call { sealed: true, .. }));
        if empty.is_none() {
            self.stop(out);
        }
        opaque.is_none() || sealed
    }

    pub(super) fn cite(&mut self, url: &str, title: Option<&str>, out: &mut Vec<u8>) -> bool {
        if !matches!(self.open, Some(Open::Text)) {
            return false;
        }
        self.delta_start("citations_delta", out);
        json::raw(out, ",\"citation\":");
        json::raw(out, &citation(url, title).to_string());
        json::raw(out, "}}\n\n");
        true
    }

    pub(super) fn finish(&mut self, opening: &Opening, told: &Told, out: &mut Vec<u8>) {
        self.stop(out);
        let (reason, sequence) = reason(told);
        json::raw(out, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"");
        json::raw(out, reason);
        json::raw(out, "\",\"stop_sequence\":");
        match sequence {
            Some(sequence) => json::quote(out, &sequence),
            None => json::raw(out, "null"),
        }
        json::raw(out, "},\"usage\":");
        counts(told.usage, opening, told.length_in_tokens(), out);
        json::raw(out, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    }

    fn open_thinking(&mut self, out: &mut Vec<u8>) {
        self.stop(out);
        self.block_start(out);
        json::raw(out, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n");
        self.open = Some(Open::Thinking);
    }

    /// Begins the event that begins a block.
    fn block_start(&self, out: &mut Vec<u8>) {
        json::raw(out, "event: content_block_start\ndata: {\"type\":\"content_block_start\"");
        member(out, "index", self.index);
        json::raw(out, ",\"content_block\":");
    }

    /// Begins an event about the block under way.
    fn delta_start(&self, kind: &str, out: &mut Vec<u8>) {
        json::raw(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\"");
        member(out, "index", self.index);
        json::raw(out, ",\"delta\":{\"type\":\"");
        json::raw(out, kind);
        out.push(b'"');
    }

    fn piece(&self, kind: &str, key: &str, text: &str, out: &mut Vec<u8>) {
        self.delta_start(kind, out);
        json::raw(out, ",\"");
        json::raw(out, key);
        json::raw(out, "\":");
        json::quote(out, text);
        json::raw(out, "}}\n\n");
    }

    /// Ends the block that is open. A call's input is always told in a delta, since clients read it nowhere else.
    fn stop(&mut self, out: &mut Vec<u8>) {
        let Some(open) = self.open.take() else { return };
        if let Open::Call { arguments, .. } = open {
            let mut rest = String::new();
            arguments.end(&mut rest);
            if !rest.is_empty() {
                self.piece("input_json_delta", "partial_json", &rest, out);
            }
        }
        self.block_stop(out);
    }

    fn block_stop(&mut self, out: &mut Vec<u8>) {
        json::raw(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\"");
        member(out, "index", self.index);
        json::raw(out, "}\n\n");
        self.index += 1;
    }
}

/// The whole answer as one `message`.
pub(super) fn whole(opening: &Opening, events: &[Event]) -> Bytes {
    let (blocks, told) = gather(events);
    let mut content: Vec<Value> = Vec::new();
    // Thoughts that no proof has ended yet.
    let mut thoughts: Option<String> = None;
    let unproven = |thoughts: &mut Option<String>, content: &mut Vec<Value>| {
        if let Some(thinking) = thoughts.take() {
            content.push(json!({"type": "thinking", "thinking": thinking, "signature": ""}));
        }
    };
    for block in blocks {
        match &block.block {
            Block::Reasoning | Block::Summary => {
                if !block.text.is_empty() {
                    let before =
                        thoughts.take().map(|text| if block.block == Block::Summary { text + "\n\n" } else { text });
                    thoughts = Some(before.unwrap_or_default() + &block.text);
                }
                match &block.opaque {
                    Some(opaque) if opaque.kind == OpaqueKind::Redacted => {
                        unproven(&mut thoughts, &mut content);
                        content.push(json!({"type": "redacted_thinking", "data": opaque.value}));
                    }
                    Some(opaque) => {
                        let signature = carried(opaque, OpaqueKind::Signature);
                        let thinking = thoughts.take().unwrap_or_default();
                        content.push(json!({"type": "thinking", "thinking": thinking, "signature": signature}));
                    }
                    None => {}
                }
                continue;
            }
            Block::Text | Block::Refusal if block.text.is_empty() => {}
            Block::Text | Block::Refusal => {
                unproven(&mut thoughts, &mut content);
                let mut text = json!({"type": "text", "text": block.text});
                if !block.citations.is_empty() {
                    text["citations"] =
                        block.citations.iter().map(|(url, title)| citation(url, title.as_deref())).collect();
                }
                content.push(text);
            }
            Block::ToolCall { id, name, custom } => {
                unproven(&mut thoughts, &mut content);
                let name = opening.names.of_upstream(name).name;
                let input = input(&block.arguments(*custom, false));
                content.push(json!({"type": "tool_use", "id": id, "name": name, "input": input}));
            }
        }
    }
    unproven(&mut thoughts, &mut content);
    let (reason, sequence) = reason(&told);
    let mut out = b"{".to_vec();
    identify(opening, &mut out);
    let content = exact::release(Value::from(content).to_string());
    json::raw(&mut out, &format!("\"content\":{content},\"stop_reason\":\"{reason}\""));
    json::raw(&mut out, &format!(",\"stop_sequence\":{},\"usage\":", json!(sequence)));
    counts(told.usage, opening, told.length_in_tokens(), &mut out);
    out.push(b'}');
    out.into()
}

/// A call's input as an object. What is none is given the way Anthropic's documentation on fine-grained tool streaming
/// gives broken input back.
fn input(arguments: &str) -> Value {
    let read = |text: &str| serde_json::from_slice::<Value>(&exact::guard(text.as_bytes(), 0));
    match read(arguments) {
        Ok(Value::Object(input)) => Value::Object(input),
        // Some models write their JSON as a JSON string.
        Ok(Value::String(inner)) => match read(&inner) {
            Ok(Value::Object(input)) => Value::Object(input),
            _ => json!({"INVALID_JSON": arguments}),
        },
        Ok(Value::Null) => json!({}),
        _ => json!({"INVALID_JSON": arguments}),
    }
}

/// Begins a message up to its content.
fn identify(opening: &Opening, out: &mut Vec<u8>) {
    json::raw(out, "\"id\":\"msg_");
    json::escape(out, &opening.id);
    json::raw(out, "\",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    json::quote(out, &opening.model);
    out.push(b',');
}

/// A web page as Anthropic's web search cites one; what it quotes of the page is not known, and the index says that no
/// search of Anthropic's found it.
fn citation(url: &str, title: Option<&str>) -> Value {
    json!({
        "type": "web_search_result_location", "url": url, "title": title, "cited_text": "", "encrypted_index": "pl1.",
    })
}

fn reason(told: &Told) -> (&'static str, Option<String>) {
    let reason = match told.finish() {
        Finish::ToolCalls => "tool_use",
        Finish::Length => "max_tokens",
        Finish::ContextFull => "model_context_window_exceeded",
        Finish::ContentFilter | Finish::Refusal => "refusal",
        Finish::Stop | Finish::Other(_) if told.refused => "refusal",
        Finish::StopSequence(sequence) => return ("stop_sequence", sequence),
        Finish::Pause => "pause_turn",
        Finish::Stop | Finish::Other(_) => "end_turn",
    };
    (reason, None)
}

/// Anthropic's input excludes the cache. What nobody counted is guessed: its clients draw their context bar by it.
fn counts(usage: Option<Usage>, opening: &Opening, output: u64, out: &mut Vec<u8>) {
    let usage = usage.unwrap_or_default();
    let input = if usage.total_input() == 0 { opening.input_estimate } else { usage.input };
    json::raw(out, "{\"input_tokens\":");
    json::number(out, input);
    member(out, "cache_creation_input_tokens", usage.cache_write);
    member(out, "cache_read_input_tokens", usage.cache_read);
    member(out, "output_tokens", if usage.output == 0 { output } else { usage.output });
    if usage.reasoning > 0 {
        json::raw(out, ",\"output_tokens_details\":{\"thinking_tokens\":");
        json::number(out, usage.reasoning);
        out.push(b'}');
    }
    out.push(b'}');
}
