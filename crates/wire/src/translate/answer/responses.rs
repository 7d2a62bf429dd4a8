//! What a Responses upstream answers: OpenAI's API, and the servers that speak it. Must not know: who asked.
//!
//! Every piece of an answer is told up to four times: in deltas, when the part is done, when its item is done, and in
//! the response at the end. Servers leave out one or the other, so each piece is taken from where it is told first.
//! Ids are not relied on, since some servers change them with every event; places are.
//!
//! Source of the events: OpenAI's published schema, the Open Responses specification, and recorded streams.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::blocks::Blocks;
use super::value::{holds, list, text};
use super::{Payload, cut, made_id, malformed, no_answer, payload};
use crate::failure::Failure;
use crate::sse::Frame;
use crate::translate::{Asked, Event, Finish, Opaque, OpaqueKind};
use crate::{ClientApi, Usage, signal};

/// Reads the events of one answer.
#[derive(Debug)]
pub struct Responses {
    provider: String,
    blocks: Blocks<usize>,
    /// Every item of the answer so far. Its place here is the key of its block.
    items: Vec<Item>,
    /// Where an item of an `output_index` stands.
    places: HashMap<u64, usize>,
    /// Where an item of an id stands, for servers that leave the index out.
    ids: HashMap<String, usize>,
    refused: bool,
}

#[derive(Debug, Default)]
struct Item {
    kind: String,
    /// The parts of which something was told.
    told: HashSet<(Piece, u64)>,
    /// How many annotations of each part were told.
    annotations: HashMap<u64, usize>,
    /// Of a call: whether its block has begun.
    begun: bool,
    /// Of a call: its arguments so far.
    arguments: String,
    done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Piece {
    Text,
    Refusal,
    Reasoning,
    Summary,
}

/// Reads a whole response.
pub fn whole(asked: &Asked, body: &[u8]) -> Vec<Event> {
    let mut reader = Responses::new(asked);
    match (signal::read_body(ClientApi::Responses, body), serde_json::from_slice::<Value>(body)) {
        (signal::Answer::Whole(_), Ok(response)) => {
            if let Err(failure) = reader.response(&response, "response") {
                reader.blocks.fail(failure);
            }
        }
        (signal::Answer::Failed(failure), _) => reader.blocks.fail(failure),
        _ => reader.blocks.fail(no_answer(body)),
    }
    reader.blocks.take()
}

impl Responses {
    /// A reader of an answer that begins.
    pub fn new(asked: &Asked) -> Self {
        Self {
            provider: asked.provider.clone(),
            blocks: Blocks::default(),
            items: Vec::new(),
            places: HashMap::new(),
            ids: HashMap::new(),
            refused: false,
        }
    }

    /// Reads one event.
    pub fn read(&mut self, frame: &Frame) -> Vec<Event> {
        if self.blocks.is_over() {
            return Vec::new();
        }
        let read = match payload(frame) {
            Payload::Nothing | Payload::Done => Ok(()),
            Payload::Bare(body) => Err(no_answer(body)),
            Payload::Json(data) => match serde_json::from_slice(data) {
                Ok(data) => self.event(frame.name(), &data),
                Err(error) => Err(malformed(&error)),
            },
        };
        if let Err(failure) = read {
            self.blocks.fail(failure);
        }
        let events = self.blocks.take();
        if events.is_empty() { vec![Event::Life] } else { events }
    }

    /// The body has ended.
    pub fn end(&mut self) -> Vec<Event> {
        self.blocks.fail(cut());
        self.blocks.take()
    }

