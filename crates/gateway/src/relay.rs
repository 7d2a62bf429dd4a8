//! After the commit point: whole events go to the client as they came, and an end that is none is told honestly.

use std::convert::Infallible;

use async_stream::stream;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use pilotlight_wire::ClientApi;
use pilotlight_wire::error::{ApiError, ErrorKind, Position};
use pilotlight_wire::failure::Failure;
use pilotlight_wire::heartbeat::Heart;
use pilotlight_wire::signal::{Signal, StreamReader};
use pilotlight_wire::sse::Frame;
use tokio::time::timeout;

use crate::attempt::HeldStream;
use crate::code::Code;
use crate::crossing::remember;
use crate::events::Outcome;
use crate::exchange::Exchange;
use crate::record::Record;
use crate::source::{Broken, Source};
use crate::verdict::Miss;
use std::sync::Arc;

/// How a stream stands after an event.
enum Step {
    /// It goes on.
    Open,
    /// Its last event was read: nothing of substance follows.
    Over,
    /// It failed in its own words, which the client was given.
    Told(Failure),
    /// It failed in words that its client does not understand, or in none.
    Failed(Miss),
}

/// What is written to the client, and read along the way.
struct Tap {
    reader: StreamReader,
    /// Where heartbeats were sent before: what makes the stream go on from them.
    heart: Option<Heart>,
    out: BytesMut,
}

impl Tap {
    fn write(&mut self, frame: &Frame) {
        match &mut self.heart {
            None => self.out.extend_from_slice(&frame.raw),
            Some(heart) => self.out.extend_from_slice(&heart.adopt(frame).unwrap_or_default()),
        }
    }

    fn take(&mut self, frame: &Frame) -> Step {
        match self.reader.read(frame) {
            Signal::Lifecycle | Signal::Content => {
                self.write(frame);
                Step::Open
            }
            Signal::Terminal => {
                self.write(frame);
                Step::Over
            }
            Signal::Surplus => Step::Open,
            Signal::Error { failure, own: true } => {
                self.write(frame);
                Step::Told(failure)
            }
            Signal::Error { failure, own: false } => Step::Failed(Miss::told(Code::ErrorEvent, failure)),
            Signal::Malformed(what) => Step::Failed(Miss::new(Code::Malformed, what)),
        }
    }

    /// Takes every event that has come. Stops at the first that is more than content.
    fn take_all(&mut self, source: &mut Source, seen: &impl Fn(&Frame)) -> Step {
        loop {
            match source.come() {
                Ok(Some(frame)) => {
                    seen(&frame);
                    match self.take(&frame) {
                        Step::Open => {}
                        other => return other,
                    }
                }
                Ok(None) => return Step::Open,
                Err(broken) => return Step::Failed(broke(broken)),
            }
        }
    }

    /// What stands at the end of the stream.
    fn take_rest(&mut self, source: &mut Source) -> Step {
        let step = match source.rest() {
            Some(frame) => match self.take(&frame) {
                Step::Failed(miss) if miss.code == Code::Malformed => Step::Open,
                step => step,
            },
            None => Step::Open,
        };
        match step {
            Step::Open if self.reader.is_whole() => Step::Over,
            Step::Open => Step::Failed(Miss::new(Code::Cut, "the stream ended in the middle of the answer")),
            other => other,
        }
    }

    fn flush(&mut self) -> Bytes {
        self.out.split().freeze()
    }

    fn position(&self, api: ClientApi, record: &Opening) -> Position {
        match &self.heart {
            Some(heart) if api == ClientApi::Responses => heart.position().clone(),
            _ => Position {
                response_id: self.reader.response_id().unwrap_or(&record.response_id).to_owned(),
                sequence: self.reader.next_sequence(),
                created: record.created,
                model: record.asked.clone(),
            },
        }
    }
}

fn broke(broken: Broken) -> Miss {
    match broken {
        Broken::Cut(why) => Miss::new(Code::Cut, format!("the connection broke in the middle of the answer: {why}")),
        Broken::Malformed(why) => Miss::new(Code::Malformed, why),
    }
}

/// What an error event needs where the stream itself told nothing of it.
#[derive(Clone, Debug)]
pub struct Opening {
    /// An id for a response that has none.
    pub response_id: String,
    /// Unix time in seconds.
    pub created: u64,
    /// The `model` that was asked for.
    pub asked: String,
}

