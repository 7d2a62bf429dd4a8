//! The tray's menu as a pure function of [`AppState`]: what it says, what is ticked, what a click means.
//!
//! Must not know: Tauri, the engine, any platform. `tray` draws what stands here; `actions` carries out an [`Action`].

use std::fmt;
use std::str::FromStr;

use pilotlight_engine::state::{AppState, ModelState, ModelSummary};
use pilotlight_wire::{Location, ModelRef};

/// How many models stand in the menu itself. The rest, if the configuration has more, stand in a submenu.
const TOP_MODELS: usize = 12;

/// The whole menu, from top to bottom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Menu {
    /// Its entries.
    pub entries: Vec<Entry>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Something to read: the status line, a heading.
    Text(String),
    /// One of the models, of which the primary is ticked. There is no radio item on Linux, so it is drawn as a check
    /// item, and `tray` sees to it that exactly the chosen one is ticked.
    Choice {
        /// What a click does.
        action: Action,
        /// Its label.
        label: String,
        /// Whether it is the one that is ticked.
        chosen: bool,
    },
    /// Something to do.
    Command {
        /// What a click does.
        action: Action,
        /// Its label.
        label: String,
    },
    /// Entries behind a label.
    Submenu {
        /// Its label.
        label: String,
        /// What is in it.
        entries: Vec<Entry>,
    },
    /// A line between groups.
    Separator,
}

/// What a click means. Its text form is the id of the menu's item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make this model the primary.
    Use(ModelRef),
    /// Load it into memory.
    Load(ModelRef),
    /// Take it out of memory.
    Unload(ModelRef),
    /// Ask again whoever is passed over after failures.
    Retry,
    /// Open the window.
    Open,
    /// Put the endpoint on the clipboard.
    CopyEndpoint,
    /// Put the token on the clipboard.
    CopyToken,
    /// Stop the program.
    Quit,
}

impl Menu {
    /// The menu for a state. `token` says whether the endpoint asks for one.
    #[must_use]
    pub fn of(state: &AppState, token: bool) -> Self {
        let mut entries = vec![Entry::Text(state.status.clone())];
        if let Some(problem) = state.config.problems.iter().find(|problem| problem.severity == "error") {
            let file = problem.file.rsplit(['/', '\\']).next().unwrap_or(&problem.file);
            let force = if state.config.stale { "; the last good one is in force" } else { "" };
            entries.push(Entry::Text(format!("Mistake in {file}, line {}{force}", problem.line)));
        }
        entries.push(Entry::Separator);
        if !state.models.is_empty() {
            entries.push(Entry::Text("Primary".to_owned()));
            entries.extend(choices(state));
            entries.push(Entry::Separator);
        }
        let memory: Vec<Entry> = state.models.iter().filter_map(|model| memory(state, model)).collect();
        if !memory.is_empty() {
            entries.extend(memory);
            entries.push(Entry::Separator);
        }
        if let Some(label) = retry(state) {
            entries.push(command(Action::Retry, &label));
            entries.push(Entry::Separator);
        }
        entries.push(command(Action::Open, "Open Pilot Light"));
        if state.endpoint.is_some() {
            entries.push(command(Action::CopyEndpoint, "Copy endpoint"));
            if token {
                entries.push(command(Action::CopyToken, "Copy token"));
            }
        }
        entries.push(Entry::Separator);
        entries.push(command(Action::Quit, "Quit"));
        Self { entries }
    }

    /// Whether two menus differ in labels and ticks alone, so that one can be turned into the other in place.
    #[must_use]
    pub fn same_shape(&self, other: &Self) -> bool {
        fn same(a: &[Entry], b: &[Entry]) -> bool {
            a.len() == b.len()
                && a.iter().zip(b).all(|pair| match pair {
                    (Entry::Text(_), Entry::Text(_)) | (Entry::Separator, Entry::Separator) => true,
                    (Entry::Choice { action: a, .. }, Entry::Choice { action: b, .. })
                    | (Entry::Command { action: a, .. }, Entry::Command { action: b, .. }) => a == b,
                    (Entry::Submenu { entries: a, .. }, Entry::Submenu { entries: b, .. }) => same(a, b),
                    _ => false,
                })
        }
        same(&self.entries, &other.entries)
    }
}

/// What a person calls a model: as its item in the menu does.
#[must_use]
pub fn name(state: &AppState, model: &ModelRef) -> String {
    let known = state.models.iter().find(|known| known.model == *model);
    known.map_or_else(|| model.to_string(), |known| label(state, known))
}

