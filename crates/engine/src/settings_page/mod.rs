//! The engine's side of the Settings page: what is in effect, what of it stands in the settings file, and changes of it.
//!
//! Must not know: how the file is edited, which is the configuration's; what a token is.

pub mod types;

use std::path::Path;
use std::sync::Arc;

use pilotlight_config::settings::{KeepWarm, NotificationSettings, TokenSetting, Window};
use pilotlight_config::settings_edit::{self, SettingsEditError};
use pilotlight_config::{Diagnostic, SettingsState, SettingsStore};
use pilotlight_wire::{Location, ModelRef};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::editor::{read, written};
use crate::error::CommandError;
use crate::reducer::problem;
use crate::state::AppState;
use types::{
    ModelPolicy, NotificationSetting, NotificationSwitch, Policy, Quiet, ScheduleWindow, Setting, SettingChange,
    SettingsDocument, TokenStand,
};

/// The names of what can be asked; each is also a path below `/pilotlight`.
pub(crate) const READS: [&str; 1] = ["settings"];
/// Those that change something.
pub(crate) const COMMANDS: [&str; 1] = ["settings/set"];

/// The Settings page's commands. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SettingsPage {
    pub(crate) store: SettingsStore,
    pub(crate) states: watch::Receiver<Arc<AppState>>,
}

impl SettingsPage {
    /// Does what one of [`READS`] or [`COMMANDS`] says. `body` is what [`types`] has for it.
    pub(crate) async fn ask(&self, name: &str, body: Value) -> Result<Value, CommandError> {
        match name {
            "settings" => written(&self.document().await?),
            "settings/set" => {
                self.set(read(body)?).await?;
                written(&self.document().await?)
            }
            other => Err(CommandError::new("unknown-command", format!("there is no {other}"))),
        }
    }

    async fn document(&self) -> Result<SettingsDocument, CommandError> {
        self.store.look().await;
        let state = self.store.watch().borrow().clone();
        let file = self.file(&state.path).await?;
        Ok(document(&state, &self.states.borrow(), &Written(file)))
    }

    async fn set(&self, change: SettingChange) -> Result<(), CommandError> {
        let state = self.store.watch().borrow().clone();
        let file = Written(self.file(&state.path).await?);
        let keys = settable(change.path, &file)?;
        let value = (!change.value.is_null()).then(|| in_the_form_of(change.value, file.get(&borrowed(&keys))));
        let asked = json5_edit::Path::of(&borrowed(&keys)).to_string();
        self.store.set(keys, value).await.map_err(|error| refused(&error, &asked))
    }

    /// What stands in the file; nothing where it cannot be read.
    async fn file(&self, path: &Path) -> Result<Value, CommandError> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || settings_edit::written(&path)).await;
        let read = read.map_err(|error| CommandError::new("failed", format!("the settings were not read: {error}")))?;
        Ok(read.unwrap_or_else(|| Value::Object(Map::new())))
    }
}

/// What stands in the file, right or not.
struct Written(Value);

impl Written {
    /// The value at `keys`, where there is one. `null` says as much as nothing.
    fn get(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter().try_fold(&self.0, |value, key| value.get(key)).filter(|value| !value.is_null())
    }

    /// What is in effect, and that it is from the file if `keys` stand there.
    fn setting<T>(&self, keys: &[&str], value: T) -> Setting<T> {
        let from = self.get(keys).map(|_| json5_edit::Path::of(keys).to_string());
        Setting { value, from }
    }

    /// How the file writes a model's ref: the provider's letters may be large or small.
    fn key_of(&self, model: &ModelRef) -> String {
        let models = self.get(&["models"]).and_then(Value::as_object);
        let mut keys = models.into_iter().flat_map(Map::keys);
        keys.find(|key| key.parse().is_ok_and(|read: ModelRef| read == *model)).cloned().unwrap_or(model.to_string())
    }
}

