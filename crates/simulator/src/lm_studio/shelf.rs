//! What LM Studio has in memory: instances of models, their loads, idle TTLs and ends. A value with no task, no lock
//! and no timer of its own: every call is given the time, and what has happened up to then is worked out first. So a
//! test with a paused clock sees an idle TTL run out without waiting, and nothing here makes the clock jump.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::options::{LmStudioOptions, Model, ModelType};

/// Why a model is no longer in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UnloadCause {
    /// It was idle for as long as its TTL.
    Ttl,
    /// Another model was loaded just in time.
    Evicted,
    /// Its process crashed.
    Crash,
    /// Somebody asked for it.
    Ejected,
}

/// Whether an instance can answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoadState {
    /// No instance.
    NotLoaded,
    /// Its weights are being read.
    Loading,
    /// It answers.
    Loaded,
}

/// What became of an instance; whoever waits for it or generates with it watches this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there.
    Alive,
    /// It was unloaded.
    Gone(UnloadCause),
    /// Its load ended in this error.
    LoadFailed(String),
}

/// What an instance that is in use does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It reads a prompt.
    ReadingPrompt,
    /// It writes an answer.
    Answering,
    /// It computes an embedding.
    Embedding,
}

/// How a load came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// Asked for: it stays until somebody unloads it.
    Explicitly,
    /// By a request: it may be evicted, and has this idle TTL.
    JustInTime(Option<Duration>),
}

/// A load to begin.
pub(crate) struct Load {
    pub(crate) key: String,
    pub(crate) how: How,
    pub(crate) time: Duration,
    pub(crate) fails: Option<String>,
    pub(crate) context: Option<u64>,
}

/// One copy of a model in memory, or on its way there.
pub(crate) struct Instance {
    /// Never used twice, where an id may be.
    pub(crate) number: u64,
    /// `key`, or `key:2` for a second one.
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) how: How,
    pub(crate) context: u64,
    pub(crate) started: Instant,
    pub(crate) ready: Instant,
    pub(crate) last_used: Instant,
    pub(crate) busy: usize,
    /// What the last of those that use it had it do.
    pub(crate) doing: Doing,
    fails: Option<String>,
    fate: watch::Sender<Fate>,
}

impl Instance {
    pub(crate) fn loaded(&self, now: Instant) -> bool {
        now >= self.ready
    }

    pub(crate) fn ttl(&self) -> Option<Duration> {
        match self.how {
            How::Explicitly => None,
            How::JustInTime(ttl) => ttl,
        }
    }
}

/// Which instance a request gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// This one (its number), once it is loaded.
    Instance(u64),
    /// None yet: this key is to be loaded.
    Load(String),
    /// None: nothing is loaded.
    NothingLoaded,
    /// None: several are loaded, and none is the one.
    NotAmongLoaded,
    /// None: no such model is downloaded.
    Unknown,
}

/// The models on disk and the instances in memory.
pub(crate) struct Shelf {
    pub(crate) models: Vec<Model>,
    pub(crate) instances: Vec<Instance>,
    options: LmStudioOptions,
    last: u64,
    begun: BTreeMap<String, u32>,
    /// Instances that crashed and were not loaded again since: Ollama still lists them.
    pub(crate) crashed: Vec<Instance>,
    /// With how much context a model of Ollama's is loaded by its own `num_ctx`, where it was given one.
    pub(crate) own_contexts: BTreeMap<String, u64>,
}

impl Shelf {
    pub(crate) fn new(models: Vec<Model>, options: LmStudioOptions) -> Shelf {
        Shelf {
            models,
            instances: Vec::new(),
            options,
            last: 0,
            begun: BTreeMap::new(),
            crashed: Vec::new(),
            own_contexts: BTreeMap::new(),
        }
    }

    pub(crate) fn model(&self, key: &str) -> Option<&Model> {
        self.models.iter().find(|m| m.key == key)
    }

    pub(crate) fn model_mut(&mut self, key: &str) -> Option<&mut Model> {
        self.models.iter_mut().find(|m| m.key == key)
    }

