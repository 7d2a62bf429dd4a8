//! The means to make a simulator fail, in types: what a test uses. The same over HTTP is `control_http`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::fault::{Fault, FaultId, Rule};
use crate::lm_studio::shelf::{Fate, How, LoadState, UnloadCause};
use crate::lm_studio::{begin_load, loaded};
use crate::options::{Kind, ModelType};
use crate::request::SeenRequest;
use crate::server::Shared;

/// The means to make one simulator fail while it runs. Cloning it is cheap.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

/// Why a control did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlError {
    /// Only LM Studio and Ollama load and unload.
    NotLmStudio,
    /// No model with this key is downloaded.
    UnknownModel(String),
    /// Nothing with this key or id is loaded.
    NotLoaded(String),
    /// The load ended in this error.
    LoadFailed(String),
}

impl std::fmt::Display for ControlError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ControlError::NotLmStudio => f.write_str("only the simulated LM Studio and Ollama load and unload models"),
            ControlError::UnknownModel(key) => write!(f, "no model \"{key}\" is downloaded: /_sim/state lists them"),
            ControlError::NotLoaded(key) => write!(f, "\"{key}\" is not loaded: /_sim/state says what is"),
            ControlError::LoadFailed(message) => write!(f, "the load failed: {message}"),
        }
    }
}

impl std::error::Error for ControlError {}

/// Everything about a simulator at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// Which server it is.
    pub kind: Kind,
    /// Where its API is.
    pub address: SocketAddr,
    /// Whether connections are refused.
    pub refusing: bool,
    /// LM Studio, Ollama: the downloaded models. Hosted: the models that were given.
    pub models: Vec<ModelView>,
    /// The rules in force, as [`Rule::from_json`] reads them, each with its `id`.
    pub faults: Vec<Value>,
    /// How many requests it has seen and remembers.
    pub requests: usize,
}

/// A downloaded model at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ModelView {
    /// Its key.
    pub key: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: ModelType,
    /// The best state of its instances.
    pub state: LoadState,
    /// How long its loads take, in milliseconds.
    pub load_ms: u64,
    /// How many loads of it were ever begun.
    pub loads: u32,
    /// Its instances, loading ones too.
    pub instances: Vec<InstanceView>,
}

/// An instance at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InstanceView {
    /// Its id: the key, or `key:2`.
    pub id: String,
    /// Loading or loaded.
    pub state: LoadState,
    /// Whether somebody asked for it; otherwise a request loaded it just in time.
    pub explicit: bool,
    /// Its idle TTL in milliseconds, where it has one.
    pub ttl_ms: Option<u64>,
    /// For how long it has been idle, in milliseconds; none while it loads or answers.
    pub idle_ms: Option<u64>,
    /// How many requests it answers at the moment, or that wait for its load.
    pub busy: usize,
    /// The context it was loaded with, in tokens.
    pub context: u64,
}

impl Control {
    pub(crate) fn new(shared: Arc<Shared>) -> Control {
        Control { shared }
    }

    /// Makes something go wrong from now on. Of several rules that fit one request the first set counts; delays add up.
    pub fn fault(&self, rule: impl Into<Rule>) -> FaultId {
        let rule = rule.into();
        if matches!(rule.fault, Fault::Refuse {}) {
            self.shared.refuse_soon(rule.lasting);
        }
        self.shared.rules().add(rule, Instant::now())
    }

    /// Clears all faults. A closed listener stays closed until [`Control::refuse`] opens it.
    pub fn clear(&self) {
        self.shared.rules().clear();
    }

    /// Clears one fault; false where it was over already.
    pub fn clear_one(&self, id: FaultId) -> bool {
        self.shared.rules().clear_one(id)
    }

    /// Closes the listener, so that connections are refused, or opens it again on the same port. In force when it
    /// returns. Answers under way are finished; idle connections are closed.
    pub async fn refuse(&self, refuse: bool) {
        self.shared.refuse(refuse).await;
    }

    /// Breaks everything at once, as `kill -9` would: see [`Die`](crate::Die).
    pub fn die(&self) {
        self.shared.die();
    }

    /// LM Studio, Ollama: unloads an instance by its id, or all instances of a key, for this cause. Answers under way end in
    /// LM Studio's error for it. Answers the ids of those that went.
    pub fn unload(&self, model: &str, cause: UnloadCause) -> Result<Vec<String>, ControlError> {
        self.only_lm_studio()?;
        let gone = self.shared.shelf().unload(model, cause, Instant::now());
        if gone.is_empty() {
            return Err(ControlError::NotLoaded(model.to_owned()));
        }
        self.shared.note_change();
        Ok(gone)
    }

