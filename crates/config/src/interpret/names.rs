//! The names that a configuration has for models: each is looked up, and where it means none, what was probably meant is
//! offered. No I/O.

use std::collections::HashSet;

use indexmap::IndexMap;
use json5_edit::{Edit, Expected};
use pilotlight_wire::ModelRef;

use super::{Named, Reader};
use crate::diagnostic::{Fix, Severity};
use crate::hosted;
use crate::model::{Key, ModelConfiguration, OWN_PROVIDER};
use crate::resolve::{is_own, strip_profile};
use crate::rules;
use crate::tree::{At, Data};

/// Where models are named beside the chain of all, in `agents.defaults` and in an agent's entry, as a name or as
/// `{ primary, fallbacks }`; and whether providers are usual there that have no entry in the file.
///
/// Source: the schemas of the npm packages `openclaw@2026.2.6-3` and `openclaw@2026.9.6`.
const SELECTIONS: [(&[&str], bool); 12] = [
    (&["model"], false),
    (&["imageModel"], false),
    (&["pdfModel"], false),
    (&["utilityModel"], false),
    (&["decisionModel"], false),
    (&["subagents", "model"], false),
    (&["heartbeat", "model"], false),
    (&["compaction", "model"], false),
    (&["voiceModel"], true),
    (&["mediaModels", "image"], true),
    (&["mediaModels", "video"], true),
    (&["mediaModels", "music"], true),
];

