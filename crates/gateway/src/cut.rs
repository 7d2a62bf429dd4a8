//! Connections to upstreams that can be cut. hyper ends one whose request was given up by itself, but sends first what
//! it has taken of the body; to a server that hangs and reads nothing it never can, and the connection would stay, with
//! the body in memory. So a request that is dropped before its answer cuts its connection.
//!
//! Must not know: what is sent.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use http::{Extensions, Request};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{CaptureConnection, Connected, Connection, capture_connection};
use tokio_util::sync::CancellationToken;
use tower::Service;

/// A connector whose connections can be cut.
#[derive(Clone, Debug)]
pub struct Cuttable<S>(pub S);

impl<S, R> Service<R> for Cuttable<S>
where
    S: Service<R>,
    S::Response: 'static,
    S::Future: Send + 'static,
{
    type Response = Line<S::Response>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Line<S::Response>, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.0.call(request).map_ok(Line::of).boxed()
    }
}

/// One connection.
pub struct Line<T> {
    io: T,
    end: End,
    ended: BoxFuture<'static, ()>,
}

/// What cuts it.
#[derive(Clone)]
struct End(CancellationToken);

impl<T> Line<T> {
    fn of(io: T) -> Self {
        let token = CancellationToken::new();
        Self { io, ended: token.clone().cancelled_owned().boxed(), end: End(token) }
    }

    /// What is asked of the connection, unless it was cut.
    fn unless_cut<A>(&mut self, asked: Poll<io::Result<A>>, context: &mut Context<'_>) -> Poll<io::Result<A>> {
        if asked.is_ready() && !self.end.0.is_cancelled() {
            return asked;
        }
        ready!(self.ended.poll_unpin(context));
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl<T: Connection> Connection for Line<T> {
    fn connected(&self) -> Connected {
        self.io.connected().extra(self.end.clone())
    }
}

impl<T: Read + Unpin> Read for Line<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: Write + Unpin> Write for Line<T> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.unless_cut(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(context, slices);
        self.unless_cut(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(context);
        self.unless_cut(flushed, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Cuts the connection of a request when it is dropped, unless that was answered. It has to be dropped before the
/// request is, which may give the connection to another one.
pub struct Cut(Option<CaptureConnection>);

impl Cut {
    /// For a request that is about to be sent.
    pub fn of<B>(request: &mut Request<B>) -> Self {
        Self(Some(capture_connection(request)))
    }

    /// From here on the connection ends with the answer.
    pub fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        let Some(captured) = self.0.take() else { return };
        let mut extras = Extensions::new();
        if let Some(connected) = captured.connection_metadata().as_ref() {
            connected.get_extras(&mut extras);
        }
        if let Some(End(token)) = extras.get() {
            token.cancel();
        }
    }
}