    fn event(&mut self, name: &str, data: &Value) -> Result<(), Failure> {
        let kind = data.get("type").and_then(Value::as_str).unwrap_or(name);
        if kind == "error" || name == "error" || holds(data.get("error")) {
            return Err(Failure::read(data).unwrap_or_else(|| Failure::read_error(data)));
        }
        let part = |key: &str| data.get(key).unwrap_or(&Value::Null);
        let string = |key: &str| part(key).as_str().unwrap_or_default();
        match kind {
            "response.created" | "response.in_progress" | "response.queued" => self.start(part("response")),
            "response.completed" | "response.incomplete" | "response.done" => {
                return self.response(part("response"), kind.trim_start_matches("response."));
            }
            "response.failed" | "response.cancelled" => return Err(of_response(part("response"), kind)),
            "response.output_item.added" => self.item_added(data),
            "response.output_item.done" => {
                let place = self.place(data, string_of(part("item"), "type"));
                self.item_done(place, part("item"));
            }
            "response.output_text.delta" => self.delta(data, Piece::Text),
            "response.refusal.delta" => self.delta(data, Piece::Refusal),
            "response.reasoning_text.delta" | "response.reasoning.delta" => self.delta(data, Piece::Reasoning),
            "response.reasoning_summary_text.delta" | "response.reasoning_summary.delta" => {
                self.delta(data, Piece::Summary);
            }
            "response.output_text.done" => self.piece_done(data, Piece::Text, string("text")),
            "response.refusal.done" => self.piece_done(data, Piece::Refusal, string("refusal")),
            "response.reasoning_text.done" | "response.reasoning.done" => {
                self.piece_done(data, Piece::Reasoning, string("text"));
            }
            "response.reasoning_summary_text.done" | "response.reasoning_summary.done" => {
                self.piece_done(data, Piece::Summary, string("text"));
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => self.part_done(data),
            "response.output_text.annotation.added" => {
                let place = self.place(data, "message");
                let index = index_of(data);
                self.annotation(place, index, part("annotation"));
            }
            "response.function_call_arguments.delta" => self.arguments(data, "function_call", string("delta"), false),
            "response.function_call_arguments.done" => {
                self.arguments(data, "function_call", &json_text(part("arguments")), true);
            }
            "response.custom_tool_call_input.delta" => self.arguments(data, "custom_tool_call", string("delta"), false),
            "response.custom_tool_call_input.done" => self.arguments(data, "custom_tool_call", string("input"), true),
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, response: &Value) {
        if self.items.is_empty() {
            let usage = response.get("usage").and_then(Usage::read);
            self.blocks.start(text(response.get("id")), text(response.get("model")), usage);
        }
    }

    /// The item that an event is about: by its place, else by its id, else the last of its kind that is under way
    /// (llama-server gives no place, and calls an item by an id that it did not begin under). One that was not
    /// announced begins.
    fn place(&mut self, data: &Value, kind: &str) -> usize {
        let index = data.get("output_index").and_then(Value::as_u64);
        let id = data.get("item_id").or(data.pointer("/item/id")).and_then(Value::as_str);
        let known = match (index, id) {
            (Some(index), _) => self.places.get(&index).copied(),
            (None, id) => id
                .and_then(|id| self.ids.get(id).copied())
                .or_else(|| self.items.iter().rposition(|item| !item.done && item.kind == kind)),
        };
        known.unwrap_or_else(|| self.add(index, id, kind))
    }

    fn add(&mut self, index: Option<u64>, id: Option<&str>, kind: &str) -> usize {
        let place = self.items.len();
        self.items.push(Item { kind: kind.to_owned(), ..Item::default() });
        if let Some(index) = index {
            self.places.insert(index, place);
        }
        if let Some(id) = id {
            self.ids.insert(id.to_owned(), place);
        }
        place
    }

    fn item_added(&mut self, data: &Value) {
        let Some(item) = data.get("item") else { return };
        let kind = string_of(item, "type");
        let id = item.get("id").and_then(Value::as_str);
        // Whatever stood at this place before has ended: some servers count from 0 for every item.
        let place = self.add(data.get("output_index").and_then(Value::as_u64), id, kind);
        match kind {
            "message" | "reasoning" => {}
            "function_call" | "custom_tool_call" => self.begin_call(place, item),
            _ => self.item_done(place, item),
        }
    }

    /// An item, whole. What was not told of it yet is told.
    fn item_done(&mut self, place: usize, item: &Value) {
        let kind = string_of(item, "type");
        let first = self.items.get_mut(place).is_some_and(|known| {
            known.kind = kind.to_owned();
            !std::mem::replace(&mut known.done, true)
        });
        if !first {
            return;
        }
        match kind {
            "message" => {
                if let Some(words) = text(item.get("content")) {
                    self.say(place, Piece::Text, 0, &words, true);
                }
                for (part, index) in list(item.get("content")).zip(0..) {
                    self.part(place, index, part);
                }
                self.blocks.end_prose(None);
            }
            "reasoning" => {
                for (part, index) in list(item.get("content")).zip(0..).chain(list(item.get("summary")).zip(0..)) {
                    self.part(place, index, part);
                }
                match text(item.get("encrypted_content")) {
                    Some(value) => self.blocks.sealed(Opaque {
                        provider: Some(self.provider.clone()),
                        kind: OpaqueKind::Encrypted,
                        value,
                        id: text(item.get("id")),
                    }),
                    None => self.blocks.end_prose(None),
                }
            }
            "function_call" | "custom_tool_call" => {
                self.begin_call(place, item);
                let whole = if kind == "custom_tool_call" { item.get("input") } else { item.get("arguments") };
                self.grow_call(place, &json_text(whole.unwrap_or(&Value::Null)), true);
                self.blocks.tool_end(&place, None);
            }
            other => self.blocks.dropped(other),
        }
    }

    fn delta(&mut self, data: &Value, piece: Piece) {
        let place = self.place(data, piece.item());
        let delta = data.get("delta").unwrap_or(&Value::Null);
        let words = delta.as_str().unwrap_or_else(|| string_of(delta, "text"));
        self.say(place, piece, index_of(data), words, false);
    }

    fn piece_done(&mut self, data: &Value, piece: Piece, whole: &str) {
        let place = self.place(data, piece.item());
        self.say(place, piece, index_of(data), whole, true);
    }

    fn part_done(&mut self, data: &Value) {
        let Some(part) = data.get("part") else { return };
        let kind = if matches!(string_of(part, "type"), "output_text" | "refusal") { "message" } else { "reasoning" };
        let place = self.place(data, kind);
        self.part(place, index_of(data), part);
    }

    /// A part of an item, whole.
    fn part(&mut self, place: usize, index: u64, part: &Value) {
        match string_of(part, "type") {
            "output_text" | "text" => {
                self.say(place, Piece::Text, index, string_of(part, "text"), true);
                let told =
                    self.items.get(place).and_then(|item| item.annotations.get(&index)).copied().unwrap_or_default();
                for annotation in list(part.get("annotations")).skip(told) {
                    self.annotation(place, index, annotation);
                }
            }
            "refusal" => self.say(place, Piece::Refusal, index, string_of(part, "refusal"), true),
            "reasoning_text" => self.say(place, Piece::Reasoning, index, string_of(part, "text"), true),
            "summary_text" => self.say(place, Piece::Summary, index, string_of(part, "text"), true),
            "" => {}
            other => self.blocks.dropped(other),
        }
    }

    /// Some words of a part, or all of them, which say nothing new once some were told.
    fn say(&mut self, place: usize, piece: Piece, index: u64, words: &str, whole: bool) {
        let Some(item) = self.items.get_mut(place).filter(|_| !words.is_empty()) else { return };
        if item.told.insert((piece, index)) {
            // Every part is a block of its own.
            self.blocks.end_prose(None);
        } else if whole {
            return;
        }
        match piece {
            Piece::Text => self.blocks.text(words),
            Piece::Refusal => {
                self.refused = true;
                self.blocks.refusal(words);
            }
            Piece::Reasoning => self.blocks.reasoning(words),
            Piece::Summary => self.blocks.summary(words),
        }
    }

    fn annotation(&mut self, place: usize, index: u64, annotation: &Value) {
        if let Some(item) = self.items.get_mut(place) {
            *item.annotations.entry(index).or_default() += 1;
        }
        let url = text(annotation.get("url")).filter(|_| string_of(annotation, "type") == "url_citation");
        if !url.is_some_and(|url| self.blocks.citation(url, text(annotation.get("title")))) {
            self.blocks.dropped(text(annotation.get("type")).as_deref().unwrap_or("annotations"));
        }
    }

    /// Begins a call's block as soon as the call's name is known.
    fn begin_call(&mut self, place: usize, call: &Value) {
        let Some(item) = self.items.get_mut(place).filter(|item| !item.begun) else { return };
        let Some(name) = text(call.get("name")) else { return };
        item.begun = true;
        let so_far = item.arguments.clone();
        let id = text(call.get("call_id")).or_else(|| text(call.get("id")));
        let id = id.unwrap_or_else(|| made_id(call.to_string().as_bytes(), place));
        self.blocks.tool_begin(place, id, name, string_of(call, "type") == "custom_tool_call");
        self.blocks.tool_arguments(&place, &so_far);
    }

    fn arguments(&mut self, data: &Value, kind: &str, piece: &str, whole: bool) {
        let place = self.place(data, kind);
        self.grow_call(place, piece, whole);
    }

    /// Some of a call's arguments, or all of them, of which only the rest is new.
    fn grow_call(&mut self, place: usize, piece: &str, whole: bool) {
        let Some(item) = self.items.get_mut(place) else { return };
        let more = if whole { piece.strip_prefix(item.arguments.as_str()).unwrap_or_default() } else { piece };
        item.arguments.push_str(more);
        if item.begun {
            self.blocks.tool_arguments(&place, more);
        }
    }

    /// The response at the end. What its events did not tell is told.
    fn response(&mut self, response: &Value, kind: &str) -> Result<(), Failure> {
        self.start(response);
        let status = text(response.get("status"));
        let status = status.as_deref().unwrap_or(if kind == "incomplete" { kind } else { "completed" });
        if matches!(status, "failed" | "cancelled" | "queued" | "in_progress") || holds(response.get("error")) {
            return Err(of_response(response, status));
        }
        // Ids and places of the output need not be those of the events; the order of the items of a type is.
        let mut of_kind: HashMap<&str, usize> = HashMap::new();
        let seen = self.items.len();
        for item in list(response.get("output")) {
            let kind = string_of(item, "type");
            let number = of_kind.entry(kind).or_default();
            let same = self.items.iter().take(seen).enumerate().filter(|(_, known)| known.kind == kind);
            let known = same.map(|(place, _)| place).nth(*number);
            *number += 1;
            let place = known.unwrap_or_else(|| self.add(None, None, kind));
            self.item_done(place, item);
        }
        if let Some(usage) = response.get("usage").and_then(Usage::read) {
            self.blocks.usage(usage);
        }
        self.blocks.finish(match status {
            "incomplete" => match string_of(response.get("incomplete_details").unwrap_or(&Value::Null), "reason") {
                "max_output_tokens" | "max_tokens" | "length" => Finish::Length,
                "content_filter" => Finish::ContentFilter,
                other => Finish::Other(if other.is_empty() { status } else { other }.to_owned()),
            },
            _ if self.refused && !self.blocks.has_called() => Finish::Refusal,
            _ => Finish::Stop,
        });
        Ok(())
    }
}

impl Piece {
    /// The kind of item that it stands in.
    fn item(self) -> &'static str {
        match self {
            Self::Text | Self::Refusal => "message",
            Self::Reasoning | Self::Summary => "reasoning",
        }
    }
}

/// Where a part stands in its item.
fn index_of(data: &Value) -> u64 {
    data.get("content_index").or(data.get("summary_index")).and_then(Value::as_u64).unwrap_or(0)
}

fn string_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Arguments are JSON as text; some servers send them as JSON itself.
fn json_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn of_response(response: &Value, status: &str) -> Failure {
    match response.get("error") {
        Some(Value::String(message)) if !message.is_empty() => Failure::new(message.as_str()),
        Some(error @ Value::Object(_)) => Failure::read_error(error),
        _ => {
            Failure::new(format!("the response ended as {} without saying why", status.trim_start_matches("response.")))
        }
    }
}
