//! The bytes of one upstream's stream as whole events in the client's API: as they came, or translated on the way.

use bytes::Bytes;
use pilotlight_wire::lines::LineFramer;
use pilotlight_wire::sse::{Frame, Framer};
use pilotlight_wire::translate::stream::StreamTranslator;
use pilotlight_wire::translate::{Asked, Event, Names, Opening};
use pilotlight_wire::{ClientApi, UpstreamApi, Usage};

use crate::answered_by::of_frame;
use crate::clients::AnswerBody;

/// A stream of events from an upstream. Dropping it closes the connection.
pub struct Source {
    answer: AnswerBody,
    inlet: Inlet,
    ended: bool,
}

enum Inlet {
    Straight(Framer),
    Across(Box<Across>),
}

struct Across {
    /// The model that the upstream says answers.
    model: Option<String>,
    names: Names,
    upstream: Cut,
    translator: StreamTranslator,
    client: Framer,
}

/// What cuts an upstream's bytes into events.
enum Cut {
    Events(Framer),
    /// One JSON value a line, as Ollama streams.
    Lines(LineFramer),
}

/// How a stream went wrong below the level of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The connection broke, or ended within an event.
    Cut(String),
    /// It is no stream of events.
    Malformed(String),
}

fn malformed(error: impl std::fmt::Display) -> Broken {
    Broken::Malformed(error.to_string())
}

impl Source {
    /// The stream of this answer, as it comes.
    pub fn straight(answer: AnswerBody) -> Self {
        Self { answer, inlet: Inlet::Straight(Framer::default()), ended: false }
    }

    /// The stream of this answer, translated.
    pub fn across(answer: AnswerBody, asked: &Asked, api: ClientApi, opening: Opening) -> Self {
        let upstream = match asked.api {
            UpstreamApi::Ollama => Cut::Lines(LineFramer::default()),
            _ => Cut::Events(Framer::default()),
        };
        let names = opening.names.clone();
        let translator = StreamTranslator::new(asked, api, opening);
        let across = Across { model: None, names, upstream, translator, client: Framer::default() };
        Self { answer, inlet: Inlet::Across(Box::new(across)), ended: false }
    }

    /// The next event that has come already.
    ///
    /// # Errors
    /// When the event is too large.
    pub fn come(&mut self) -> Result<Option<Frame>, Broken> {
        match &mut self.inlet {
            Inlet::Straight(framer) => framer.next_frame().map_err(malformed),
            Inlet::Across(across) => across.come(),
        }
    }

    /// Waits for more bytes. False at the end of the stream.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn fill(&mut self) -> Result<bool, Broken> {
        if self.ended {
            return Ok(false);
        }
        match (self.answer.chunk().await, &mut self.inlet) {
            (Ok(Some(bytes)), Inlet::Straight(framer)) => framer.push(&bytes),
            (Ok(Some(bytes)), Inlet::Across(across)) => across.upstream.push(&bytes),
            (Ok(None), inlet) => {
                self.ended = true;
                // What the translation makes of the end is still to be read.
                return Ok(match inlet {
                    Inlet::Straight(_) => false,
                    Inlet::Across(across) => {
                        across.end()?;
                        true
                    }
                });
            }
            (Err(why), _) => {
                self.ended = true;
                return Err(Broken::Cut(why));
            }
        }
        Ok(true)
    }

    /// The bytes that have come and are no whole event yet. None where a stream has no other form than such bytes.
    pub fn pending(&self) -> &[u8] {
        match &self.inlet {
            Inlet::Straight(framer) => framer.pending(),
            Inlet::Across(across) => match &across.upstream {
                Cut::Events(framer) => framer.pending(),
                Cut::Lines(_) => &[],
            },
        }
    }

    /// What stands at the end of the stream without the blank line that makes it an event. Some servers leave that
    /// line out; it is put in, so that nothing of ours is taken for a part of it.
    pub fn rest(&mut self) -> Option<Frame> {
        let Inlet::Straight(framer) = &mut self.inlet else { return None };
        let mut frame = std::mem::take(framer).finish()?;
        frame.data.as_ref()?;
        frame.raw = Bytes::from([frame.raw.as_ref(), b"\n\n"].concat());
        Some(frame)
    }

    /// The model that the upstream says answers, where the stream is translated: the client is not told.
    pub fn model(&self) -> Option<&str> {
        match &self.inlet {
            Inlet::Straight(_) => None,
            Inlet::Across(across) => across.model.as_deref(),
        }
    }

    /// The tokens that the upstream has told, where the stream is translated: its client may not have asked for them.
    pub fn usage(&self) -> Option<Usage> {
        match &self.inlet {
            Inlet::Straight(_) => None,
            Inlet::Across(across) => across.translator.usage(),
        }
    }

    /// What was said so far, where it was translated, and the tools' names in it.
    pub fn said(&self) -> Option<(&[Event], &Names)> {
        match &self.inlet {
            Inlet::Straight(_) => None,
            Inlet::Across(across) => Some((across.translator.said(), &across.names)),
        }
    }
}

impl Across {
    fn come(&mut self) -> Result<Option<Frame>, Broken> {
        loop {
            if let Some(frame) = self.client.next_frame().map_err(malformed)? {
                return Ok(Some(frame));
            }
            let Some(frame) = self.upstream.next()? else { return Ok(None) };
            self.take(&frame);
        }
    }

    fn take(&mut self, frame: &Frame) {
        if self.model.is_none() {
            self.model = of_frame(frame);
        }
        let bytes = self.translator.push(frame);
        self.client.push(&bytes);
    }

    fn end(&mut self) -> Result<(), Broken> {
        while let Some(frame) = self.upstream.next()? {
            self.take(&frame);
        }
        if let Some(frame) = self.upstream.finish() {
            self.take(&frame);
        }
        let bytes = self.translator.end();
        self.client.push(&bytes);
        Ok(())
    }
}

impl Cut {
    fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Events(framer) => framer.push(bytes),
            Self::Lines(lines) => lines.push(bytes),
        }
    }

    fn next(&mut self) -> Result<Option<Frame>, Broken> {
        match self {
            Self::Events(framer) => framer.next_frame().map_err(malformed),
            Self::Lines(lines) => lines.next_frame().map_err(malformed),
        }
    }

    fn finish(&mut self) -> Option<Frame> {
        match self {
            Self::Events(framer) => std::mem::take(framer).finish().filter(|frame| frame.data.is_some()),
            Self::Lines(lines) => std::mem::take(lines).finish(),
        }
    }
}
