//! Server-sent events, cut out of a stream of bytes one whole event at a time.
//!
//! Each frame keeps the bytes it came in, so that an event can be passed on as it was, and only whole. Follows the
//! HTML Living Standard, section 9.2.6: lines end in LF, CR or CRLF, a leading byte order mark is skipped, `data`
//! lines are joined by LF, an event without data is none.

use bytes::{Buf, Bytes, BytesMut};

/// The size of one event above which a stream is given up: well over the 10 MB that images need as base64.
pub const LARGEST_EVENT: usize = 32 * 1024 * 1024;

/// One event, or what stands in its place: comments and fields up to a blank line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its bytes, with the blank line that ends it.
    pub raw: Bytes,
    /// The `event` field.
    pub name: Option<Bytes>,
    /// The `data` fields, joined by LF. None where there was no such field, as in a comment.
    pub data: Option<Bytes>,
}

impl Frame {
    /// The `event` field as text; empty where there is none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Whether a reader of the stream would see an event at all: comments and empty data are none.
    #[must_use]
    pub fn is_event(&self) -> bool {
        self.data.as_ref().is_some_and(|data| !data.is_empty())
    }

    fn read(raw: Bytes, first: bool) -> Self {
        let (mut name, mut data) = (None, None::<Bytes>);
        let mut joined: Option<BytesMut> = None;
        let mut rest = raw.slice(if first && raw.starts_with(BOM) { BOM.len() } else { 0 }..);
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(rest.len());
            let line = rest.split_to(end);
            rest.advance(match rest.as_ref() {
                [b'\r', b'\n', ..] => 2,
                [] => 0,
                _ => 1,
            });
            let (field, value) = match line.iter().position(|byte| *byte == b':') {
                // A comment, or a blank line.
                Some(0) => continue,
                Some(colon) => {
                    let after = colon + 1;
                    let skip = usize::from(line.get(after) == Some(&b' '));
                    (line.slice(..colon), line.slice(after + skip..))
                }
                None => (line, Bytes::new()),
            };
            match field.as_ref() {
                b"event" => name = Some(value),
                b"data" => match (&mut joined, &data) {
                    (Some(joined), _) => {
                        joined.extend_from_slice(b"\n");
                        joined.extend_from_slice(&value);
                    }
                    (None, Some(first)) => {
                        let mut both = BytesMut::with_capacity(first.len() + value.len() + 1);
                        both.extend_from_slice(first);
                        both.extend_from_slice(b"\n");
                        both.extend_from_slice(&value);
                        joined = Some(both);
                    }
                    (None, None) => data = Some(value),
                },
                _ => {}
            }
        }
        Self { raw, name, data: joined.map(BytesMut::freeze).or(data) }
    }
}

const BOM: &[u8] = b"\xEF\xBB\xBF";

/// An event that is larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {0} bytes")]
pub struct TooLarge(pub usize);

/// Cuts whole events out of bytes that come in pieces of any size.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    /// Up to here the buffer holds no end of an event.
    scanned: usize,
    /// Whether the line under way has a byte in it.
    in_line: bool,
    /// Whether the last byte seen was a CR, to which an LF would belong.
    after_cr: bool,
    /// Whether a line of the event under way has had a byte in it.
    has_fields: bool,
    /// Whether nothing was cut out yet: only there may a byte order mark stand.
    first: bool,
    largest: usize,
}

impl Default for Framer {
    fn default() -> Self {
        Self::new(LARGEST_EVENT)
    }
}

impl Framer {
    /// A framer that gives up on events of more than `largest` bytes.
    #[must_use]
    pub fn new(largest: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            in_line: false,
            after_cr: false,
            has_fields: false,
            first: true,
            largest,
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole event, if there is one. Blank lines between events belong to the event after them.
    ///
    /// # Errors
    /// When the event under way is too large; nothing more will come then.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, TooLarge> {
        let Some(end) = self.find_end() else {
            return if self.buffer.len() > self.largest { Err(TooLarge(self.largest)) } else { Ok(None) };
        };
        if end > self.largest {
            return Err(TooLarge(self.largest));
        }
        let raw = self.buffer.split_to(end).freeze();
        self.scanned = 0;
        self.has_fields = false;
        Ok(Some(Frame::read(raw, std::mem::take(&mut self.first))))
    }

    /// Whether bytes of an event that has not ended are held.
    #[must_use]
    pub fn is_within_event(&self) -> bool {
        // Blank lines begin no event, and an LF may be the second half of the CRLF that ended the last one.
        self.buffer.iter().any(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// The bytes held, which are no whole event: for a look at what a stream begins with.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.buffer
    }

    /// What stands at the end of a stream without the blank line that would make it an event. A strict reader drops
    /// it; some servers leave the last blank line out, so the caller decides by what it says.
    #[must_use]
    pub fn finish(self) -> Option<Frame> {
        self.is_within_event().then(|| Frame::read(self.buffer.freeze(), self.first))
    }

    fn find_end(&mut self) -> Option<usize> {
        while let Some(byte) = self.buffer.get(self.scanned).copied() {
            self.scanned += 1;
            match byte {
                b'\n' if self.after_cr => {
                    // The second half of a CRLF. It ends nothing by itself.
                    self.after_cr = false;
                }
                b'\r' | b'\n' => {
                    let blank = !self.in_line;
                    self.in_line = false;
                    self.after_cr = byte == b'\r';
                    // Blank lines at the very start end no event: they only come before one.
                    if blank && self.has_fields {
                        if byte == b'\r' && self.buffer.get(self.scanned) == Some(&b'\n') {
                            self.scanned += 1;
                            self.after_cr = false;
                        }
                        return Some(self.scanned);
                    }
                }
                _ => {
                    self.in_line = true;
                    self.has_fields = true;
                    self.after_cr = false;
                }
            }
        }
        None
    }
}
