//! Loads and unloads over LM Studio's WebSocket, as its own SDK makes them: the only way that tells how far a load has
//! come. Source: the messages that the SDK `@lmstudio/sdk` 2.0.0 sends and reads. A load without a time to live has no
//! idle timer, as one over REST.
//!
//! Must not know: whether there should be a load.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::http::LOAD;
use super::lmstudio_socket::{Connection, Endpoint, Lost, words};
use super::{LoadDone, LoadFailure, LoadFailureKind, LoadOrder};

/// To the first word of a load.
const FIRST_WORD: Duration = Duration::from_secs(10);
/// The number of the only channel of a connection.
const CHANNEL: u64 = 1;

/// Why nothing was loaded.
#[derive(Debug)]
pub(super) enum NoLoad {
    /// Nothing was begun: another way may be tried.
    NotBegun,
    /// It was asked for, and whether it was begun is not known.
    Untold(LoadFailure),
    /// It was begun, and failed.
    Failed(LoadFailure),
}

/// Loads a model. `tell` is given percent.
pub(super) async fn load(endpoint: &Endpoint, order: &LoadOrder, tell: impl Fn(u8)) -> Result<LoadDone, NoLoad> {
    let began = Instant::now();
    let namespace = namespace(order.embedding);
    let mut connection = endpoint.connect(namespace).await.map_err(|Lost| NoLoad::NotBegun)?;
    connection.send(&creation(order, namespace)).await.map_err(|Lost| NoLoad::NotBegun)?;
    let silent = || LoadFailure::new(LoadFailureKind::Passing, "LM Studio was asked for a load and says nothing of it");
    let first = timeout(FIRST_WORD, next(&mut connection)).await;
    let mut word = match first.unwrap_or(Err(Lost)) {
        Ok(Word::Failed(_)) => return Err(NoLoad::NotBegun),
        Ok(word) => word,
        Err(Lost) => return Err(NoLoad::Untold(silent())),
    };
    loop {
        match word {
            Word::Progress(percent) => tell(percent),
            Word::Done { instance, context } => {
                connection.close().await;
                return Ok(LoadDone { instance, took: Some(began.elapsed()), context, stays: true });
            }
            Word::Failed(message) => return Err(NoLoad::Failed(failure(message))),
            Word::Begun => {}
        }
        word = match timeout_at(began + LOAD, next(&mut connection)).await {
            Ok(Ok(word)) => word,
            Ok(Err(Lost)) => {
                let message = "LM Studio ended the connection in the middle of the load";
                return Err(NoLoad::Failed(LoadFailure::new(LoadFailureKind::Gone, message)));
            }
            Err(_) => return Err(NoLoad::Failed(silent())),
        };
    }
}

/// Unloads an instance.
pub(super) async fn unload(endpoint: &Endpoint, instance: &str) -> Result<(), LoadFailure> {
    let gone = |Lost| LoadFailure::new(LoadFailureKind::Gone, "LM Studio's WebSocket does not answer");
    let mut connection = endpoint.connect(namespace(false)).await.map_err(gone)?;
    let answer = connection.call("unloadModel", Some(json!({ "identifier": instance }))).await.map_err(gone)?;
    connection.close().await;
    answer.map(|_| ()).map_err(failure)
}

/// The part of LM Studio that has models of a sort.
fn namespace(embedding: bool) -> &'static str {
    if embedding { "embedding" } else { "llm" }
}

/// What the SDK sends for a load with this context length. It switches the fitting of parameters to the memory off
/// wherever it names parameters.
fn creation(order: &LoadOrder, namespace: &str) -> Value {
    let mut fields = Vec::new();
    if let Some(context) = order.context {
        let engines: &[&str] = if order.embedding { &[] } else { &["llama", "mlx", "yuzu"] };
        fields.extend(
            engines.iter().map(|engine| json!({ "key": format!("llm.load.{engine}.autoFit"), "value": false })),
        );
        fields.push(json!({ "key": format!("{namespace}.load.contextLength"), "value": context }));
    }
    json!({
        "type": "channelCreate",
        "endpoint": "loadModel",
        "channelId": CHANNEL,
        "creationParameter": {
            "modelKey": order.key,
            "loadConfigStack": { "layers": [{ "layerName": "apiOverride", "config": { "fields": fields } }] },
        },
    })
}

