//! Asking a runtime over HTTP: time-outs, the key, and reading whatever comes back without trusting it.
//!
//! Must not know: what any path means.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use pilotlight_wire::Secret;
use pilotlight_wire::sse::Framer;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::Value;
use url::{Host, Url};

use super::{LoadFailure, LoadFailureKind, LookFailure};
use crate::Cause;

/// To a connection.
const CONNECT: Duration = Duration::from_secs(1);
/// To the whole of a listing.
pub(crate) const LISTING: Duration = Duration::from_secs(4);
/// Idle connections are dropped after this. Node's server, which LM Studio is, closes them after 5 s: one that is used
/// at that moment looks like a server that died.
const IDLE: Duration = Duration::from_secs(2);
/// More than this is no listing.
const LARGEST: usize = 16 << 20;

/// To a load: a large model from a slow disk takes minutes.
pub(crate) const LOAD: Duration = Duration::from_secs(15 * 60);
/// To an unload.
pub(crate) const UNLOAD: Duration = Duration::from_secs(60);

/// One address to ask.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: Client,
    root: Url,
    key: Option<Secret>,
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// `Null` where it was no JSON.
    pub(crate) body: Value,
}

impl Http {
    /// A way to ask `root`.
    ///
    /// # Errors
    /// When no client can be made, in words.
    pub(crate) fn new(root: &Url, key: Option<&Secret>) -> Result<Self, String> {
        let mut builder = Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .user_agent(concat!("pilotlight/", env!("CARGO_PKG_VERSION")));
        if root.scheme() != "https" {
            // Spares the memory of the system's certificates where none is looked at.
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| format!("no HTTP client: {}", describe(error)))?;
        Ok(Self { client, root: without_v1(root), key: key.cloned() })
    }

    /// The base URL, without `/v1`.
    pub(crate) fn root(&self) -> &Url {
        &self.root
    }

    /// The same client for another port of the same host, without the key.
    pub(crate) fn on_port(&self, port: u16) -> Option<Self> {
        let mut root = self.root.clone();
        root.set_port(Some(port)).ok()?;
        root.set_path("/");
        Some(Self { client: self.client.clone(), root, key: None })
    }

    /// The same client, with its key, for another port of the same host: only for a server that is known to be the one
    /// that the key is for.
    pub(crate) fn moved(&self, port: u16) -> Option<Self> {
        let mut root = self.root.clone();
        root.set_port(Some(port)).ok()?;
        Some(Self { root, ..self.clone() })
    }

    /// The key, where there is one.
    pub(crate) fn key(&self) -> Option<&Secret> {
        self.key.as_ref()
    }

    /// Opens a stream of server-sent events. Nothing limits how long it may be silent.
    ///
    /// # Errors
    /// When no answer came within `timeout`, or one that is no such stream.
    pub(crate) async fn events(&self, path: &str, timeout: Duration) -> Result<Events, LookFailure> {
        let request = self.authorized(self.client.get(self.address(path)))?;
        let answer = tokio::time::timeout(timeout, request.header(ACCEPT, "text/event-stream").send());
        let response = answer.await.map_err(|_| LookFailure::Silent("no answer in time".into()))?.map_err(failure)?;
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !response.status().is_success() || !kind.starts_with("text/event-stream") {
            return Err(LookFailure::Rejected(format!("HTTP {}", response.status().as_u16())));
        }
        Ok(Events { response, framer: Framer::new(LARGEST) })
    }

    /// Asks for `path`, written without a leading slash.
    ///
    /// # Errors
    /// When no answer came. An answer of any status is `Ok`.
    pub(crate) async fn get(&self, path: &str, timeout: Duration) -> Result<Reply, LookFailure> {
        self.send(self.client.get(self.address(path)), timeout).await
    }

    /// Posts JSON to `path`, written without a leading slash.
    ///
    /// # Errors
    /// When no answer came. An answer of any status is `Ok`.
    pub(crate) async fn post(&self, path: &str, body: &Value, timeout: Duration) -> Result<Reply, LookFailure> {
        self.send(self.client.post(self.address(path)).json(body), timeout).await
    }