/// The models in the file's order, which a choice doesn't change: an item never jumps away from under the pointer.
/// Where there are many, those of the chain and those with an alias stay in the menu itself.
fn choices(state: &AppState) -> Vec<Entry> {
    let choice = |model: &ModelSummary| Entry::Choice {
        action: Action::Use(model.model.clone()),
        label: format!("{} · {}", label(state, model), words(state, model)),
        chosen: model.place == Some(0),
    };
    if state.models.len() <= TOP_MODELS {
        return state.models.iter().map(choice).collect();
    }
    let (top, more): (Vec<_>, Vec<_>) =
        state.models.iter().partition(|model| model.place.is_some() || model.alias.is_some());
    let mut entries: Vec<Entry> = top.into_iter().map(choice).collect();
    if !more.is_empty() {
        entries
            .push(Entry::Submenu { label: "More models".to_owned(), entries: more.into_iter().map(choice).collect() });
    }
    entries
}

/// Load or unload, for a local model of the chain that can be managed and is in a state where it means something.
fn memory(state: &AppState, model: &ModelSummary) -> Option<Entry> {
    if model.place.is_none() || !model.manageable || model.location != Location::Local {
        return None;
    }
    let label = label(state, model);
    match model.state {
        ModelState::Cold { .. } => Some(command(Action::Load(model.model.clone()), &format!("Load {label}"))),
        ModelState::Warm { .. } => Some(command(Action::Unload(model.model.clone()), &format!("Eject {label}"))),
        ModelState::Ready
        | ModelState::Loading { .. }
        | ModelState::Missing
        | ModelState::Unreachable { .. }
        | ModelState::Unknown => None,
    }
}

/// What it says while something cools down: whom a click lets the next request ask again.
fn retry(state: &AppState) -> Option<String> {
    let mut cooling = state.cooldowns.iter().filter(|cooldown| !cooldown.half_open);
    let first = cooling.next()?;
    if cooling.next().is_some() {
        return Some("Ask all again that cool down".to_owned());
    }
    let who = first.model.as_ref().map_or_else(|| first.provider.clone(), |model| name(state, model));
    Some(format!("Ask {who} again"))
}

/// The alias, or the name; with the provider where another model is called the same.
fn label(state: &AppState, model: &ModelSummary) -> String {
    let name = |model: &ModelSummary| model.alias.clone().unwrap_or_else(|| model.name.clone());
    let own = name(model);
    let twice = state.models.iter().filter(|other| name(other) == own).count() > 1;
    if twice { format!("{own} ({})", model.model.provider()) } else { own }
}

/// A model's state in a person's words, short enough for a menu.
fn words(state: &AppState, model: &ModelSummary) -> String {
    let cools = state.cooldown(&model.model).is_some();
    let state = match &model.state {
        // Which setting forbids it is a sentence, and stands in the window.
        ModelState::Ready if model.barred.is_some() => "not allowed by the settings",
        ModelState::Ready | ModelState::Warm { .. } | ModelState::Unknown if cools => "cooling down",
        ModelState::Ready => "hosted",
        ModelState::Warm { .. } => "warm",
        ModelState::Loading { .. } => "loading",
        ModelState::Cold { .. } => "cold",
        ModelState::Missing => "not on its server",
        ModelState::Unreachable { .. } => "server not reachable",
        ModelState::Unknown => match model.location {
            Location::Local => "local",
            Location::Hosted => "hosted",
        },
    };
    match model.place {
        Some(place) if place > 0 => format!("{state} · fallback {place}"),
        _ => state.to_owned(),
    }
}

fn command(action: Action, label: &str) -> Entry {
    Entry::Command { action, label: label.to_owned() }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Use(model) => write!(f, "use:{model}"),
            Self::Load(model) => write!(f, "load:{model}"),
            Self::Unload(model) => write!(f, "unload:{model}"),
            Self::Retry => f.write_str("retry"),
            Self::Open => f.write_str("open"),
            Self::CopyEndpoint => f.write_str("copy-endpoint"),
            Self::CopyToken => f.write_str("copy-token"),
            Self::Quit => f.write_str("quit"),
        }
    }
}

impl FromStr for Action {
    type Err = UnknownAction;

    fn from_str(id: &str) -> Result<Self, UnknownAction> {
        let unknown = || UnknownAction(id.to_owned());
        Ok(match id {
            "retry" => Self::Retry,
            "open" => Self::Open,
            "copy-endpoint" => Self::CopyEndpoint,
            "copy-token" => Self::CopyToken,
            "quit" => Self::Quit,
            _ => {
                let (verb, model) = id.split_once(':').ok_or_else(unknown)?;
                let model: ModelRef = model.parse().map_err(|_| unknown())?;
                match verb {
                    "use" => Self::Use(model),
                    "load" => Self::Load(model),
                    "unload" => Self::Unload(model),
                    _ => return Err(unknown()),
                }
            }
        })
    }
}

/// An item's id that means nothing here.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownAction(pub String);

impl fmt::Display for UnknownAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no menu item has the id {:?}", self.0)
    }
}

impl std::error::Error for UnknownAction {}

#[cfg(test)]
#[path = "menu_tests.rs"]
mod tests;
