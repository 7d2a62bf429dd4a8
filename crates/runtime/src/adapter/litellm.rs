//! LiteLLM: a gateway to other servers. Whether it answers, which models it lists, and what it says of their context.
//!
//! Source: LiteLLM's documentation and a running proxy (1.9x). Never asked for `/health`: that sends a real completion
//! to every model of its configuration. `/v1/model/info` needs its key; where that is refused, `/v1/models` may still
//! answer.
//!
//! Must not know: the servers behind it.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use super::http::{Http, LISTING, Reply, why_gone};
use super::openai_compatible::{read, unsupported};
use super::{Adapter, Depth, LoadDone, LoadFailure, LoadOrder, LookFailure};
use super::{Observation, Presence, Seen};
use crate::{Capabilities, Cause, RuntimeKind, Untold};

/// A LiteLLM proxy.
pub(crate) struct LiteLlm {
    http: Http,
}

impl LiteLlm {
    pub(crate) fn new(http: Http) -> Self {
        Self { http }
    }

    async fn listing(&self) -> Result<Observation, LookFailure> {
        let info = self.http.get("v1/model/info", LISTING).await?;
        if let Some(models) = read_info(&info.body) {
            return Ok(models);
        }
        let models = self.http.get("v1/models", LISTING).await?;
        match read(&models) {
            Some(models) => Ok(models),
            // Without a key it answers 500 or 401, as its version is.
            None if self.http.key().is_none() && matches!(models.status.as_u16(), 401 | 403 | 500) => {
                Err(LookFailure::KeyRefused(
                    "it does not list its models without its key: give the provider its apiKey".to_owned(),
                ))
            }
            None => Err(models.rejected("models")),
        }
    }
}

impl Adapter for LiteLlm {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::LiteLlm
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            cannot_tell: Untold::ALL.into_iter().filter(|untold| *untold != Untold::Context).collect(),
            ..Capabilities::default()
        }
    }

    fn look(&self, _: Depth) -> BoxFuture<'_, Result<Observation, LookFailure>> {
        self.listing().boxed()
    }

    fn load(&self, _: LoadOrder) -> BoxFuture<'_, Result<LoadDone, LoadFailure>> {
        std::future::ready(Err(unsupported())).boxed()
    }

    fn unload(&self, _: String) -> BoxFuture<'_, Result<(), LoadFailure>> {
        std::future::ready(Err(unsupported())).boxed()
    }

    fn why_gone(&self, refused: bool) -> BoxFuture<'_, Cause> {
        std::future::ready(why_gone(self.http.root(), refused, Cause::ProgramEnded)).boxed()
    }

    fn idle_clock(&self) -> BoxFuture<'_, Option<Duration>> {
        std::future::ready(None).boxed()
    }
}

/// Whether this is the answer to `GET /health/liveliness`.
pub(crate) fn is_alive(reply: &Reply) -> bool {
    reply.status.is_success() && reply.body.as_str().is_some_and(|text| text.contains("alive"))
}

fn read_info(body: &Value) -> Option<Observation> {
    let lines = body.get("data")?.as_array()?;
    let read = |line: &Value| {
        let name = line.get("model_name")?.as_str()?;
        let mut seen = Seen::named(name, Presence::Untold);
        let info = line.get("model_info");
        seen.context = info.and_then(|info| info.get("max_input_tokens")).and_then(Value::as_u64);
        Some(seen)
    };
    let models: Vec<_> = lines.iter().filter_map(read).collect();
    // A listing in another form is none.
    (models.len() == lines.len()).then_some(Observation { models })
}
