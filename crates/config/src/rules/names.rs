//! Names: what was meant by one that means nothing, aliases that hide a model, variants that OpenClaw reads as auth
//! profiles, and models that its policy does not allow.

use std::collections::HashSet;

use json5_edit::{Edit, Expected, Position};
use pilotlight_wire::ModelRef;
use serde_json::Value;

use super::{Ground, items};
use crate::diagnostic::{Fix, Severity};
use crate::members::QuickMap;
use crate::model::{ModelConfiguration, OWN_PROVIDER, Provider};
use crate::near::distance;
use crate::resolve::{is_own, is_variant};
use crate::tree::{At, Report};

pub(super) fn check(ground: &Ground<'_>, report: &mut Report<'_>) {
    aliases(ground, report);
    variants(ground, report);
    policy(ground, report);
}

/// What a name that means no model was probably meant to be, as it would be written; none where nothing, or more than
/// one thing, is near.
pub(crate) fn nearest(configuration: &ModelConfiguration, name: &str) -> Option<String> {
    if name.contains('/') {
        return nearest_ref(configuration, name).map(|model| model.to_string());
    }
    let ids = refs(configuration).into_iter().map(|model| (model.model().to_owned(), model.to_string()));
    let aliases = configuration.aliases.values().map(|alias| (alias.clone(), alias.clone()));
    closest(name, aliases.chain(ids).collect(), |wanted, candidate| distance(wanted, candidate, allowed(wanted)))
}

/// The same where only a ref will do.
pub(crate) fn nearest_ref(configuration: &ModelConfiguration, name: &str) -> Option<ModelRef> {
    let (provider, model) = name.split_once('/')?;
    let refs = refs(configuration);
    let same_model: Vec<&ModelRef> = refs.iter().filter(|other| other.model().eq_ignore_ascii_case(model)).collect();
    if let [one] = same_model[..] {
        return Some(one.clone());
    }
    let candidates = refs.into_iter().map(|model| (model.to_string(), model)).collect();
    closest(name, candidates, |_, candidate| {
        let (other_provider, other_model) = candidate.split_once('/')?;
        let far = distance(provider, other_provider, allowed(provider))?;
        Some(far + distance(model, other_model, allowed(model))?)
    })
}

fn refs(configuration: &ModelConfiguration) -> Vec<ModelRef> {
    let rows = configuration.upstreams().filter_map(|upstream| upstream.model_ref());
    let mut refs: Vec<ModelRef> = rows.collect();
    refs.dedup();
    refs
}

/// How many characters may be different: one in three, since a part left out is a common mistake too.
fn allowed(name: &str) -> usize {
    (name.chars().count() / 3).max(1)
}

fn closest<T: PartialEq>(
    name: &str,
    candidates: Vec<(String, T)>,
    far: impl Fn(&str, &str) -> Option<usize>,
) -> Option<T> {
    let near = candidates.into_iter().filter_map(|(text, means)| Some((far(name, &text)?, means)));
    let mut near: Vec<(usize, T)> = near.collect();
    let best = near.iter().map(|(far, _)| *far).min()?;
    near.retain(|(far, _)| *far == best);
    let (_, first) = near.swap_remove(0);
    near.iter().all(|(_, other)| *other == first).then_some(first)
}

