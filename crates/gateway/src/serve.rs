//! The listener's loop: accept, serve, and at the end let running streams finish.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long running streams are given when the listener stops.
const FAREWELL: Duration = Duration::from_secs(10);

/// How long they are given then to tell their clients that they are cut.
const LAST_WORD: Duration = Duration::from_millis(500);

/// After an accept failed (too many open files), how long to wait before the next.
const BREATH: Duration = Duration::from_millis(50);

/// The address that a connection came in by. [`serve`] gives it to every request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listening {
    /// The address we listen on.
    pub address: SocketAddr,
    /// The address that the client reached, which differs where we listen on all.
    pub reached: SocketAddr,
}

impl Listening {
    /// As reached at the very address listened on.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self { address, reached: address }
    }
}

/// Tells a request that the listener waits no longer for its end. [`serve`] gives it to every request.
#[derive(Clone, Debug, Default)]
pub struct Closing(pub CancellationToken);

/// Serves until `shutdown`; then accepts nothing more, gives running requests ten seconds to end, has the clients of the
/// others told that they are cut, and closes.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let address = match listener.local_addr() {
        Ok(address) => address,
        Err(error) => {
            tracing::error!(%error, "the listener has no address");
            return;
        }
    };
    let mut connections = JoinSet::new();
    let closing = Closing::default();
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                let listening = Listening { address, reached: stream.local_addr().unwrap_or(address) };
                connections.spawn(connection(stream, listening, closing.clone(), router.clone(), shutdown.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    if tokio::time::timeout(FAREWELL, all_ended(&mut connections)).await.is_err() {
        tracing::info!("requests that did not end in time are cut");
        closing.0.cancel();
        let _ = tokio::time::timeout(LAST_WORD, all_ended(&mut connections)).await;
    }
    connections.shutdown().await;
}

async fn all_ended(connections: &mut JoinSet<()>) {
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    listening: Listening,
    closing: Closing,
    router: Router,
    shutdown: CancellationToken,
) {
    // Without it, the pieces of a stream wait for acknowledgements: 40 ms each.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(listening);
        request.extensions_mut().insert(closing.clone());
        let router = router.clone();
        async move {
            Ok::<_, Infallible>(router.oneshot(request.map(Body::new)).await.unwrap_or_else(|never| match never {}))
        }
    });
    let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // A client that goes away in mid-answer ends up here: nothing is wrong with us.
        tracing::debug!(%error, "a connection ended early");
    }
}
