//! Asking a provider: its address, its key, and whatever comes back. No redirect is followed (the key would go along),
//! and no proxy is used towards the user's own machines.

use std::error::Error as _;
use std::time::Duration;

use pilotlight_config::{Key, ModelConfiguration};
use pilotlight_wire::{Location, Secret, UpstreamApi};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use serde_json::Value;
use url::Url;

/// To a connection, and to each answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// To a connection with its handshake: less than the whole, so that the two are told apart.
const HANDSHAKE: Duration = Duration::from_secs(4);
/// More than this is no listing of models.
const LARGEST: usize = 16 << 20;
/// Of somebody else's words in a message.
const LONGEST_WORDS: usize = 240;

/// Whom to ask.
#[derive(Clone, Debug)]
pub struct Target {
    pub(super) base_url: Option<Url>,
    pub(super) api: UpstreamApi,
    pub(super) key: Option<Secret>,
    /// Why the key cannot be read.
    pub(super) key_problem: Option<String>,
    headers: Vec<(String, Secret)>,
    bearer: bool,
    /// The ids of the configured models.
    pub(super) models: Vec<String>,
    pub(super) location: Location,
}

impl Target {
    /// A provider of the configuration (its id in any case); none where there is none of this id. `location`: where it
    /// is said to run.
    #[must_use]
    pub fn of(configuration: &ModelConfiguration, id: &str, location: Option<Location>) -> Option<Self> {
        let provider = configuration.provider(&id.trim().to_lowercase())?;
        let location =
            location.or_else(|| provider.base_url.as_ref().map(crate::location::guess)).unwrap_or(Location::Hosted);
        Some(Self {
            base_url: provider.base_url.clone(),
            api: provider.api.clone().unwrap_or(UpstreamApi::OpenaiCompletions),
            key: provider.key.as_ref().and_then(Key::secret).cloned(),
            key_problem: provider.key.as_ref().and_then(Key::problem),
            headers: provider
                .headers
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.secret()?.clone())))
                .collect(),
            bearer: provider.auth_header == Some(true),
            models: provider.models.iter().map(|model| model.id.clone()).collect(),
            location,
        })
    }

    /// Somebody else's words, short, and without the key that they may repeat.
    pub(super) fn quoted(&self, words: &str) -> String {
        let mut words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let secrets = self.key.iter().chain(self.headers.iter().map(|(_, value)| value));
        for secret in secrets.map(Secret::expose).filter(|secret| !secret.is_empty()) {
            words = words.replace(secret, "…");
        }
        match words.char_indices().nth(LONGEST_WORDS) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words,
        }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// None where it was no JSON.
    pub(super) json: Option<Value>,
    /// Its first words, where it was no JSON.
    pub(super) text: String,
    pub(super) html: bool,
    /// Where it would redirect to.
    pub(super) redirect: Option<String>,
}

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing in time.
    TimeOut,
    /// The connection could not be made secure.
    Tls(String),
    /// Anything else, in words.
    Other(String),
}

/// A client for one target.
pub(super) struct Http<'t> {
    client: Client,
    pub(super) target: &'t Target,
    pub(super) base: Url,
}

impl<'t> Http<'t> {
    pub(super) fn new(target: &'t Target, base: Url) -> Result<Self, String> {
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(HANDSHAKE)
            .timeout(PATIENCE)
            .no_proxy()
            .user_agent(concat!("pilotlight/", env!("CARGO_PKG_VERSION")));
        if base.scheme() != "https" {
            builder = builder.tls_certs_only([]);
        }
        let client = builder.build().map_err(|error| innermost(&error.without_url()))?;
        Ok(Self { client, target, base })
    }

    /// The address of a path (written without a slash at its start) below the base URL.
    pub(super) fn below(&self, path: &str) -> Url {
        appended(&self.base, path)
    }

    /// The same, below the base URL without its `/v1`.
    pub(super) fn below_root(&self, path: &str) -> Url {
        let mut root = self.base.clone();
        let folder = self.base.path().trim_end_matches('/');
        root.set_path(folder.strip_suffix("/v1").unwrap_or(folder));
        appended(&root, path)
    }

    pub(super) async fn get(&self, url: Url) -> Result<Reply, Silence> {
        self.send(Method::GET, url, None).await
    }

    pub(super) async fn post(&self, url: Url, body: &Value) -> Result<Reply, Silence> {
        self.send(Method::POST, url, Some(body)).await
    }

