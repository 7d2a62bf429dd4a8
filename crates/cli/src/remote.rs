//! Commands that speak to the running engine, whichever frontend it has. It is found by the file that it keeps in
//! Pilot Light's folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pilotlight_config::rules::LiveModel;
use pilotlight_config::{Environment, Home, settings_store};
use pilotlight_engine::editor::types::LiveFacts;
use pilotlight_engine::running::{self, Running};
use pilotlight_engine::state::AppState;
use pilotlight_engine::{CommandError, token};
use pilotlight_wire::ModelRef;
use pilotlight_wire::sse::{self, Framer};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::output::{Failure, show};
use crate::text;

/// `pilotlight status`
pub(crate) async fn status(json: bool) -> Result<ExitCode, Failure> {
    let state = RunningEngine::of_process()?.state().await?;
    show(json, &state, || text::status(&state, now()))
}

/// `pilotlight models`
pub(crate) async fn models(json: bool) -> Result<ExitCode, Failure> {
    let state = RunningEngine::of_process()?.state().await?;
    show(json, &state.models, || text::models(&state, now()))
}

/// `pilotlight unload MODEL`
pub(crate) async fn unload(model: &str, json: bool) -> Result<ExitCode, Failure> {
    let unloaded: Value = RunningEngine::of_process()?.command("unload", model).await?;
    show(json, &unloaded, || {
        format!(
            "{} is out of memory, and stays out until somebody asks for it\n",
            unloaded["model"].as_str().unwrap_or(model)
        )
    })
}

/// `pilotlight retry [PROVIDER]`
pub(crate) async fn retry(provider: Option<&str>, json: bool) -> Result<ExitCode, Failure> {
    let engine = RunningEngine::of_process()?;
    let answer: Value =
        engine.ask(engine.request(Method::POST, "retry").json(&json!({ "provider": provider }))).await?;
    show(json, &answer, || {
        let forgotten = answer["forgotten"].as_array().map(Vec::as_slice).unwrap_or_default();
        if forgotten.is_empty() {
            return "Nothing was cooling down\n".to_owned();
        }
        let line = |one: &Value| {
            let who = one["model"].as_str().or(one["provider"].as_str()).unwrap_or_default();
            format!("{who} is asked again (it was passed over: {})\n", one["cause"].as_str().unwrap_or_default())
        };
        forgotten.iter().map(line).collect()
    })
}

/// How long a check of the configuration waits for what the running engine knows.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the running engine knows of the models of this configuration. Nothing where none runs, or on another file, or
/// where it does not answer: a check is made without it then.
pub(crate) async fn live(home: &Home, config: &Path) -> BTreeMap<ModelRef, LiveModel> {
    let Ok(engine) = RunningEngine::at(home) else { return BTreeMap::new() };
    let request = engine.request(Method::GET, "config/live").timeout(PATIENCE);
    match engine.ask::<LiveFacts>(request).await {
        Ok(facts) if is_same(Path::new(&facts.path), config) => {
            facts.live.into_iter().map(|fact| (fact.model, fact.facts)).collect()
        }
        _ => BTreeMap::new(),
    }
}

/// Whether two paths lead to one file, by whatever names.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The running engine, over HTTP.
pub(crate) struct RunningEngine {
    running: Running,
    token: Option<pilotlight_wire::Secret>,
    client: reqwest::Client,
}

impl RunningEngine {
    /// The one of this process's environment.
    pub(crate) fn of_process() -> Result<Self, Failure> {
        Self::at(&Home::from(&Environment::of_process()))
    }

    /// The one that runs on this folder.
    pub(crate) fn at(home: &Home) -> Result<Self, Failure> {
        let running = running::find(&home.running_file())
            .map_err(|error| Failure::new("running-file", format!("{}: {error}", home.running_file().display())))?
            .ok_or_else(|| {
                Failure::not_running(format!(
                    "no engine is running on {} (start the tray application, or `pilotlight serve`; \
                     PILOTLIGHT_HOME names another folder)",
                    home.folder().display()
                ))
            })?;
        let settings = settings_store::read(&running.settings, &Environment::of_process());
        let token = token(&settings.settings, home).map_err(|error| Failure::new("token", error.to_string()))?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .build()
            .map_err(|error| Failure::new("client", error.to_string()))?;
        Ok(Self { running, token, client })
    }