/// Streams a held answer to the client. `prelude` comes before it.
pub fn relay(
    exchange: Arc<Exchange>,
    held: Box<HeldStream>,
    mut record: Record,
    heart: Option<Heart>,
    opening: Opening,
    prelude: Bytes,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    stream! {
        let HeldStream { target, frames, mut source, reader, busy, .. } = *held;
        // Only what was translated, and can be gone on from, is still needed.
        if exchange.api != ClientApi::Responses || source.said().is_none() {
            exchange.let_go();
        }
        let mut tap = Tap { reader, heart, out: BytesMut::from(prelude.as_ref()) };
        for frame in &frames {
            tap.write(frame);
        }
        drop(frames);
        // What was held has been read already; what came with it has not.
        let seen = |frame: &Frame| exchange.note(&target, frame);
        let mut step = if tap.reader.is_over() { Step::Over } else { tap.take_all(&mut source, &seen) };
        loop {
            record.progress(source.usage().or(tap.reader.usage()), tap.reader.is_whole());
            match step {
                Step::Open => {
                    let bytes = tap.flush();
                    if !bytes.is_empty() {
                        yield Ok(bytes);
                    }
                }
                Step::Over => {
                    match source.said() {
                        Some((said, names)) => remember(&exchange, said, names),
                        None => {
                            let ours = tap.heart.as_ref().map(|heart| heart.position().response_id.clone());
                            if let Some(theirs) = tap.reader.response_id() {
                                exchange.kept_by(&target, theirs, ours.as_deref());
                            }
                        }
                    }
                    // Closed before its last bytes are given away: many clients hang up as soon as they have them.
                    record.close(Outcome::Served);
                    exchange.gateway.health.completed(&target);
                    break;
                }
                Step::Told(failure) => {
                    fail(&exchange, &target, &mut record, &Miss::told(Code::ErrorEvent, failure));
                    break;
                }
                Step::Failed(miss) => {
                    let error = interrupted(&target.model.to_string(), &miss);
                    let event = error.event(exchange.api, &tap.position(exchange.api, &opening));
                    tap.out.extend_from_slice(&event);
                    fail(&exchange, &target, &mut record, &miss);
                    yield Ok(tap.flush());
                    return;
                }
            }
            let more = tokio::select! {
                biased;
                more = timeout(exchange.timing().idle, source.fill()) => more,
                () = exchange.closing.0.cancelled() => {
                    let error = stopping(&target.model.to_string());
                    let event = error.event(exchange.api, &tap.position(exchange.api, &opening));
                    tap.out.extend_from_slice(&event);
                    record.close(Outcome::Cut);
                    yield Ok(tap.flush());
                    return;
                }
            };
            step = match more {
                Ok(Ok(true)) => tap.take_all(&mut source, &seen),
                Ok(Ok(false)) => tap.take_rest(&mut source),
                Ok(Err(_)) if tap.reader.is_whole() => Step::Over,
                Ok(Err(broken)) => Step::Failed(broke(broken)),
                Err(_) if tap.reader.is_whole() => Step::Over,
                Err(_) => {
                    let seconds = exchange.timing().idle.as_secs_f64();
                    Step::Failed(Miss::new(Code::Timeout, format!("nothing more came for {seconds} s")))
                }
            };
        }
        drop(busy);
        // The answer is over. What may still follow is a closing word, and the end of the body, after which the
        // connection can be used again.
        tap.take_all(&mut source, &seen);
        let bytes = tap.flush();
        if !bytes.is_empty() {
            yield Ok(bytes);
        }
        let until = tokio::time::Instant::now() + exchange.timing().drain;
        while let Ok(Ok(more)) = tokio::time::timeout_at(until, source.fill()).await {
            if more { tap.take_all(&mut source, &seen) } else { tap.take_rest(&mut source) };
            let bytes = tap.flush();
            if !bytes.is_empty() {
                yield Ok(bytes);
            }
            if !more {
                break;
            }
        }
    }
}

fn fail(exchange: &Exchange, target: &crate::routes::Target, record: &mut Record, miss: &Miss) {
    tracing::info!(model = %target.model, code = %miss.code, detail = miss.detail, "an answer broke off");
    record.attempt(&target.model, miss.code, miss.detail.clone());
    record.close(Outcome::Cut);
    let _ = exchange.gateway.health.failed(target, miss);
    if target.managed
        && let Some(trouble) = miss.code.trouble()
    {
        exchange.gateway.local.trouble(&target.model, trouble, &miss.detail);
    }
}

/// The answer is cut by us, and by nobody's fault.
fn stopping(model: &str) -> ApiError {
    let message = format!("Pilot Light is stopping, and {model} was in the middle of its answer");
    ApiError::new(ErrorKind::Interrupted, "proxy_stopping", message)
}

fn interrupted(model: &str, miss: &Miss) -> ApiError {
    let message = format!("{model} broke off in the middle of its answer: {}", miss.detail);
    ApiError::new(ErrorKind::Interrupted, "upstream_interrupted", message)
}
