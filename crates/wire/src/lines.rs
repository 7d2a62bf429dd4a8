//! JSON lines, cut out of a stream of bytes one whole line at a time: the framing of Ollama's own API.
//!
//! Each line becomes a [`Frame`] without a name, so that whoever reads server-sent events reads these as well.

use bytes::{Bytes, BytesMut};

use crate::sse::{Frame, LARGEST_EVENT, TooLarge};

/// Cuts whole lines out of bytes that come in pieces of any size.
#[derive(Debug)]
pub struct LineFramer {
    buffer: BytesMut,
    /// Up to here the buffer holds no end of a line.
    scanned: usize,
    largest: usize,
}

impl Default for LineFramer {
    fn default() -> Self {
        Self::new(LARGEST_EVENT)
    }
}

impl LineFramer {
    /// A framer that gives up on lines of more than `largest` bytes.
    #[must_use]
    pub fn new(largest: usize) -> Self {
        Self { buffer: BytesMut::new(), scanned: 0, largest }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line that is not blank, if there is one.
    ///
    /// # Errors
    /// When the line under way is too large; nothing more will come then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, TooLarge> {
        loop {
            let rest = self.buffer.get(self.scanned..).unwrap_or_default();
            let Some(at) = rest.iter().position(|byte| *byte == b'\n') else {
                self.scanned = self.buffer.len();
                return if self.buffer.len() > self.largest { Err(TooLarge(self.largest)) } else { Ok(None) };
            };
            let end = self.scanned + at + 1;
            if end > self.largest {
                return Err(TooLarge(self.largest));
            }
            self.scanned = 0;
            if let Some(frame) = frame(self.buffer.split_to(end).freeze()) {
                return Ok(Some(frame));
            }
        }
    }

    /// Whether bytes of a line that has not ended are held.
    #[must_use]
    pub fn is_within_line(&self) -> bool {
        !self.buffer.trim_ascii().is_empty()
    }

    /// What stands at the end without a line feed: a server may leave the last one out.
    #[must_use]
    pub fn finish(self) -> Option<Frame> {
        frame(self.buffer.freeze())
    }
}

/// A line as a frame; none for a blank one.
fn frame(raw: Bytes) -> Option<Frame> {
    let text = raw.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&raw).trim_ascii();
    let data = (!text.is_empty()).then(|| raw.slice_ref(text))?;
    Some(Frame { raw, name: None, data: Some(data) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use proptest::prelude::*;

    fn lines<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
        let mut framer = LineFramer::default();
        let mut out = Vec::new();
        for piece in pieces {
            framer.push(piece);
            while let Some(frame) = framer.next_frame().unwrap() {
                out.push(frame.data.unwrap().to_vec());
            }
        }
        out.extend(framer.finish().map(|frame| frame.data.unwrap().to_vec()));
        out
    }

    #[test]
    fn lines_whole_and_without_blanks() {
        let text: &[u8] = b"\xEF\xBB\xBF{\"a\":1}\r\n\n \n{\"b\":2}\n{\"c\"";
        let expected: [&[u8]; 3] = [b"{\"a\":1}", b"{\"b\":2}", b"{\"c\""];
        for at in 0..text.len() {
            assert_eq!(lines([&text[..at], &text[at..]]), expected, "at {at}");
        }
        let mut framer = LineFramer::default();
        framer.push(b" \r\n ");
        assert_eq!(framer.next_frame(), Ok(None));
        assert!(!framer.is_within_line());
        framer.push(b"{");
        assert!(framer.is_within_line());
    }

    #[test]
    fn no_line_is_too_large_for_the_memory() {
        let mut framer = LineFramer::new(4);
        framer.push(b"1234");
        assert_eq!(framer.next_frame(), Ok(None));
        framer.push(b"5");
        assert_eq!(framer.next_frame(), Err(TooLarge(4)));
        let mut framer = LineFramer::new(4);
        framer.push(b"123456\n");
        assert_eq!(framer.next_frame(), Err(TooLarge(4)));
    }

    proptest! {
        #[test]
        fn every_split_gives_the_same(text in prop::collection::vec(prop::sample::select(b"ab \r\n\xc3".to_vec()), 0..40), at in any::<prop::sample::Index>()) {
            let at = at.index(text.len() + 1);
            prop_assert_eq!(lines([&text[..at], &text[at..]]), lines([text.as_slice()]));
        }
    }
}
