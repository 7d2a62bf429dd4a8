//! What September asks beyond the shape of single places: rules that look at several of them. February has none for what
//! we look at. No I/O.
//!
//! Sources: `ModelProvidersSchema`, `AgentModelMapSchema` and `AgentsSchema` with their refinements,
//! `collectModelPolicyAllowIssues`, `src/config/legacy.roster.ts` and `src/config/legacy.context-budget.ts`, all as bundled
//! in the npm package `openclaw@2026.9.6`.

use std::collections::HashMap;

use serde_json::Value;

use super::rules::{is_exact_ref, is_known_provider, is_policy_ref};
use super::shape::{COUNT, POSITIVE};
use super::walk::{Walk, children};
use crate::tree::{At, Data};

pub(super) fn september<'a>(walk: &mut Walk<'a>, root: &At<'a>) {
    if let Some(providers) = root.at(&["models", "providers"]) {
        children(&providers).for_each(|(id, at)| provider(walk, &id, &at));
    }
    let Some(agents) = root.get("agents") else { return };
    let defaults = agents.get("defaults");
    let shared = defaults.as_ref().map(aliases).unwrap_or_default();
    if let Some(defaults) = &defaults {
        rows(walk, defaults);
        policy(walk, defaults, &[&shared]);
    }
    let roster = roster(&agents);
    for agent in &roster {
        rows(walk, &agent.at);
        policy(walk, &agent.at, &[&shared, &aliases(&agent.at)]);
    }
    owners(walk, &agents, &roster);
}

/// A provider of the user's own needs an address and rows. What stands at the provider for its rows goes into them.
fn provider<'a>(walk: &mut Walk<'a>, id: &str, at: &At<'a>) {
    if !matches!(at.tree.data, Data::Object(_)) || at.member("$include").is_some() {
        return;
    }
    if !is_known_provider(id) {
        let empty = at.member("baseUrl").is_none_or(|url| url.as_str() == Some(""));
        if empty {
            let message = format!("the provider {id} needs a baseUrl, such as \"http://127.0.0.1:1234/v1\"");
            walk.missing(at, "baseUrl", message);
        }
        if at.member("models").is_none() {
            walk.missing(at, "models", format!("the provider {id} needs models: [{{ id: \"…\", name: \"…\" }}]"));
        }
    }
    let Some(models) = at.member("models") else { return };
    for (key, shape) in [("contextWindow", POSITIVE), ("contextTokens", COUNT)] {
        let Some(value) = at.member(key) else { continue };
        let lacks = |row: &At<'_>| matches!(row.tree.data, Data::Object(_)) && row.member(key).is_none();
        if matches!(models.tree.data, Data::Array(_)) && models.items().any(|row| lacks(&row)) {
            walk.shape(&value, &shape);
        }
    }
}

/// Rows of `models` that want the ref of one model.
fn rows<'a>(walk: &mut Walk<'a>, at: &At<'a>) {
    let Some(models) = at.get("models") else { return };
    for (name, row) in children(&models).filter(|(name, _)| !is_exact_ref(name)) {
        for key in ["codeMode", "pickerRuntimes"] {
            if let Some(at) = row.member(key) {
                walk.say_at_key("bad-key", &at, format!("{key} is for one model: {name:?} is no provider/model"));
            }
        }
    }
}

fn aliases(at: &At<'_>) -> Vec<String> {
    let models = at.get("models");
    let rows = models.iter().flat_map(children);
    rows.filter_map(|(_, row)| Some(row.get("alias")?.as_str()?.trim().to_lowercase()))
        .filter(|alias| !alias.is_empty())
        .collect()
}

fn policy<'a>(walk: &mut Walk<'a>, at: &At<'a>, aliases: &[&Vec<String>]) {
    let Some(allow) = at.at(&["modelPolicy", "allow"]) else { return };
    for item in allow.items() {
        let Some(text) = item.as_str() else { continue };
        let name = text.trim().to_lowercase();
        if text.contains("${") || is_policy_ref(text) || aliases.iter().any(|known| known.contains(&name)) {
            continue;
        }
        let message = format!(
            "{text:?} allows nothing: write provider/model, provider/* for all of a provider's, or an alias that a row of \
             models has"
        );
        walk.say("bad-value", &item, message);
    }
}

/// An agent, and the name it goes by.
struct Agent<'a> {
    id: String,
    at: At<'a>,
}

/// The agents of `entries`; where there are none, of `list`.
fn roster<'a>(agents: &At<'a>) -> Vec<Agent<'a>> {
    if let Some(entries) = agents.member("entries") {
        return children(&entries).map(|(id, at)| Agent { id: id.to_lowercase(), at }).collect();
    }
    let list = agents.get("list");
    let items = list.iter().flat_map(children);
    items.filter_map(|(_, at)| Some(Agent { id: at.get("id")?.as_str()?.to_owned(), at })).collect()
}

fn owners<'a>(walk: &mut Walk<'a>, agents: &At<'a>, roster: &[Agent<'a>]) {
    let explicit = agents.get("ownership").is_some_and(|at| at.as_str() == Some("explicit"));
    let is_default = |agent: &&Agent<'_>| {
        agent.at.get("default").is_some_and(|at| matches!(at.tree.data, Data::Scalar(Value::Bool(true))))
    };
    let defaults: Vec<&Agent<'_>> = roster.iter().filter(is_default).collect();
    let mut seen: HashMap<&str, ()> = HashMap::new();
    for agent in roster {
        if seen.insert(&agent.id, ()).is_some() {
            let message = format!("there are two agents {:?} (their case does not count): rename one", agent.id);
            walk.say_at_key("bad-key", &agent.at, message);
        }
    }
    if roster.is_empty() && explicit {
        walk.missing(agents, "entries", "with ownership: \"explicit\", entries needs an agent: add one");
    }
    if let Some(second) = defaults.get(1) {
        walk.say_at_key("bad-value", &second.at, "two agents are the default: take it from one");
    } else if let Some(agent) = defaults.first().filter(|_| explicit) {
        walk.say_at_key("bad-value", &agent.at, "no agent can be the default where ownership is \"explicit\"");
    }
    if roster.len() > 1 && defaults.is_empty() && !explicit {
        let message = "with several agents, write ownership: \"explicit\", or make one of them the default";
        walk.missing(agents, "ownership", message);
    }
}
