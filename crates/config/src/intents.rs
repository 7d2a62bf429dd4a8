//! What people want of the model configuration (a chain, an alias, a provider), as edits of the whole. The fewest that do
//! it, so that comments stay with what they are about. No I/O.

use json5_edit::{Edit, Expected, Path, Position, Step};
use pilotlight_wire::ModelRef;
use serde_json::{Map, Value};

use crate::model::ModelConfiguration;
use crate::resolve::is_own;

/// Why it cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A chain needs a model.
    #[error("a chain has one model at least")]
    EmptyChain,
    /// An alias is a word.
    #[error("an alias cannot be empty")]
    EmptyAlias,
    /// Another model has the alias.
    #[error("{alias:?} is the alias of {model} already: remove it there first, or choose another")]
    AliasTaken {
        /// As it is written there.
        alias: String,
        /// Whose it is.
        model: String,
    },
    /// The alias is a name that means something else.
    #[error("{alias:?} already means {meaning}: choose another alias")]
    AliasMeansSomething {
        /// The alias.
        alias: String,
        /// What.
        meaning: String,
    },
    /// No model has the alias.
    #[error("no model has the alias {alias:?}: there is {}", if .known.is_empty() { "none" } else { .known })]
    NoSuchAlias {
        /// The alias.
        alias: String,
        /// All there are.
        known: String,
    },
    /// There is such a provider.
    #[error(
        "there is a provider {id:?} already: choose another id, or remove it with `config unset models.providers.{id}`"
    )]
    ProviderExists {
        /// Its id.
        id: String,
    },
    /// No row of a provider is this model's.
    #[error("{model} has no row below models.providers in the configuration")]
    NoSuchModel {
        /// Which.
        model: ModelRef,
    },
    /// Not what OpenClaw takes for an id.
    #[error("{id:?} cannot be a provider's id: use small letters, digits, dashes and underscores")]
    BadProviderId {
        /// The id.
        id: String,
    },
}

/// Makes these models the chain, in this order: the primary and the fallbacks, or, where OpenClaw is connected through
/// us, the fallbacks alone.
///
/// # Errors
/// [`Refusal::EmptyChain`].
pub fn set_chain(configuration: &ModelConfiguration, whole: &Value, models: &[ModelRef]) -> Result<Vec<Edit>, Refusal> {
    let (first, rest) = models.split_first().ok_or(Refusal::EmptyChain)?;
    let path = Path::of(&["agents", "defaults", "model"]);
    let names = |models: &[ModelRef]| Value::from(models.iter().map(ToString::to_string).collect::<Vec<_>>());
    let means = |written: &Value, model: &ModelRef| {
        written.as_str().and_then(|name| configuration.resolve(name)).as_ref() == Some(model)
    };
    let connected = configuration.is_connected();
    let fallbacks = if connected { models } else { rest };
    let now = &whole["agents"]["defaults"]["model"];
    let Value::Object(now) = now else {
        let primary = if connected { now.clone() } else { first.to_string().into() };
        if fallbacks.is_empty() {
            return Ok(if means(now, first) { Vec::new() } else { vec![set(path, chain_value(now, primary, None))] });
        }
        return Ok(vec![set(path, chain_value(&Value::Null, primary, Some(names(fallbacks))))]);
    };
    let list = path.then("fallbacks");
    let mut written = now.get("fallbacks").and_then(Value::as_array).cloned();
    let mut edits = Vec::new();
    if !connected && !now.get("primary").is_some_and(|primary| means(primary, first)) {
        let old = now.get("primary").filter(|old| old.is_string());
        let stays = old.and_then(|old| rest.iter().position(|model| means(old, model)));
        let comes = written.as_ref().and_then(|items| items.iter().position(|item| means(item, first)));
        // Where one of the two stands on in the list, they change places, so that each takes its comments along.
        match (old, &mut written, comes, stays) {
            (Some(old), Some(items), Some(at), _) => {
                edits.push(swap(path.then("primary"), list.then(at)));
                items[at] = old.clone();
            }
            (Some(old), Some(items), None, Some(_)) => {
                let (position, expected) = (Position::Start, Expected::Anything);
                let value = first.to_string().into();
                edits.push(Edit::Insert { path: list.clone(), key: None, position, value, expected });
                edits.push(swap(path.then("primary"), list.then(0)));
                items.insert(0, old.clone());
            }
            (Some(_), None, _, Some(at)) => {
                let mut models = rest.to_vec();
                models[at] = first.clone();
                return Ok(vec![set(list.clone(), names(&models)), swap(path.then("primary"), list.then(at))]);
            }
            _ => edits.push(set(path.then("primary"), first.to_string().into())),
        }
    }
    match &written {
        Some(written) => edits.extend(reorder(&list, written, fallbacks, means)),
        None if fallbacks.is_empty() && now.get("fallbacks").is_none() => {}
        None => edits.push(set(list, names(fallbacks))),
    }
    Ok(edits)
}

