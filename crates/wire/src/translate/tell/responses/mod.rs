//! Responses: items that are added, grow and are done, every event numbered, and a last event that repeats them all.
//!
//! Sources: OpenAI's published schema and SDKs; what Codex 0.169 and OpenClaw read. Must not know: the upstream.

mod echo;
mod item;

use bytes::Bytes;

use self::item::{Item, Kind, Part, Thought, grow, has_seal};
use super::arguments::Arguments;
use super::{Block, Finish, Opaque, OpaqueKind, Opening, Told, carried, failed, json, member};
use crate::error::{Position, response_object};
use crate::failure::Failure;

#[derive(Debug)]
pub(super) struct Responses {
    /// The members of every response object that never change, as JSON.
    constant: String,
    id: String,
    sequence: u64,
    /// Items that are done, as JSON.
    output: Vec<u8>,
    items: u64,
    open: Option<Item>,
    /// The block that began and has said nothing yet.
    begun: Option<Block>,
    /// The last response object that was written.
    last: Vec<u8>,
}

impl Responses {
    pub(super) fn new(opening: &Opening) -> Self {
        Self {
            constant: echo::constant(opening),
            id: opening.id.clone(),
            sequence: 0,
            output: Vec::new(),
            items: 0,
            open: None,
            begun: None,
            last: Vec::new(),
        }
    }

    pub(super) fn into_last(self) -> Bytes {
        self.last.into()
    }

    pub(super) fn start(&mut self, opening: &Opening, out: &mut Vec<u8>) {
        for kind in ["response.created", "response.in_progress"] {
            self.event(kind, out);
            self.response(opening, "in_progress", "null", "null", None, out);
            json::raw(out, "}\n\n");
        }
    }

    /// A sign of life between two pieces: short, since the request is repeated in the first and last events already.
    pub(super) fn life(&mut self, opening: &Opening, out: &mut Vec<u8>) {
        self.event("response.in_progress", out);
        let at = Position {
            response_id: format!("resp_{}", self.id),
            sequence: self.sequence,
            created: opening.created,
            model: opening.model.clone(),
        };
        json::raw(out, &format!(",\"response\":{}}}\n\n", response_object(&at, "in_progress")));
    }

    pub(super) fn begin(&mut self, block: &Block, opening: &Opening, out: &mut Vec<u8>) {
        let Block::ToolCall { id, name, custom } = block else {
            self.begun = Some(block.clone());
            return;
        };
        self.part(out);
        let tool = opening.names.of_upstream(name);
        let as_custom = tool.custom || *custom;
        let mut head = Vec::with_capacity(128);
        json::raw(&mut head, if as_custom { "\"type\":\"custom_tool_call\"" } else { "\"type\":\"function_call\"" });
        json::raw(&mut head, ",\"call_id\":");
        json::quote(&mut head, id);
        json::raw(&mut head, ",\"name\":");
        json::quote(&mut head, &tool.name);
        if let Some(namespace) = &tool.namespace {
            json::raw(&mut head, ",\"namespace\":");
            json::quote(&mut head, namespace);
        }
        let arguments = Some(Arguments::new(*custom, as_custom));
        let kind = Kind::Call { head, arguments, custom: as_custom, text: Vec::new() };
        self.add(if as_custom { "ctc" } else { "fc" }, kind, out);
    }

    pub(super) fn delta(&mut self, text: &str, out: &mut Vec<u8>) {
        if let Some(begun) = self.begun.take() {
            self.open_part(&begun, out);
        }
        let Some(mut item) = self.open.take() else { return };
        match &mut item.kind {
            Kind::Message { parts, part: Some(part), .. } => {
                let kind = if part.refusal { "response.refusal.delta" } else { "response.output_text.delta" };
                self.within(kind, &item.id, out);
                member(out, "content_index", *parts);
                grow(&mut part.text, text, out);
                json::raw(out, if part.refusal { "}\n\n" } else { ",\"logprobs\":[]}\n\n" });
            }
            Kind::Reasoning { summaries, contents, part: Some(thought), .. } => {
                if thought.is_summary {
                    self.within("response.reasoning_summary_text.delta", &item.id, out);
                    member(out, "summary_index", *summaries);
                } else {
                    self.within("response.reasoning_text.delta", &item.id, out);
                    member(out, "content_index", *contents);
                }
                grow(&mut thought.text, text, out);
                json::raw(out, "}\n\n");
            }
            Kind::Call { arguments: Some(arguments), custom, text: kept, .. } => {
                let mut piece = String::with_capacity(text.len());
                arguments.push(text, &mut piece);
                self.call_delta(&item.id, *custom, kept, &piece, out);
            }
            Kind::Message { .. } | Kind::Reasoning { .. } | Kind::Call { .. } => {}
        }
        self.open = Some(item);
    }