    pub(crate) fn instance(&self, number: u64) -> Option<&Instance> {
        self.instances.iter().find(|i| i.number == number)
    }

    /// Works out what happened until now: failed loads, and idle TTLs that ran out. Answers whether anything did.
    pub(crate) fn settle(&mut self, now: Instant) -> bool {
        let before = self.instances.len();
        self.instances.retain(|i| {
            if now < i.ready {
                return true;
            }
            if let Some(message) = &i.fails {
                i.fate.send_replace(Fate::LoadFailed(message.clone()));
                return false;
            }
            let expired = i.busy == 0 && i.ttl().is_some_and(|ttl| now >= i.last_used.max(i.ready) + ttl);
            if expired {
                i.fate.send_replace(Fate::Gone(UnloadCause::Ttl));
            }
            !expired
        });
        self.instances.len() < before
    }

    /// Begins a load; answers the number of the new instance. A load just in time evicts the others of its sort.
    pub(crate) fn begin_load(&mut self, load: Load, now: Instant) -> u64 {
        self.settle(now);
        if matches!(load.how, How::JustInTime(_)) && self.options.auto_evict {
            let key = load.key.clone();
            self.end(UnloadCause::Evicted, |i| matches!(i.how, How::JustInTime(_)) && i.key != key);
        }
        let mut id = load.key.clone();
        let mut suffix = 2;
        while self.instances.iter().any(|i| i.id == id) {
            id = format!("{}:{suffix}", load.key);
            suffix += 1;
        }
        self.last += 1;
        self.crashed.retain(|i| i.key != load.key);
        *self.begun.entry(load.key.clone()).or_default() += 1;
        let most = self.model(&load.key).map_or(0, |m| m.max_context);
        let context = load.context.or(self.options.default_context).unwrap_or(most).min(most);
        self.instances.push(Instance {
            number: self.last,
            id,
            key: load.key,
            how: load.how,
            context,
            started: now,
            ready: now + load.time,
            last_used: now + load.time,
            busy: 0,
            doing: Doing::ReadingPrompt,
            fails: load.fails,
            fate: watch::Sender::new(Fate::Alive),
        });
        self.last
    }

    /// Unloads an instance by its id, or all instances of a key; answers the ids of those that went.
    pub(crate) fn unload(&mut self, which: &str, cause: UnloadCause, now: Instant) -> Vec<String> {
        self.settle(now);
        let by_id = self.end(cause, |i| i.id == which && i.key != which);
        if by_id.is_empty() { self.end(cause, |i| i.key == which) } else { by_id }
    }

    /// Unloads one instance by its id alone.
    pub(crate) fn unload_instance(&mut self, id: &str, cause: UnloadCause, now: Instant) -> bool {
        self.settle(now);
        !self.end(cause, |i| i.id == id).is_empty()
    }

    /// Unloads one instance by its number.
    pub(crate) fn unload_number(&mut self, number: u64, cause: UnloadCause) -> bool {
        !self.end(cause, |i| i.number == number).is_empty()
    }

    fn end(&mut self, cause: UnloadCause, which: impl Fn(&Instance) -> bool) -> Vec<String> {
        let (gone, kept) = std::mem::take(&mut self.instances).into_iter().partition::<Vec<_>, _>(|i| which(i));
        self.instances = kept;
        let ids = gone.iter().map(|i| i.id.clone()).collect();
        for instance in gone {
            instance.fate.send_replace(Fate::Gone(cause));
            if cause == UnloadCause::Crash {
                self.crashed.push(instance);
            }
        }
        ids
    }

    /// From now on, an instance stays as this says.
    pub(crate) fn keep(&mut self, number: u64, how: How) {
        if let Some(instance) = self.instances.iter_mut().find(|i| i.number == number) {
            instance.how = how;
        }
    }

