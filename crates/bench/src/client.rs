//! The client: one connection that asks one thing after the other, and notes when what came.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::mock::{STAMP, now};

/// A request, ready to be sent often.
#[derive(Clone)]
pub struct Ask {
    /// The path.
    pub path: &'static str,
    /// Beside host and content type.
    pub headers: HeaderMap,
    /// JSON.
    pub body: Bytes,
    /// Whether the answer is a stream, whose events have times in them.
    pub streams: bool,
}

/// An event with a time in its text.
#[derive(Clone, Copy)]
pub struct Seen {
    /// When it was written, in microseconds since 1970.
    pub sent: u64,
    /// When it was read here.
    pub came: u64,
}

/// An answer.
pub struct Answer {
    /// From the request to the last byte, in microseconds.
    pub took: u64,
    /// When the request was sent, in microseconds since 1970.
    pub asked: u64,
    /// The events, in order.
    pub events: Vec<Seen>,
}

/// A connection that is kept.
pub struct Connection {
    host: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors come back from the requests.
        tokio::spawn(connection);
        Ok(Self { host: address.to_string(), sender })
    }

    /// Asks, and reads the whole answer.
    ///
    /// # Errors
    /// When the answer is not what was asked for: a measure of wrong answers is worth nothing.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Answer> {
        let mut request = Request::post(ask.path).body(Full::new(ask.body.clone()))?;
        let headers = request.headers_mut();
        headers.extend(ask.headers.clone());
        headers.insert(header::HOST, self.host.parse()?);
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
        self.sender.ready().await?;
        let asked = now();
        let mut answer = self.sender.send_request(request).await?;
        let mut stamps = Stamps::default();
        let (mut bytes, mut start) = (0, Vec::new());
        while let Some(frame) = answer.frame().await {
            if let Ok(data) = frame?.into_data() {
                bytes += data.len();
                if ask.streams {
                    stamps.read(&data, now());
                }
                if start.len() < 300 {
                    start.extend_from_slice(&data);
                }
            }
        }
        let took = now() - asked;
        let wrong = if ask.streams { stamps.seen.is_empty() } else { bytes < 100 };
        if !answer.status().is_success() || wrong {
            bail!("{} of {}: {} {}", ask.path, self.host, answer.status(), String::from_utf8_lossy(&start));
        }
        Ok(Answer { took, asked, events: stamps.seen })
    }
}

/// Finds the times in a stream, wherever it is cut.
#[derive(Default)]
struct Stamps {
    seen: Vec<Seen>,
    under_way: Option<(u32, u64)>,
}

impl Stamps {
    const DIGITS: u32 = 16;

    fn read(&mut self, bytes: &[u8], came: u64) {
        for byte in bytes {
            self.under_way = match (byte, self.under_way) {
                (&STAMP, _) => Some((0, 0)),
                (b'0'..=b'9', Some((digits, sent))) => {
                    let (digits, sent) = (digits + 1, sent * 10 + u64::from(byte - b'0'));
                    if digits == Self::DIGITS {
                        self.seen.push(Seen { sent, came });
                        None
                    } else {
                        Some((digits, sent))
                    }
                }
                _ => None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_time_wherever_the_stream_is_cut() {
        let text =
            format!("data: \" @{}\"\n\ndata: @12 \" @{}\"", 1_700_000_000_000_001_u64, 1_700_000_000_000_002_u64);
        for cut in 0..text.len() {
            let mut stamps = Stamps::default();
            stamps.read(&text.as_bytes()[..cut], 1);
            stamps.read(&text.as_bytes()[cut..], 2);
            let sent: Vec<_> = stamps.seen.iter().map(|seen| seen.sent).collect();
            assert_eq!(sent, [1_700_000_000_000_001, 1_700_000_000_000_002], "cut at {cut}");
        }
    }
}
