//! Who calls, once known, and what they may do: the bearer of the one token anything, that of a named token what its
//! limits let through.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pilotlight_wire::Location;
use pilotlight_wire::error::{ApiError, ErrorKind};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::resolve::{Route, matches};
use crate::routes::{NamedToken, Routes, Target};

const MINUTE: Duration = Duration::from_secs(60);

/// Who calls. The guard gives it to every request that showed a named token; the others have none, and no limits.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<NamedToken>);

impl Caller {
    /// The routes as this caller may use them.
    pub fn routes(&self, routes: &Arc<Routes>) -> Arc<Routes> {
        if !self.0.local_only || routes.local_only {
            return routes.clone();
        }
        Arc::new(Routes { local_only: true, local_only_for: Some(self.0.name.clone()), ..(**routes).clone() })
    }

    /// Whether it may ask for this name, which means this route.
    ///
    /// # Errors
    /// In words for the client, when it may not.
    pub fn may_ask(&self, asked: &str, route: &Route) -> Result<(), ApiError> {
        let asked = asked.trim();
        // A chain is asked for by its own name; one model also by its ref or its alias.
        let one = match route.candidates.as_slice() {
            [target] => Some(&**target),
            _ => None,
        };
        if self.fits(asked, one) {
            return Ok(());
        }
        let allowed = self.0.models.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ");
        let message = format!("the token {:?} may not ask for {asked:?}. It may ask for: {allowed}", self.0.name);
        Err(ApiError::new(ErrorKind::Forbidden, "model_not_allowed", message).about("model"))
    }

    /// Whether it is shown this name, which means this model; a chain's name means several.
    pub fn may_see(&self, name: &str, one: Option<&Target>) -> bool {
        let there = |target: &Target| !self.0.local_only || target.location == Location::Local;
        self.fits(name, one) && one.is_none_or(there)
    }

    fn fits(&self, name: &str, one: Option<&Target>) -> bool {
        let Some(allowed) = &self.0.models else { return true };
        allowed.iter().any(|pattern| {
            matches(pattern, name)
                || one.is_some_and(|target| {
                    matches(pattern, &target.model.to_string())
                        || target.alias.as_ref().is_some_and(|alias| matches(pattern, alias))
                })
        })
    }
}

/// How often each named token was used in the last minute.
#[derive(Debug, Default)]
pub struct Rates(Mutex<HashMap<String, VecDeque<Instant>>>);

impl Rates {
    /// Counts a request of this caller's.
    ///
    /// # Errors
    /// When it is one too many: how long to wait.
    pub fn count(&self, caller: &Caller) -> Result<(), Duration> {
        let Some(most) = caller.0.per_minute else { return Ok(()) };
        let now = Instant::now();
        let mut rates = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = rates.entry(caller.0.name.clone()).or_default();
        while times.front().is_some_and(|first| now.duration_since(*first) >= MINUTE) {
            times.pop_front();
        }
        if let Some(first) = times.front()
            && times.len() >= most as usize
        {
            return Err(MINUTE.saturating_sub(now.duration_since(*first)));
        }
        times.push_back(now);
        Ok(())
    }
}

/// How many requests are served at once; the others wait their turn, first come, first served.
#[derive(Debug, Default)]
pub struct Turns {
    state: Mutex<Standing>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Standing {
    running: usize,
    waiting: usize,
}

/// A place among those that are served, until it is dropped.
#[derive(Debug)]
pub struct Turn(Arc<Turns>);

/// A place among those that wait.
struct Waiting<'a>(&'a Turns);

impl Turns {
    /// The most that wait, for each that is served.
    pub const WAITING: usize = 4;

    /// Whether nobody more may wait.
    pub fn is_full(&self, most: usize) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.running >= most && state.waiting >= most.saturating_mul(Self::WAITING)
    }

    /// Waits for a place among `most`.
    pub async fn take(self: &Arc<Self>, most: usize) -> Turn {
        if let Some(turn) = self.free(most) {
            return turn;
        }
        self.state.lock().unwrap_or_else(PoisonError::into_inner).waiting += 1;
        let _waiting = Waiting(self);
        loop {
            let freed = self.freed.notified();
            if let Some(turn) = self.free(most) {
                // Two places that become free at once are one word: who heard it tells the next.
                self.freed.notify_one();
                return turn;
            }
            freed.await;
        }
    }

    fn free(self: &Arc<Self>, most: usize) -> Option<Turn> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        (state.running < most).then(|| {
            state.running += 1;
            Turn(self.clone())
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).running -= 1;
        self.0.freed.notify_one();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner).waiting -= 1;
        // It may have been told of a free place just as it went away.
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{routes, target};

    fn caller(change: impl FnOnce(&mut NamedToken)) -> Caller {
        let mut token =
            NamedToken { name: "ci".to_owned(), hash: [0; 32], local_only: false, models: None, per_minute: None };
        change(&mut token);
        Caller(Arc::new(token))
    }

    #[test]
    fn asks_for_what_its_patterns_let_through() {
        let caller = caller(|token| token.models = Some(vec!["primary".to_owned(), "local/*".to_owned()]));
        let one = |model| Route { candidates: vec![target(model)], absent: Vec::new() };
        let chain = Route { candidates: vec![target("a/x"), target("b/y")], absent: Vec::new() };
        assert!(caller.may_ask("primary", &chain).is_ok());
        assert!(caller.may_ask("x", &one("local/x")).is_ok());
        assert!(caller.may_ask("LOCAL/x", &one("local/x")).is_ok());
        let error = caller.may_ask("y", &one("b/y")).unwrap_err();
        assert_eq!(error.kind.status(), 403);
        assert!(error.message.contains("primary, local/*"), "{}", error.message);
    }

    #[test]
    fn local_only_is_for_this_caller_alone() {
        let routes = Arc::new(routes(vec![target("a/x")]));
        assert!(caller(|token| token.local_only = true).routes(&routes).local_only);
        assert!(!caller(|_| {}).routes(&routes).local_only);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_of_the_last_minute() {
        let (rates, caller) = (Rates::default(), caller(|token| token.per_minute = Some(2)));
        assert!(rates.count(&caller).is_ok());
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(rates.count(&caller).is_ok());
        assert_eq!(rates.count(&caller), Err(Duration::from_secs(40)));
        tokio::time::advance(Duration::from_secs(40)).await;
        assert!(rates.count(&caller).is_ok());
        assert_eq!(rates.count(&caller), Err(Duration::from_secs(20)));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_one_waits_for_a_place() {
        let turns = Arc::new(Turns::default());
        let first = turns.take(1).await;
        let mut waiting = Vec::new();
        for _ in 0..Turns::WAITING {
            assert!(!turns.is_full(1));
            let turns = turns.clone();
            waiting.push(tokio::spawn(async move { turns.take(1).await }));
            tokio::task::yield_now().await;
        }
        assert!(turns.is_full(1));
        // Who goes away while it waits takes no place.
        waiting.remove(0).abort();
        drop(first);
        for next in waiting {
            drop(tokio::time::timeout(Duration::from_secs(30), next).await.unwrap().unwrap());
        }
        assert!(!turns.is_full(1));
        assert_eq!(turns.state.lock().unwrap().running, 0);
    }
}
