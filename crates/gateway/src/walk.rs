//! From candidate to candidate, until one answers: who is asked now, who is passed over, who is waited for.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::answered_by::answered_by;
use crate::aside::aside;
use crate::attempt::{Held, attempt};
use crate::code::Code;
use crate::context::{self, Overflow};
use crate::events::Phase;
use crate::exchange::Exchange;
use crate::local::{Readiness, Trouble};
use crate::plan::Plan;
use crate::pool;
use crate::record::Record;
use crate::routes::{Cold, Target};
use crate::verdict::Miss;

/// What a walk found.
pub struct Found {
    /// The account, still open.
    pub record: Record,
    /// An answer, or why there is none.
    pub result: Result<Held, Exhausted>,
}

/// Nobody answered.
pub struct Exhausted {
    /// Every attempt that reached an upstream or failed to, in order.
    pub misses: Vec<(Arc<Target>, Miss)>,
    /// Whether there was never more than one candidate.
    pub alone: bool,
    /// The request was longer than the context of every candidate that was not out of the question otherwise.
    pub overflow: Option<Overflow>,
    /// When the soonest of those that are left alone may be asked again.
    pub retry_at: Option<Instant>,
    /// We are stopping, and waited no longer.
    pub stopped: bool,
}

impl Exhausted {
    /// Nobody was asked before we stopped.
    pub fn stopped() -> Self {
        Self { misses: Vec::new(), alone: false, overflow: None, retry_at: None, stopped: true }
    }
}

/// How often a model is tried again after it said, before any content, that it is not loaded.
const SECOND_CHANCES: usize = 1;

/// Where nobody else is left, an upstream that wants to be asked again within this is waited for.
const SOON: Duration = Duration::from_secs(2);
/// Where another request tries an upstream just now, how long to wait for what becomes of it.
const PROBED: Duration = Duration::from_millis(500);
/// How often one upstream is asked for a request, at most.
const MOST_ASKED: usize = 2;

struct Walk<'a> {
    exchange: &'a Exchange,
    record: Record,
    misses: Vec<(Arc<Target>, Miss)>,
    /// Whom to come back to when they have loaded.
    loading: Vec<Late>,
    /// Who is left alone, and until when.
    resting: Vec<(Instant, Arc<Target>)>,
    overflow: Option<Overflow>,
    /// By [`context::estimate`]; made when the first candidate's context is known.
    estimate: Option<u64>,
}

struct Late {
    target: Arc<Target>,
    /// It said that it is not loaded: what is known of it may be older than that.
    denied: bool,
}

/// Asks the candidates of a plan, in order.
pub async fn walk(exchange: Arc<Exchange>, plan: Plan, mut record: Record) -> Found {
    let alone = plan.candidates.len() == 1 && plan.excluded.is_empty();
    for report in plan.excluded {
        record.attempt(&report.model, report.code, report.detail);
    }
    let mut walk = Walk {
        exchange: &exchange,
        record,
        misses: Vec::new(),
        loading: Vec::new(),
        resting: Vec::new(),
        overflow: None,
        estimate: None,
    };
    let mut candidates = plan.candidates;
    pool::arrange(&mut candidates, |target| walk.readiness(target), &exchange.gateway.busy);
    let (held, stopped) = tokio::select! {
        biased;
        held = walk.candidates(&candidates) => (held, false),
        () = exchange.closing.0.cancelled() => (None, true),
    };
    let retry_at = walk.resting.iter().map(|(until, _)| *until).min();
    // Where others failed for other reasons, the length of the request is not what keeps it from being answered.
    let only_length = walk.misses.iter().all(|(_, miss)| miss.code == Code::ContextOverflow);
    let Walk { record, misses, overflow, .. } = walk;
    let overflow = overflow.filter(|_| only_length && retry_at.is_none());
    Found { record, result: held.ok_or(Exhausted { misses, alone, overflow, retry_at, stopped }) }
}

