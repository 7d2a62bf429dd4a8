//! Connecting OpenClaw: a provider of ours, `pilotlight/primary` first in its chain, and the real chain behind it, so that
//! OpenClaw still works when we do not run. No I/O.

use json5_edit::{Document, Edit, Expected, Path, Position, Step};
use serde_json::{Map, Value, json};

use super::record::{Record, ValueRecord};
use crate::keys::reads_refs;
use crate::model::{Model, ModelConfiguration, OWN_PROVIDER};
use crate::resolve::is_own;

/// The variable that stands for the token where the file may be read by an OpenClaw that knows no secret refs.
pub(super) const VARIABLE: &str = "PILOTLIGHT_TOKEN";
/// Our entry of `secrets.providers`.
const SECRETS: &str = "pilotlight-token";
/// What OpenClaw asks for.
const PRIMARY: &str = "pilotlight/primary";

/// What is to be done.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub edits: Vec<Edit>,
    pub values: Vec<ValueRecord>,
    /// `agents.defaults.model` as it will be; none where it is so already.
    pub chain: Option<Value>,
    /// Whether our model is added to `modelPolicy.allow`.
    pub allowed: bool,
    /// Whether the token is to be had from [`VARIABLE`].
    pub variable: bool,
    pub notes: Vec<String>,
}

fn set(path: Path, value: Value) -> Edit {
    Edit::Set { path, value, expected: Expected::Anything }
}

fn swap(path: Path, other: Path) -> Edit {
    Edit::Swap { path, other, expected: Expected::Anything, expected_other: Expected::Anything }
}

fn path(keys: &[String]) -> Path {
    keys.iter().fold(Path::root(), |path, key| path.then(key.as_str()))
}

fn keys(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| (*key).to_owned()).collect()
}

/// The edits that connect it; none where there is no model that could be passed on to.
pub(super) fn connect(
    configuration: &ModelConfiguration,
    whole: &Value,
    base: &str,
    token_file: &std::path::Path,
) -> Option<Work> {
    let chain = configuration.chain();
    let first = configuration.upstream(chain.first()?)?.model;
    let mut work = Work { variable: !reads_refs(whole), ..Work::default() };
    let key = if work.variable {
        json!(format!("${{{VARIABLE}}}"))
    } else {
        let entry = json!({ "source": "file", "path": token_file.to_string_lossy(), "mode": "singleValue" });
        work.value(whole, &["secrets", "providers", SECRETS], entry);
        json!({ "source": "file", "provider": SECRETS, "id": "value" })
    };
    work.value(whole, &["models", "providers", OWN_PROVIDER], provider(base, &key, first));
    work.chain(configuration, whole);
    work.permission(whole);
    work.notes.extend(agents_apart(whole));
    Some(work)
}

