//! The pooled connections to upstreams: a request goes out over one, and its answer's body comes back.
//!
//! Must not know: what a request or an answer means.

use std::io;
use std::pin::{Pin, pin};
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{self, Error as PlainError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use pilotlight_wire::Location;
use tokio::time::Instant;
use tower::Layer;
use url::Url;

use crate::code::Code;
use crate::connects::{Connects, Counted};
use crate::cut::{Cut, Cuttable};
use crate::routes::Target;
use crate::timing::Timing;
use crate::upstream::is_loopback;
use crate::verdict::Miss;

/// A connection that lies idle for longer is not used again: local servers close theirs after 5 s (Node's default),
/// and a request that meets the closing would look like a failure of the upstream.
const IDLE_LOCAL: Duration = Duration::from_secs(4);

/// A connection that was closed while it lay idle breaks within this. What breaks later had been read.
const AT_ONCE: Duration = Duration::from_secs(1);

/// The shared connection pools. Each is made at its first use: certificates take memory and time, and who has only
/// local models over plain HTTP needs none.
#[derive(Default)]
pub struct Clients {
    connects: Connects,
    plain: OnceLock<Client>,
    local: OnceLock<Result<Client, String>>,
    hosted: OnceLock<Result<Client, String>>,
}

/// The pool of one kind of upstreams.
enum Client {
    /// Without TLS, proxies or passwords in an address: what most local servers need, in less processor time.
    Plain(Box<legacy::Client<Cuttable<Counted<HttpConnector>>, Full<Bytes>>>),
    Full(reqwest::Client),
}

/// A `POST` to an upstream.
pub struct Post {
    /// Where to.
    pub url: Url,
    /// All its headers, but those of the connection.
    pub headers: HeaderMap,
    /// JSON.
    pub body: Bytes,
}

/// An answer whose body comes piece by piece. Dropping it closes the connection.
pub type Answered = Response<AnswerBody>;

/// What comes back.
pub enum AnswerBody {
    Plain(Incoming),
    Full(reqwest::Body),
}

/// Why there was no answer.
pub struct SendError {
    code: Code,
    detail: String,
}

impl Clients {
    /// Sends a request to this target; once more where the first went out on an idle connection that broke at once.
    ///
    /// # Errors
    /// When TLS cannot be set up on this machine, the request cannot be sent, or the connection breaks before an answer.
    pub async fn post(&self, target: &Target, timing: &Timing, post: &Post) -> Result<Answered, Miss> {
        let client = self.of(target, timing).map_err(|why| Miss::new(Code::Status, why))?;
        let (before, begun) = (self.connects.count(), Instant::now());
        let sent = match client.post(post).await {
            // With no connection begun meanwhile, this one had lain idle, and the other end may have closed it just
            // then, without having read the request.
            Err(error) if error.code == Code::Cut && self.connects.count() == before && begun.elapsed() < AT_ONCE => {
                tracing::debug!("an idle connection was closed at the other end: sent once more");
                client.post(post).await
            }
            sent => sent,
        };
        sent.map_err(Miss::from)
    }

    fn of(&self, target: &Target, timing: &Timing) -> Result<&Client, String> {
        let builder = || {
            // A redirect would carry the key and the request to another host.
            let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).tcp_nodelay(true);
            builder.connector_layer(self.connects.clone())
        };
        // A proxy for the internet does not know the user's own machines.
        let near = || builder().no_proxy().connect_timeout(timing.connect_local).pool_idle_timeout(IDLE_LOCAL);
        let far = || builder().connect_timeout(timing.connect_hosted);
        let (url, is_near) = (&target.base_url, target.location == Location::Local || is_loopback(&target.base_url));
        let is_plain = url.scheme() == "http" && url.username().is_empty() && url.password().is_none();
        let client = match (is_near, is_plain) {
            (true, true) => return Ok(self.plain.get_or_init(|| plain(timing, &self.connects))),
            (true, false) => self.local.get_or_init(|| full(near())),
            (false, _) => self.hosted.get_or_init(|| full(far())),
        };
        client.as_ref().map_err(Clone::clone)
    }
}

