//! The door: the one task that owns the listener, which can close and come back on the same port, and the connections
//! behind it, which can be broken. Knows nothing of what is said over them.

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::control_http;
use crate::play::Cutter;
use crate::server::{Shared, handle};

/// The longest body that is read: more than any context window holds.
const LONGEST_BODY: usize = 64 * 1024 * 1024;

/// A command to the task that owns the listener.
pub(crate) enum Door {
    Shut { lasting: Option<Duration>, done: Option<oneshot::Sender<()>> },
    Open { done: Option<oneshot::Sender<()>> },
}

/// The listener's owner.
pub(crate) async fn listen(shared: Arc<Shared>, listener: TcpListener, mut commands: mpsc::UnboundedReceiver<Door>) {
    let mut listener = Some(listener);
    // While refusing, the port stays ours without listening, so that nobody else is given it.
    let mut kept: Option<TcpSocket> = None;
    let mut idle_ends = CancellationToken::new();
    let mut reopen: Option<Instant> = None;
    loop {
        let command = tokio::select! {
            biased;
            () = shared.ended() => return,
            command = commands.recv() => command,
            () = at(reopen) => Some(Door::Open { done: None }),
            accepted = accept(listener.as_ref()) => {
                if let Ok(stream) = accepted {
                    tokio::spawn(connection(Arc::clone(&shared), stream, idle_ends.clone()));
                }
                continue;
            }
        };
        let done = match command {
            None => return,
            Some(Door::Shut { lasting, done }) => {
                shared.set_refusing(true);
                reopen = lasting.map(|d| Instant::now() + d);
                if listener.take().is_some() {
                    kept = keep(shared.address).ok();
                    std::mem::replace(&mut idle_ends, CancellationToken::new()).cancel();
                }
                done
            }
            Some(Door::Open { done }) => {
                reopen = None;
                if listener.is_none() {
                    let opened = match kept.take() {
                        Some(socket) => socket.listen(1024),
                        None => keep(shared.address).and_then(|socket| socket.listen(1024)),
                    };
                    match opened {
                        Ok(opened) => listener = Some(opened),
                        Err(error) => {
                            tracing::warn!(%error, address = %shared.address, "cannot listen again; trying on");
                            reopen = Some(Instant::now() + Duration::from_millis(50));
                        }
                    }
                }
                shared.set_refusing(listener.is_none());
                done
            }
        };
        if let Some(done) = done {
            // Whoever asked may have gone.
            let _ = done.send(());
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<TcpStream> {
    match listener {
        None => std::future::pending().await,
        Some(listener) => match listener.accept().await {
            Ok((stream, _)) => Ok(stream),
            Err(error) => {
                // Out of file descriptors, for one: without a pause this would spin.
                sleep(Duration::from_millis(10)).await;
                Err(error)
            }
        },
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        None => std::future::pending().await,
        Some(moment) => sleep_until(moment).await,
    }
}

fn keep(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// One connection, until it ends, is broken, or (idle) the listener closes.
async fn connection(shared: Arc<Shared>, stream: TcpStream, idle_ends: CancellationToken) {
    let cutter = Cutter::new(idle_ends.clone());
    // Small events are sent as they come, as the real servers do.
    let _ = stream.set_nodelay(true);
    let socket = TokioIo::new(Socket { stream, reset: Arc::clone(&cutter.reset) });
    let service = {
        let (shared, cutter) = (Arc::clone(&shared), cutter.clone());
        service_fn(move |request| handle(Arc::clone(&shared), cutter.clone(), request))
    };
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(socket, service).with_upgrades();
    tokio::pin!(connection);
    let mut closing = false;
    loop {
        tokio::select! {
            biased;
            () = cutter.now.cancelled() => return,
            () = shared.ended() => return,
            () = idle_ends.cancelled(), if !closing => {
                closing = true;
                connection.as_mut().graceful_shutdown();
            }
            // An error is a client that went away: nothing to do about it here.
            _ = connection.as_mut() => return,
        }
    }
}

pub(crate) async fn listen_for_control(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        let stream = tokio::select! {
            () = shared.ended() => return,
            accepted = accept(Some(&listener)) => accepted,
        };
        let Ok(stream) = stream else { continue };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                let shared = Arc::clone(&shared);
                async move {
                    let (parts, body) = request.into_parts();
                    let body = read(body).await;
                    Ok::<_, Infallible>(control_http::answer(&shared, &parts, &body).await)
                }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                () = shared.ended() => {}
                _ = connection => {}
            }
        });
    }
}

pub(crate) async fn read(body: Incoming) -> Bytes {
    axum::body::to_bytes(Body::new(body), LONGEST_BODY).await.unwrap_or_default()
}

/// A TCP stream that can end in a reset.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            // With no time to linger the kernel sends a reset instead of the usual end.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