    /// Which instance a request that names this model gets. `embeddings`: for an embedding instead of an answer.
    pub(crate) fn choose(&mut self, asked: Option<&str>, embeddings: bool, now: Instant) -> Choice {
        self.settle(now);
        let fits = |key: &str| self.model(key).is_some_and(|m| (m.kind == ModelType::Embeddings) == embeddings);
        let there: Vec<&Instance> = self.instances.iter().filter(|i| fits(&i.key)).collect();
        if let Some(asked) = asked {
            let mut named = there.iter().filter(|i| i.id == asked || i.key == asked);
            let loaded = named.clone().find(|i| i.loaded(now));
            if let Some(instance) = loaded.or_else(|| if self.options.parallel_copies { None } else { named.next() }) {
                return Choice::Instance(instance.number);
            }
            if fits(asked) && self.options.jit {
                return Choice::Load(asked.to_owned());
            }
        }
        // Measured by users: a name it does not know is answered by the one model that is loaded.
        match there.as_slice() {
            [] if self.options.jit && asked.is_some() => Choice::Unknown,
            [] => Choice::NothingLoaded,
            [only] => Choice::Instance(only.number),
            _ => Choice::NotAmongLoaded,
        }
    }

    /// Marks an instance as in use: it neither goes idle nor expires until [`Shelf::release`].
    pub(crate) fn occupy(&mut self, number: u64) -> Option<watch::Receiver<Fate>> {
        let instance = self.instances.iter_mut().find(|i| i.number == number)?;
        instance.busy += 1;
        instance.doing = Doing::ReadingPrompt;
        Some(instance.fate.subscribe())
    }

    /// What one of those that use an instance has it do now.
    pub(crate) fn does(&mut self, number: u64, doing: Doing) {
        if let Some(instance) = self.instances.iter_mut().find(|i| i.number == number) {
            instance.doing = doing;
        }
    }

    /// The use is over; the idle TTL starts anew.
    pub(crate) fn release(&mut self, number: u64, now: Instant) {
        if let Some(instance) = self.instances.iter_mut().find(|i| i.number == number) {
            instance.busy = instance.busy.saturating_sub(1);
            instance.last_used = instance.last_used.max(now);
        }
    }

    /// How many loads of a key were ever begun.
    pub(crate) fn loads(&self, key: &str) -> u32 {
        self.begun.get(key).copied().unwrap_or_default()
    }