    /// The end of a block. A message and an unproven thought stay open, for a next block may belong to them. False
    /// where the block cannot carry what it ends with.
    pub(super) fn end(&mut self, opaque: Option<&Opaque>, out: &mut Vec<u8>) -> bool {
        let empty = self.begun.take();
        let thought = match (&empty, &self.open) {
            (Some(block), _) => matches!(block, Block::Reasoning | Block::Summary),
            (None, Some(item)) => matches!(item.kind, Kind::Reasoning { .. }),
            (None, None) => false,
        };
        if thought {
            let Some(opaque) = opaque else {
                self.close_thought(out);
                return true;
            };
            self.open_reasoning(out);
            self.close_thought(out);
            self.done("completed", Some(carried(opaque, OpaqueKind::Encrypted)), out);
            return true;
        }
        if empty.is_none() && self.open.as_ref().is_some_and(|item| matches!(item.kind, Kind::Call { .. })) {
            let sealed = self.open.as_ref().is_some_and(has_seal);
            self.done("completed", None, out);
            return opaque.is_none() || sealed;
        }
        opaque.is_none()
    }

    /// Ends the item that is open, so that what comes next stands apart.
    pub(super) fn part(&mut self, out: &mut Vec<u8>) {
        self.done("completed", None, out);
    }

    pub(super) fn cite(&mut self, url: &str, title: Option<&str>, out: &mut Vec<u8>) -> bool {
        let Some(mut item) = self.open.take() else { return false };
        let mut kept = false;
        if let Kind::Message { parts, part: Some(part), .. } = &mut item.kind {
            if part.cited > 0 {
                part.citations.push(b',');
            }
            let begin = part.citations.len();
            json::raw(&mut part.citations, "{\"type\":\"url_citation\",\"start_index\":0,\"end_index\":0,\"url\":");
            json::quote(&mut part.citations, url);
            json::raw(&mut part.citations, ",\"title\":");
            json::quote(&mut part.citations, title.unwrap_or(url));
            part.citations.push(b'}');
            self.within("response.output_text.annotation.added", &item.id, out);
            member(out, "content_index", *parts);
            member(out, "annotation_index", part.cited);
            json::raw(out, ",\"annotation\":");
            out.extend_from_slice(part.citations.get(begin..).unwrap_or_default());
            json::raw(out, "}\n\n");
            part.cited += 1;
            kept = true;
        }
        self.open = Some(item);
        kept
    }

    pub(super) fn finish(&mut self, opening: &Opening, told: &Told, out: &mut Vec<u8>) {
        self.begun = None;
        let reason = match told.finish() {
            Finish::Length | Finish::ContextFull => Some("max_output_tokens"),
            Finish::ContentFilter => Some("content_filter"),
            // A model that declines says so in an item; without one it was stopped.
            Finish::Refusal if !told.refused => Some("content_filter"),
            _ => None,
        };
        let (status, kind) = match reason {
            Some(_) => ("incomplete", "response.incomplete"),
            None => ("completed", "response.completed"),
        };
        self.done(status, None, out);
        let details = reason.map_or_else(|| "null".to_owned(), |reason| format!("{{\"reason\":\"{reason}\"}}"));
        self.event(kind, out);
        self.response(opening, status, "null", &details, Some(told), out);
        // OpenAI sends no [DONE] here; Open Responses asks for it, and every client takes it.
        json::raw(out, "}\n\ndata: [DONE]\n\n");
    }

    pub(super) fn fail(&mut self, failure: &Failure, opening: &Opening, told: &Told, out: &mut Vec<u8>) {
        if !told.started {
            self.start(opening, out);
        }
        let mut error = b"{\"code\":".to_vec();
        json::quote(&mut error, failed::code(failure));
        json::raw(&mut error, ",\"message\":");
        json::quote(&mut error, &failure.message);
        error.push(b'}');
        self.event("response.failed", out);
        self.response(opening, "failed", &String::from_utf8_lossy(&error), "null", Some(told), out);
        json::raw(out, "}\n\n");
    }

    /// Begins an event up to its number.
    fn event(&mut self, kind: &str, out: &mut Vec<u8>) {
        json::raw(out, "event: ");
        json::raw(out, kind);
        json::raw(out, "\ndata: {\"type\":\"");
        json::raw(out, kind);
        json::raw(out, "\",\"sequence_number\":");
        json::number(out, self.sequence);
        self.sequence += 1;
    }