fn document(state: &SettingsState, app: &AppState, file: &Written) -> SettingsDocument {
    let settings = &*state.settings;
    let keeper = &settings.keeper;
    let text = |keys: &[&str]| as_written::<String>(file.get(keys), state.stale).and_then(|one| one.into_iter().next());
    let max_memory = keeper.max_memory.map(|bytes| text(&["keeper", "maxMemory"]).unwrap_or_else(|| amount(bytes)));
    let poll = text(&["keeper", "poll"]).unwrap_or_else(|| length(keeper.poll));
    let quiet = settings.notifications.quiet.map(|quiet| {
        let written =
            as_written(file.get(&["notifications", "quiet"]), state.stale).and_then(|one| one.into_iter().next());
        written.unwrap_or_else(|| Quiet { from: clock(quiet.from), to: clock(quiet.to) })
    });
    SettingsDocument {
        path: state.path.display().to_string(),
        stale: state.stale,
        problems: state.diagnostics.iter().map(problem).collect(),
        notifications: notifications(&settings.notifications, file),
        quiet: file.setting(&["notifications", "quiet"], quiet),
        models: models(state, app, file),
        max_models: file.setting(&["keeper", "maxModels"], keeper.max_models),
        max_memory: file.setting(&["keeper", "maxMemory"], max_memory),
        poll: file.setting(&["keeper", "poll"], poll),
        listen: file.setting(&["listen"], settings.listen.to_string()),
        token: match &settings.token {
            TokenSetting::Made => TokenStand::Made,
            TokenSetting::None => TokenStand::None,
            TokenSetting::Literal(_) => TokenStand::Written,
            TokenSetting::Env { variable, .. } => TokenStand::Variable { name: variable.clone() },
        },
    }
}

fn notifications(settings: &NotificationSettings, file: &Written) -> Vec<NotificationSetting> {
    use NotificationSwitch as Kind;
    let kind = |kind: Kind, key: &str, shown: bool, problem: bool| {
        let mut shown = file.setting(&["notifications", key], shown);
        if problem && shown.from.is_none() {
            // The key from before each kind had its own.
            shown.from = file.setting(&["notifications", "problems"], ()).from;
        }
        NotificationSetting { kind, shown }
    };
    vec![
        kind(Kind::Unloaded, "unloaded", settings.unloaded, false),
        kind(Kind::Back, "back", settings.back, false),
        kind(Kind::Hosted, "hosted", settings.hosted, false),
        kind(Kind::LoadFailed, "loadFailed", settings.load_failed, true),
        kind(Kind::Configuration, "configuration", settings.configuration, true),
        kind(Kind::KeyRefused, "keyRefused", settings.key_refused, true),
        kind(Kind::Cut, "cut", settings.cut, true),
    ]
}

fn models(state: &SettingsState, app: &AppState, file: &Written) -> Vec<ModelPolicy> {
    let (settings, stale) = (&*state.settings, state.stale);
    let policy = |model: &ModelRef| {
        let key = file.key_of(model);
        let keys = ["models", &key, "keepWarm"];
        let policy = match settings.model(model).keep_warm {
            KeepWarm::Always => Policy::Always,
            KeepWarm::Chain => Policy::Chain,
            KeepWarm::Never => Policy::Never,
            KeepWarm::Schedule(schedule) => Policy::Schedule {
                windows: as_written(file.get(&keys), stale)
                    .unwrap_or_else(|| schedule.windows.iter().map(window).collect()),
            },
        };
        file.setting(&keys, policy)
    };
    let local = app.models.iter().filter(|model| model.location == Location::Local).map(|summary| ModelPolicy {
        model: summary.model.clone(),
        title: summary.alias.clone().unwrap_or_else(|| summary.name.clone()),
        local: true,
        policy: policy(&summary.model),
    });
    let mut all: Vec<_> = local.collect();
    for model in settings.models.keys() {
        let policy = policy(model);
        if policy.from.is_some() && !all.iter().any(|one| one.model == *model) {
            all.push(ModelPolicy { model: model.clone(), title: model.to_string(), local: false, policy });
        }
    }
    all
}

/// A value, or each of a list of them, in the words of the file, so that what is not changed is sent back as it stands
/// there. None where the file has a mistake, since something else is in effect then.
fn as_written<T: DeserializeOwned>(value: Option<&Value>, stale: bool) -> Option<Vec<T>> {
    let values = match value.filter(|_| !stale)? {
        Value::Array(items) => items.clone(),
        value => vec![value.clone()],
    };
    values.into_iter().map(|value| serde_json::from_value(value).ok()).collect()
}

fn window(window: &Window) -> ScheduleWindow {
    ScheduleWindow {
        days: Some(window.days.iter().map(|day| day.to_string().to_lowercase()).collect()),
        from: clock(window.from),
        to: clock(window.to),
        time_zone: window.time_zone.map(|zone| zone.to_string()),
    }
}