    /// What clients are given as base URL.
    pub(crate) fn endpoint(&self) -> String {
        format!("{}/v1", self.running.address)
    }

    /// Its address without a path.
    pub(crate) fn address(&self) -> &str {
        &self.running.address
    }

    /// The settings that it goes by.
    pub(crate) fn settings(&self) -> &std::path::Path {
        &self.running.settings
    }

    /// What clients are asked for.
    pub(crate) fn token(&self) -> Option<String> {
        self.token.as_ref().map(|token| token.expose().to_owned())
    }

    /// Sends one streamed Responses request for `primary` and reads it to its end.
    pub(crate) async fn ask_primary(&self, question: &str) -> Result<Answer, Failure> {
        let failed = |error: reqwest::Error| Failure::new("request", error.to_string());
        let body = json!({ "model": "primary", "stream": true, "input": question });
        let request = self.authorized(self.client.post(format!("{}/responses", self.endpoint())).json(&body));
        let mut response = request.send().await.map_err(failed)?;
        if !response.status().is_success() {
            return Err(self.refusal(response).await);
        }
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("not known").to_owned()
        };
        let (served_by, attempts) = (header("x-pilotlight-model"), header("x-pilotlight-attempts"));
        let mut answer =
            Answer { served_by, attempts, first_content: Instant::now(), text: String::new(), error: None };
        let mut framer = Framer::new(sse::LARGEST_EVENT);
        while let Some(bytes) = response.chunk().await.map_err(failed)? {
            framer.push(&bytes);
            while let Some(frame) = framer.next_frame().map_err(|error| Failure::new("request", error.to_string()))? {
                let data: Value = frame.data.and_then(|data| serde_json::from_slice(&data).ok()).unwrap_or_default();
                if let Some(delta) = data["delta"].as_str().filter(|_| data["type"] == "response.output_text.delta") {
                    if answer.text.is_empty() {
                        answer.first_content = Instant::now();
                    }
                    answer.text += delta;
                }
                if data["type"] == "response.failed" {
                    answer.error = data["response"]["error"]["message"].as_str().map(str::to_owned);
                }
            }
        }
        Ok(answer)
    }

    /// What a person is shown.
    pub(crate) async fn state(&self) -> Result<AppState, Failure> {
        self.ask(self.request(Method::GET, "state").timeout(Duration::from_secs(5))).await
    }

    pub(crate) async fn command<T: DeserializeOwned>(&self, command: &str, model: &str) -> Result<T, Failure> {
        self.ask(self.request(Method::POST, command).json(&json!({ "model": model }))).await
    }

    /// Tells it something by the path below `/pilotlight`.
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, Failure> {
        self.ask(self.request(Method::POST, path).json(body)).await
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorized(self.client.request(method, format!("{}/pilotlight/{path}", self.running.address)))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Failure> {
        let unreachable = |error: reqwest::Error| {
            Failure::new(
                "no-answer",
                format!(
                    "the engine at {} (process {}) does not answer: {error}",
                    self.running.address, self.running.pid
                ),
            )
        };
        let response = request.send().await.map_err(unreachable)?;
        if response.status().is_success() {
            return response.json().await.map_err(unreachable);
        }
        Err(self.refusal(response).await)
    }

    async fn refusal(&self, response: Response) -> Failure {
        let status = response.status();
        let body = response.text().await.unwrap_or_default();
        if status == StatusCode::UNAUTHORIZED {
            return Failure::new(
                "token",
                format!("the engine at {} was started with another token", self.running.address),
            );
        }
        match serde_json::from_str::<CommandError>(&body) {
            Ok(error) => Failure::new(&error.code, error.message),
            Err(_) => Failure::new("refused", format!("the engine answered {status}: {body}")),
        }
    }
}

/// What came of a request.
pub(crate) struct Answer {
    pub(crate) served_by: String,
    pub(crate) attempts: String,
    pub(crate) first_content: Instant,
    pub(crate) text: String,
    /// What the stream's last event said, where that was an error.
    pub(crate) error: Option<String>,
}

pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
