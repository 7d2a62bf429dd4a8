//! What the Settings page is given and sends: the settings as they are in effect, and which of them stand in the file. No
//! token is in it.

use pilotlight_wire::ModelRef;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::state::Problem;

/// The settings that the page shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct SettingsDocument {
    /// The file, there or not.
    pub path: String,
    /// True while the file has a mistake, and what held before stays in force. Nothing can be set until it is mended.
    pub stale: bool,
    /// What is wrong with the file.
    pub problems: Vec<Problem>,
    /// Which notifications are shown, each kind once.
    pub notifications: Vec<NotificationSetting>,
    /// Hours in which none are shown.
    pub quiet: Setting<Option<Quiet>>,
    /// Which models are kept warm: every local one of the configuration, and those that only the settings name.
    pub models: Vec<ModelPolicy>,
    /// The most models in memory at once, for each provider.
    #[ts(type = "Setting<number | null>")]
    pub max_models: Setting<Option<u32>>,
    /// The most memory that models may take at once, for each provider, such as `48GB`.
    pub max_memory: Setting<Option<String>>,
    /// How often a runtime is asked for its state, such as `5s`.
    pub poll: Setting<String>,
    /// Where the proxy is told to listen. A command line may say otherwise.
    pub listen: Setting<String>,
    /// What clients must show.
    pub token: TokenStand,
}

/// A value in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Setting<T> {
    /// It.
    pub value: T,
    /// The key of the file that says so, such as `keeper.poll`; none: it is the default.
    pub from: Option<String>,
}

/// Whether notifications of a kind are shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NotificationSetting {
    /// Which.
    pub kind: NotificationSwitch,
    /// Whether they are.
    pub shown: Setting<bool>,
}

/// A kind of notifications that can be switched off, by its key below `notifications`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub enum NotificationSwitch {
    /// A local model was unloaded, or its runtime went away.
    Unloaded,
    /// It is back.
    Back,
    /// A hosted model is answering instead.
    Hosted,
    /// A load failed, or was given up.
    LoadFailed,
    /// The configuration or the settings have a mistake, or are good again.
    Configuration,
    /// A provider refuses its key, or no credit is left with it.
    KeyRefused,
    /// An answer broke off after content had been sent.
    Cut,
}

/// A part of every day, by local time; over midnight where `to` is not after `from`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Quiet {
    /// Such as `22:00`.
    pub from: String,
    /// Such as `07:00`.
    pub to: String,
}

/// When a model is kept warm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ModelPolicy {
    /// `provider/model`.
    #[serde(rename = "ref")]
    #[ts(type = "string")]
    pub model: ModelRef,
    /// A person's name for it.
    pub title: String,
    /// Whether it is a local model of the configuration; a policy does nothing for any other.
    pub local: bool,
    /// When.
    pub policy: Setting<Policy>,
}

/// When a model is kept warm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Policy {
    /// Always.
    Always,
    /// While it is the first local model of the chain.
    Chain,
    /// On some days, at some hours.
    Schedule {
        /// At least one of them must be open.
        windows: Vec<ScheduleWindow>,
    },
    /// Never: it is loaded when a request or a person asks for it.
    Never,
}

/// A window of time on some days of the week, as it stands in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleWindow {
    /// The days on which it begins: `mon`, `tue`, …; none: all of them.
    #[serde(default)]
    pub days: Option<Vec<String>>,
    /// Such as `08:00`.
    pub from: String,
    /// Up to `24:00`; on the next day where it is not after `from`.
    pub to: String,
    /// Such as `Europe/Berlin`; none: this machine's.
    #[serde(default)]
    pub time_zone: Option<String>,
}

/// What clients must show. Never the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TokenStand {
    /// One that was made at the first run.
    Made,
    /// Nothing; on loopback only.
    None,
    /// One that stands in the settings.
    Written,
    /// One that an environment variable holds.
    Variable {
        /// Its name.
        name: String,
    },
}

/// A setting to change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
pub struct SettingChange {
    /// The keys to it, such as `["keeper", "poll"]`.
    pub path: Vec<String>,
    /// What it is to be, as it stands in the file; `null`: its default.
    #[serde(default)]
    #[ts(type = "unknown")]
    pub value: Value,
}