fn aliases(ground: &Ground<'_>, report: &mut Report<'_>) {
    let aliased: Vec<(ModelRef, At<'_>, &str)> = ground
        .named_rows()
        .into_iter()
        .filter_map(|(name, row)| {
            let at = row.get("alias")?;
            Some((name.parse().ok()?, at.clone(), at.as_str()?.trim()))
        })
        .filter(|(.., alias)| !alias.is_empty())
        .collect();
    let mut names: QuickMap<String, Vec<ModelRef>> =
        aliased.iter().map(|(.., alias)| (alias.to_lowercase(), Vec::new())).collect();
    if names.is_empty() {
        return;
    }
    let mut name = String::new();
    for provider in ground.configuration.providers.iter().filter(|provider| provider.id != OWN_PROVIDER) {
        for row in &provider.models {
            for prefix in [&[provider.id.as_str(), "/"][..], &[]] {
                name.clear();
                name.extend(prefix.iter().copied());
                match row.id.is_ascii() {
                    true => name.push_str(&row.id),
                    false => name.push_str(&row.id.to_lowercase()),
                }
                name.make_ascii_lowercase();
                if let Some(having) = names.get_mut(name.as_str()) {
                    having.extend(ModelRef::new(&provider.id, &row.id));
                }
            }
        }
    }
    for (model, at, alias) in aliased {
        let Some(named) = names.get(&alias.to_lowercase()).filter(|named| !named.is_empty()) else { continue };
        if let Some(other) = named.iter().find(|other| **other != model) {
            let message = format!(
                "the alias {alias:?} is also the name of {other}, and an alias comes first: that name now means {model}. \
                 Choose another alias"
            );
            report.warning("alias-is-model-id", &at, message);
        } else {
            let message =
                format!("the alias {alias:?} is what the model is called anyway: choose another, or leave it out");
            report.add(Severity::Info, "alias-is-model-id", &at, message);
        }
    }
}

fn variants(ground: &Ground<'_>, report: &mut Report<'_>) {
    for (name, at) in ground.chain() {
        if let Some(message) = misread(ground.configuration, &name) {
            report.warning("variant-read-as-profile", &at, message);
        }
    }
    for (name, at) in ground.named_rows() {
        if let Some(message) = misread(ground.configuration, name) {
            report.at_key(Severity::Warning, "variant-read-as-profile", &at, message);
        }
    }
    let with_sign = |provider: &Provider| provider.models.iter().any(|row| row.id.contains('@'));
    for (provider, at) in ground.providers().filter(|(provider, _)| with_sign(provider)) {
        for id in at.get("models").map(|at| items(&at)).unwrap_or_default().iter().filter_map(|row| row.get("id")) {
            let name = id.as_str().filter(|id| id.contains('@')).map(|id| format!("{}/{}", provider.id, id.trim()));
            if let Some(message) = name.and_then(|name| misread(ground.configuration, &name)) {
                report.warning("variant-read-as-profile", &id, message);
            }
        }
    }
}

/// Why OpenClaw would not find the model that a name with an `@` is meant for; none where it would.
fn misread(configuration: &ModelConfiguration, name: &str) -> Option<String> {
    let name = name.trim();
    let profile = profile(name)?;
    let model = name[..name.len() - profile.len()].trim_end().trim_end_matches('@');
    // An auth profile is what it is meant to be, unless a model is called so.
    let meant = is_variant(profile)
        || configuration.upstreams().filter_map(|upstream| upstream.model_ref()).any(|row| row.to_string() == name);
    meant.then(|| {
        format!(
            "OpenClaw reads @{profile} as an auth profile and asks for {model}: leave it off and choose the variant in \
             the runtime, or load it there under an id without @"
        )
    })
}

/// What OpenClaw takes for an auth profile: what follows the first `@` after the last `/`, past a date and a
/// quantisation of two kinds (`@20251001`, `@q4_k_m`, `@4bit`).
///
/// Source: `splitTrailingAuthProfile` in `src/agents/model-ref-profile.ts` of OpenClaw.
fn profile(name: &str) -> Option<&str> {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let mut at = name[start..].find('@').map(|at| start + at).filter(|at| *at > 0)?;
    for is_kept in [is_date as fn(&str) -> bool, is_known_quantisation] {
        let part = name[at + 1..].split('@').next().unwrap_or_default();
        if is_kept(part) {
            at = name[at + 1..].find('@').map(|next| at + 1 + next)?;
        }
    }
    let (model, profile) = (name[..at].trim(), name[at + 1..].trim());
    (!model.is_empty() && !profile.is_empty()).then_some(profile)
}

fn is_date(text: &str) -> bool {
    text.len() == 8 && text.chars().all(|c| c.is_ascii_digit())
}

fn is_known_quantisation(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if text.strip_suffix("bit").is_some_and(digits) {
        return true;
    }
    let mut parts = text.strip_prefix('i').unwrap_or(&text).split('_');
    let first = parts.next().and_then(|first| first.strip_prefix('q')).is_some_and(digits);
    first && parts.all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
}

fn policy(ground: &Ground<'_>, report: &mut Report<'_>) {
    let Some(allow) = ground.root.at(&["agents", "defaults", "modelPolicy", "allow"]) else { return };
    let entries: Vec<String> =
        items(&allow).iter().filter_map(|at| Some(ground.variables.substitute(at.as_str()?).text)).collect();
    // An empty list allows everything.
    if entries.is_empty() {
        return;
    }
    let allowed = Allowed::of(ground.configuration, &entries);
    let mut told: HashSet<ModelRef> = HashSet::new();
    let mut tell = |severity: Severity, model: ModelRef, at: &At<'_>, at_key: bool, why: &str| {
        if model.provider() == OWN_PROVIDER || told.contains(&model) || allowed.has(&model) {
            return;
        }
        let message = format!("agents.defaults.modelPolicy.allow does not name {model}, so {why}: add it there");
        if at_key {
            report.at_key(severity, "not-allowed", at, message);
        } else {
            report.add(severity, "not-allowed", at, message);
        }
        let value = Value::from(model.to_string());
        let edit = Edit::Insert {
            path: allow.path(),
            key: None,
            position: Position::End,
            value,
            expected: Expected::Anything,
        };
        report.mend(Some(Fix::one(format!("Allow {model}"), edit)));
        told.insert(model);
    };
    for (name, at) in ground.chain().iter().filter(|(name, _)| !is_own(name)) {
        if let Some(model) = ground.configuration.resolve(name) {
            tell(Severity::Warning, model, at, false, "OpenClaw answers with it, but nobody can choose it with /model");
        }
    }
    for (name, at) in ground.named_rows().iter().filter(|(_, at)| at.get("alias").is_some()) {
        if let Ok(model) = name.parse() {
            tell(Severity::Warning, model, at, true, "its alias is refused by /model");
        }
    }
    for (provider, at) in ground.providers() {
        for id in at.get("models").map(|at| items(&at)).unwrap_or_default().iter().filter_map(|row| row.get("id")) {
            if let Some(model) = id.as_str().and_then(|id| ModelRef::new(&provider.id, id).ok()) {
                tell(Severity::Info, model, &id, false, "it cannot be chosen with /model");
            }
        }
    }
}

/// What the entries of a policy are for: refs, aliases, and prefixes that end in `/*`.
struct Allowed {
    models: HashSet<ModelRef>,
    names: HashSet<String>,
    prefixes: Vec<String>,
}

impl Allowed {
    fn of(configuration: &ModelConfiguration, entries: &[String]) -> Self {
        let mut allowed = Self { models: HashSet::new(), names: HashSet::new(), prefixes: Vec::new() };
        for entry in entries.iter().map(|entry| entry.trim()) {
            if let Some(prefix) = entry.strip_suffix('*').map(str::trim_end) {
                allowed.prefixes.extend(prefix.ends_with('/').then(|| prefix.to_lowercase()));
                continue;
            }
            allowed.models.extend(configuration.resolve(entry));
            allowed.names.extend(entry.parse::<ModelRef>().ok().map(|model| model.to_string().to_lowercase()));
        }
        allowed
    }

    fn has(&self, model: &ModelRef) -> bool {
        let name = model.to_string().to_lowercase();
        self.models.contains(model)
            || self.names.contains(&name)
            || self.prefixes.iter().any(|prefix| name.starts_with(prefix))
    }
}
