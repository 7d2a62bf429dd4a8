//! Signs of life that the clients of each API count as life, for the time in which there is no content yet.
//!
//! What counts was tried with the clients: comments do not reach their watchdogs, events of the API do.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::error::{Position, event, response_object};
use crate::sse::Frame;
use crate::{ClientApi, splice};

/// What is sent, again and again, before a body that is not streamed: white space, which JSON allows there. DeepSeek
/// and OpenRouter do the same.
pub const BEFORE_A_BODY: &str = "\n";

/// The heartbeats of one stream, and what they make of the stream that follows them.
#[derive(Debug)]
pub struct Heart {
    api: ClientApi,
    at: Position,
    beats: u64,
}

impl Heart {
    /// A heart for a stream of this API, which begins at `at`: the id of the response that will be, a time, and the
    /// `model` that was asked for.
    #[must_use]
    pub fn new(api: ClientApi, at: Position) -> Self {
        Self { api, at, beats: 0 }
    }

    /// The next sign of life.
    pub fn beat(&mut self) -> Bytes {
        let first = self.beats == 0;
        self.beats += 1;
        match self.api {
            ClientApi::Responses => {
                let kind = if first { "response.created" } else { "response.in_progress" };
                let data = json!({
                    "type": kind, "sequence_number": self.at.sequence,
                    "response": response_object(&self.at, "in_progress"),
                });
                self.at.sequence += 1;
                event(Some(kind), &data)
            }
            ClientApi::Messages => event(Some("ping"), &json!({"type": "ping"})),
            ClientApi::Chat => {
                // No role: the upstream's first chunk has it, and OpenAI's SDKs would add the two up.
                let choice = json!({"index": 0, "delta": {}, "finish_reason": null});
                event(None, &self.chunk("chatcmpl", "chat.completion.chunk", &choice))
            }
            ClientApi::Completions | ClientApi::Embeddings => {
                let choice = json!({"index": 0, "text": "", "logprobs": null, "finish_reason": null});
                event(None, &self.chunk("cmpl", "text_completion", &choice))
            }
        }
    }

    /// Where the stream stands after what was sent.
    #[must_use]
    pub fn position(&self) -> &Position {
        &self.at
    }

    /// What to send for an event of the stream that follows. In the Responses API one response has begun already: its
    /// second beginning is dropped, its id becomes ours, and the numbers go on. The other APIs need no change.
    pub fn adopt(&mut self, frame: &Frame) -> Option<Bytes> {
        if self.api != ClientApi::Responses || self.beats == 0 {
            return Some(frame.raw.clone());
        }
        let Some(text) = frame.data.as_deref().and_then(|data| std::str::from_utf8(data).ok()) else {
            return Some(frame.raw.clone());
        };
        let Ok(numbered) = serde_json::from_str::<Numbered<'_>>(text) else { return Some(frame.raw.clone()) };
        let kind = numbered.kind.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let kind = kind.unwrap_or_else(|| frame.name().to_owned());
        if matches!(kind.as_str(), "response.created" | "response.in_progress" | "response.queued") {
            return None;
        }
        let mut parts = Vec::new();
        if let Some(range) = numbered.sequence_number.and_then(|raw| splice::span(text, raw)) {
            parts.push((range, self.at.sequence.to_string()));
            self.at.sequence += 1;
        }
        let id = numbered.response.and_then(|raw| serde_json::from_str::<Identified<'_>>(raw.get()).ok());
        if let Some(range) = id.and_then(|response| response.id).and_then(|raw| splice::span(text, raw)) {
            parts.push((range, splice::quoted(&self.at.response_id)));
        }
        parts.sort_by_key(|(range, _)| range.start);
        let data = splice::replace(text, &parts);
        let mut out = String::with_capacity(data.len() + 64);
        if !frame.name().is_empty() {
            out += &format!("event: {}\n", frame.name());
        }
        for line in data.split('\n') {
            out += &format!("data: {line}\n");
        }
        out += "\n";
        Some(out.into())
    }

    fn chunk(&self, prefix: &str, object: &str, choice: &serde_json::Value) -> serde_json::Value {
        json!({
            "id": format!("{prefix}-{}", self.at.response_id.trim_start_matches("resp_")), "object": object, "created": self.at.created,
            "model": self.at.model, "choices": [choice],
        })
    }
}

#[derive(Deserialize)]
struct Numbered<'a> {
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    sequence_number: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Identified<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{Signal, StreamReader};
    use crate::sse::Framer;

    fn frames(text: &[u8]) -> Vec<Frame> {
        let mut framer = Framer::default();
        framer.push(text);
        std::iter::from_fn(|| framer.next_frame().unwrap()).collect()
    }

    fn at() -> Position {
        Position { response_id: "resp_pl1".to_owned(), model: "primary".to_owned(), ..Position::default() }
    }

    #[test]
    fn every_beat_is_a_sign_of_life_and_no_content() {
        for api in ClientApi::ALL {
            let mut heart = Heart::new(api, at());
            let mut reader = StreamReader::new(api);
            for _ in 0..3 {
                let frames = frames(&heart.beat());
                assert_eq!(frames.len(), 1);
                assert!(frames[0].is_event(), "a comment holds no client: {api:?}");
                assert_eq!(reader.read(&frames[0]), Signal::Lifecycle, "{api:?}");
            }
        }
    }

    #[test]
    fn a_response_that_follows_goes_on_with_our_id_and_numbers() {
        let mut heart = Heart::new(ClientApi::Responses, at());
        let mut sent = [heart.beat(), heart.beat(), heart.beat()].concat();
        let upstream = concat!(
            "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"resp_up\"}}\n\n",
            "event: response.in_progress\ndata: {\"type\":\"response.in_progress\",\"sequence_number\":1,\"response\":{\"id\":\"resp_up\"}}\n\n",
            ": a comment\n\n",
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"sequence_number\", \"sequence_number\": 2 ,\"x\":1e5}\n\n",
            "event: response.completed\ndata: {\"response\":{\"output\":[{\"id\":\"msg_1\"}],\"id\":\"resp_up\"},\"sequence_number\":3,\"type\":\"response.completed\"}\n\n",
        );
        for frame in frames(upstream.as_bytes()) {
            sent.extend(heart.adopt(&frame).unwrap_or_default());
        }
        let frames = frames(&sent);
        let events: Vec<serde_json::Value> = frames
            .iter()
            .filter(|frame| frame.is_event())
            .map(|frame| serde_json::from_slice(frame.data.as_ref().unwrap()).unwrap())
            .collect();
        let numbers: Vec<_> = events.iter().map(|event| event["sequence_number"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
        let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(kinds.iter().filter(|kind| **kind == "response.created").count(), 1);
        assert_eq!(events[4]["response"]["id"], "resp_pl1");
        assert_eq!(events[4]["response"]["output"][0]["id"], "msg_1");
        let delta = frames[4].data.as_deref().unwrap();
        assert_eq!(
            std::str::from_utf8(delta).unwrap(),
            "{\"type\":\"response.output_text.delta\",\"delta\":\"sequence_number\", \"sequence_number\": 3 ,\"x\":1e5}"
        );
    }
}