    /// LM Studio, Ollama: loads a model as a person would in its window: a new instance, without a TTL. Returns its id when it
    /// is loaded.
    pub async fn load(&self, model: &str) -> Result<String, ControlError> {
        self.load_how(model, How::Explicitly).await
    }

    /// LM Studio, Ollama: loads a model as a request for it would: with the idle TTL, evicting the others of its sort.
    pub async fn load_just_in_time(&self, model: &str) -> Result<String, ControlError> {
        self.load_how(model, How::JustInTime(self.shared.options.lm_studio.jit_ttl)).await
    }

    async fn load_how(&self, model: &str, how: How) -> Result<String, ControlError> {
        self.only_lm_studio()?;
        let known = self.shared.shelf().model(model).is_some();
        if !known {
            return Err(ControlError::UnknownModel(model.to_owned()));
        }
        let number = begin_load(&self.shared, model, how, None);
        match loaded(&self.shared, number).await {
            Ok(_running) => {
                let id = self.shared.shelf().instance(number).map(|i| i.id.clone());
                id.ok_or_else(|| ControlError::NotLoaded(model.to_owned()))
            }
            Err(Fate::LoadFailed(message)) => Err(ControlError::LoadFailed(message)),
            Err(_) => Err(ControlError::NotLoaded(model.to_owned())),
        }
    }

    /// LM Studio, Ollama: from now on, loads of this model take so long.
    pub fn load_time(&self, model: &str, time: Duration) -> Result<(), ControlError> {
        self.only_lm_studio()?;
        let mut shelf = self.shared.shelf();
        let model = shelf.model_mut(model).ok_or_else(|| ControlError::UnknownModel(model.to_owned()))?;
        model.load_time = time;
        Ok(())
    }

    /// What is loaded, what is set to fail.
    pub fn state(&self) -> State {
        let now = Instant::now();
        let faults = self.shared.rules().list(now);
        let faults = faults
            .into_iter()
            .map(|(id, rule)| {
                let mut json = rule.to_json();
                json["id"] = Value::from(id.0);
                json
            })
            .collect();
        let requests = self.shared.seen().len();
        let mut shelf = self.shared.shelf();
        shelf.settle(now);
        let models = shelf
            .models
            .iter()
            .map(|model| ModelView {
                key: model.key.clone(),
                kind: model.kind,
                state: shelf.state(&model.key, now),
                load_ms: milliseconds(model.load_time),
                loads: shelf.loads(&model.key),
                instances: shelf.instances.iter().filter(|i| i.key == model.key).map(|i| view(i, now)).collect(),
            })
            .collect();
        State {
            kind: self.shared.kind,
            address: self.shared.address,
            refusing: self.shared.refusing(),
            models,
            faults,
            requests,
        }
    }

    /// The state of one model; not loaded where there is no such model.
    pub fn model_state(&self, model: &str) -> LoadState {
        let now = Instant::now();
        let mut shelf = self.shared.shelf();
        shelf.settle(now);
        shelf.state(model, now)
    }

    /// Counts up when a load begins or ends and when a model is unloaded; an idle TTL is noticed at the next look.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes()
    }

    /// What it was asked, oldest first; at most the last 1000.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.seen().iter().cloned().collect()
    }

    /// Forgets what it was asked.
    pub fn forget_requests(&self) {
        self.shared.seen().clear();
    }

    fn only_lm_studio(&self) -> Result<(), ControlError> {
        if self.shared.kind.is_local() { Ok(()) } else { Err(ControlError::NotLmStudio) }
    }
}

fn view(instance: &crate::lm_studio::shelf::Instance, now: Instant) -> InstanceView {
    let is_loaded = instance.loaded(now);
    InstanceView {
        id: instance.id.clone(),
        state: if is_loaded { LoadState::Loaded } else { LoadState::Loading },
        explicit: instance.how == How::Explicitly,
        ttl_ms: instance.ttl().map(milliseconds),
        idle_ms: (is_loaded && instance.busy == 0).then(|| milliseconds(now.duration_since(instance.last_used))),
        busy: instance.busy,
        context: instance.context,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
