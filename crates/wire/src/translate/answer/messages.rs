//! What a Messages upstream answers: Anthropic's API, and the servers that speak it. Must not know: who asked.
//!
//! Source of the events: Anthropic's API documentation, its SDKs' types, and recorded streams.

use serde_json::value::RawValue;

use super::blocks::Blocks;
use super::json::{Fields, string, value};
use super::{Payload, cut, made_id, malformed, no_answer, payload};
use crate::failure::Failure;
use crate::sse::Frame;
use crate::translate::{Asked, Event, Finish, Opaque, OpaqueKind};
use crate::{ClientApi, Usage, signal};

/// Reads the events of one answer.
#[derive(Debug)]
pub struct Messages {
    provider: String,
    blocks: Blocks<usize>,
    /// The message's id.
    id: String,
    /// The content block under way.
    open: Option<Open>,
    /// Pages that words were taken from which have not come yet.
    cited: Vec<(String, Option<String>)>,
    /// A call that was under way when the message began anew.
    torn: Option<Call>,
    /// How many calls there were: each has its number as its key.
    calls: usize,
    reason: Option<String>,
    sequence: Option<String>,
}

#[derive(Debug)]
enum Open {
    /// Thoughts, and their signature so far.
    Thoughts(String),
    Call(Call),
    /// The second beginning of a call of which a part was passed on: its arguments so far.
    Again(String),
    /// Words, which need nothing remembered, and what is dropped.
    Other,
}

#[derive(Debug)]
struct Call {
    key: usize,
    name: String,
    /// What its block began with: all of its arguments, where no piece of them follows.
    input: String,
    /// What was passed on of its arguments.
    sent: String,
}

/// Reads a whole message.
pub fn whole(asked: &Asked, body: &[u8]) -> Vec<Event> {
    let mut reader = Messages::new(asked);
    match (signal::read_body(ClientApi::Messages, body), serde_json::from_slice::<&RawValue>(body)) {
        (signal::Answer::Whole(_), Ok(message)) => {
            if let Err(failure) = reader.start(message).and_then(|()| reader.stop()) {
                reader.blocks.fail(failure);
            }
        }
        _ => reader.blocks.fail(no_answer(body)),
    }
    reader.blocks.take()
}