    /// Begins an event about the item under way.
    fn within(&mut self, kind: &str, id: &str, out: &mut Vec<u8>) {
        self.event(kind, out);
        json::raw(out, ",\"item_id\":\"");
        json::raw(out, id);
        out.push(b'"');
        member(out, "output_index", self.items);
    }

    fn response(
        &mut self,
        opening: &Opening,
        status: &str,
        error: &str,
        details: &str,
        told: Option<&Told>,
        out: &mut Vec<u8>,
    ) {
        json::raw(out, ",\"response\":");
        let from = out.len();
        json::raw(out, "{\"id\":\"resp_");
        json::raw(out, &self.id);
        json::raw(out, "\",\"object\":\"response\"");
        member(out, "created_at", opening.created);
        json::raw(out, ",\"status\":\"");
        json::raw(out, status);
        json::raw(out, "\",\"error\":");
        json::raw(out, error);
        json::raw(out, ",\"incomplete_details\":");
        json::raw(out, details);
        json::raw(out, ",\"output\":[");
        out.extend_from_slice(&self.output);
        json::raw(out, "],\"usage\":");
        match told.and_then(|told| told.usage) {
            None => json::raw(out, "null"),
            Some(usage) => {
                json::raw(out, "{\"input_tokens\":");
                json::number(out, usage.total_input());
                json::raw(out, ",\"input_tokens_details\":{\"cached_tokens\":");
                json::number(out, usage.cache_read);
                member(out, "cache_write_tokens", usage.cache_write);
                json::raw(out, "},\"output_tokens\":");
                json::number(out, usage.output);
                json::raw(out, ",\"output_tokens_details\":{\"reasoning_tokens\":");
                json::number(out, usage.reasoning);
                out.push(b'}');
                member(out, "total_tokens", usage.total_input().saturating_add(usage.output));
                out.push(b'}');
            }
        }
        json::raw(out, &self.constant);
        out.push(b'}');
        if told.is_some() {
            self.last = out.get(from..).unwrap_or_default().to_vec();
        }
    }

    fn add(&mut self, prefix: &str, kind: Kind, out: &mut Vec<u8>) {
        let item = Item { id: format!("{prefix}_{}{}", self.id, self.items), kind };
        self.event("response.output_item.added", out);
        member(out, "output_index", self.items);
        json::raw(out, ",\"item\":");
        item.write("in_progress", None, out);
        json::raw(out, "}\n\n");
        self.open = Some(item);
    }

    /// Makes the item and the part that a block's first words go to.
    fn open_part(&mut self, block: &Block, out: &mut Vec<u8>) {
        let is_summary = *block == Block::Summary;
        if is_summary || *block == Block::Reasoning {
            return self.open_thought(is_summary, out);
        }
        let refusal = *block == Block::Refusal;
        if let Some(Item { kind: Kind::Message { part: Some(part), .. }, .. }) = &self.open
            && part.refusal == refusal
        {
            return;
        }
        if matches!(&self.open, Some(Item { kind: Kind::Message { .. }, .. })) {
            self.close_words(out);
        } else {
            self.done("completed", None, out);
            self.add("msg", Kind::Message { done: Vec::new(), parts: 0, part: None }, out);
        }
        let Some(mut item) = self.open.take() else { return };
        if let Kind::Message { parts, part, .. } = &mut item.kind {
            let new = Part { refusal, text: Vec::new(), citations: Vec::new(), cited: 0 };
            self.within("response.content_part.added", &item.id, out);
            member(out, "content_index", *parts);
            json::raw(out, ",\"part\":");
            new.write(out);
            json::raw(out, "}\n\n");
            *part = Some(new);
        }
        self.open = Some(item);
    }

    fn open_reasoning(&mut self, out: &mut Vec<u8>) {
        if !matches!(&self.open, Some(Item { kind: Kind::Reasoning { .. }, .. })) {
            self.done("completed", None, out);
            let (summary, content) = (Vec::new(), Vec::new());
            let kind = Kind::Reasoning { summary, summaries: 0, content, contents: 0, part: None };
            self.add("rs", kind, out);
        }
    }

    fn open_thought(&mut self, is_summary: bool, out: &mut Vec<u8>) {
        self.open_reasoning(out);
        self.close_thought(out);
        let Some(mut item) = self.open.take() else { return };
        if let Kind::Reasoning { summaries, contents, part, .. } = &mut item.kind {
            if is_summary {
                self.within("response.reasoning_summary_part.added", &item.id, out);
                member(out, "summary_index", *summaries);
                json::raw(out, ",\"part\":{\"type\":\"summary_text\",\"text\":\"\"}}\n\n");
            } else {
                self.within("response.content_part.added", &item.id, out);
                member(out, "content_index", *contents);
                json::raw(out, ",\"part\":{\"type\":\"reasoning_text\",\"text\":\"\"}}\n\n");
            }
            *part = Some(Thought { is_summary, text: Vec::new() });
        }
        self.open = Some(item);
    }