/// What is said of a load.
enum Word {
    Begun,
    Progress(u8),
    Done { instance: Option<String>, context: Option<u64> },
    Failed(String),
}

/// The next word. What is none is passed over.
async fn next(connection: &mut Connection) -> Result<Word, Lost> {
    loop {
        let message = connection.next().await?;
        if message["channelId"].as_u64() != Some(CHANNEL) {
            continue;
        }
        if let Some(ack) = message["ackId"].as_u64() {
            connection.send(&json!({ "type": "channelAck", "channelId": CHANNEL, "ackId": ack })).await?;
        }
        let said = &message["message"];
        match (message["type"].as_str(), said["type"].as_str()) {
            (Some("channelError"), _) => return Ok(Word::Failed(words(&message))),
            (Some("channelClose"), _) => return Ok(Word::Failed("LM Studio ended the load without a word".into())),
            (Some("channelSend"), Some("resolved")) => return Ok(Word::Begun),
            (Some("channelSend"), Some("progress")) => return Ok(Word::Progress(percent(said["progress"].as_f64()))),
            (Some("channelSend"), Some("success")) => {
                let info = &said["info"];
                let instance = info["identifier"].as_str().map(str::to_owned);
                return Ok(Word::Done { instance, context: info["contextLength"].as_u64() });
            }
            _ => {}
        }
    }
}

/// It is told as a part of 1.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and 100")]
fn percent(part: Option<f64>) -> u8 {
    (part.unwrap_or_default().clamp(0.0, 1.0) * 100.0) as u8
}

fn failure(message: String) -> LoadFailure {
    let words = message.to_lowercase();
    let kind = if words.contains("not found") || words.contains("cannot find") {
        LoadFailureKind::Missing
    } else if words.contains("unloaded") || words.contains("cancel") {
        LoadFailureKind::Passing
    } else {
        LoadFailureKind::Lasting
    };
    LoadFailure::new(kind, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_asked_for_as_the_sdk_does() {
        let order = LoadOrder { key: "qwen/qwen3-8b".into(), context: Some(8192), embedding: false };
        let recorded = r#"{"type":"channelCreate","endpoint":"loadModel","channelId":1,"creationParameter":{"modelKey":
            "qwen/qwen3-8b","loadConfigStack":{"layers":[{"layerName":"apiOverride","config":{"fields":[
            {"key":"llm.load.llama.autoFit","value":false},{"key":"llm.load.mlx.autoFit","value":false},
            {"key":"llm.load.yuzu.autoFit","value":false},{"key":"llm.load.contextLength","value":8192}]}}]}}}"#;
        assert_eq!(creation(&order, "llm"), serde_json::from_str::<Value>(recorded).unwrap());
        let fields = |context, embedding| {
            let order = LoadOrder { key: "m".into(), context, embedding };
            let layers =
                creation(&order, namespace(embedding))["creationParameter"]["loadConfigStack"]["layers"].take();
            layers[0]["config"]["fields"].clone()
        };
        assert_eq!(fields(None, false), json!([]));
        assert_eq!(fields(Some(2048), true), json!([{"key": "embedding.load.contextLength", "value": 2048}]));
    }

    #[test]
    fn percent_is_whole_and_never_more_than_a_hundred() {
        assert_eq!(
            [None, Some(0.256), Some(1.0), Some(7.0), Some(-1.0), Some(f64::NAN)].map(percent),
            [0, 25, 100, 100, 0, 0]
        );
    }

    #[test]
    fn failures_are_told_apart() {
        let kind = |message: &str| failure(message.to_owned()).kind;
        assert_eq!(kind("Model not found: nobody"), LoadFailureKind::Missing);
        assert_eq!(kind("Model loading was stopped: the model was unloaded."), LoadFailureKind::Passing);
        assert_eq!(kind("insufficient system resources"), LoadFailureKind::Lasting);
    }
}
