//! What a desktop notification says. A frontend shows a [`Notice`] as it is; it decides nothing.

use pilotlight_wire::ModelRef;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One thing worth telling a person who is not looking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Counted from 1 since the engine started.
    #[ts(type = "number")]
    pub id: u64,
    /// Unix time in milliseconds.
    #[ts(type = "number")]
    pub at: u64,
    /// What happened.
    pub kind: NoticeKind,
    /// A few words: what.
    pub title: String,
    /// A sentence: why, and what happens next.
    pub body: String,
    /// The model it is about.
    #[ts(type = "string | null")]
    pub model: Option<ModelRef>,
    /// What a person can do about it, the likeliest first.
    pub actions: Vec<NoticeAction>,
    /// Whether it was shown as a notification; false in quiet hours and while its kind is muted.
    pub shown: bool,
}

/// Something to do about a notice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct NoticeAction {
    /// What.
    pub action: NoticeActionKind,
    /// What a button says.
    pub label: String,
    /// The model that is loaded, or made the primary.
    #[ts(type = "string | null")]
    pub model: Option<ModelRef>,
}

/// What can be done about a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeActionKind {
    /// Load the model.
    Reload,
    /// Make a hosted model the primary.
    UseHosted,
    /// Show nothing of this kind for an hour.
    Mute,
}

impl NoticeActionKind {
    /// Its name, as a notification daemon or a command is told it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::UseHosted => "use-hosted",
            Self::Mute => "mute",
        }
    }
}

/// A kind of notice that is not shown for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Muted {
    /// Which.
    pub kind: NoticeKind,
    /// Unix time in milliseconds.
    #[ts(type = "number")]
    pub until: u64,
}

/// What a notice is about; each kind can be switched off in the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// A local model went out of memory, or its server went away.
    Unloaded,
    /// It is back.
    Back,
    /// A hosted model answers instead.
    HostedMeanwhile,
    /// A load failed.
    LoadFailed,
    /// The configuration or the settings have a mistake, or are good again.
    Configuration,
    /// The model that would answer has failed, and is passed over for a while.
    PassedOver,
    /// A provider refuses its key, or no credit is left with it.
    KeyRefused,
    /// A request was broken off after content had been sent.
    Cut,
}