impl Walk<'_> {
    async fn candidates(&mut self, candidates: &[Arc<Target>]) -> Option<Held> {
        let mut unreachable = Vec::new();
        for (place, target) in candidates.iter().enumerate() {
            let follows = place + 1 < candidates.len();
            if self.is_too_long_for(target) {
                continue;
            }
            match self.readiness(target) {
                Readiness::Ready | Readiness::Unknown => match self.exchange.gateway.health.admit(target) {
                    Ok(pass) => {
                        let held = self.ask(target).await;
                        drop(pass);
                        if held.is_some() {
                            return held;
                        }
                    }
                    Err(resting) => {
                        if follows || !self.loading.is_empty() {
                            self.pass_over(target, Code::CoolingDown, &resting.detail);
                        }
                        self.resting.push((resting.until, target.clone()));
                    }
                },
                Readiness::Missing => self.pass_over(target, Code::Missing, "its runtime does not have it"),
                Readiness::Unreachable(why) => {
                    if follows || !self.loading.is_empty() {
                        self.pass_over(target, Code::Unreachable, &why);
                    }
                    unreachable.push(target);
                }
                state @ (Readiness::Cold | Readiness::Loading { .. }) => {
                    // Only the first cold one is asked to load: the others may need the same memory.
                    if self.loading.is_empty() {
                        self.exchange.gateway.local.want(&target.model, false);
                    }
                    if self.exchange.cold == Cold::Bridge {
                        if follows || !self.loading.is_empty() {
                            let (code, detail) = coldness(&state);
                            self.pass_over(target, code, &detail);
                        }
                        self.loading.push(Late { target: target.clone(), denied: false });
                    } else if let Some(held) = self.wait_and_ask(target, false).await {
                        return Some(held);
                    }
                }
            }
        }
        // A refused connection is known in a moment, a load takes minutes: first those, then these.
        for target in unreachable {
            if let Some(held) = self.ask(target).await {
                return Some(held);
            }
        }
        while let Some(target) = self.soon().await {
            if let Some(held) = self.ask(&target).await {
                return Some(held);
            }
        }
        while !self.loading.is_empty() {
            let late = self.loading.remove(0);
            // Whoever is ready first: the one that loads, or one whose cool-down is over.
            let rested = self.soonest();
            let waited = tokio::select! {
                biased;
                waited = self.wait(&late.target, late.denied) => Some(waited),
                () = at(rested.map(|(_, until)| until)) => None,
            };
            let held = match (waited, rested) {
                (None, Some((place, _))) => {
                    // By now it was seen to be as it is.
                    self.loading.insert(0, Late { denied: false, ..late });
                    self.ask_rested(place).await
                }
                (Some(Ok(())), _) => self.ask(&late.target).await,
                (Some(Err(miss)), _) => self.missed(&late.target, miss),
                (None, None) => None,
            };
            if held.is_some() {
                return held;
            }
        }
        // Nobody is left but those that had better be left alone. The one that has rested the longest is asked all the
        // same, unless it was only just now: its own words are worth more to the client than ours.
        let asked: Vec<_> = self.misses.iter().map(|(target, _)| target.model.clone()).collect();
        let rested = self.resting.iter().filter(|(_, target)| !asked.contains(&target.model));
        if let Some((_, target)) = rested.min_by_key(|(until, _)| *until).cloned() {
            self.resting.retain(|(_, other)| other.model != target.model);
            return self.ask(&target).await;
        }
        None
    }

    /// The soonest of those that are left alone, as soon as it may be asked, where that is worth waiting for.
    async fn soon(&mut self) -> Option<Arc<Target>> {
        let limit = Instant::now() + SOON;
        let (place, until) = self.soonest().filter(|(_, until)| *until <= limit)?;
        let (_, target) = self.resting.remove(place);
        self.exchange.waiting.set(&target);
        sleep_until(until).await;
        Some(target)
    }

    /// Who of those that are left alone may be asked first, and when.
    fn soonest(&self) -> Option<(usize, Instant)> {
        let asked = |target: &Target| self.misses.iter().filter(|(other, _)| other.model == target.model).count();
        let resting = self.resting.iter().enumerate().filter(|(_, (_, target))| asked(target) < MOST_ASKED);
        resting.map(|(place, (until, _))| (place, *until)).min_by_key(|(_, until)| *until)
    }

    /// Asks one whose cool-down is over, unless another request tries it just now.
    async fn ask_rested(&mut self, place: usize) -> Option<Held> {
        let (_, target) = self.resting.remove(place);
        match self.exchange.gateway.health.admit(&target) {
            Ok(pass) => {
                let held = self.ask(&target).await;
                drop(pass);
                held
            }
            Err(resting) => {
                self.resting.push((resting.until.max(Instant::now() + PROBED), target));
                None
            }
        }
    }

    /// Whether the request is known not to fit: it is longer than this context by far, or did not fit one as large.
    fn is_too_long_for(&mut self, target: &Target) -> bool {
        let Some(window) = self.exchange.window(target) else { return false };
        if let Some(had) = self.overflow.and_then(|overflow| overflow.had).filter(|had| window <= *had) {
            let detail = format!("its context of {window} tokens is no larger than the {had} that were too few");
            self.pass_over(target, Code::ContextWindow, &detail);
            return true;
        }
        if self.exchange.api == pilotlight_wire::ClientApi::Embeddings {
            // Each of its inputs has a context to itself.
            return false;
        }
        let exchange = self.exchange;
        let estimate = *self.estimate.get_or_insert_with(|| {
            let body = &exchange.incoming().body;
            aside(body.len(), || context::estimate(body))
        });
        if !context::exceeds(estimate, window) {
            return false;
        }
        let detail = format!("the request has about {estimate} tokens, its context {window}");
        self.pass_over(target, Code::ContextWindow, &detail);
        self.overflow.get_or_insert_default().note(Some((estimate, false)), Some(window));
        true
    }

    fn readiness(&self, target: &Target) -> Readiness {
        if target.managed { self.exchange.gateway.local.readiness(&target.model) } else { Readiness::Unknown }
    }

    fn pass_over(&mut self, target: &Target, code: Code, detail: &str) {
        self.record.attempt(&target.model, code, detail);
    }

    async fn wait_and_ask(&mut self, target: &Arc<Target>, denied: bool) -> Option<Held> {
        match self.wait(target, denied).await {
            Ok(()) => self.ask(target).await,
            Err(miss) => self.missed(target, miss),
        }
    }

    /// Notes that a target was not even asked.
    fn missed(&mut self, target: &Arc<Target>, miss: Miss) -> Option<Held> {
        self.record.attempt(&target.model, miss.code, miss.detail.clone());
        self.misses.push((target.clone(), miss));
        None
    }

    /// Asks one candidate. None when it failed, and the next may be asked.
    async fn ask(&mut self, target: &Arc<Target>) -> Option<Held> {
        self.exchange.waiting.set(target);
        self.record.phase(&target.model, Phase::Asking);
        let tried = tokio::select! {
            tried = attempt(self.exchange, target) => tried,
            gone = self.gone(target) => Err(gone),
        };
        let health = &self.exchange.gateway.health;
        let miss = match tried.and_then(|held| self.checked(target, held)) {
            Ok(held) => {
                health.answered(target);
                if matches!(held, Held::Whole(_)) {
                    health.completed(target);
                }
                return Some(held);
            }
            Err(miss) => miss.without_secrets(target),
        };
        self.record.attempt(&target.model, miss.code, miss.detail.clone());
        if !miss.code.fails_over()
            && let Some(answer) = miss.answer
        {
            let (status, headers, body) = (answer.status, answer.headers, answer.body);
            let answer =
                crate::attempt::WholeAnswer { target: target.clone(), status, headers, body, model: None, usage: None };
            return Some(Held::Whole(Box::new(answer)));
        }
        if let Some(until) = health.failed(target, &miss) {
            self.resting.push((until, target.clone()));
        }
        if miss.code == Code::ContextOverflow {
            let (asked, had) = context::told(&miss.detail);
            let (asked, had) = (asked.map(|asked| (asked, true)), had.or_else(|| self.exchange.window(target)));
            self.overflow.get_or_insert_default().note(asked, had);
        }
        if target.managed {
            self.report(target, &miss);
        }
        self.misses.push((target.clone(), miss));
        None
    }

    /// The answer, unless another model gave it than the one that was asked.
    fn checked(&self, target: &Target, held: Held) -> Result<Held, Miss> {
        if !target.managed {
            return Ok(held);
        }
        match answered_by(&held).filter(|told| self.exchange.gateway.local.is_another(&target.model, told)) {
            None => Ok(held),
            Some(told) => Err(Miss::new(Code::WrongModel, format!("its server answered with {told} instead"))),
        }
    }

    /// Returns when a model that was in memory is seen to have gone while it is asked; never for any other. A runtime
    /// that loads on request would say nothing for as long as the load takes.
    async fn gone(&self, target: &Target) -> Miss {
        let local = &self.exchange.gateway.local;
        let mut changed = local.changed();
        if !target.managed || local.readiness(&target.model) != Readiness::Ready {
            return std::future::pending().await;
        }
        let doubt = sleep(self.exchange.timing().doubt);
        tokio::pin!(doubt);
        let mut doubted = false;
        loop {
            tokio::select! {
                seen = changed.changed() => if seen.is_err() {
                    return std::future::pending().await;
                },
                () = &mut doubt, if !doubted => {
                    doubted = true;
                    local.trouble(&target.model, Trouble::Silent, "no content yet");
                }
            }
            match local.readiness(&target.model) {
                Readiness::Ready | Readiness::Unknown => {}
                Readiness::Cold | Readiness::Loading { .. } => {
                    return Miss::new(Code::Unloaded, "it was unloaded before it answered");
                }
                Readiness::Missing => return Miss::new(Code::Missing, "its runtime does not have it any longer"),
                Readiness::Unreachable(why) => return Miss::new(Code::Unreachable, why),
            }
        }
    }

    /// Tells the keeper what was seen, and notes a model that only has to be loaded again.
    fn report(&mut self, target: &Arc<Target>, miss: &Miss) {
        let local = &self.exchange.gateway.local;
        if let Some(trouble) = miss.code.trouble() {
            local.trouble(&target.model, trouble, &miss.detail);
        }
        let seen = self.misses.iter().filter(|(other, _)| other.model == target.model).count();
        // One that answers for another is there, and it is not.
        let absent = matches!(miss.code, Code::NotLoaded | Code::Unloaded | Code::Crashed)
            || miss.code == Code::WrongModel && target.managed;
        if absent && seen < SECOND_CHANCES {
            local.want(&target.model, false);
            self.loading.push(Late { target: target.clone(), denied: true });
        }
    }

    /// Waits until a model is in memory.
    async fn wait(&self, target: &Arc<Target>, denied: bool) -> Result<(), Miss> {
        let (local, timing) = (&self.exchange.gateway.local, self.exchange.timing());
        let mut changed = local.changed();
        let begun = Instant::now();
        let (deadline, mut grace) = (begun + timing.load, begun + timing.cold_grace);
        let mut settled = !denied;
        let (mut was_loading, mut unwanted) = (false, true);
        self.exchange.waiting.set(target);
        self.record.phase(&target.model, Phase::Loading);
        local.want(&target.model, true);
        loop {
            changed.mark_unchanged();
            let state = local.readiness(&target.model);
            let mut until = deadline;
            match state {
                Readiness::Ready | Readiness::Unknown if settled => return Ok(()),
                Readiness::Ready | Readiness::Unknown => until = begun + timing.settle,
                Readiness::Loading { .. } => (was_loading, settled) = (true, true),
                Readiness::Cold => {
                    if let Some(why) = local.why_cold(&target.model).filter(|_| was_loading) {
                        return Err(Miss::new(Code::LoadFailed, why));
                    }
                    if std::mem::take(&mut unwanted) || was_loading {
                        // It was wished for while it was taken to be in memory, or another has taken its turn.
                        local.want(&target.model, true);
                    }
                    if was_loading {
                        grace = Instant::now() + timing.cold_grace;
                    }
                    (until, settled, was_loading) = (grace, true, false);
                }
                Readiness::Missing => return Err(Miss::new(Code::Missing, "its runtime does not have it")),
                Readiness::Unreachable(why) => return Err(Miss::new(Code::Unreachable, why)),
            }
            let now = Instant::now();
            if now >= deadline {
                let seconds = timing.load.as_secs();
                return Err(Miss::new(Code::LoadTimeout, format!("it was not loaded within {seconds} s")));
            }
            if now >= until {
                // Nobody loads it: a server may do so on request, or say why not. Or nothing was seen to change.
                return Ok(());
            }
            tokio::select! {
                () = sleep_until(until) => {}
                // Without a keeper's word there is still the clock.
                told = changed.changed() => if told.is_err() {
                    sleep(timing.settle).await;
                }
            }
        }
    }
}

/// At this moment; never, where there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn coldness(state: &Readiness) -> (Code, String) {
    match state {
        Readiness::Loading { for_, expected } => {
            let mut detail = format!("loading for {} s", for_.as_secs());
            if let Some(expected) = expected {
                detail += &format!(" of about {} s", expected.as_secs());
            }
            (Code::Loading, detail)
        }
        _ => (Code::Cold, "not in memory; its load was asked for".to_owned()),
    }
}
