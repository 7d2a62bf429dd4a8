//! A count of the connections that are begun to upstreams.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use tower::{Layer, Service};

/// Counts the connections that are begun. A cheap clone that counts on.
#[derive(Clone, Debug, Default)]
pub struct Connects(Arc<AtomicU64>);

impl Connects {
    /// How many were begun so far, to whomever.
    pub fn count(&self) -> u64 {
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
