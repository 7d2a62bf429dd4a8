//! What the tests share: a proxy on a port of its own, local models that do as they are told, upstreams of exact bytes.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod clock;
pub mod raw;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilotlight_gateway::{
    Event, Gateway, LocalModels, Readiness, Routes, Served, Target, Timing, Trouble, router, serve,
};
use pilotlight_wire::{ClientApi, Location, ModelRef, UpstreamApi};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Local models whose state the test sets. All are ready unless it says otherwise.
pub struct Local {
    states: Mutex<HashMap<ModelRef, Readiness>>,
    changes: watch::Sender<u64>,
    pub wanted: Mutex<Vec<ModelRef>>,
    pub troubles: Mutex<Vec<(ModelRef, Trouble)>>,
    /// How often a model is still seen to work.
    pub working: Mutex<usize>,
    /// The names by which answers are known to be another model's.
    pub others: Mutex<Vec<String>>,
    busy: Arc<Mutex<usize>>,
}

struct Busy(Arc<Mutex<usize>>);

impl Drop for Busy {
    fn drop(&mut self) {
        *self.0.lock().unwrap() -= 1;
    }
}

impl Local {
    pub fn set(&self, model: &str, readiness: Readiness) {
        self.states.lock().unwrap().insert(model.parse().unwrap(), readiness);
        self.changes.send_modify(|count| *count += 1);
    }

    pub fn busy_count(&self) -> usize {
        *self.busy.lock().unwrap()
    }

    pub fn troubles(&self) -> Vec<Trouble> {
        self.troubles.lock().unwrap().iter().map(|(_, trouble)| *trouble).collect()
    }

    pub fn wanted(&self) -> Vec<String> {
        self.wanted.lock().unwrap().iter().map(ToString::to_string).collect()
    }
}

impl LocalModels for Local {
    fn readiness(&self, model: &ModelRef) -> Readiness {
        self.states.lock().unwrap().get(model).cloned().unwrap_or(Readiness::Ready)
    }
    fn want(&self, model: &ModelRef, _insist: bool) {
        self.wanted.lock().unwrap().push(model.clone());
    }
    fn changed(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
    fn trouble(&self, model: &ModelRef, trouble: Trouble, _detail: &str) {
        self.troubles.lock().unwrap().push((model.clone(), trouble));
    }
    fn is_working(&self, _model: &ModelRef) -> bool {
        let mut working = self.working.lock().unwrap();
        *working = working.saturating_sub(1);
        *working > 0
    }
    fn is_another(&self, _model: &ModelRef, told: &str) -> bool {
        self.others.lock().unwrap().iter().any(|other| other == told)
    }
    fn busy(&self, _model: &ModelRef) -> Box<dyn Send> {
        *self.busy.lock().unwrap() += 1;
        Box::new(Busy(self.busy.clone()))
    }
}

/// A proxy. It stops when it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    pub local: Arc<Local>,
    pub gateway: Gateway,
    pub routes: watch::Sender<Arc<Routes>>,
    pub events: mpsc::UnboundedReceiver<Event>,
    pub shutdown: CancellationToken,
    pub task: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Durations that a test does not notice, and that a busy machine still keeps.
pub fn quick() -> Timing {
    Timing {
        first_beat: Duration::from_millis(400),
        beat: Duration::from_millis(100),
        patience: Duration::from_millis(400),
        load: Duration::from_secs(20),
        cold_grace: Duration::from_millis(600),
        settle: Duration::from_millis(200),
        doubt: Duration::from_millis(200),
        whole: 2,
        idle: Duration::from_millis(700),
        drain: Duration::from_millis(300),
        ..Timing::default()
    }
}

impl Proxy {
    pub async fn start(targets: Vec<Target>) -> Proxy {
        Self::with(targets, quick(), |_| {}).await
    }