fn plain(timing: &Timing, connects: &Connects) -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(timing.connect_local));
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_LOCAL);
    Client::Plain(Box::new(builder.build(Cuttable(connects.layer(connector)))))
}

fn full(builder: reqwest::ClientBuilder) -> Result<Client, String> {
    builder.build().map(Client::Full).map_err(|error| error.to_string())
}

impl Client {
    async fn post(&self, post: &Post) -> Result<Answered, SendError> {
        match self {
            Self::Plain(client) => {
                let mut request = Request::post(post.url.as_str()).body(Full::new(post.body.clone()))?;
                *request.headers_mut() = post.headers.clone();
                let cut = Cut::of(&mut request);
                let mut sent = pin!(client.request(request));
                // Behind what it cuts, and so dropped before it.
                let cut = cut;
                let answer = sent.as_mut().await?;
                cut.answered();
                Ok(answer.map(AnswerBody::Plain))
            }
            Self::Full(client) => {
                let request = client.post(post.url.clone()).headers(post.headers.clone()).body(post.body.clone());
                Ok(Response::from(request.send().await?).map(AnswerBody::Full))
            }
        }
    }
}

impl AnswerBody {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// When the connection breaks: how, in words.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        while let Some(frame) = self.frame().await {
            if let Ok(bytes) = frame?.into_data() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = String;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, String>>> {
        match self.get_mut() {
            Self::Plain(body) => Pin::new(body).poll_frame(context).map_err(|error| innermost(&error)),
            Self::Full(body) => Pin::new(body).poll_frame(context).map_err(|error| innermost(&error.without_url())),
        }
    }
}

impl From<SendError> for Miss {
    fn from(error: SendError) -> Self {
        let what = match error.code {
            Code::Timeout => "no connection in time",
            Code::Refused => "no connection",
            _ => "the connection ended before an answer",
        };
        Self::new(error.code, format!("{what}: {}", error.detail))
    }
}

impl From<http::Error> for SendError {
    fn from(error: http::Error) -> Self {
        Self { code: Code::Refused, detail: error.to_string() }
    }
}

impl From<PlainError> for SendError {
    fn from(error: PlainError) -> Self {
        let code = match (error.is_connect(), is_timeout(&error)) {
            (true, true) => Code::Timeout,
            (true, false) => Code::Refused,
            (false, _) => Code::Cut,
        };
        Self { code, detail: innermost(&error) }
    }
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        let code = match (error.is_timeout(), error.is_connect()) {
            (true, _) => Code::Timeout,
            (false, true) => Code::Refused,
            (false, false) => Code::Cut,
        };
        // Its address may hold a key in its query.
        Self { code, detail: innermost(&error.without_url()) }
    }
}

fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_one = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(is_one) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The innermost cause of an error, in its own words.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::fixture::target;

    #[tokio::test]
    async fn a_request_that_is_given_up_leaves_no_connection_to_a_server_that_reads_nothing() {
        let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/v1", hanging.local_addr().unwrap())).unwrap();
        // More than the system takes for both ends.
        let body = Bytes::from(vec![b' '; 48 * 1024 * 1024]);
        let post = Post { url, headers: HeaderMap::new(), body: body.clone() };
        let (clients, timing) = (Clients::default(), Timing::default());
        let target = target("lmstudio/m");
        let asked = clients.post(&target, &timing, &post);
        let (mut stream, _) = tokio::select! {
            _ = asked => panic!("nobody answers"),
            accepted = async {
                let accepted = hanging.accept().await.unwrap();
                accepted.0.readable().await.unwrap();
                // Until both ends are full.
                tokio::time::sleep(Duration::from_millis(300)).await;
                accepted
            } => accepted,
        };
        drop(post);
        let mut got = 0;
        let mut buffer = vec![0; 1024 * 1024];
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            got += read;
        }
        assert!(got < body.len(), "all of it was sent");
        tokio::time::timeout(Duration::from_secs(10), async {
            while !body.is_unique() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
    }
}
