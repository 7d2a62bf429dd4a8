//! What a look saw, and finding one model in it by the name the configuration uses.

use std::time::Duration;

use crate::Activity;

/// The answer to one look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) models: Vec<Seen>,
}

/// One line of a listing. Several lines may be about one model: two endpoints, or two instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The runtime's own name for it.
    pub(crate) key: String,
    /// Other names it answers to: its instances, its variants.
    pub(crate) names: Vec<String>,
    pub(crate) presence: Presence,
    /// What is in memory of it, by name.
    pub(crate) instances: Vec<String>,
    /// What it was loaded with, in tokens.
    pub(crate) context: Option<u64>,
    pub(crate) quantization: Option<String>,
    pub(crate) size_bytes: Option<u64>,
    /// Whether it makes embeddings (and cannot chat).
    pub(crate) embedding: bool,
    /// Whether it answers whatever name a request has.
    pub(crate) any_name: bool,
    /// The idle timer it runs under.
    pub(crate) clock: Clock,
    /// How long it is still to stay, where the runtime says that.
    pub(crate) left: Option<Duration>,
    /// How long ago it was used, by the runtime's own word; zero while it is in use.
    pub(crate) idle: Option<Duration>,
    pub(crate) activity: Option<Activity>,
    /// How it went, where the runtime says so.
    pub(crate) departure: Option<Departure>,
}

/// The idle timer of a model, as far as the runtime tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Clock {
    #[default]
    Untold,
    Never,
    After(Duration),
}

/// How a model went, by the runtime's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Departure {
    /// Its process failed.
    Crashed(String),
    /// Its idle timer put it to sleep.
    Slept,
    /// Its process was told to end, by whomever.
    Orderly,
    /// It went with another that was unloaded from here.
    Here,
}

/// Whether something of a model is in memory, as far as one listing can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// This server does not tell.
    Untold,
    /// Not in memory.
    Absent,
    /// Being loaded.
    Loading,
    /// There is an instance, which may still be loading.
    Instance,
    /// In memory.
    Loaded,
}

impl Presence {
    /// Of two lines about one model, the one to believe: two listings, or two instances. A plain state beats the mere
    /// existence of an instance, which beats "absent" (a second instance would be made if that were wrong).
    fn rank(self) -> u8 {
        match self {
            Self::Untold => 0,
            Self::Absent => 1,
            Self::Instance => 2,
            Self::Loading => 3,
            Self::Loaded => 4,
        }
    }

    /// Whether memory is taken, so that a load would make a second instance.
    pub(crate) fn occupies(self) -> bool {
        matches!(self, Self::Loading | Self::Instance | Self::Loaded)
    }
}

impl Observation {
    /// Everything seen of the model that the configuration calls `id`, as one line; none where it is not listed.
    ///
    /// LM Studio names a second instance `key:2`, so `id:2` counts as `id`. Case is not looked at.
    pub(crate) fn find(&self, id: &str) -> Option<Seen> {
        let mut found: Option<Seen> = None;
        for seen in self.models.iter().filter(|seen| seen.answers_to(id)) {
            match &mut found {
                None => found = Some(seen.clone()),
                Some(whole) => whole.take_in(seen),
            }
        }
        if let Some(whole) = &mut found {
            // A variant's name is what is loaded when the configuration names the variant.
            let own_key = self.models.iter().find(|seen| seen.key.eq_ignore_ascii_case(id)).map(|seen| &seen.key);
            id_or(own_key, id).clone_into(&mut whole.key);
        }
        found
    }
}

fn id_or<'a>(key: Option<&'a String>, id: &'a str) -> &'a str {
    key.map_or(id, String::as_str)
}

impl Seen {
    /// A line that tells nothing but a name.
    pub(crate) fn named(key: impl Into<String>, presence: Presence) -> Self {
        Self {
            key: key.into(),
            names: Vec::new(),
            presence,
            instances: Vec::new(),
            context: None,
            quantization: None,
            size_bytes: None,
            embedding: false,
            any_name: false,
            clock: Clock::Untold,
            left: None,
            idle: None,
            activity: None,
            departure: None,
        }
    }

    fn answers_to(&self, id: &str) -> bool {
        self.any_name || is_instance_of(&self.key, id) || self.names.iter().any(|name| is_instance_of(name, id))
    }

    fn take_in(&mut self, other: &Self) {
        if other.presence.rank() > self.presence.rank() {
            self.presence = other.presence;
        }
        for instance in &other.instances {
            if !self.instances.contains(instance) {
                self.instances.push(instance.clone());
            }
        }
        self.context = self.context.or(other.context);
        self.quantization = self.quantization.take().or_else(|| other.quantization.clone());
        self.size_bytes = self.size_bytes.or(other.size_bytes);
        self.embedding |= other.embedding;
        if self.clock == Clock::Untold {
            self.clock = other.clock;
        }
        self.left = self.left.or(other.left);
        self.idle = self.idle.or(other.idle);
        self.activity = self.activity.or(other.activity);
        self.departure = self.departure.take().or_else(|| other.departure.clone());
    }
}

/// Whether `name` is `id`, or `id:2`, `id:3`, ….
pub(crate) fn is_instance_of(name: &str, id: &str) -> bool {
    let Some((head, rest)) = name.split_at_checked(id.len()) else { return false };
    if !head.eq_ignore_ascii_case(id) {
        return false;
    }
    match rest.strip_prefix(':') {
        None => rest.is_empty(),
        Some(number) => !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(key: &str, presence: Presence, instances: &[&str]) -> Seen {
        let instances = instances.iter().map(|name| (*name).to_owned()).collect();
        Seen { instances, ..Seen::named(key, presence) }
    }

    #[test]
    fn a_second_instance_is_the_same_model_and_a_tag_is_not() {
        assert!(is_instance_of("minimax", "minimax"));
        assert!(is_instance_of("MiniMax:2", "minimax"));
        assert!(!is_instance_of("minimax:8b", "minimax"));
        assert!(!is_instance_of("minimax:", "minimax"));
        assert!(!is_instance_of("minimax-m2", "minimax"));
        assert!(!is_instance_of("mini", "minimax"));
        assert!(!is_instance_of("é", "a"));
    }

    #[test]
    fn lines_about_one_model_become_one() {
        let all = Observation {
            models: vec![
                line("m", Presence::Instance, &["m", "m:2"]),
                line("m", Presence::Absent, &[]),
                line("m:2", Presence::Loading, &["m:2"]),
                line("other", Presence::Loaded, &["other"]),
            ],
        };
        let seen = all.find("M").unwrap();
        assert_eq!((seen.key.as_str(), seen.presence), ("m", Presence::Loading));
        assert_eq!(seen.instances, ["m", "m:2"]);
        assert_eq!(all.find("n"), None);
    }

    #[test]
    fn a_variant_is_found_and_loaded_by_its_own_name() {
        let mut seen = line("gemma", Presence::Absent, &[]);
        seen.names = vec!["gemma@q4".into()];
        let all = Observation { models: vec![seen] };
        assert_eq!(all.find("gemma@q4").unwrap().key, "gemma@q4");
    }
}
