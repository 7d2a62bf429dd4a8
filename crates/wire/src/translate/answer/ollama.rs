//! Answers of Ollama's own API: JSON lines, or one object that is like the last of them.
//!
//! Source: Ollama's documentation of `/api/chat`.

use serde_json::{Value, json};

use super::assembly::Assembly;
use super::calls::Fragment;
use super::json::{Fields, string};
use super::{Payload, cut, malformed, no_answer, payload};
use crate::Usage;
use crate::failure::Failure;
use crate::lines::LineFramer;
use crate::sse::Frame;
use crate::translate::{Asked, Event, Finish};

/// Reads a stream.
#[derive(Debug)]
pub(super) struct Reader {
    answer: Assembly,
    calls: u64,
}

/// Reads a whole body. A server that streams though it was asked not to is understood as well.
pub(super) fn whole(asked: &Asked, body: &[u8]) -> Vec<Event> {
    let mut reader = Reader::new(asked);
    if let Ok(line) = Fields::parse(body) {
        if line.get("message").is_none() && line.get("error").is_none() {
            return vec![Event::Failed(no_answer(body))];
        }
        reader.line(&line, body);
        // A whole body is whole without saying so.
        reader.answer.finish(Finish::Stop);
        return reader.answer.take();
    }
    if body.trim_ascii_start().first() != Some(&b'{') {
        return vec![Event::Failed(no_answer(body))];
    }
    let mut framer = LineFramer::new(body.len().saturating_add(1));
    framer.push(body);
    let mut events = Vec::new();
    while let Ok(Some(frame)) = framer.next_frame() {
        events.extend(reader.read(&frame));
    }
    events.extend(framer.finish().into_iter().flat_map(|frame| reader.read(&frame)));
    events.extend(reader.end());
    events
}

impl Reader {
    pub(super) fn new(asked: &Asked) -> Self {
        Self { answer: Assembly::new(asked), calls: 0 }
    }

    pub(super) fn read(&mut self, frame: &Frame) -> Vec<Event> {
        if self.answer.blocks.is_over() {
            return Vec::new();
        }
        match payload(frame) {
            Payload::Json(data) | Payload::Bare(data) => match Fields::parse(data) {
                Ok(line) => self.line(&line, data),
                Err(error) => self.answer.fail(malformed(&error)),
            },
            Payload::Nothing | Payload::Done => self.answer.blocks.life(),
        }
        self.answer.take()
    }

    pub(super) fn end(&mut self) -> Vec<Event> {
        self.answer.fail(cut());
        self.answer.take()
    }

    fn line(&mut self, line: &Fields<'_>, data: &[u8]) {
        if line.says("error").is_some() {
            let value: Value = serde_json::from_slice(data).unwrap_or_default();
            return self.answer.fail(Failure::read(&value).unwrap_or_else(|| Failure::read_error(&value)));
        }
        self.answer.next_event(data);
        self.answer.blocks.start(None, line.text("model"), None);
        let message = line.object("message");
        self.answer.reasoning(&message.text("thinking").unwrap_or_default());
        self.answer.content(&message.text("content").unwrap_or_default());
        for call in message.list("tool_calls").into_iter().map(Fields::of) {
            let tool = call.object("function");
            let arguments = tool.get("arguments").map(|raw| string(raw).unwrap_or_else(|| raw.get().to_owned()));
            // Each is whole: whatever number it gives itself, it is another one.
            self.answer.call(Fragment {
                index: Some(self.calls),
                id: call.text("id"),
                name: tool.text("name"),
                arguments: arguments.unwrap_or_default(),
                ..Fragment::default()
            });
            self.calls += 1;
        }
        if message.says("images").is_some() {
            self.answer.dropped("images");
        }
        let (read, written) = (line.number("prompt_eval_count"), line.number("eval_count"));
        if read.is_some() || written.is_some() {
            let usage = json!({"input_tokens": read.unwrap_or(0), "output_tokens": written.unwrap_or(0)});
            if let Some(usage) = Usage::read(&usage) {
                self.answer.blocks.usage(usage);
            }
        }
        if line.get("done").is_some_and(|done| done.get() == "true") {
            self.answer.finish(match line.text("done_reason").as_deref() {
                None | Some("stop") => Finish::Stop,
                Some("length") => Finish::Length,
                Some("tool_calls") => Finish::ToolCalls,
                Some(other) => Finish::Other(other.to_owned()),
            });
        } else {
            self.answer.blocks.life();
        }
    }
}