/// A string where there was one and one is enough; else an object.
fn chain_value(now: &Value, primary: Value, fallbacks: Option<Value>) -> Value {
    if fallbacks.is_none() && now.is_string() {
        return primary;
    }
    let mut chain = Map::from_iter([("primary".to_owned(), primary)]);
    chain.extend(fallbacks.map(|fallbacks| ("fallbacks".to_owned(), fallbacks)));
    Value::Object(chain)
}

/// Makes an array's items those of `wanted`, in its order: what stays is moved with its comments, and written as it was.
/// Refs to ourselves stay at the front.
fn reorder(
    path: &Path,
    written: &[Value],
    wanted: &[ModelRef],
    means: impl Fn(&Value, &ModelRef) -> bool,
) -> Vec<Edit> {
    let mut items: Vec<&Value> = written.iter().collect();
    let mut edits = Vec::new();
    let is_ours = |item: &Value| item.as_str().is_some_and(is_own);
    for at in (0..items.len()).rev() {
        let item = items[at];
        let again =
            items[..at].iter().any(|earlier| wanted.iter().any(|model| means(item, model) && means(earlier, model)));
        if !is_ours(item) && (again || !wanted.iter().any(|model| means(item, model))) {
            edits.push(Edit::Remove { path: path.then(at), expected: Expected::Anything });
            items.remove(at);
        }
    }
    let front = items.iter().take_while(|item| is_ours(item)).count();
    let values: Vec<Value> = wanted.iter().map(|model| Value::from(model.to_string())).collect();
    for (place, (model, value)) in wanted.iter().zip(&values).enumerate() {
        let place = front + place;
        match items.iter().position(|item| means(item, model)) {
            Some(from) if from == place => {}
            Some(from) => {
                edits.push(Edit::Move {
                    path: path.clone(),
                    entry: Step::Index(from),
                    position: Position::At(place),
                    expected: Expected::Anything,
                    anchor: Expected::Anything,
                });
                let item = items.remove(from);
                items.insert(place.min(items.len()), item);
            }
            None => {
                let place = place.min(items.len());
                let position = if place == items.len() { Position::End } else { Position::At(place) };
                edits.push(Edit::Insert {
                    path: path.clone(),
                    key: None,
                    position,
                    value: value.clone(),
                    expected: Expected::Anything,
                });
                items.insert(place, value);
            }
        }
    }
    edits
}

/// Gives a model an alias, in place of the one it has. Where OpenClaw's `/model` has a list of what it allows, the model
/// is added to it: a row in `models` alone no longer allows it there.
///
/// # Errors
/// [`Refusal`], when the name means something else.
pub fn set_alias(
    configuration: &ModelConfiguration,
    whole: &Value,
    alias: &str,
    model: &ModelRef,
) -> Result<Vec<Edit>, Refusal> {
    let alias = alias.trim();
    if alias.is_empty() {
        return Err(Refusal::EmptyAlias);
    }
    let lower = alias.to_lowercase();
    let rows = rows(whole);
    if let Some((other, written)) =
        rows.iter().find(|(row, written)| written.to_lowercase() == lower && row.parse().ok().as_ref() != Some(model))
    {
        return Err(Refusal::AliasTaken { alias: (*written).to_owned(), model: (*other).to_owned() });
    }
    let means = |meaning: String| Err(Refusal::AliasMeansSomething { alias: alias.to_owned(), meaning });
    if lower == "primary" {
        return means("the first model of the chain that can answer".to_owned());
    }
    let clash = configuration
        .upstreams()
        .find(|upstream| upstream.model_ref().as_ref() != Some(model) && upstream.model.id.to_lowercase() == lower);
    if let Some(clash) = clash {
        return means(format!("a model of {}", clash.provider.id));
    }
    let defaults = &whole["agents"]["defaults"];
    let row = defaults["models"]
        .as_object()
        .and_then(|rows| rows.keys().find(|row| row.parse().ok().as_ref() == Some(model)).cloned());
    let path = Path::of(&["agents", "defaults", "models"]).then(row.unwrap_or_else(|| model.to_string()));
    let mut edits = vec![set(path.then("alias"), alias.into())];
    if let Some(allow) = defaults["modelPolicy"]["allow"].as_array()
        && !allow.is_empty()
        && !allow.iter().filter_map(Value::as_str).any(|entry| allows(configuration, entry, model))
    {
        edits.push(Edit::Insert {
            path: Path::of(&["agents", "defaults", "modelPolicy", "allow"]),
            key: None,
            position: Position::End,
            value: model.to_string().into(),
            expected: Expected::Anything,
        });
    }
    Ok(edits)
}

