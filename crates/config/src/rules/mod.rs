//! The mistakes that OpenClaw's own validator lets through: what the configuration means is sound, and yet it will not
//! do what its owner wants. Each rule has a stable code, says where and what to do, and offers a fix where one is certain.
//!
//! Pure functions of the configuration and of what is said about its surroundings. Must not know: files, or what
//! OpenClaw's schemas refuse (that is `schema`'s).

mod addresses;
mod chain;
mod limits;
mod names;
mod secrets;
mod size;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use json5_edit::{Edit, Expected};
use pilotlight_wire::{Location, ModelRef, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Fix};
use crate::model::{ModelConfiguration, Provider};
use crate::tree::{At, Data, Report, Source};
use crate::variables::Variables;
use crate::whereabouts;

pub(crate) use names::{nearest, nearest_ref};
pub(crate) use secrets::variable_for;

/// What is known beyond the files: from the runtimes, and from our settings. Empty where nobody has asked them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    /// What the runtimes say about their models.
    pub live: BTreeMap<ModelRef, LiveModel>,
    /// Where a provider is said to run, by its id in lower case; guessed from its address where it is not.
    pub locations: BTreeMap<String, Location>,
}

/// What a runtime says about one of its models.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiveModel {
    /// It answers and does not have it.
    pub missing: bool,
    /// The context it is loaded with, in tokens.
    pub loaded_context: Option<u64>,
    /// Its quantisation, such as `Q4_K_M` or `4bit`.
    pub quantization: Option<String>,
    /// Its size in billions of parameters.
    pub billions: Option<f64>,
    /// What it takes on disk, in bytes: with its quantisation, that too tells its size.
    pub size_bytes: Option<u64>,
}

/// A file that OpenClaw makes of the configuration for an agent: `agents/*/agent/models.json`.
#[derive(Clone, Debug)]
pub(crate) struct AgentFile {
    pub path: PathBuf,
    /// It may hold keys.
    pub text: Secret,
}

/// Everything a rule may look at.
pub(crate) struct Ground<'a> {
    pub root: At<'a>,
    pub configuration: &'a ModelConfiguration,
    pub variables: Variables<'a>,
    pub surroundings: &'a Surroundings,
    pub agent_files: &'a [AgentFile],
    providers: Vec<(&'a Provider, At<'a>)>,
}

/// What the rules say.
pub(crate) fn lint(ground: &Ground<'_>, sources: &[Source]) -> Vec<Diagnostic> {
    let mut report = Report::new(sources);
    names::check(ground, &mut report);
    limits::check(ground, &mut report);
    addresses::check(ground, &mut report);
    chain::check(ground, &mut report);
    secrets::check(ground, &mut report);
    report.diagnostics.extend(secrets::left_behind(ground));
    report.diagnostics
}

impl<'a> Ground<'a> {
    pub(crate) fn new(
        root: At<'a>,
        configuration: &'a ModelConfiguration,
        variables: Variables<'a>,
        surroundings: &'a Surroundings,
        agent_files: &'a [AgentFile],
    ) -> Self {
        let mut known: HashMap<&str, &Provider> =
            configuration.providers.iter().rev().map(|provider| (provider.id.as_str(), provider)).collect();
        let entries = root.at(&["models", "providers"]);
        let entries = entries.iter().flat_map(At::members);
        let providers =
            entries.filter_map(|(id, at)| Some((known.remove(id.trim().to_lowercase().as_str())?, at))).collect();
        Self { root, configuration, variables, surroundings, agent_files, providers }
    }

    /// The providers that the file has an entry for, with that entry. Of two with one id, the first.
    fn providers(&self) -> impl Iterator<Item = (&'a Provider, &At<'a>)> {
        self.providers.iter().map(|(provider, at)| (*provider, at))
    }

    fn location(&self, provider: &Provider) -> Location {
        let said = self.surroundings.locations.get(&provider.id).copied();
        said.unwrap_or_else(|| provider.base_url.as_ref().map_or(Location::Hosted, whereabouts::guess))
    }

    /// Whether there is anything to go by.
    fn is_placed(&self, provider: &Provider) -> bool {
        provider.base_url.is_some() || self.surroundings.locations.contains_key(&provider.id)
    }

    /// The names in the chain, in its order, with where they stand.
    fn chain(&self) -> Vec<(String, At<'a>)> {
        let Some(model) = self.root.at(&["agents", "defaults", "model"]) else { return Vec::new() };
        let fallbacks = model.get("fallbacks").map(|at| items(&at)).unwrap_or_default();
        let primary = if model.as_str().is_some() { Some(model) } else { model.get("primary") };
        primary
            .into_iter()
            .chain(fallbacks)
            .filter_map(|at| Some((self.variables.substitute(at.as_str()?).text, at)))
            .collect()
    }

    /// The rows of `agents.defaults.models`: the key, and the row.
    fn named_rows(&self) -> Vec<(&'a str, At<'a>)> {
        self.root.at(&["agents", "defaults", "models"]).map(|at| members(&at)).unwrap_or_default()
    }
}

/// The members of an object; none where it is none.
fn members<'a>(at: &At<'a>) -> Vec<(&'a str, At<'a>)> {
    at.members().collect()
}

/// The items of an array; none where it is none.
fn items<'a>(at: &At<'a>) -> Vec<At<'a>> {
    at.items().collect()
}

/// The number it is; none where it is none or negative.
fn number(at: &At<'_>) -> Option<f64> {
    match &at.tree.data {
        Data::Scalar(Value::Number(number)) => number.as_f64().filter(|number| *number >= 0.0),
        _ => None,
    }
}

/// Another value in the place of this one, which is no secret.
pub(crate) fn write(label: impl Into<String>, at: &At<'_>, new: impl Into<Value>) -> Fix {
    let expected = Expected::Value(at.tree.value());
    Fix::one(label, Edit::Set { path: at.path(), value: new.into(), expected })
}
