//! Whether a request went out on a connection that had lain idle: such a one may have been closed at the other end just
//! then, and the request never been read. It is then sent once more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;
use tower::{Layer, Service};

/// A connection that was closed while it lay idle breaks within this. What breaks later had been read.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Counts the connections that are begun.
#[derive(Clone, Debug, Default)]
pub struct Connects(Arc<AtomicU64>);

impl Connects {
    /// Sends a request; once more where the first went out on an idle connection that broke at once.
    ///
    /// # Errors
    /// When it cannot be sent, or the connection breaks before an answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, reqwest::Error> {
        let again = request.try_clone();
        let (before, begun) = (self.count(), Instant::now());
        match (request.send().await, again) {
            (Err(error), Some(again))
                if !error.is_connect()
                    && !error.is_timeout()
                    // With no connection begun meanwhile, by whomever, this one was an idle one.
                    && self.count() == before
                    && begun.elapsed() < AT_ONCE =>
            {
                tracing::debug!("an idle connection was closed at the other end: sent once more");
                again.send().await
            }
            (sent, _) => sent,
        }
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Layer<S> for Connects {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, connects: self.clone() }
    }
}

/// A connector whose connections are counted.
#[derive(Clone, Debug)]
pub struct Counted<S> {
    inner: S,
    connects: Connects,
}

impl<S: Service<R>, R> Service<R> for Counted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.connects.0.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}
