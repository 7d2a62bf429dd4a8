//! The bodies of requests: read whole before anything is asked, since the model's name may stand at their end. One may
//! have [`LARGEST_REQUEST`], and all that are held together a multiple of it: who waits in a queue or for a cold model
//! waits with its body in memory. Knows nothing of what stands in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use pilotlight_wire::error::{ApiError, ErrorKind};

/// The largest request: images in a long conversation are several megabytes each.
pub const LARGEST_REQUEST: usize = 64 * MB;

/// What all together may have: an agent's long conversation a thousand times over.
const MOST_TOGETHER: usize = 16 * LARGEST_REQUEST;

/// A body no larger than this is not counted: so many of them as may be served and wait are little.
const SMALL: usize = 64 * 1024;

/// How long a body may pause.
const BODY_IDLE: Duration = Duration::from_secs(30);

const MB: usize = 1024 * 1024;

/// All bodies that are held.
pub struct Bodies {
    held: Arc<AtomicUsize>,
    most: usize,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { held: Arc::default(), most: MOST_TOGETHER }
    }
}

impl Bodies {
    /// The whole body of a request. It counts as held until the last copy of what is given back goes.
    ///
    /// # Errors
    /// When it is too large, does not come whole, or stops coming; or when too much is held already.
    pub async fn whole(&self, body: Body) -> Result<Bytes, ApiError> {
        // What `Content-Length` tells.
        if body.size_hint().lower() > LARGEST_REQUEST as u64 {
            return Err(too_large());
        }
        let mut body = Limited::new(body, LARGEST_REQUEST);
        let mut share = Share { held: self.held.clone(), size: 0 };
        let mut bytes = BytesMut::new();
        loop {
            let frame = match tokio::time::timeout(BODY_IDLE, body.frame()).await {
                Err(_) => return Err(broken("the request's body stopped coming")),
                Ok(None) => return Ok(share.of(bytes.freeze())),
                Ok(Some(Err(error))) if error.is::<LengthLimitError>() => return Err(too_large()),
                Ok(Some(Err(_))) => return Err(broken("the request's body did not come whole")),
                Ok(Some(Ok(frame))) => frame,
            };
            if let Ok(data) = frame.into_data() {
                if bytes.len() + data.len() > SMALL && !share.grow(data.len(), self.most) {
                    return Err(too_much_together(self.most));
                }
                // Most bodies come in one piece, which needs no copy.
                if bytes.is_empty() && body.is_end_stream() {
                    return Ok(share.of(data));
                }
                bytes.extend_from_slice(&data);
            }
        }
    }
}

/// What one body has of what may be held.
struct Share {
    held: Arc<AtomicUsize>,
    size: usize,
}

impl Share {
    /// Whether there is room for so much more.
    fn grow(&mut self, more: usize, most: usize) -> bool {
        self.size += more;
        self.held.fetch_add(more, Ordering::Relaxed) + more <= most
    }

    /// These bytes, which give it back when they go.
    fn of(self, bytes: Bytes) -> Bytes {
        if self.size == 0 { bytes } else { Bytes::from_owner(Counted { bytes, _share: self }) }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.held.fetch_sub(self.size, Ordering::Relaxed);
    }
}

struct Counted {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn too_large() -> ApiError {
    let message = format!("the request's body is larger than {} MB", LARGEST_REQUEST / MB);
    ApiError::new(ErrorKind::TooLarge, "request_too_large", message)
}

fn broken(message: &'static str) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, "invalid_body", message)
}

fn too_much_together(most: usize) -> ApiError {
    let message = format!(
        "the bodies of the requests that are being served or wait have {} MB together, which is the most that is held \
         at once: ask again in a moment",
        most / MB
    );
    ApiError::new(ErrorKind::Unavailable, "too_many_requests", message).after(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use futures::stream;

    use super::*;

    fn of(frames: usize, size: usize) -> Body {
        let frame = Bytes::from(vec![b' '; size]);
        Body::from_stream(stream::iter((0..frames).map(move |_| Ok::<_, std::io::Error>(frame.clone()))))
    }

    #[tokio::test]
    async fn all_together_have_a_limit_and_what_goes_makes_room() {
        let bodies = Bodies { most: MB, ..Bodies::default() };
        let first = bodies.whole(of(6, 100_000)).await.unwrap();
        assert_eq!(first.len(), 600_000);
        let copy = first.clone();
        let refused = bodies.whole(of(6, 100_000)).await.unwrap_err();
        assert_eq!((refused.kind.status(), refused.code.as_ref()), (503, "too_many_requests"));
        assert!(refused.message.contains("1 MB together"), "{}", refused.message);
        drop(first);
        assert!(bodies.whole(of(1, 600_000)).await.is_err(), "a copy holds it still");
        drop(copy);
        assert_eq!(bodies.whole(of(1, 600_000)).await.unwrap().len(), 600_000);
        assert_eq!(bodies.held.load(Ordering::Relaxed), 0, "what was refused or dropped is given back");
    }

    #[tokio::test]
    async fn small_ones_are_always_read() {
        let bodies = Bodies { most: 0, ..Bodies::default() };
        assert_eq!(bodies.whole(of(4, 16_000)).await.unwrap().len(), 64_000);
        assert!(bodies.whole(of(5, 16_000)).await.is_err());
    }
}
