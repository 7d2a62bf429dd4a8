//! Holds a stream back until it shows real content, so that its failure before that is nobody's loss.

use std::sync::Arc;

use bytes::Bytes;
use pilotlight_wire::failure::Failure;
use pilotlight_wire::signal::{Answer, Signal, StreamReader, read_body};
use pilotlight_wire::sse::Frame;
use tokio::time::Instant;

use crate::attempt::{patiently, read_pending};
use crate::code::Code;
use crate::exchange::Exchange;
use crate::routes::Target;
use crate::silence;
use crate::source::{Broken, Source};
use crate::verdict::Miss;

/// The most that is held back of a stream without content.
const LARGEST_HELD: usize = 8 * 1024 * 1024;

/// Reads a stream up to its first content, or to the end of an answer without any.
///
/// # Errors
/// When it fails, breaks, or is silent for too long.
pub async fn hold(
    exchange: &Exchange,
    target: &Arc<Target>,
    mut source: Source,
) -> Result<(Vec<Frame>, Source, StreamReader), Miss> {
    let mut reader = StreamReader::new(exchange.api);
    let mut frames: Vec<Frame> = Vec::new();
    let mut held = 0;
    let deadline = Instant::now() + exchange.timing().load;
    loop {
        if frames.is_empty() && is_unframed(source.pending()) {
            return Err(unframed(exchange, &read_pending(source).await));
        }
        while let Some(frame) = source.come().map_err(broken)? {
            let signal = reader.read(&frame);
            exchange.note(target, &frame);
            if let (true, Some(id)) = (frames.is_empty(), reader.response_id()) {
                exchange.waiting.begun(id);
            }
            held += frame.raw.len();
            frames.push(frame);
            match shows(signal, &reader)? {
                Shown::Nothing => {}
                Shown::Content => return Ok((frames, source, reader)),
                Shown::End => return silent(exchange, target, frames, source, reader),
            }
            if held > LARGEST_HELD {
                return Err(Miss::new(Code::Malformed, format!("{held} bytes without content")));
            }
        }
        if reader.is_whole() {
            // An answer without content. How many tokens it has may come last.
            match tokio::time::timeout(exchange.timing().drain, source.fill()).await {
                Ok(Ok(true)) => continue,
                _ => return silent(exchange, target, frames, source, reader),
            }
        }
        // Any byte is a sign of life: a comment every few seconds says that a long prompt is being read. But it may
        // not go on for ever.
        let patience = target.first_content.min(deadline.saturating_duration_since(Instant::now()));
        if patiently(exchange, target, patience, "no content", source.fill()).await?.map_err(broken)? {
            continue;
        }
        let leftover = Bytes::copy_from_slice(source.pending());
        let Some(frame) = source.rest() else {
            // Plain text where a stream should be: what a proxy says of an upstream that crashed.
            let plain = frames.is_empty() && !leftover.trim_ascii().is_empty();
            return Err(if plain { unframed(exchange, &leftover) } else { ended(&frames) });
        };
        let signal = reader.read(&frame);
        frames.push(frame);
        if matches!(signal, Signal::Malformed(_)) {
            return Err(Miss::new(Code::Cut, "the stream ended within an event"));
        }
        return match shows(signal, &reader)? {
            Shown::Content => Ok((frames, source, reader)),
            Shown::End => silent(exchange, target, frames, source, reader),
            Shown::Nothing if reader.is_whole() => silent(exchange, target, frames, source, reader),
            Shown::Nothing => Err(ended(&frames)),
        };
    }
}

/// What an event shows.
enum Shown {
    Content,
    /// The end of a whole answer.
    End,
    Nothing,
}

fn shows(signal: Signal, reader: &StreamReader) -> Result<Shown, Miss> {
    match signal {
        Signal::Content => Ok(Shown::Content),
        Signal::Terminal => Ok(Shown::End),
        Signal::Surplus if reader.is_whole() => Ok(Shown::End),
        Signal::Lifecycle | Signal::Surplus => Ok(Shown::Nothing),
        Signal::Error { failure, .. } => Err(Miss::told(Code::ErrorEvent, failure)),
        Signal::Malformed(what) => Err(Miss::new(Code::Malformed, what)),
    }
}

/// A whole answer without content, if it is one.
fn silent(
    exchange: &Exchange,
    target: &Target,
    frames: Vec<Frame>,
    source: Source,
    reader: StreamReader,
) -> Result<(Vec<Frame>, Source, StreamReader), Miss> {
    silence::judge(exchange, target, reader.silence(source.usage()))?;
    Ok((frames, source, reader))
}

fn ended(frames: &[Frame]) -> Miss {
    if frames.is_empty() {
        Miss::new(Code::Malformed, "an empty body where a stream was asked for")
    } else {
        Miss::new(Code::Cut, "the stream ended before content")
    }
}

/// What a broken stream means for its attempt.
pub fn broken(broken: Broken) -> Miss {
    match broken {
        Broken::Cut(why) => Miss::new(Code::Cut, format!("the stream was cut before content: {why}")),
        Broken::Malformed(why) => Miss::new(Code::Malformed, why),
    }
}

/// Whether the first bytes of a body are those of JSON or of a web page. No line of a stream begins like that.
fn is_unframed(pending: &[u8]) -> bool {
    matches!(pending.trim_ascii_start().first(), Some(b'{' | b'[' | b'<'))
}

fn unframed(exchange: &Exchange, body: &[u8]) -> Miss {
    match read_body(exchange.api, body) {
        Answer::Failed(failure) => Miss::told(Code::ErrorBody, failure),
        Answer::Whole(_) => Miss::new(Code::Malformed, "a whole answer where a stream was asked for"),
        Answer::Malformed(_) => {
            let said = Failure::read_body(body).message;
            Miss::new(Code::Malformed, format!("no stream: {said}"))
        }
    }
}
