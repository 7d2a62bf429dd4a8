//! What takes time: a look, a load, an unload, a probe. Each is one future, run by the owner and answered to the track.

use std::sync::Arc;
use std::time::Duration;

use pilotlight_wire::ModelRef;
use tokio::sync::oneshot;

use crate::adapter::{Adapter, Depth, LoadDone, LoadFailure, LoadFailureKind, LookFailure, News, Observation};
use crate::detect::Connect;
use crate::track::{LoadOutcome, LoadWish, error_of, order_for};
use crate::{Cause, KeeperError, WatchedProvider};

/// How to reach the runtime.
pub(super) struct Way {
    pub(super) connect: Arc<dyn Connect>,
    pub(super) provider: Arc<WatchedProvider>,
    /// The adapter in use; none where one has yet to be made.
    pub(super) known: Option<Arc<dyn Adapter>>,
    /// Held by a load from the look before it to its end.
    pub(super) turn: Turn,
}

/// Whose turn it is to load on a server: several providers may be one, and each has an owner of its own.
pub(super) type Turn = Arc<tokio::sync::Mutex<()>>;

/// An adapter that a job had to make.
pub(super) struct Made {
    pub(super) adapter: Arc<dyn Adapter>,
    pub(super) idle_clock: Option<Duration>,
}

/// A job's end.
pub(super) struct Done {
    pub(super) made: Option<Made>,
    pub(super) result: Result,
}

pub(super) enum Result {
    Looked(std::result::Result<Observation, LookFailure>),
    Loaded { model: ModelRef, outcome: LoadOutcome },
    Unloaded { model: ModelRef, result: std::result::Result<(), LoadFailure> },
    Touched { model: ModelRef, result: std::result::Result<(), LoadFailure> },
    Gone(Cause),
    News(News),
    Started(std::result::Result<(), String>),
    Aborted,
}

impl Done {
    pub(super) fn aborted() -> Self {
        Self { made: None, result: Result::Aborted }
    }
}

impl Way {
    async fn adapter(self) -> std::result::Result<(Arc<dyn Adapter>, Option<Made>), LookFailure> {
        if let Some(known) = self.known {
            return Ok((known, None));
        }
        let adapter = self.connect.connect(&self.provider).await?;
        let idle_clock = adapter.idle_clock().await;
        Ok((adapter.clone(), Some(Made { adapter, idle_clock })))
    }
}

pub(super) async fn look(way: Way, depth: Depth) -> Done {
    match way.adapter().await {
        Ok((adapter, made)) => Done { made, result: Result::Looked(adapter.look(depth).await) },
        Err(failure) => Done { made: None, result: Result::Looked(Err(failure)) },
    }
}

/// Looks first: a load where there is an instance already would make a second one.
pub(super) async fn load(way: Way, wish: LoadWish) -> Done {
    let model = wish.model.clone();
    let _turn = way.turn.clone().lock_owned().await;
    let (made, outcome) = match way.adapter().await {
        Ok((adapter, made)) => (made, load_on(adapter.as_ref(), &wish).await),
        Err(failure) => (None, LoadOutcome::Failed(failure.into())),
    };
    Done { made, result: Result::Loaded { model, outcome } }
}

async fn load_on(adapter: &dyn Adapter, wish: &LoadWish) -> LoadOutcome {
    let seen = match adapter.look(Depth::Full).await {
        Ok(seen) => seen.find(&wish.upstream_id),
        Err(failure) => return LoadOutcome::Failed(failure.into()),
    };
    match &seen {
        Some(seen) if seen.presence.occupies() => LoadOutcome::AlreadyThere,
        None if adapter.manageable() => {
            let message = format!("{} has no model {}", adapter.kind().title(), wish.upstream_id);
            LoadOutcome::Failed(LoadFailure::new(LoadFailureKind::Missing, message))
        }
        seen => match adapter.load(order_for(wish, seen.as_ref())).await {
            Ok(done) => LoadOutcome::Done(completed(adapter, wish, done).await),
            Err(failure) => LoadOutcome::Failed(failure),
        },
    }
}

