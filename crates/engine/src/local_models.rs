//! The keeper, as the gateway asks for it.

use std::sync::Arc;

use pilotlight_gateway::{LocalModels, Readiness, Trouble};
use pilotlight_runtime::{Doing, Keeper, KeeperState, RuntimeKind, Warmth};
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

    fn why_cold(&self, model: &ModelRef) -> Option<String> {
        self.states.borrow().models.get(model)?.load_failed.clone()
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

    fn is_working(&self, model: &ModelRef) -> bool {
        let states = self.states.borrow();
        let activity = states.models.get(model).and_then(|local| local.activity);
        activity.is_some_and(|activity| activity.doing != Doing::Idle || activity.queued > 0)
    }

    fn context(&self, model: &ModelRef) -> Option<u64> {
        let states = self.states.borrow();
        let local = states.models.get(model).filter(|local| matches!(local.state, Warmth::Warm { .. }))?;
        local.loaded_context
    }

    fn is_another(&self, model: &ModelRef, told: &str) -> bool {
        let states = self.states.borrow();
        let kind = states.runtimes.get(model.provider()).and_then(|runtime| runtime.kind);
        let mut instances = states.models.get(model).into_iter().flat_map(|local| &local.instances);
        kind == Some(RuntimeKind::LmStudio)
            && !instances.any(|instance| instance.eq_ignore_ascii_case(told))
            && !may_be_same(model.model(), told)
    }
}

/// Whether two names may be of one model: LM Studio adds the number of an instance (`key:2`), a variant (`key@q4_k_m`),
/// a publisher in front, a quantisation at the end, and does not look at case. In doubt they are the same.
fn may_be_same(one: &str, other: &str) -> bool {
    let stem = |name: &str| {
        let name = name.to_lowercase();
        let name = name.rsplit('/').next().unwrap_or(&name);
        let name = name.split('@').next().unwrap_or(name);
        let numbered = name.rsplit_once(':').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
        numbered.map_or(name, |(name, _)| name).trim_end_matches(".gguf").to_owned()
    };
    let (one, other) = (stem(one), stem(other));
    one.starts_with(&other) || other.starts_with(&one)
}

#[cfg(test)]
mod tests {
    use super::may_be_same;

    #[test]
    fn only_another_name_is_another_model() {
        for other in ["qwen3-8b", "Qwen3-8B:2", "qwen/qwen3-8b@q4_k_m", "lmstudio-community/Q/Qwen3-8B-Q4_K_M.gguf"] {
            assert!(may_be_same("qwen/qwen3-8b", other), "{other}");
        }
        for other in ["minimax-m2.1-gs32", "qwen3-14b", "gpt-oss-20b:2"] {
            assert!(!may_be_same("qwen/qwen3-8b", other), "{other}");
        }
    }
}