fn allows(configuration: &ModelConfiguration, entry: &str, model: &ModelRef) -> bool {
    let name = model.to_string();
    match entry.trim().strip_suffix('*').map(str::trim_end) {
        Some(prefix) => name.starts_with(&prefix.to_lowercase()) || name.starts_with(prefix),
        None => configuration.resolve(entry).as_ref() == Some(model),
    }
}

/// Takes an alias away. The row stays, since OpenClaw takes it for a permission.
///
/// # Errors
/// [`Refusal::NoSuchAlias`].
pub fn remove_alias(whole: &Value, alias: &str) -> Result<Vec<Edit>, Refusal> {
    let lower = alias.trim().to_lowercase();
    let rows = rows(whole);
    let edits: Vec<_> = rows
        .iter()
        .filter(|(_, written)| written.to_lowercase() == lower)
        .map(|(row, _)| Edit::Remove {
            path: Path::of(&["agents", "defaults", "models", row, "alias"]),
            expected: Expected::Anything,
        })
        .collect();
    if edits.is_empty() {
        let known = rows.iter().map(|(_, alias)| *alias).collect::<Vec<_>>().join(", ");
        return Err(Refusal::NoSuchAlias { alias: alias.to_owned(), known });
    }
    Ok(edits)
}

/// Adds a provider.
///
/// # Errors
/// [`Refusal`], when its id is taken or no id.
pub fn add_provider(whole: &Value, id: &str, provider: Value) -> Result<Vec<Edit>, Refusal> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if id.is_empty() || !id.chars().all(good) {
        return Err(Refusal::BadProviderId { id: id.to_owned() });
    }
    let providers = whole["models"]["providers"].as_object();
    if let Some(id) = providers.and_then(|providers| providers.keys().find(|known| known.eq_ignore_ascii_case(id))) {
        return Err(Refusal::ProviderExists { id: id.clone() });
    }
    Ok(vec![set(Path::of(&["models", "providers", id]), provider)])
}

/// Says how much context a model has, in its row of its provider.
///
/// # Errors
/// [`Refusal::NoSuchModel`].
pub fn set_context_window(whole: &Value, model: &ModelRef, tokens: u64) -> Result<Vec<Edit>, Refusal> {
    let providers = whole["models"]["providers"].as_object();
    let place = providers.into_iter().flatten().find_map(|(key, provider)| {
        let is = |row: &Value| {
            let id = row["id"].as_str()?;
            Some(ModelRef::new(key.trim().to_lowercase().as_str(), id).ok()?.to_string() == model.to_string())
        };
        let row = provider["models"].as_array()?.iter().position(|row| is(row) == Some(true))?;
        Some(Path::of(&["models", "providers", key, "models"]).then(row).then("contextWindow"))
    });
    let place = place.ok_or_else(|| Refusal::NoSuchModel { model: model.clone() })?;
    Ok(vec![set(place, tokens.into())])
}

/// The rows of `agents.defaults.models` that have an alias, with it.
fn rows(whole: &Value) -> Vec<(&str, &str)> {
    let rows = whole["agents"]["defaults"]["models"].as_object();
    rows.into_iter()
        .flatten()
        .filter_map(|(row, value)| Some((row.as_str(), value["alias"].as_str()?.trim())))
        .collect()
}

fn swap(path: Path, other: Path) -> Edit {
    Edit::Swap { path, other, expected: Expected::Anything, expected_other: Expected::Anything }
}

fn set(path: Path, value: Value) -> Edit {
    Edit::Set { path, value, expected: Expected::Anything }
}