impl Reader<'_> {
    pub(super) fn check_names(&mut self, root: &At<'_>, named: &Named<'_>) {
        let chain = self.configuration.chain();
        match &named.primary {
            None if chain.is_empty() => self.no_primary(root),
            Some((name, at)) if is_own(name) && chain.is_empty() => {
                let message = "The primary is Pilot Light itself and there are no fallbacks, so there is nothing to pass \
                               requests on to: list the real models under fallbacks.";
                self.report.error("empty-chain", at, message);
            }
            Some((name, _)) if is_own(name) => {}
            Some((name, at)) if self.configuration.resolve(name).is_none() => {
                let severity = if chain.is_empty() { Severity::Error } else { Severity::Warning };
                let rest = if chain.is_empty() { "" } else { "Until then the chain starts with the first fallback." };
                self.unknown_name(severity, "unknown-primary", name, at, rest);
            }
            _ => {}
        }
        for (name, at) in &named.fallbacks {
            if !is_own(name) && self.configuration.resolve(name).is_none() {
                let rest = "Until then the chain goes on without it.";
                self.unknown_name(Severity::Warning, "unknown-fallback", name, at, rest);
            }
        }
        let agents = agents(root);
        let own = agents.iter().filter(|(_, is_default)| !is_default).filter_map(|(holder, _)| holder.get("models"));
        let own: Vec<(ModelRef, At<'_>, At<'_>)> = own
            .flat_map(|rows| rows.members().map(move |(name, at)| (name, at, rows.clone())))
            .filter(|(_, at, _)| at.get("alias").is_some())
            .filter_map(|(name, at, rows)| Some((strip_profile(name).parse().ok()?, at, rows)))
            .collect();
        let aliased = named.aliased.iter().map(|(model, _)| model).chain(own.iter().map(|(model, ..)| model));
        let listed = self.listed(aliased);
        if let Some(rows) = root.at(&["agents", "defaults", "models"]) {
            named.aliased.iter().for_each(|(model, at)| self.alias_target(model, at, &rows, &listed));
        }
        for (model, at, rows) in &own {
            self.alias_target(model, at, rows, &listed);
        }
        for (holder, is_default) in &agents {
            self.selections(holder, *is_default);
        }
        self.check_built_in_keys(named, &chain);
    }

    /// An alias that is for a model which nothing names. `rows` is what it stands in.
    fn alias_target(&mut self, model: &ModelRef, at: &At<'_>, rows: &At<'_>, listed: &HashSet<ModelRef>) {
        if model.provider() == OWN_PROVIDER || listed.contains(model) || self.configuration.is_built_in(model) {
            return;
        }
        let name = model.to_string();
        let meant = self.guess(|configuration| rules::nearest_ref(configuration, &name)).map(|meant| meant.to_string());
        let message =
            said(&[&self.unknown(&name), "Until then its alias means nothing.", &did_you_mean(meant.as_deref())]);
        self.report.at_key(Severity::Warning, "unknown-alias-target", at, message);
        // Two rows cannot have one key.
        let key = meant.filter(|meant| rows.member(meant).is_none());
        self.report.mend(key.map(|key| {
            let edit = Edit::Rename { path: at.path(), key: key.clone(), expected: Expected::Anything };
            Fix::one(format!("Write {key}"), edit)
        }));
    }

    /// The names that an agent (or what holds for all) has for models beside the chain of all.
    fn selections(&mut self, holder: &At<'_>, is_default: bool) {
        let rows = holder.get("models");
        let own: HashSet<String> = rows
            .iter()
            .flat_map(At::members)
            .filter_map(|(_, row)| Some(row.get("alias")?.as_str()?.trim().to_lowercase()))
            .collect();
        for (keys, of_others) in SELECTIONS.iter().filter(|(keys, _)| !is_default || *keys != ["model"]) {
            let Some(at) = holder.at(keys) else { continue };
            let fallbacks = at.get("fallbacks");
            let first = if at.as_str().is_some() { Some(at) } else { at.get("primary") };
            let names = first.into_iter().map(|at| (at, "unknown-model"));
            let fallbacks: Vec<_> = fallbacks.iter().flat_map(At::items).map(|at| (at, "unknown-fallback")).collect();
            for (at, code) in names.chain(fallbacks) {
                let Some(done) = at.as_str().map(|written| self.variables.substitute(written)) else { continue };
                let name = done.text.trim();
                let known = name.is_empty()
                    || !done.unset.is_empty()
                    || is_own(name)
                    || own.contains(&strip_profile(name).to_lowercase())
                    || self.configuration.resolve(name).is_some();
                // Pictures, films and voices come from providers that OpenClaw's plug-ins know, and the file does not.
                let foreign = || {
                    let provider = strip_profile(name).split_once('/').map(|(provider, _)| provider.trim());
                    *of_others && provider.is_none_or(|provider| self.configuration.provider(provider).is_none())
                };
                if !known && !foreign() {
                    let rest = if code == "unknown-fallback" {
                        "OpenClaw goes on without it."
                    } else {
                        "OpenClaw cannot use it here."
                    };
                    self.unknown_name(Severity::Warning, code, name, &at, rest);
                }
            }
        }
    }

    /// Says that a name means no model, and offers what it was probably meant to be.
    fn unknown_name(&mut self, severity: Severity, code: &'static str, name: &str, at: &At<'_>, rest: &str) {
        let meant = self.guess(|configuration| rules::nearest(configuration, strip_profile(name.trim())));
        let message = said(&[&self.unknown(name), rest, &did_you_mean(meant.as_deref())]);
        self.report.add(severity, code, at, message);
        self.report.mend(meant.map(|meant| rules::write(format!("Write {meant}"), at, meant)));
    }

    fn guess<T>(&mut self, guess: impl FnOnce(&ModelConfiguration) -> Option<T>) -> Option<T> {
        self.guesses = self.guesses.checked_sub(1)?;
        guess(&self.configuration)
    }

    fn no_primary(&mut self, root: &At<'_>) {
        let at = ["agents", "defaults", "model"].iter().try_fold(root.clone(), |at, key| at.get(key).ok_or(at));
        let at = at.unwrap_or_else(|deepest| deepest);
        if !matches!(at.tree.data, Data::Object(_)) {
            // Said already: it is of a wrong type.
            return;
        }
        let message = "no primary model is named, so requests for \"primary\" cannot be answered: choose one, or write \
                       agents.defaults.model.primary";
        self.report.warning("no-primary", &at, message);
    }

    /// A hosted provider without an entry has its key in a variable; say so where the file relies on it.
    fn check_built_in_keys(&mut self, named: &Named<'_>, chain: &[ModelRef]) {
        let mut told: IndexMap<String, ()> = IndexMap::new();
        let in_chain = named.primary.iter().chain(&named.fallbacks);
        let uses: Vec<(ModelRef, At<'_>, Severity)> = in_chain
            .filter_map(|(name, at)| Some((self.configuration.resolve(name)?, at.clone(), Severity::Warning)))
            .filter(|(model, ..)| chain.contains(model))
            .chain(named.aliased.iter().map(|(model, at)| (model.clone(), at.clone(), Severity::Info)))
            .collect();
        for (model, at, severity) in uses {
            let Some(provider) = self.configuration.provider(model.provider()).filter(|provider| provider.built_in)
            else {
                continue;
            };
            let Some(problem) = provider.key.as_ref().and_then(Key::problem) else { continue };
            if told.insert(provider.id.clone(), ()).is_none() {
                let id = provider.id.clone();
                let message = format!("{problem} (keys that OpenClaw keeps for {id} elsewhere are not read)");
                self.report.add(severity, "key-unreadable", &at, message);
            }
        }
    }

    /// Why a name means no model, and what to do.
    fn unknown(&self, name: &str) -> String {
        let name = name.trim();
        if let Ok(model) = strip_profile(name).parse::<ModelRef>() {
            if let Some(provider) = self.configuration.provider(model.provider()) {
                let has: Vec<&str> = provider.models.iter().map(|row| row.id.as_str()).take(8).collect();
                let has = if has.is_empty() { "no models".to_owned() } else { has.join(", ") };
                return format!("The provider {} has no model {:?}: it has {has}.", provider.id, model.model());
            }
            if hosted::find(model.provider()).is_some() {
                return format!("With models.mode \"replace\", {model} needs a row under models.providers: add one.");
            }
            let ids: Vec<&str> = self.configuration.providers.iter().map(|provider| provider.id.as_str()).collect();
            let ids = if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
            return format!(
                "There is no provider {:?}: add it under models.providers (there is {ids}).",
                model.provider()
            );
        }
        let having: Vec<String> = self
            .configuration
            .upstreams()
            .filter(|upstream| upstream.model.id == name)
            .filter_map(|upstream| upstream.model_ref())
            .map(|model| model.to_string())
            .collect();
        if having.len() > 1 {
            return format!("The name {name:?} could be any of {}: write which.", having.join(", "));
        }
        format!("The name {name:?} is no alias and no model: write provider/model, or give a model this alias.")
    }
}

/// What holds for all agents, and each agent of `entries` or `list`; true for the first.
fn agents<'a>(root: &At<'a>) -> Vec<(At<'a>, bool)> {
    let Some(agents) = root.get("agents") else { return Vec::new() };
    let (entries, list) = (agents.get("entries"), agents.get("list"));
    let each = entries.iter().flat_map(At::members).map(|(_, at)| at).chain(list.iter().flat_map(At::items));
    agents.get("defaults").map(|at| (at, true)).into_iter().chain(each.map(|at| (at, false))).collect()
}

/// Sentences, one after the other.
fn said(sentences: &[&str]) -> String {
    sentences.iter().filter(|sentence| !sentence.is_empty()).copied().collect::<Vec<_>>().join(" ")
}

fn did_you_mean(meant: Option<&str>) -> String {
    meant.map_or_else(String::new, |meant| format!("Did you mean {meant}?"))
}
