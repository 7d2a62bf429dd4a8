//! The bytes of one upstream's stream as whole events.

use bytes::Bytes;
use pilotlight_wire::sse::{Frame, Framer};

use crate::attempt::explain;

/// A stream of events from an upstream. Dropping it closes the connection.
pub struct Source {
    response: reqwest::Response,
    framer: Framer,
    ended: bool,
}

/// How a stream went wrong below the level of its events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The connection broke, or ended within an event.
    Cut(String),
    /// It is no stream of events.
    Malformed(String),
}

impl Source {
    /// The stream of this answer.
    pub fn new(response: reqwest::Response) -> Self {
        Self { response, framer: Framer::default(), ended: false }
    }

    /// The next event that has come already.
    ///
    /// # Errors
    /// When the event is too large.
    pub fn come(&mut self) -> Result<Option<Frame>, Broken> {
        self.framer.next_frame().map_err(|error| Broken::Malformed(error.to_string()))
    }

    /// Waits for more bytes. False at the end of the stream.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn fill(&mut self) -> Result<bool, Broken> {
        if self.ended {
            return Ok(false);
        }
        match self.response.chunk().await {
            Ok(Some(bytes)) => self.framer.push(&bytes),
            Ok(None) => self.ended = true,
            Err(error) => {
                self.ended = true;
                return Err(Broken::Cut(explain(error)));
            }
        }
        Ok(!self.ended)
    }

    /// The bytes that have come and are no whole event yet.
    pub fn pending(&self) -> &[u8] {
        self.framer.pending()
    }

    /// What stands at the end of the stream without the blank line that makes it an event. Some servers leave that
    /// line out; it is put in, so that nothing of ours is taken for a part of it.
    pub fn rest(&mut self) -> Option<Frame> {
        let mut frame = std::mem::take(&mut self.framer).finish()?;
        frame.data.as_ref()?;
        frame.raw = Bytes::from([frame.raw.as_ref(), b"\n\n"].concat());
        Some(frame)
    }
}
