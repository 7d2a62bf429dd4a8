//! Any other server of the OpenAI API: whether it answers, and nothing more.
//!
//! It is asked for `GET /v1/models` only, never for a completion and never for `/health`, which in LiteLLM sends real
//! completions to every model.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::Value;

use super::http::{Http, LISTING, Reply, why_gone};
use super::{Adapter, Depth, LoadDone, LoadFailure, LoadFailureKind, LoadOrder, LookFailure};
use super::{Observation, Presence, Seen};
use crate::{Capabilities, Cause, RuntimeKind, Untold};

/// A server of the OpenAI API.
pub(crate) struct OpenaiCompatible {
    http: Http,
}

impl OpenaiCompatible {
    pub(crate) fn new(http: Http) -> Self {
        Self { http }
    }

    async fn listing(&self) -> Result<Observation, LookFailure> {
        let reply = self.http.get("v1/models", LISTING).await?;
        if let Some(models) = read(&reply) {
            return Ok(models);
        }
        if matches!(reply.status.as_u16(), 401 | 403) {
            return Err(reply.rejected("models"));
        }
        // Its base URL may not end in /v1.
        let bare = self.http.get("models", LISTING).await?;
        // A server may do without a listing: it answered, which is what was asked.
        read(&bare).ok_or_else(|| reply.rejected("models"))
    }
}

pub(super) fn read(reply: &Reply) -> Option<Observation> {
    let lines = reply.body.get("data").and_then(Value::as_array)?;
    let ids = lines.iter().filter_map(|line| line.get("id").and_then(Value::as_str));
    Some(Observation { models: ids.map(|id| Seen::named(id, Presence::Untold)).collect() })
}

impl Adapter for OpenaiCompatible {
    fn kind(&self) -> RuntimeKind {
        RuntimeKind::OpenaiCompatible
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { cannot_tell: Untold::ALL.to_vec(), ..Capabilities::default() }
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

pub(super) fn unsupported() -> LoadFailure {
    LoadFailure::new(LoadFailureKind::Unsupported, "this server has no way to load or unload a model on request")
}
