//! What a desktop notification says. A frontend shows a [`Notice`] as it is; it decides nothing.

use pilotlight_wire::ModelRef;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// One thing worth telling a person who is not looking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// What happened.
    pub kind: NoticeKind,
    /// A few words: what.
    pub title: String,
    /// A sentence: why, and what happens next.
    pub body: String,
    /// The model it is about.
    #[ts(type = "string | null")]
    pub model: Option<ModelRef>,
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
    /// A provider refuses its key, or no credit is left with it.
    KeyRefused,
    /// A request was broken off after content had been sent.
    Cut,
}
