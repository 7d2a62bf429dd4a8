//! Equal models on several machines of the user's serve as one: who belongs together, and who of them is the least
//! busy. Nobody hosted is ever in a pool.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use pilotlight_wire::Location;

use crate::local::Readiness;
use crate::routes::{Routes, Target};

/// Whether two targets are the same model on machines of the user's.
pub fn equal(one: &Target, other: &Target) -> bool {
    one.location == Location::Local && other.location == Location::Local && one.upstream_id == other.upstream_id
}

/// Puts beside each candidate those that serve as one with it.
pub fn with_peers(candidates: &[Arc<Target>], routes: &Routes) -> Vec<Arc<Target>> {
    let mut pooled: Vec<Arc<Target>> = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        // Those that the route names itself come in its order.
        let named = candidates.iter().filter(|other| equal(candidate, other));
        let peers = routes.targets.iter().filter(|other| equal(candidate, other));
        for member in std::iter::once(candidate).chain(named).chain(peers) {
            if pooled.iter().all(|known| known.model != member.model) {
                pooled.push(member.clone());
            }
        }
    }
    pooled
}

/// Orders the members of each pool: those that can answer at once first, of these the least busy, else as they stood.
pub fn arrange(candidates: &mut [Arc<Target>], readiness: impl Fn(&Target) -> Readiness, busy: &Busy) {
    let mut rest = candidates;
    while let Some(first) = rest.first().cloned() {
        let size = rest.iter().take_while(|other| other.model == first.model || equal(&first, other)).count();
        let (pool, others) = rest.split_at_mut(size);
        if size > 1 {
            pool.sort_by_cached_key(|target| {
                let place = match readiness(target) {
                    Readiness::Ready => 0,
                    Readiness::Unknown => 1,
                    Readiness::Loading { .. } => 2,
                    Readiness::Cold => 3,
                    Readiness::Unreachable(_) | Readiness::Missing => 4,
                };
                (place, busy.count(target))
            });
        }
        rest = others;
    }
}

/// How many requests each provider is answering for us.
#[derive(Debug, Default)]
pub struct Busy(Arc<Mutex<HashMap<String, usize>>>);

/// One request more, for as long as this lives.
#[derive(Debug)]
pub struct BusyGuard {
    counts: Arc<Mutex<HashMap<String, usize>>>,
    provider: String,
}

impl Busy {
    /// A request goes to this target.
    #[must_use]
    pub fn begin(&self, target: &Target) -> BusyGuard {
        let provider = target.model.provider().to_owned();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(provider.clone()).or_default() += 1;
        BusyGuard { counts: self.0.clone(), provider }
    }

    /// How many requests its machine has from us.
    pub fn count(&self, target: &Target) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(target.model.provider()).copied().unwrap_or(0)
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.provider) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.provider);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{routes, target};

    fn refs(targets: &[Arc<Target>]) -> Vec<String> {
        targets.iter().map(|target| target.model.to_string()).collect()
    }

    fn hosted(model: &str) -> Arc<Target> {
        Arc::new(Target { location: Location::Hosted, ..(*target(model)).clone() })
    }

    #[test]
    fn peers_come_right_behind_and_hosted_ones_never() {
        let all = [target("a/m"), hosted("h/m"), target("b/m"), target("b/n"), target("c/m")];
        let routes = routes(all.to_vec());
        assert_eq!(refs(&with_peers(&[all[0].clone()], &routes)), ["a/m", "b/m", "c/m"]);
        assert_eq!(refs(&with_peers(&[all[1].clone()], &routes)), ["h/m"]);
        let chain = [all[0].clone(), all[1].clone(), all[4].clone()];
        assert_eq!(refs(&with_peers(&chain, &routes)), ["a/m", "c/m", "b/m", "h/m"]);
    }

    #[test]
    fn the_least_busy_that_is_ready_comes_first() {
        let busy = Busy::default();
        let all = [target("a/m"), target("b/m"), target("c/m"), target("d/other"), hosted("h/m")];
        let order = |busy: &Busy| {
            let mut all = all.to_vec();
            let readiness = |target: &Target| match target.model.provider() {
                "a" | "b" => Readiness::Ready,
                _ => Readiness::Cold,
            };
            arrange(&mut all, readiness, busy);
            refs(&all)
        };
        assert_eq!(order(&busy), ["a/m", "b/m", "c/m", "d/other", "h/m"]);
        let guards = [busy.begin(&all[0]), busy.begin(&all[0]), busy.begin(&all[1])];
        assert_eq!(order(&busy), ["b/m", "a/m", "c/m", "d/other", "h/m"]);
        drop(guards);
        assert_eq!(order(&busy), ["a/m", "b/m", "c/m", "d/other", "h/m"]);
        assert!(busy.0.lock().unwrap().is_empty());
    }
}