    async fn send(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Reply, Silence> {
        let mut request = self.client.request(method, url).headers(self.headers()?);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(silence)?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let html = header("content-type").starts_with("text/html");
        let redirect = Some(header("location")).filter(|to| (300..400).contains(&status) && !to.is_empty());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(silence)? {
            if bytes.len() + chunk.len() > LARGEST {
                return Err(Silence::Other(format!("its answer is longer than {} MB", LARGEST >> 20)));
            }
            bytes.extend_from_slice(&chunk);
        }
        let json: Option<Value> = serde_json::from_slice(&bytes).ok();
        let text = if json.is_none() {
            String::from_utf8_lossy(&bytes[..bytes.len().min(2000)]).into()
        } else {
            String::new()
        };
        let html = html
            || text.trim_start().to_lowercase().starts_with("<!doctype html")
            || text.trim_start().starts_with("<html");
        Ok(Reply { status, json, text, html, redirect })
    }

    fn headers(&self) -> Result<HeaderMap, Silence> {
        let mut headers = HeaderMap::new();
        let value = |text: &str| {
            let mut value = HeaderValue::from_str(text)
                .map_err(|_| Silence::Other("the key holds a character that no header may hold".to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        if self.target.api == UpstreamApi::AnthropicMessages {
            headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
        }
        if let Some(key) = &self.target.key {
            let (name, text) = match &self.target.api {
                UpstreamApi::AnthropicMessages if !self.target.bearer => ("x-api-key", key.expose().to_owned()),
                UpstreamApi::GoogleGenerativeAi if !self.target.bearer => ("x-goog-api-key", key.expose().to_owned()),
                _ => ("authorization", format!("Bearer {}", key.expose())),
            };
            headers.insert(name, value(&text)?);
        }
        for (name, text) in &self.target.headers {
            let name = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| Silence::Other(format!("{name:?} is no name of a header")))?;
            headers.insert(name, value(text.expose())?);
        }
        Ok(headers)
    }
}

impl Reply {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    pub(super) fn refuses_key(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    /// Whether the server has nothing at this path. LM Studio says so with status 200; a 404 that speaks of a model is
    /// about the model.
    pub(super) fn no_such_path(&self) -> bool {
        // OpenAI's "Invalid URL (GET /models)" names the path, and no model.
        let words = self.error().unwrap_or_default().to_lowercase().replace("/models", "");
        let about_model = words.contains("model") && self.json.is_some();
        self.html
            || words.contains("unexpected endpoint")
            || (matches!(self.status, 404 | 405 | 501) && !about_model)
            || (self.is_success() && self.json.is_none())
    }

    /// What it says is wrong, in its own words.
    pub(super) fn error(&self) -> Option<String> {
        let json = self.json.as_ref()?;
        let error = json.get("error").filter(|error| !error.is_null());
        let found = match error {
            Some(Value::String(text)) => Some(text.as_str()),
            Some(object) => object.get("message").and_then(Value::as_str),
            None => ["message", "detail"].iter().find_map(|key| json.get(key).and_then(Value::as_str)),
        };
        found.map(str::to_owned)
    }

    /// What it answered, for a message.
    pub(super) fn shown(&self, target: &Target) -> String {
        let words = match (self.error(), self.html) {
            (Some(error), _) => format!(": {}", target.quoted(&error)),
            (None, true) => ": a web page".to_owned(),
            (None, false) if !self.text.trim().is_empty() => format!(": {}", target.quoted(&self.text)),
            (None, false) => String::new(),
        };
        format!("HTTP {}{words}", self.status)
    }
}

fn appended(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

fn silence(error: reqwest::Error) -> Silence {
    let error = error.without_url();
    // That a connection can be made was seen before.
    if error.is_timeout() && error.is_connect() {
        return Silence::Tls("the server does not answer the handshake".to_owned());
    }
    if error.is_timeout() {
        return Silence::TimeOut;
    }
    let words = innermost(&error);
    let lower = words.to_lowercase();
    let of_tls = ["certificate", "tls", "handshake", "corrupt message", "invalidcontenttype", "peer"];
    if error.is_connect() && of_tls.iter().any(|word| lower.contains(word)) {
        return Silence::Tls(words);
    }
    Silence::Other(words)
}

/// The innermost cause.
fn innermost(error: &reqwest::Error) -> String {
    let mut at: &dyn std::error::Error = error;
    let mut source = error.source();
    while let Some(cause) = source {
        at = cause;
        source = cause.source();
    }
    at.to_string()
}
