//! A load over LM Studio's WebSocket, which tells how far it has come: the SDK's `loadModel`. Facts: the SDK
//! `@lmstudio/sdk` 2.0.0.
//!
//! Must not know: sockets.

use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, sleep};

use super::shelf::{Fate, How, UnloadCause};
use super::websocket::{Namespace, info, list_loaded};
use super::{begin_load, loaded};
use crate::api::errors::CRASHED;
use crate::server::Shared;

/// Between two words of how far a load has come.
const TELLS: Duration = Duration::from_millis(100);

/// The loads of one connection, by their channels: the numbers of the instances.
#[derive(Default)]
pub(super) struct Loads(HashMap<u64, u64>);

impl Loads {
    /// Begins a load, or answers why not.
    pub(super) fn begin(
        &mut self,
        shared: &Arc<Shared>,
        namespace: Namespace,
        message: &Value,
        says: &UnboundedSender<Value>,
    ) -> Option<Value> {
        let channel = message["channelId"].as_u64().unwrap_or_default();
        let parameter = &message["creationParameter"];
        let endpoint = message["endpoint"].as_str().unwrap_or_default();
        if endpoint != "loadModel" || matches!(namespace, Namespace::System) {
            return Some(failed(channel, &format!("Unknown endpoint: {endpoint}")));
        }
        let key = parameter["modelKey"].as_str().unwrap_or_default();
        let model = shared.shelf().model(key).filter(|model| namespace.is_of(model)).cloned();
        let Some(model) = model else {
            return Some(failed(channel, &format!("Model not found: {key}")));
        };
        let how = match parameter["ttlMs"].as_u64() {
            None => How::Explicitly,
            Some(ttl) => How::JustInTime(Some(Duration::from_millis(ttl))),
        };
        let number = begin_load(shared, key, how, context(parameter));
        self.0.insert(channel, number);
        let (shared, says) = (Arc::clone(shared), says.clone());
        tokio::spawn(async move { tell(&shared, namespace, channel, number, &info(&model), &says).await });
        None
    }

    /// Takes a load back, where that is what is said.
    pub(super) fn cancel(&mut self, shared: &Shared, message: &Value) {
        let number = message["channelId"].as_u64().and_then(|channel| self.0.remove(&channel));
        if let Some(number) = number.filter(|_| message["message"]["type"] == "cancel") {
            shared.shelf().unload_number(number, UnloadCause::Ejected);
            shared.note_change();
        }
    }
}

/// The context length of the last layer that names one.
fn context(parameter: &Value) -> Option<u64> {
    let layers = parameter["loadConfigStack"]["layers"].as_array()?;
    let mut fields = layers.iter().filter_map(|layer| layer["config"]["fields"].as_array()).flatten();
    let is = |field: &&Value| field["key"].as_str().is_some_and(|key| key.ends_with(".load.contextLength"));
    fields.rfind(is)?["value"].as_u64()
}

fn failed(channel: u64, title: &str) -> Value {
    json!({"type": "channelError", "channelId": channel, "error": {"title": title, "rootTitle": title}})
}

/// Tells of a load until it is over. Whoever listens may be gone meanwhile: it goes on.
async fn tell(
    shared: &Arc<Shared>,
    namespace: Namespace,
    channel: u64,
    number: u64,
    info: &Value,
    says: &UnboundedSender<Value>,
) {
    let say = |message: Value| {
        let _ = says.send(json!({"type": "channelSend", "channelId": channel, "message": message}));
    };
    say(json!({"type": "resolved", "info": info}));
    let is_loaded = loaded(shared, number);
    tokio::pin!(is_loaded);
    let fate = loop {
        tokio::select! {
            ended = &mut is_loaded => break ended,
            () = sleep(TELLS) => say(json!({"type": "progress", "progress": progress(shared, number)})),
        }
    };
    let title = match fate {
        Ok(running) => {
            say(json!({"type": "progress", "progress": 1}));
            let reference = super::websocket::reference_of(number);
            // The load itself was a use, and is over.
            drop(running);
            let rows = list_loaded(shared, namespace);
            let row = rows.as_array().into_iter().flatten().find(|row| row["instanceReference"] == reference).cloned();
            match row {
                Some(row) => {
                    say(json!({"type": "success", "info": row}));
                    let _ = says.send(json!({"type": "channelClose", "channelId": channel}));
                    return;
                }
                None => "The model was unloaded.".to_owned(),
            }
        }
        Err(Fate::LoadFailed(message)) => message,
        Err(Fate::Gone(UnloadCause::Crash)) => CRASHED.to_owned(),
        Err(_) => "Model loading was stopped: the model was unloaded.".to_owned(),
    };
    let _ = says.send(failed(channel, &title));
}

/// From 0 to 1, by the time that has passed.
fn progress(shared: &Shared, number: u64) -> f64 {
    let now = Instant::now();
    let shelf = shared.shelf();
    let Some(instance) = shelf.instance(number) else { return 0.0 };
    let whole = instance.ready.saturating_duration_since(instance.started).as_secs_f64();
    let passed = now.saturating_duration_since(instance.started).as_secs_f64();
    if whole > 0.0 { (passed / whole).min(1.0) } else { 1.0 }
}
