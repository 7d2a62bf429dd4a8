//! Names: what was meant by one that means nothing, aliases that hide a model, variants that OpenClaw reads as auth
//! profiles, and models that its policy does not allow.

use std::collections::HashMap;

use json5_edit::{Edit, Expected, Position};
use pilotlight_wire::ModelRef;
use serde_json::Value;

use super::{Ground, items};
use crate::diagnostic::{Fix, Severity};
use crate::model::{ModelConfiguration, OWN_PROVIDER};
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

/// How many characters have to be added, taken away, replaced or swapped with the next, whatever their case; none above
/// `most`.
fn distance(one: &str, other: &str, most: usize) -> Option<usize> {
    let letters = |text: &str| text.trim().to_lowercase().chars().take(256).collect::<Vec<char>>();
    let (one, other) = (letters(one), letters(other));
    if one.len().abs_diff(other.len()) > most {
        return None;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for at in 1..=one.len() {
        let mut row = vec![at];
        for column in 1..=other.len() {
            let replaced = rows[at - 1][column - 1] + usize::from(one[at - 1] != other[column - 1]);
            let mut least = replaced.min(rows[at - 1][column] + 1).min(row[column - 1] + 1);
            if at > 1 && column > 1 && one[at - 1] == other[column - 2] && one[at - 2] == other[column - 1] {
                least = least.min(rows[at - 2][column - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().filter(|far| *far <= most)
}

fn aliases(ground: &Ground<'_>, report: &mut Report<'_>) {
    let mut names: HashMap<String, Vec<ModelRef>> = HashMap::new();
    for model in refs(ground.configuration) {
        names.entry(model.model().to_lowercase()).or_default().push(model.clone());
        names.entry(model.to_string().to_lowercase()).or_default().push(model);
    }
    for (name, row) in ground.named_rows() {
        let (Ok(model), Some(at)) = (name.parse::<ModelRef>(), row.get("alias")) else { continue };
        let Some(alias) = at.as_str().map(str::trim).filter(|alias| !alias.is_empty()) else { continue };
        let Some(named) = names.get(&alias.to_lowercase()) else { continue };
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
    for (provider, at) in ground.providers() {
        for id in at.get("models").map(|at| items(&at)).unwrap_or_default().iter().filter_map(|row| row.get("id")) {
            let name = id.as_str().map(|id| format!("{}/{}", provider.id, id.trim()));
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
    let mut told: Vec<ModelRef> = Vec::new();
    let mut tell = |severity: Severity, model: ModelRef, at: &At<'_>, at_key: bool, why: &str| {
        if model.provider() == OWN_PROVIDER
            || told.contains(&model)
            || entries.iter().any(|entry| allows(ground.configuration, entry, &model))
        {
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
            path: allow.path.clone(),
            key: None,
            position: Position::End,
            value,
            expected: Expected::Anything,
        };
        report.mend(Some(Fix::one(format!("Allow {model}"), edit)));
        told.push(model);
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

/// Whether an entry of the policy is for this model: its ref, its alias, or a prefix that ends in `/*`.
fn allows(configuration: &ModelConfiguration, entry: &str, model: &ModelRef) -> bool {
    let entry = entry.trim();
    let Some(prefix) = entry.strip_suffix('*').map(str::trim_end) else {
        return configuration.resolve(entry).is_some_and(|allowed| allowed == *model)
            || entry
                .parse::<ModelRef>()
                .is_ok_and(|allowed| allowed.to_string().eq_ignore_ascii_case(&model.to_string()));
    };
    prefix.ends_with('/') && model.to_string().to_lowercase().starts_with(&prefix.to_lowercase())
}
