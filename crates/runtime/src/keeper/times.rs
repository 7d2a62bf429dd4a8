//! How long each model's loads took, kept on disk, so that the next one can be told how long it will take, after a
//! restart too. One task owns the file.
//!
//! Must not know: what a load is for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pilotlight_wire::ModelRef;
use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};
use tracing::warn;

/// So many of a model's loads are remembered.
pub(crate) const REMEMBERED: usize = 8;

type Times = BTreeMap<ModelRef, Vec<Duration>>;

/// A handle of the task.
#[derive(Clone, Debug)]
pub(super) struct LoadTimes {
    known: watch::Receiver<Arc<Times>>,
    learn: mpsc::UnboundedSender<(ModelRef, Duration)>,
}

impl LoadTimes {
    /// Reads the file, and keeps it from now on. Without one, it remembers until the process ends. A file that cannot be
    /// read is begun anew: it holds nothing that is not learned again.
    pub(super) fn keep(file: Option<PathBuf>) -> Self {
        let times = file.as_deref().map(read).unwrap_or_default();
        let (publish, known) = watch::channel(Arc::new(times));
        let (learn, learned) = mpsc::unbounded_channel();
        tokio::spawn(run(file, publish, learned));
        Self { known, learn }
    }

    /// A model's last loads, the oldest first.
    pub(super) fn of(&self, model: &ModelRef) -> Vec<Duration> {
        self.known.borrow().get(model).cloned().unwrap_or_default()
    }

    /// A load took so long.
    pub(super) fn learn(&self, model: ModelRef, took: Duration) {
        // The task ends only after every handle of it.
        let _ = self.learn.send((model, took));
    }
}

async fn run(
    file: Option<PathBuf>,
    publish: watch::Sender<Arc<Times>>,
    mut learned: mpsc::UnboundedReceiver<(ModelRef, Duration)>,
) {
    while let Some((model, took)) = learned.recv().await {
        publish.send_modify(|times| {
            let of = Arc::make_mut(times).entry(model).or_default();
            of.push(took);
            if of.len() > REMEMBERED {
                of.remove(0);
            }
        });
        let Some(file) = file.clone() else { continue };
        let times = publish.borrow().clone();
        let written = tokio::task::spawn_blocking(move || write(&file, &times)).await;
        if let Ok(Err(error)) = written {
            warn!(%error, "how long the loads took could not be kept");
        }
    }
}

fn read(file: &Path) -> Times {
    let Ok(text) = std::fs::read_to_string(file) else { return Times::new() };
    let Ok(Value::Object(models)) = serde_json::from_str(&text) else { return Times::new() };
    let times = models.into_iter().filter_map(|(model, loads)| {
        let loads = loads.as_array()?.iter().filter_map(Value::as_u64).map(Duration::from_millis);
        let mut loads: Vec<_> = loads.collect();
        loads.drain(..loads.len().saturating_sub(REMEMBERED));
        Some((model.parse().ok()?, loads))
    });
    times.collect()
}

/// In milliseconds. A reader sees the whole of it or what was there before.
fn write(file: &Path, times: &Times) -> std::io::Result<()> {
    let milliseconds = |took: &Duration| Value::from(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let models: Map<String, Value> = times
        .iter()
        .map(|(model, loads)| (model.to_string(), loads.iter().map(milliseconds).collect::<Vec<_>>().into()))
        .collect();
    let beside = file.with_extension("json.new");
    std::fs::write(&beside, format!("{:#}\n", Value::Object(models)))?;
    std::fs::rename(&beside, file)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_learned_is_known_after_a_restart() {
        let file = std::env::temp_dir().join(format!("pilotlight-times-{}.json", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let model: ModelRef = "studio/m".parse().unwrap();
        let times = LoadTimes::keep(Some(file.clone()));
        assert_eq!(times.of(&model), []);
        for seconds in 0..10 {
            times.learn(model.clone(), Duration::from_secs(seconds));
        }
        let mut known = times.known.clone();
        let all =
            known.wait_for(|known| known.get(&model).is_some_and(|of| of.last() == Some(&Duration::from_secs(9))));
        assert_eq!(all.await.unwrap()[&model].len(), REMEMBERED);
        // The file is written after it is known.
        for _ in 0..200 {
            if LoadTimes::keep(Some(file.clone())).of(&model).last() == Some(&Duration::from_secs(9)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let again = LoadTimes::keep(Some(file.clone()));
        assert_eq!(again.of(&model), (2..10).map(Duration::from_secs).collect::<Vec<_>>());
        std::fs::write(&file, "[]").unwrap();
        assert_eq!(LoadTimes::keep(Some(file.clone())).of(&model), []);
        std::fs::remove_file(&file).unwrap();
    }
}