    /// Asks for a text at `path`, written without a leading slash. Bytes that are no UTF-8 are replaced.
    ///
    /// # Errors
    /// When no answer came. An answer of any status is `Ok`.
    pub(crate) async fn get_text(&self, path: &str, timeout: Duration) -> Result<String, LookFailure> {
        let (_, bytes) = self.fetch(self.client.get(self.address(path)), timeout).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn address(&self, path: &str) -> String {
        format!("{}/{path}", self.root.as_str().trim_end_matches('/'))
    }

    fn authorized(&self, request: reqwest::RequestBuilder) -> Result<reqwest::RequestBuilder, LookFailure> {
        let Some(key) = &self.key else { return Ok(request) };
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| LookFailure::Rejected("its key holds a character that no header may hold".into()))?;
        value.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, value))
    }

    async fn send(&self, request: reqwest::RequestBuilder, timeout: Duration) -> Result<Reply, LookFailure> {
        let (status, bytes) = self.fetch(request, timeout).await?;
        Ok(Reply { status, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) })
    }

    async fn fetch(
        &self,
        request: reqwest::RequestBuilder,
        timeout: Duration,
    ) -> Result<(StatusCode, Vec<u8>), LookFailure> {
        let request = self.authorized(request)?;
        let mut response = request.timeout(timeout).send().await.map_err(failure)?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(LookFailure::Rejected(format!("its answer is longer than {} MB", LARGEST >> 20)));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((status, bytes))
    }
}

/// A stream of server-sent events.
pub(crate) struct Events {
    response: reqwest::Response,
    framer: Framer,
}

impl Events {
    /// The next event's data as JSON; none when the stream has ended, for whatever reason. What is no JSON is passed
    /// over.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            while let Ok(Some(frame)) = self.framer.next_frame() {
                if let Some(value) = frame.data.and_then(|data| serde_json::from_slice(&data).ok()) {
                    return Some(value);
                }
            }
            let bytes = self.response.chunk().await.ok()??;
            self.framer.push(&bytes);
        }
    }
}

impl Reply {
    /// What went wrong, in the server's words. LM Studio's `error` is sometimes a text, sometimes an object, and comes
    /// with status 200 too.
    pub(crate) fn error(&self) -> Option<String> {
        let error = self.body.get("error").filter(|error| !error.is_null());
        let text = match error {
            Some(Value::String(text)) => Some(text.clone()),
            Some(object) => {
                Some(object.get("message").and_then(Value::as_str).map_or_else(|| object.to_string(), str::to_owned))
            }
            None if self.status.is_success() => None,
            None => {
                self.body.get("message").or_else(|| self.body.get("detail")).and_then(Value::as_str).map(str::to_owned)
            }
        };
        match text {
            None if self.status.is_success() => None,
            None => Some(format!("HTTP {}", self.status.as_u16())),
            Some(text) => Some(shorten(text.trim())),
        }
    }

    /// The error's `code`, or else its `type`.
    pub(crate) fn code(&self) -> Option<&str> {
        let error = self.body.get("error")?;
        ["code", "type"].into_iter().find_map(|key| error.get(key).and_then(Value::as_str))
    }

    /// What to say when the answer is not what was asked for.
    pub(crate) fn rejected(&self, asked: &str) -> LookFailure {
        match (self.status.as_u16(), self.error()) {
            (401 | 403, Some(error)) => LookFailure::KeyRefused(format!("it refuses the key ({error})")),
            (401 | 403, None) => LookFailure::KeyRefused("it refuses the key".into()),
            (_, Some(error)) => LookFailure::Rejected(format!("it does not give its {asked}: {error}")),
            (_, None) => LookFailure::Rejected(format!("it does not give its {asked} in a form that is known")),
        }
    }
}

