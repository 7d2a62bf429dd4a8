//! The keeper, as the gateway asks for it.

use std::sync::Arc;

use pilotlight_gateway::{LocalModels, Readiness, Trouble};
use pilotlight_runtime::{Keeper, KeeperState, Warmth};
use pilotlight_wire::ModelRef;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The gateway's view of the keeper.
pub(crate) struct KeptModels {
    keeper: Keeper,
    states: watch::Receiver<Arc<KeeperState>>,
    changes: watch::Receiver<u64>,
}

impl KeptModels {
    /// Begins to count the keeper's changes, until `stop`.
    pub(crate) fn follow(keeper: Keeper, stop: CancellationToken) -> Self {
        let states = keeper.state();
        let (counter, changes) = watch::channel(0_u64);
        let mut seen = states.clone();
        tokio::spawn(async move {
            while let Some(Ok(())) = stop.run_until_cancelled(seen.changed()).await {
                counter.send_modify(|count| *count = count.wrapping_add(1));
            }
        });
        Self { keeper, states, changes }
    }
}

impl LocalModels for KeptModels {
    fn readiness(&self, model: &ModelRef) -> Readiness {
        let states = self.states.borrow();
        match states.models.get(model).map(|model| &model.state) {
            None | Some(Warmth::Unknown) => Readiness::Unknown,
            Some(Warmth::Warm { .. }) => Readiness::Ready,
            Some(Warmth::Cold { .. }) => Readiness::Cold,
            Some(Warmth::Loading { since, expected }) => {
                Readiness::Loading { for_: since.elapsed(), expected: *expected }
            }
            Some(Warmth::Missing) => Readiness::Missing,
            Some(Warmth::Unreachable { reason }) => Readiness::Unreachable(reason.clone()),
        }
    }

    fn loaded_context(&self, model: &ModelRef) -> Option<u64> {
        self.states.borrow().models.get(model)?.loaded_context
    }

    fn want(&self, model: &ModelRef, insist: bool) {
        self.keeper.want(model, insist);
    }

    fn changed(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }

    fn trouble(&self, model: &ModelRef, trouble: Trouble, detail: &str) {
        let trouble = match trouble {
            Trouble::Refused => pilotlight_runtime::Trouble::Refused,
            Trouble::Cut => pilotlight_runtime::Trouble::Cut,
            Trouble::Unloaded => pilotlight_runtime::Trouble::Unloaded,
            Trouble::Crashed => pilotlight_runtime::Trouble::Crashed,
            Trouble::NotLoaded => pilotlight_runtime::Trouble::NotLoaded,
            Trouble::Silent | Trouble::Other => pilotlight_runtime::Trouble::Other,
        };
        self.keeper.trouble(model, detail, trouble);
    }

    fn busy(&self, model: &ModelRef) -> Box<dyn Send> {
        Box::new(self.keeper.busy(model))
    }
}