    /// The state of a key over all of its instances.
    pub(crate) fn state(&self, key: &str, now: Instant) -> LoadState {
        let mut state = LoadState::NotLoaded;
        for instance in self.instances.iter().filter(|i| i.key == key) {
            if instance.loaded(now) {
                return LoadState::Loaded;
            }
            state = LoadState::Loading;
        }
        state
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn shelf(options: LmStudioOptions) -> Shelf {
        Shelf::new(vec![Model::new("a").context(1000), Model::new("b"), Model::embedding("e")], options)
    }

    fn load(key: &str, how: How, seconds: u64) -> Load {
        Load { key: key.into(), how, time: Duration::from_secs(seconds), fails: None, context: None }
    }

    fn ids(shelf: &Shelf) -> Vec<&str> {
        shelf.instances.iter().map(|i| i.id.as_str()).collect()
    }

    #[test]
    fn a_second_load_makes_a_second_instance() {
        let (mut s, now) = (shelf(LmStudioOptions::default()), Instant::now());
        s.begin_load(load("a", How::Explicitly, 0), now);
        s.begin_load(load("a", How::Explicitly, 0), now);
        s.begin_load(load("a", How::Explicitly, 0), now);
        assert_eq!(ids(&s), ["a", "a:2", "a:3"]);
        assert!(s.unload_instance("a:2", UnloadCause::Ejected, now));
        s.begin_load(load("a", How::Explicitly, 0), now);
        assert_eq!(ids(&s), ["a", "a:3", "a:2"]);
        assert_eq!(s.unload("a", UnloadCause::Ejected, now), ["a", "a:3", "a:2"]);
    }

    #[test]
    fn the_ttl_counts_from_the_end_of_the_last_use_and_never_ends_a_busy_instance() {
        let (mut s, start) = (shelf(LmStudioOptions::default()), Instant::now());
        let number = s.begin_load(load("a", How::JustInTime(Some(HOUR)), 10), start);
        assert!(!s.settle(start + HOUR));
        let fate = s.occupy(number).unwrap();
        assert!(!s.settle(start + HOUR * 3), "in use");
        s.release(number, start + HOUR * 3);
        assert!(!s.settle(start + HOUR * 4 - Duration::from_secs(1)));
        assert!(s.settle(start + HOUR * 4));
        assert_eq!(*fate.borrow(), Fate::Gone(UnloadCause::Ttl));
    }

    #[test]
    fn a_load_just_in_time_evicts_only_its_own_sort() {
        let (mut s, now) = (shelf(LmStudioOptions::default()), Instant::now());
        s.begin_load(load("a", How::JustInTime(Some(HOUR)), 0), now);
        s.begin_load(load("b", How::JustInTime(Some(HOUR)), 0), now);
        assert_eq!(ids(&s), ["b"]);
        s.begin_load(load("a", How::Explicitly, 0), now);
        assert_eq!(ids(&s), ["b", "a"], "an explicit load evicts nothing");
        s.begin_load(load("e", How::JustInTime(Some(HOUR)), 0), now);
        assert_eq!(ids(&s), ["a", "e"], "what was loaded explicitly stays");
        assert!(!s.settle(now + HOUR / 2));
        assert!(s.settle(now + HOUR * 1000));
        assert_eq!(ids(&s), ["a"], "and has no TTL");
    }

    #[test]
    fn an_unknown_name_is_answered_by_the_only_loaded_model() {
        let (mut s, now) = (shelf(LmStudioOptions::default()), Instant::now());
        assert_eq!(s.choose(Some("nobody"), false, now), Choice::Unknown);
        assert_eq!(s.choose(Some("a"), false, now), Choice::Load("a".into()));
        let a = s.begin_load(load("a", How::Explicitly, 5), now);
        assert_eq!(s.choose(Some("a"), false, now), Choice::Instance(a), "waits for the load, makes no second one");
        assert_eq!(s.choose(Some("nobody"), false, now), Choice::Instance(a));
        let b = s.begin_load(load("b", How::Explicitly, 0), now);
        assert_eq!(s.choose(Some("nobody"), false, now), Choice::NotAmongLoaded);
        assert_eq!(s.choose(Some("b"), false, now), Choice::Instance(b));
        assert_eq!(s.choose(Some("e"), true, now), Choice::Load("e".into()));
    }

    #[test]
    fn without_loading_just_in_time_a_model_must_be_loaded() {
        let (mut s, now) = (shelf(LmStudioOptions { jit: false, ..LmStudioOptions::default() }), Instant::now());
        assert_eq!(s.choose(Some("a"), false, now), Choice::NothingLoaded);
    }

    #[test]
    fn copies_are_made_in_parallel_only_where_that_is_asked_for() {
        let options = LmStudioOptions { parallel_copies: true, ..LmStudioOptions::default() };
        let (mut s, now) = (shelf(options), Instant::now());
        s.begin_load(load("a", How::JustInTime(None), 5), now);
        assert_eq!(s.choose(Some("a"), false, now), Choice::Load("a".into()));
        s.begin_load(load("a", How::JustInTime(None), 5), now);
        assert_eq!(ids(&s), ["a", "a:2"]);
    }

    #[test]
    fn a_failed_load_leaves_nothing_and_says_why() {
        let (mut s, now) = (shelf(LmStudioOptions::default()), Instant::now());
        let number = s.begin_load(Load { fails: Some("no memory".into()), ..load("a", How::Explicitly, 2) }, now);
        let fate = s.occupy(number).unwrap();
        assert_eq!(s.state("a", now), LoadState::Loading);
        assert!(s.settle(now + Duration::from_secs(2)));
        assert_eq!(*fate.borrow(), Fate::LoadFailed("no memory".into()));
        assert_eq!(s.state("a", now + Duration::from_secs(2)), LoadState::NotLoaded);
    }

    #[test]
    fn a_context_is_never_longer_than_the_model_allows() {
        let (mut s, now) = (shelf(LmStudioOptions::default()), Instant::now());
        let number = s.begin_load(Load { context: Some(9999), ..load("a", How::Explicitly, 0) }, now);
        assert_eq!(s.instance(number).unwrap().context, 1000);
    }
}