impl Messages {
    /// A reader of an answer that begins.
    pub fn new(asked: &Asked) -> Self {
        Self {
            provider: asked.provider.clone(),
            blocks: Blocks::default(),
            id: String::new(),
            open: None,
            cited: Vec::new(),
            torn: None,
            calls: 0,
            reason: None,
            sequence: None,
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
            Payload::Json(data) => match serde_json::from_slice::<&RawValue>(data) {
                Ok(data) => self.event(frame.name(), data),
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

    fn event(&mut self, name: &str, raw: &RawValue) -> Result<(), Failure> {
        let data = Fields::of(raw);
        let kind = data.text("type").unwrap_or_else(|| name.to_owned());
        // LM Studio leaves the `type` of an error out.
        if kind == "error" || name == "error" || data.says("error").is_some() {
            let data = value(raw);
            return Err(Failure::read(&data).unwrap_or_else(|| Failure::read_error(&data)));
        }
        match kind.as_str() {
            "message_start" => data.get("message").map_or(Ok(()), |message| self.start(message)),
            "content_block_start" => data.get("content_block").map_or(Ok(()), |block| self.block(block)),
            "content_block_delta" => self.delta(&data.object("delta")),
            "content_block_stop" => self.stop_block(),
            "message_delta" => {
                let delta = data.object("delta");
                self.saw_reason(&delta);
                if delta.says("stop_details").is_some() {
                    self.blocks.dropped("stop_details");
                }
                if let Some(usage) = data.value("usage").as_ref().and_then(Usage::read) {
                    self.blocks.usage(usage);
                }
                Ok(())
            }
            "message_stop" => self.stop(),
            _ => Ok(()),
        }
    }

    fn start(&mut self, raw: &RawValue) -> Result<(), Failure> {
        let message = Fields::of(raw);
        let mut usage = message.value("usage").as_ref().and_then(Usage::read);
        if let (Some(usage), None) = (&mut usage, message.text("stop_reason")) {
            // Of a message that only begins, this is a guess.
            usage.output = 0;
        }
        let id = message.text("id");
        self.id = id.clone().unwrap_or_default();
        self.blocks.start(id, message.text("model"), usage);
        // Some begin a message anew in the middle of it. A call that was under way waits for its second beginning.
        match self.open.take() {
            Some(Open::Call(call)) => self.torn = Some(call),
            Some(Open::Again(_)) => {}
            _ => self.blocks.end_prose(None),
        }
        // A message that begins with content has all of it.
        for block in message.list("content") {
            self.block(block)?;
            self.stop_block()?;
        }
        self.saw_reason(&message);
        Ok(())
    }

    fn block(&mut self, raw: &RawValue) -> Result<(), Failure> {
        self.stop_block()?;
        let block = Fields::of(raw);
        let piece = |key: &str| block.text(key).unwrap_or_default();
        self.open = Some(match piece("type").as_str() {
            "text" => {
                self.words(&piece("text"));
                block.list("citations").into_iter().for_each(|citation| self.citation(&Fields::of(citation)));
                Open::Other
            }
            "thinking" => {
                self.blocks.reasoning(&piece("thinking"));
                Open::Thoughts(piece("signature"))
            }
            "redacted_thinking" => {
                self.seal(OpaqueKind::Redacted, piece("data"));
                Open::Other
            }
            // Its own text is passed on, not what it reads as: a number may be larger than any that we have.
            "tool_use" => return self.call(piece("id"), piece("name"), block.says("input").map(RawValue::get)),
            other => {
                self.blocks.dropped(other);
                Open::Other
            }
        });
        Ok(())
    }

    fn call(&mut self, id: String, name: String, input: Option<&str>) -> Result<(), Failure> {
        let input = input.unwrap_or_default().to_owned();
        if self.torn.as_ref().is_some_and(|torn| torn.name == name) {
            self.open = Some(Open::Again(String::new()));
            return self.go_on(&input, false);
        }
        if name.is_empty() {
            return Err(Failure::new("the upstream called a tool without saying which"));
        }
        self.calls += 1;
        let key = self.calls;
        let id = if id.is_empty() { made_id(self.id.as_bytes(), key) } else { id };
        self.blocks.tool_begin(key, id, name.clone(), false);
        self.open = Some(Open::Call(Call { key, name, input, sent: String::new() }));
        Ok(())
    }

    fn delta(&mut self, delta: &Fields<'_>) -> Result<(), Failure> {
        let piece = |key: &str| delta.get(key).and_then(string).unwrap_or_default();
        // What kind of block it stands in is not asked: some servers put thoughts and words into the same one.
        match piece("type").as_str() {
            "text_delta" => self.words(&piece("text")),
            "thinking_delta" => self.blocks.reasoning(&piece("thinking")),
            "signature_delta" => match &mut self.open {
                Some(Open::Thoughts(signature)) => signature.push_str(&piece("signature")),
                _ => self.seal(OpaqueKind::Signature, piece("signature")),
            },
            "input_json_delta" => match &mut self.open {
                Some(Open::Call(call)) => {
                    let piece = piece("partial_json");
                    call.sent.push_str(&piece);
                    self.blocks.tool_arguments(&call.key, &piece);
                }
                Some(Open::Again(_)) => self.go_on(&piece("partial_json"), false)?,
                _ => {}
            },
            "citations_delta" => self.citation(&delta.object("citation")),
            _ => {}
        }
        Ok(())
    }

    fn stop_block(&mut self) -> Result<(), Failure> {
        match self.open.take() {
            Some(Open::Thoughts(signature)) => self.seal(OpaqueKind::Signature, signature),
            Some(Open::Call(call)) => {
                // Some put all of the arguments into the block's beginning and send no pieces.
                if call.sent.is_empty() {
                    self.blocks.tool_arguments(&call.key, &call.input);
                }
                self.blocks.tool_end(&call.key, None);
            }
            Some(again @ Open::Again(_)) => {
                self.open = Some(again);
                self.go_on("", true)?;
                self.open = None;
            }
            Some(Open::Other) | None => {}
        }
        self.cited.clear();
        self.blocks.end_prose(None);
        Ok(())
    }

    /// Takes a piece of a call's second beginning: what it has beyond the part that was passed on goes on there.
    fn go_on(&mut self, piece: &str, over: bool) -> Result<(), Failure> {
        let (Some(Open::Again(so_far)), Some(torn)) = (&mut self.open, &mut self.torn) else { return Ok(()) };
        so_far.push_str(piece);
        let same = if over { torn.sent.len() } else { torn.sent.len().min(so_far.len()) };
        if so_far.as_bytes().get(..same) != torn.sent.as_bytes().get(..same) {
            return Err(torn_off());
        }
        let more = so_far.get(torn.sent.len()..).unwrap_or_default().to_owned();
        torn.sent.push_str(&more);
        self.blocks.tool_arguments(&torn.key, &more);
        if over {
            self.blocks.tool_end(&torn.key, None);
            self.torn = None;
        }
        Ok(())
    }

    fn words(&mut self, words: &str) {
        self.blocks.text(words);
        if !words.is_empty() {
            for (url, title) in self.cited.drain(..) {
                self.blocks.citation(url, title);
            }
        }
    }

    fn citation(&mut self, citation: &Fields<'_>) {
        // One without an address is of a document that the client sent; no other API has a place for it.
        let Some(url) = citation.text("url") else { return self.blocks.dropped("citations") };
        let title = citation.text("title");
        // Most come ahead of the words.
        if !self.blocks.citation(url.clone(), title.clone()) {
            self.cited.push((url, title));
        }
    }

    fn stop(&mut self) -> Result<(), Failure> {
        self.stop_block()?;
        if self.torn.is_some() {
            return Err(torn_off());
        }
        self.blocks.finish(match self.reason.as_deref() {
            None | Some("end_turn" | "stop") => Finish::Stop,
            Some("tool_use") => Finish::ToolCalls,
            Some("max_tokens") => Finish::Length,
            Some("stop_sequence") => Finish::StopSequence(self.sequence.take()),
            Some("refusal") => Finish::Refusal,
            Some("pause_turn") => Finish::Pause,
            Some("model_context_window_exceeded") => Finish::ContextFull,
            Some(other) => Finish::Other(other.to_owned()),
        });
        Ok(())
    }

    fn saw_reason(&mut self, holder: &Fields<'_>) {
        self.reason = holder.text("stop_reason").or(self.reason.take());
        self.sequence = holder.text("stop_sequence").or(self.sequence.take());
    }

    fn seal(&mut self, kind: OpaqueKind, value: String) {
        if !value.is_empty() {
            self.blocks.sealed(Opaque { provider: Some(self.provider.clone()), kind, value, id: None });
        }
    }
}

fn torn_off() -> Failure {
    Failure::new("the upstream began its message anew in the middle of a tool call, and differently")
}