/// Our entry, with what is known of the first model of the chain, so that OpenClaw knows how much it may send.
fn provider(base: &str, key: &Value, first: &Model) -> Value {
    let mut row = Map::from_iter([("id".to_owned(), json!("primary")), ("name".to_owned(), json!("Pilot Light"))]);
    row.insert("reasoning".to_owned(), first.reasoning.into());
    if !first.input.is_empty() {
        row.insert("input".to_owned(), first.input.clone().into());
    }
    // What it costs depends on who answers, which is in our ledger.
    row.insert("cost".to_owned(), json!({ "input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0 }));
    row.extend(first.context_window.map(|tokens| ("contextWindow".to_owned(), tokens.into())));
    row.extend(first.max_tokens.map(|tokens| ("maxTokens".to_owned(), tokens.into())));
    json!({ "baseUrl": format!("{base}/v1"), "apiKey": key, "api": "openai-responses", "models": [row] })
}

impl Work {
    /// Sets a value, and what differs in it where there is one.
    fn value(&mut self, whole: &Value, names: &[&str], new: Value) {
        let keys = keys(names);
        let now = super::format::at(whole, &keys);
        if now != Some(&new) {
            match (now.and_then(Value::as_object), new.as_object()) {
                (Some(now), Some(members)) => {
                    let differing = members.iter().filter(|(key, value)| now.get(*key) != Some(*value));
                    self.edits.extend(differing.map(|(key, value)| set(path(&keys).then(key.as_str()), value.clone())));
                }
                _ => self.edits.push(set(path(&keys), new.clone())),
            }
        }
        self.values.push(ValueRecord { keys, before: now.cloned(), after: new });
    }

    /// Puts us first, and who was first behind us.
    fn chain(&mut self, configuration: &ModelConfiguration, whole: &Value) {
        if configuration.is_connected() {
            return;
        }
        let place = Path::of(&["agents", "defaults", "model"]);
        let now = &whole["agents"]["defaults"]["model"];
        // An alias is a name for people; its model is meant.
        let written = |name: &str| match configuration.resolve(name) {
            Some(model) if !name.contains('/') => model.to_string(),
            _ => name.to_owned(),
        };
        let Value::Object(model) = now else {
            let fallbacks: Vec<String> = now.as_str().map(written).into_iter().collect();
            let new = json!({ "primary": PRIMARY, "fallbacks": fallbacks });
            self.edits.push(set(place, new.clone()));
            self.chain = Some(new);
            return;
        };
        let mut new = model.clone();
        new.insert("primary".to_owned(), PRIMARY.into());
        let Some(named) = model.get("primary").and_then(Value::as_str) else {
            self.edits.push(set(place.then("primary"), PRIMARY.into()));
            self.chain = Some(Value::Object(new));
            return;
        };
        let below = place.then("fallbacks");
        let first = written(named);
        let fallbacks = model.get("fallbacks").and_then(Value::as_array);
        let same = |item: &Value| {
            item.as_str().is_some_and(|item| {
                item == first || configuration.resolve(item).is_some_and(|it| it.to_string() == first)
            })
        };
        let mut moved = fallbacks.cloned().unwrap_or_default();
        match moved.iter().position(same) {
            Some(at) => {
                self.edits.push(set(place.then("primary"), PRIMARY.into()));
                if at > 0 {
                    self.edits.push(Edit::Move {
                        path: below,
                        entry: Step::Index(at),
                        position: Position::At(0),
                        expected: Expected::Anything,
                        anchor: Expected::Anything,
                    });
                }
                let item = moved.remove(at);
                moved.insert(0, item);
            }
            None => {
                // We come into the list and change places with the primary, which takes its comments along.
                self.edits.push(inserted(below.clone(), Position::At(0), PRIMARY, moved.is_empty()));
                self.edits.push(swap(place.then("primary"), below.then(0)));
                if first != named {
                    self.edits.push(set(below.then(0), first.as_str().into()));
                }
                moved.insert(0, first.into());
            }
        }
        new.insert("fallbacks".to_owned(), moved.into());
        self.chain = Some(Value::Object(new));
    }

    /// Lets OpenClaw's `/model` choose us, where it has a list of what it allows: that of `modelPolicy`, or else the rows
    /// of `models`, of which OpenClaw makes such a list.
    fn permission(&mut self, whole: &Value) {
        let defaults = &whole["agents"]["defaults"];
        let allow = defaults["modelPolicy"]["allow"].as_array().filter(|allow| !allow.is_empty());
        if let Some(allow) = allow {
            let allows = |entry: &str| match entry.trim().strip_suffix('*') {
                Some(beginning) => PRIMARY.starts_with(&beginning.to_lowercase()),
                None => entry.trim() == PRIMARY,
            };
            if !allow.iter().filter_map(Value::as_str).any(allows) {
                let place = Path::of(&["agents", "defaults", "modelPolicy", "allow"]);
                self.edits.push(inserted(place, Position::End, PRIMARY, false));
                self.allowed = true;
            }
        } else if let Some(rows) = defaults["models"].as_object()
            && !rows.is_empty()
            && !rows.contains_key(PRIMARY)
        {
            self.value(whole, &["agents", "defaults", "models", PRIMARY], json!({}));
        }
    }
}

fn inserted(path: Path, position: Position, item: &str, empty: bool) -> Edit {
    if empty {
        return set(path, json!([item]));
    }
    Edit::Insert { path, key: None, position, value: item.into(), expected: Expected::Anything }
}

/// Agents that have a model of their own, which does not come to us.
fn agents_apart(whole: &Value) -> Vec<String> {
    let agents = &whole["agents"];
    let entries = agents["entries"].as_object().into_iter().flatten().map(|(id, agent)| (id.as_str(), agent));
    let list = agents["list"].as_array().into_iter().flatten();
    let all = entries.chain(list.filter_map(|agent| Some((agent["id"].as_str()?, agent))));
    let apart = all.filter_map(|(id, agent)| {
        let model = &agent["model"];
        let name = model.as_str().or(model["primary"].as_str())?;
        (!is_own(name))
            .then(|| format!("the agent {id:?} has a model of its own ({name}) and does not come through us"))
    });
    apart.collect()
}

/// Whether OpenClaw's requests come to this address.
pub(super) fn is_connected(configuration: &ModelConfiguration, whole: &Value, base: &str) -> bool {
    configuration.is_connected()
        && whole["models"]["providers"][OWN_PROVIDER]["baseUrl"]
            .as_str()
            .is_some_and(|url| url.trim_end_matches('/') == format!("{base}/v1"))
}

/// The edits that take us out, where the file was changed since: only what is still ours goes, and the chain is what it
/// has become.
pub(super) fn disconnect(whole: &Value, record: &Record) -> (Vec<Edit>, Vec<String>) {
    let mut edits = Vec::new();
    let mut notes = Vec::new();
    let place = Path::of(&["agents", "defaults", "model"]);
    let now = &whole["agents"]["defaults"]["model"];
    match &record.chain {
        Some((before, after)) if now == after => match before {
            Some(before) => edits.extend(given_back(&place, now, before)),
            None => edits.push(Edit::Remove { path: place, expected: Expected::Anything }),
        },
        _ => edits.extend(promoted(&place, now)),
    }
    for (file, value) in record.files.iter().flat_map(|file| file.values.iter().map(move |value| (file, value))) {
        let Some(found) = super::format::at(whole, &value.keys) else { continue };
        let ours = match value.after.get("baseUrl") {
            // OpenClaw completes what it writes again.
            Some(base) => found.get("baseUrl") == Some(base),
            None => *found == value.after,
        };
        if !ours {
            notes.push(format!("{} was changed since: it stays as it is", path(&value.keys)));
            continue;
        }
        edits.push(match &value.before {
            Some(before) => set(path(&value.keys), before.clone()),
            None => {
                Edit::Remove { path: path(emptied(whole, &value.keys, &file.parents)), expected: Expected::Anything }
            }
        });
    }
    let allow = whole["agents"]["defaults"]["modelPolicy"]["allow"].as_array();
    if record.allowed
        && let Some(at) = allow.and_then(|allow| allow.iter().position(|item| item == PRIMARY))
    {
        let place = Path::of(&["agents", "defaults", "modelPolicy", "allow"]);
        edits.push(Edit::Remove { path: place.then(at), expected: Expected::Anything });
    }
    (edits, notes)
}

/// The outermost object that was made for a value and holds nothing else.
fn emptied<'k>(whole: &Value, keys: &'k [String], parents: &[Vec<String>]) -> &'k [String] {
    let mut keys = keys;
    while let Some((_, above)) = keys.split_last()
        && parents.iter().any(|parent| parent == above)
        && super::format::at(whole, above).and_then(Value::as_object).is_some_and(|members| members.len() == 1)
    {
        keys = above;
    }
    keys
}

/// The chain as it was before us: each model with the comments that it has now, where that can be.
fn given_back(place: &Path, now: &Value, before: &Value) -> Vec<Edit> {
    let mut edits = promoted(&Path::root(), now);
    if before.get("fallbacks").is_none() {
        edits.push(Edit::Remove { path: Path::of(&["fallbacks"]), expected: Expected::Anything });
    }
    let made = Document::parse(&now.to_string()).ok().and_then(|document| document.apply(&edits).ok());
    if made.is_none_or(|made| made.value() != before) {
        return vec![set(place.clone(), before.clone())];
    }
    let mut edits = promoted(place, now);
    if before.get("fallbacks").is_none() {
        edits.push(Edit::Remove { path: place.then("fallbacks"), expected: Expected::Anything });
    }
    edits
}

/// The first of the real chain becomes the primary.
fn promoted(place: &Path, model: &Value) -> Vec<Edit> {
    let Some(Value::String(primary)) = model.get("primary") else {
        let ours = model.as_str().is_some_and(is_own);
        return if ours {
            vec![Edit::Remove { path: place.clone(), expected: Expected::Anything }]
        } else {
            Vec::new()
        };
    };
    if !is_own(primary) {
        return Vec::new();
    }
    let fallbacks = model["fallbacks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let real = fallbacks.iter().enumerate().find_map(|(at, item)| (!is_own(item.as_str()?)).then_some(at));
    match real {
        Some(at) => vec![
            swap(place.then("primary"), place.then("fallbacks").then(at)),
            Edit::Remove { path: place.then("fallbacks").then(at), expected: Expected::Anything },
        ],
        None => vec![Edit::Remove { path: place.then("primary"), expected: Expected::Anything }],
    }
}