/// Keeps somebody else's words to the length of a message.
fn shorten(text: &str) -> String {
    const LONGEST: usize = 300;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Why a server that has no more to tell of itself went: `ended` where nobody listens on this machine any more. On
/// another machine it may be the network.
pub(crate) fn why_gone(root: &Url, refused: bool, ended: Cause) -> Cause {
    match is_loopback(root) {
        true if refused => ended,
        true => Cause::ServerHangs,
        false => Cause::Unknown,
    }
}

/// Whether this is an address of this machine alone.
pub(crate) fn is_loopback(root: &Url) -> bool {
    match root.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A load, an unload or a use that got no answer: the server went in the middle of it, or it takes longer than it
/// should. The next look tells which.
pub(crate) fn no_answer(failure: LookFailure) -> LoadFailure {
    let kind = match &failure {
        LookFailure::Refused(_) | LookFailure::Silent(_) => LoadFailureKind::Gone,
        LookFailure::Rejected(_) | LookFailure::KeyRefused(_) => LoadFailureKind::Lasting,
    };
    LoadFailure::new(kind, failure.to_string())
}

fn without_v1(root: &Url) -> Url {
    let path = root.path().trim_end_matches('/');
    let mut url = root.clone();
    url.set_path(path.strip_suffix("/v1").unwrap_or(path));
    url.set_query(None);
    url.set_fragment(None);
    url
}

fn failure(error: reqwest::Error) -> LookFailure {
    if io_kind(&error) == Some(io::ErrorKind::ConnectionRefused) {
        return LookFailure::Refused("connection refused".into());
    }
    if error.is_timeout() && error.is_connect() {
        return LookFailure::Silent(format!("no connection within {} s", CONNECT.as_secs()));
    }
    if error.is_timeout() {
        return LookFailure::Silent("no answer in time".into());
    }
    LookFailure::Silent(describe(error))
}

fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        source = cause.source();
    }
    None
}

/// The innermost cause, without the URL (which may hold a password).
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    shorten(&innermost.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn reply(status: u16, body: Value) -> Reply {
        Reply { status: StatusCode::from_u16(status).unwrap(), body }
    }

    #[test]
    fn reads_every_form_of_error() {
        assert_eq!(reply(200, json!({"models": []})).error(), None);
        assert_eq!(reply(200, json!({"error": null})).error(), None);
        assert_eq!(reply(200, json!({"error": "Unexpected endpoint"})).error().unwrap(), "Unexpected endpoint");
        assert_eq!(reply(400, json!({"error": {"message": "No"}})).error().unwrap(), "No");
        assert_eq!(reply(400, json!({"error": {"odd": 1}})).error().unwrap(), r#"{"odd":1}"#);
        assert_eq!(reply(502, Value::Null).error().unwrap(), "HTTP 502");
        assert_eq!(reply(400, json!({"error": {"code": null, "type": "t"}})).code(), Some("t"));
        let long = reply(400, json!({"error": "é".repeat(900)})).error().unwrap();
        assert_eq!(long.chars().count(), 301);
    }

    #[test]
    fn the_base_url_loses_its_v1_and_keeps_its_folder() {
        for (given, root) in [
            ("http://h:1/v1", "http://h:1/"),
            ("http://h:1/v1/", "http://h:1/"),
            ("http://h:1", "http://h:1/"),
            ("http://h/lm/v1?x=1#y", "http://h/lm"),
        ] {
            assert_eq!(without_v1(&given.parse().unwrap()).as_str(), root);
        }
        let http = Http::new(&"http://h/lm/v1".parse().unwrap(), None).unwrap();
        assert_eq!(http.address("api/v0/models"), "http://h/lm/api/v0/models");
    }

    #[tokio::test]
    async fn a_refused_connection_is_told_from_silence() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root: Url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let http = Http::new(&root, None).unwrap();
        let silent = http.get("x", Duration::from_millis(50)).await.unwrap_err();
        assert!(matches!(silent, LookFailure::Silent(_)), "{silent:?}");
        // Held and not listened at, so that no other test's server gets the port.
        let held = tokio::net::TcpSocket::new_v4().unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let root: Url = format!("http://{}", held.local_addr().unwrap()).parse().unwrap();
        let http = Http::new(&root, None).unwrap();
        let refused = http.get("x", LISTING).await.unwrap_err();
        assert_eq!(refused, LookFailure::Refused("connection refused".into()));
    }
}