    pub async fn with(targets: Vec<Target>, timing: Timing, change: impl FnOnce(&mut Routes)) -> Proxy {
        let mut routes = Routes {
            chain: targets.iter().map(|target| target.model.clone()).collect(),
            targets: targets.into_iter().map(Arc::new).collect(),
            ..Routes::default()
        };
        change(&mut routes);
        let (routes, receiver) = watch::channel(Arc::new(routes));
        let local = Arc::new(Local {
            states: Mutex::default(),
            changes: watch::channel(0).0,
            wanted: Mutex::default(),
            troubles: Mutex::default(),
            working: Mutex::default(),
            others: Mutex::default(),
            busy: Arc::default(),
        });
        let (sender, events) = mpsc::unbounded_channel();
        let gateway = Gateway::with_timing(receiver, local.clone(), sender, timing);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let task = Some(tokio::spawn(serve(listener, router(gateway.clone()), shutdown.clone())));
        Proxy { address, local, gateway, routes, events, shutdown, task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn send(&self, api: ClientApi, body: Value) -> reqwest::Response {
        let url = self.url(&format!("/v1{}", api.path()));
        client().post(url).header("anthropic-version", "2023-06-01").json(&body).send().await.unwrap()
    }

    /// The account of the request that finished next.
    pub async fn finished(&mut self) -> Served {
        let next = async {
            loop {
                if let Event::Finished(served) = self.events.recv().await.unwrap() {
                    return *served;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), next).await.expect("every request is accounted for")
    }
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(30)).build().unwrap()
}

pub fn target(model: &str, address: SocketAddr, api: UpstreamApi) -> Target {
    let model: ModelRef = model.parse().unwrap();
    let base = if api == UpstreamApi::AnthropicMessages { "" } else { "/v1" };
    Target {
        alias: None,
        title: model.to_string(),
        upstream_id: model.model().to_owned(),
        base_url: format!("http://{address}{base}").parse().unwrap(),
        api,
        key: None,
        key_problem: None,
        headers: Vec::new(),
        location: Location::Local,
        region: None,
        first_content: Duration::from_millis(800),
        context_window: None,
        max_tokens: None,
        images: None,
        compat: Default::default(),
        managed: true,
        model,
    }
}

pub fn hosted(target: Target) -> Target {
    Target { location: Location::Hosted, managed: false, ..target }
}

/// The upstream API that a client API passes to.
pub fn upstream_api(api: ClientApi) -> UpstreamApi {
    match api {
        ClientApi::Responses => UpstreamApi::OpenaiResponses,
        ClientApi::Messages => UpstreamApi::AnthropicMessages,
        ClientApi::Chat | ClientApi::Completions | ClientApi::Embeddings => UpstreamApi::OpenaiCompletions,
    }
}

pub fn ask(api: ClientApi, model: &str, stream: bool) -> Value {
    let mut body = match api {
        ClientApi::Responses => json!({"model": model, "input": "good morning"}),
        ClientApi::Chat => json!({"model": model, "messages": [{"role": "user", "content": "good morning"}]}),
        ClientApi::Messages => {
            json!({"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "good morning"}]})
        }
        ClientApi::Completions => json!({"model": model, "prompt": "good morning"}),
        ClientApi::Embeddings => json!({"model": model, "input": "good morning"}),
    };
    if stream {
        body["stream"] = json!(true);
    }
    body
}

/// A streamed body as a client reads it, which must end as HTTP says.
pub async fn read(response: reqwest::Response) -> String {
    String::from_utf8(response.bytes().await.expect("the body ends properly").to_vec()).unwrap()
}

/// The events of a stream, each as its name and its data; every one must be whole.
pub fn events(text: &str) -> Vec<(String, Value)> {
    assert!(text.is_empty() || text.ends_with("\n\n"), "the last event is whole: {text:?}");
    let mut events = Vec::new();
    for block in text.split_terminator("\n\n") {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let data = field("data: ");
        match data.as_str() {
            "" => assert!(block.lines().all(|line| line.starts_with(':')), "not an event: {block:?}"),
            "[DONE]" => events.push(("[DONE]".to_owned(), Value::Null)),
            json => events.push((field("event: "), serde_json::from_str(json).unwrap_or_else(|_| panic!("{block:?}")))),
        }
    }
    events
}

/// The text of a stream's deltas, as each API's client would put it together.
pub fn text_of(api: ClientApi, events: &[(String, Value)]) -> String {
    let pointer = match api {
        ClientApi::Responses => "/delta",
        ClientApi::Messages => "/delta/text",
        ClientApi::Completions => "/choices/0/text",
        ClientApi::Chat | ClientApi::Embeddings => "/choices/0/delta/content",
    };
    events.iter().filter_map(|(_, data)| data.pointer(pointer)?.as_str()).collect()
}

/// The message of an event that is an error in this API's own form.
pub fn error_message(api: ClientApi, (name, data): &(String, Value)) -> Option<String> {
    let message = match api {
        ClientApi::Responses if data["type"] == "response.failed" => {
            assert_eq!(name, "response.failed");
            assert!(data["response"]["id"].as_str().unwrap().starts_with("resp_"), "{data}");
            assert!(data["response"]["error"]["code"].is_string(), "{data}");
            &data["response"]["error"]["message"]
        }
        ClientApi::Messages if data["type"] == "error" => {
            assert_eq!(name, "error");
            assert!(data["error"]["type"].is_string(), "{data}");
            &data["error"]["message"]
        }
        ClientApi::Chat | ClientApi::Completions => &data["error"]["message"],
        _ => &Value::Null,
    };
    message.as_str().map(str::to_owned)
}

/// The text of a whole answer.
pub fn whole_text(api: ClientApi, body: &Value) -> String {
    let pointer = match api {
        ClientApi::Responses => "/output/0/content/0/text",
        ClientApi::Messages => "/content/0/text",
        ClientApi::Completions => "/choices/0/text",
        ClientApi::Chat => "/choices/0/message/content",
        ClientApi::Embeddings => "/object",
    };
    body.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text: {body}")).to_owned()
}

pub fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}