/// Minutes since midnight, as a time of day.
fn clock(minutes: u16) -> String {
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Bytes in the largest unit that says them exactly enough.
fn amount(bytes: u64) -> String {
    let units =
        [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("GiB", 1 << 30), ("MB", 1_000_000), ("MiB", 1 << 20)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit)) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => format!("{}MB", bytes.div_ceil(1_000_000)),
    }
}

/// A length of time as it is written in the file.
fn length(time: std::time::Duration) -> String {
    let milliseconds = time.as_millis();
    if milliseconds.is_multiple_of(1_000) { format!("{}s", milliseconds / 1_000) } else { format!("{milliseconds}ms") }
}

fn borrowed(keys: &[String]) -> Vec<&str> {
    keys.iter().map(String::as_str).collect()
}

/// A schedule of one window stands in the file in a list or without one: it stays as it is.
fn in_the_form_of(value: Value, now: Option<&Value>) -> Value {
    match value {
        Value::Array(mut one) if one.len() == 1 && !now.is_some_and(Value::is_array) => one.remove(0),
        value => value,
    }
}

/// The keys in the file, if the page may set what stands there.
fn settable(path: Vec<String>, file: &Written) -> Result<Vec<String>, CommandError> {
    let keys = borrowed(&path);
    match keys.as_slice() {
        [
            "notifications",
            "unloaded" | "back" | "hosted" | "loadFailed" | "configuration" | "keyRefused" | "cut" | "quiet",
        ]
        | ["notifications", "quiet", "from" | "to"]
        | ["keeper", "poll" | "maxModels" | "maxMemory"] => Ok(path),
        ["models", model, "keepWarm"] => {
            let model = model.parse().map_err(|error: pilotlight_wire::ModelRefError| {
                CommandError::new("bad-request", format!("{error}. Nothing was written."))
            })?;
            Ok(vec!["models".to_owned(), file.key_of(&model), "keepWarm".to_owned()])
        }
        _ => {
            let message = format!("{} cannot be set from here: write it into the settings file", keys.join("."));
            Err(CommandError::new("unknown-setting", message))
        }
    }
}

/// Why nothing was written. `asked` is the key that was to be set.
fn refused(error: &SettingsEditError, asked: &str) -> CommandError {
    let SettingsEditError::Wrong(wrong) = error else {
        let code = if matches!(error, SettingsEditError::Changed { .. }) { "busy" } else { "not-written" };
        return CommandError::new(code, format!("{}. Nothing was written.", error.to_string().trim_end_matches('.')));
    };
    let Diagnostic { file, path, line, column, message, .. } = &**wrong;
    let message = message.trim_end_matches('.');
    if path.starts_with(asked) {
        return CommandError::new("wrong-value", format!("{path}: {message}. Nothing was written."));
    }
    let place = format!("{}:{line}:{column}", file.display());
    let key = if path.is_empty() { String::new() } else { format!("{path}: ") };
    CommandError::new(
        "broken",
        format!(
            "The settings file has a mistake at {place}: {key}{message}. Mend it there first; nothing was written."
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn amounts_and_lengths_are_written_as_the_file_has_them() {
        let amounts = [48_000_000_000, 44 << 30, 512_000_000, 1_500_000_000, 1_234_567, 2_000_000_000_000];
        assert_eq!(amounts.map(amount), ["48GB", "44GiB", "512MB", "1500MB", "2MB", "2TB"]);
        assert_eq!([250, 5_000, 60_000].map(|ms| length(Duration::from_millis(ms))), ["250ms", "5s", "60s"]);
        assert_eq!([0, 425, 1_440].map(clock), ["00:00", "07:05", "24:00"]);
    }

    #[test]
    fn only_what_the_page_shows_can_be_set_and_a_ref_is_found_as_it_is_written() {
        let file = Written(serde_json::json!({ "models": { "LMStudio/Big": {} } }));
        let set = |keys: &[&str]| settable(keys.iter().map(|&key| key.to_owned()).collect(), &file);
        assert_eq!(set(&["models", "lmstudio/Big", "keepWarm"]).unwrap()[1], "LMStudio/Big");
        assert_eq!(set(&["models", "lmstudio/big", "keepWarm"]).unwrap()[1], "lmstudio/big");
        for keys in
            [&["token"][..], &["access", "tokens", "x"], &["notifications"], &["models", "big", "keepWarm"], &[]]
        {
            assert!(set(keys).is_err(), "{keys:?}");
        }
    }
}
