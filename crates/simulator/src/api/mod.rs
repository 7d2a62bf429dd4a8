//! The APIs' own forms of an answer: events of a stream, a whole body, errors. Pure: no sockets, no clock. Shapes are
//! those of recorded streams of the real servers.

pub(crate) mod chat;
pub(crate) mod completions;
pub(crate) mod errors;
pub(crate) mod gemini;
pub(crate) mod messages;
pub(crate) mod ollama;
pub(crate) mod responses;

use bytes::Bytes;
use serde_json::{Value, json};
use std::time::Duration;

use crate::answer::Answer;
use crate::request::{Api, Asked};

/// One event of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) bytes: Bytes,
    /// Whether it carries a part of the answer (text, reasoning, a tool's arguments).
    pub(crate) content: bool,
    /// How long it takes until it can be sent.
    pub(crate) delay: Duration,
}

impl Event {
    /// An event that is framing, sent without delay.
    fn frame(bytes: Bytes) -> Event {
        Event { bytes, content: false, delay: Duration::ZERO }
    }

    /// An event that carries content, and takes a word's time.
    fn content(bytes: Bytes, delay: Duration) -> Event {
        Event { bytes, content: true, delay }
    }
}

/// The events of a streamed answer.
pub(crate) fn events(asked: &Asked, answer: &Answer) -> Vec<Event> {
    match asked.api {
        Api::Responses => responses::events(asked, answer),
        Api::Chat => chat::events(asked, answer),
        Api::Completions => completions::events(asked, answer),
        Api::Messages => messages::events(asked, answer),
        Api::Gemini => gemini::events(asked, answer),
        Api::OllamaChat | Api::OllamaGenerate => ollama::events(asked, answer),
        Api::Embeddings | Api::CountTokens | Api::GeminiCount | Api::OllamaEmbed => Vec::new(),
    }
}

/// The body of an answer that is not streamed.
pub(crate) fn body(asked: &Asked, answer: &Answer) -> Value {
    match asked.api {
        Api::Responses => responses::body(asked, answer),
        Api::Chat => chat::body(answer),
        Api::Completions => completions::body(answer),
        Api::Messages => messages::body(answer),
        Api::Embeddings => embeddings(asked, &answer.model),
        Api::CountTokens => json!({"input_tokens": asked.input_tokens}),
        Api::Gemini => gemini::body(asked, answer),
        Api::GeminiCount => gemini::count(asked),
        Api::OllamaChat | Api::OllamaGenerate => ollama::body(asked, answer),
        Api::OllamaEmbed => ollama::embeddings(asked, &answer.model),
    }
}

/// An SSE event with data alone.
fn data(value: &Value) -> Bytes {
    Bytes::from(format!("data: {value}\n\n"))
}

/// An SSE event with a name.
fn named(name: &str, value: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {value}\n\n"))
}

/// A vector for each input, the same for the same text, of as many numbers as are asked for (eight).
fn embeddings(asked: &Asked, model: &str) -> Value {
    let inputs = match asked.body.get("input") {
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => items.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let base64 = asked.body.get("encoding_format").and_then(Value::as_str) == Some("base64");
    let rows: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let numbers = vector(&text.to_string(), asked.body.get("dimensions").and_then(Value::as_u64));
            let embedding = if base64 { Value::from(in_base64(&numbers)) } else { json!(numbers) };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let tokens = asked.input_tokens;
    json!({"object": "list", "data": rows, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
}

pub(crate) fn vector(text: &str, length: Option<u64>) -> Vec<f32> {
    let mut state: u32 = 0x811c_9dc5;
    for byte in text.bytes() {
        state = (state ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let number = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).unwrap_or(0)) / 32_768.0 - 1.0
    };
    (0..length.unwrap_or(8).min(4_096)).map(number).collect()
}

/// Little-endian floats in base64, which the official SDKs ask for by default.
fn in_base64(numbers: &[f32]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0_u8; 3];
        three[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_known_floats() {
        assert_eq!(in_base64(&[1.0]), "AACAPw==");
        assert_eq!(in_base64(&[1.0, -2.0, 0.5]), "AACAPwAAAMAAAAA/");
        assert_eq!(in_base64(&[1.0, -2.0]), "AACAPwAAAMA=");
    }
}