    fn close_thought(&mut self, out: &mut Vec<u8>) {
        let Some(mut item) = self.open.take() else { return };
        if let Kind::Reasoning { summary, summaries, content, contents, part } = &mut item.kind
            && let Some(Thought { is_summary, text }) = part.take()
        {
            let (kinds, index, kind, list, count) = if is_summary {
                let kinds = ["response.reasoning_summary_text.done", "response.reasoning_summary_part.done"];
                (kinds, "summary_index", "summary_text", summary, summaries)
            } else {
                let kinds = ["response.reasoning_text.done", "response.content_part.done"];
                (kinds, "content_index", "reasoning_text", content, contents)
            };
            let [text_done, part_done] = kinds;
            if *count > 0 {
                list.push(b',');
            }
            let from = list.len();
            json::raw(list, "{\"type\":\"");
            json::raw(list, kind);
            json::raw(list, "\",\"text\":\"");
            list.extend_from_slice(&text);
            json::raw(list, "\"}");
            self.within(text_done, &item.id, out);
            member(out, index, *count);
            json::raw(out, ",\"text\":\"");
            out.extend_from_slice(&text);
            json::raw(out, "\"}\n\n");
            self.within(part_done, &item.id, out);
            member(out, index, *count);
            json::raw(out, ",\"part\":");
            out.extend_from_slice(list.get(from..).unwrap_or_default());
            json::raw(out, "}\n\n");
            *count += 1;
        }
        self.open = Some(item);
    }

    fn close_words(&mut self, out: &mut Vec<u8>) {
        let Some(mut item) = self.open.take() else { return };
        if let Kind::Message { done, parts, part } = &mut item.kind
            && let Some(part) = part.take()
        {
            let kind = if part.refusal { "response.refusal.done" } else { "response.output_text.done" };
            self.within(kind, &item.id, out);
            member(out, "content_index", *parts);
            json::raw(out, if part.refusal { ",\"refusal\":\"" } else { ",\"text\":\"" });
            out.extend_from_slice(&part.text);
            json::raw(out, if part.refusal { "\"}\n\n" } else { "\",\"logprobs\":[]}\n\n" });
            if *parts > 0 {
                done.push(b',');
            }
            let from = done.len();
            part.write(done);
            self.within("response.content_part.done", &item.id, out);
            member(out, "content_index", *parts);
            json::raw(out, ",\"part\":");
            out.extend_from_slice(done.get(from..).unwrap_or_default());
            json::raw(out, "}\n\n");
            *parts += 1;
        }
        self.open = Some(item);
    }

    fn close_call(&mut self, out: &mut Vec<u8>) {
        let Some(mut item) = self.open.take() else { return };
        if let Kind::Call { arguments, custom, text, .. } = &mut item.kind
            && let Some(arguments) = arguments.take()
        {
            let mut rest = String::new();
            arguments.end(&mut rest);
            self.call_delta(&item.id, *custom, text, &rest, out);
            let (kind, key) = if *custom {
                ("response.custom_tool_call_input.done", ",\"input\":\"")
            } else {
                ("response.function_call_arguments.done", ",\"arguments\":\"")
            };
            self.within(kind, &item.id, out);
            json::raw(out, key);
            out.extend_from_slice(text);
            json::raw(out, "\"}\n\n");
        }
        self.open = Some(item);
    }

    fn call_delta(&mut self, id: &str, custom: bool, kept: &mut Vec<u8>, piece: &str, out: &mut Vec<u8>) {
        if piece.is_empty() {
            return;
        }
        let kind =
            if custom { "response.custom_tool_call_input.delta" } else { "response.function_call_arguments.delta" };
        self.within(kind, id, out);
        grow(kept, piece, out);
        json::raw(out, "}\n\n");
    }

    fn done(&mut self, status: &str, encrypted: Option<String>, out: &mut Vec<u8>) {
        self.close_words(out);
        self.close_thought(out);
        self.close_call(out);
        let Some(item) = self.open.take() else { return };
        if self.items > 0 {
            self.output.push(b',');
        }
        let from = self.output.len();
        item.write(status, encrypted.as_deref(), &mut self.output);
        self.event("response.output_item.done", out);
        member(out, "output_index", self.items);
        json::raw(out, ",\"item\":");
        out.extend_from_slice(self.output.get(from..).unwrap_or_default());
        json::raw(out, "}\n\n");
        self.items += 1;
    }
}