/// The answer to a load, with what only a listing tells: the context that it really got.
async fn completed(adapter: &dyn Adapter, wish: &LoadWish, mut done: LoadDone) -> LoadDone {
    if done.context.is_none()
        && let Ok(seen) = adapter.look(Depth::Full).await
        && let Some(seen) = seen.find(&wish.upstream_id)
    {
        done.context = seen.context;
        done.instance = done.instance.or_else(|| seen.instances.into_iter().next());
    }
    done
}

/// Every instance that there is now, not those that were seen before.
pub(super) async fn unload(way: Way, model: ModelRef, upstream_id: String) -> Done {
    let (made, result) = match way.adapter().await {
        Ok((adapter, made)) => (made, unload_on(adapter.as_ref(), &upstream_id).await),
        Err(failure) => (None, Err(failure.into())),
    };
    Done { made, result: Result::Unloaded { model, result } }
}

async fn unload_on(adapter: &dyn Adapter, upstream_id: &str) -> std::result::Result<(), LoadFailure> {
    let Some(seen) = adapter.look(Depth::Full).await?.find(upstream_id) else { return Ok(()) };
    let mut instances = seen.instances;
    if instances.is_empty() && seen.presence.occupies() {
        instances.push(seen.key);
    }
    for instance in instances {
        match adapter.unload(instance).await {
            // It went by itself meanwhile.
            Err(failure) if failure.kind == LoadFailureKind::Missing => {}
            other => other?,
        }
    }
    Ok(())
}

/// Uses a model that is in memory, so that its idle timer starts anew. One that went meanwhile is left alone: the use
/// would load it.
pub(super) async fn touch(way: Way, wish: LoadWish) -> Done {
    let model = wish.model.clone();
    let (made, result) = match way.adapter().await {
        Ok((adapter, made)) => (made, touch_on(adapter.as_ref(), &wish).await),
        Err(failure) => (None, Err(failure.into())),
    };
    Done { made, result: Result::Touched { model, result } }
}

async fn touch_on(adapter: &dyn Adapter, wish: &LoadWish) -> std::result::Result<(), LoadFailure> {
    match adapter.look(Depth::State).await?.find(&wish.upstream_id) {
        Some(seen) if seen.presence.occupies() => adapter.touch(order_for(wish, Some(&seen))).await,
        _ => Err(LoadFailure::new(LoadFailureKind::Missing, "it went before it was used")),
    }
}

/// Sets the context length that a model is loaded with, and answers whoever asked.
pub(super) async fn set_context(
    way: Way,
    model: ModelRef,
    wish: (String, u64),
    reply: oneshot::Sender<std::result::Result<(), KeeperError>>,
) -> Done {
    let provider = way.provider.id.clone();
    let (made, result) = match way.adapter().await {
        Ok((adapter, made)) => (made, set_context_on(adapter.as_ref(), wish).await),
        Err(failure) => (None, Err(failure.into())),
    };
    let _ = reply.send(result.map_err(|failure| error_of(&provider, &model, &failure)));
    Done { made, result: Result::Aborted }
}

async fn set_context_on(adapter: &dyn Adapter, (id, tokens): (String, u64)) -> std::result::Result<(), LoadFailure> {
    let missing = || LoadFailure::new(LoadFailureKind::Missing, "it is not there");
    let seen = adapter.look(Depth::Full).await?.find(&id).ok_or_else(missing)?;
    adapter.set_context(seen.key, tokens).await
}

/// Starts the server.
pub(super) async fn start(connect: Arc<dyn Connect>, provider: Arc<WatchedProvider>) -> Done {
    Done { made: None, result: Result::Started(connect.start(&provider).await) }
}

/// What the runtime tells by itself.
pub(super) async fn news(adapter: Arc<dyn Adapter>) -> Done {
    Done { made: None, result: Result::News(adapter.news().await) }
}

pub(super) async fn why_gone(adapter: Option<Arc<dyn Adapter>>, refused: bool) -> Done {
    let cause = match adapter {
        Some(adapter) => adapter.why_gone(refused).await,
        None => Cause::Unknown,
    };
    Done { made: None, result: Result::Gone(cause) }
}
