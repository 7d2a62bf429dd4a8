//! One entry: what is kept of a request.

use pilotlight_wire::{ClientApi, Location, ModelRef};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A finished request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct ServedRequest {
    /// Counted from 1 since the engine started; 0 where it comes from an earlier run.
    #[ts(type = "number")]
    pub id: u64,
    /// Unix time in milliseconds at which it arrived.
    #[ts(type = "number")]
    pub started: u64,
    /// The request's `model`, as asked.
    pub asked: String,
    /// The client's API.
    pub api: ClientApi,
    /// Whether the client asked for a stream.
    pub streaming: bool,
    /// Who served it; none when nobody did.
    #[ts(type = "string | null")]
    pub served_by: Option<ModelRef>,
    /// Where that runs.
    pub location: Option<Location>,
    /// The candidates that were passed over or failed, in order, each with why.
    pub passed_over: Vec<PassedOver>,
    /// How it ended.
    pub outcome: RequestOutcome,
    /// The HTTP status that the client got.
    pub http_status: u16,
    /// Milliseconds to the first content byte.
    #[ts(type = "number | null")]
    pub first_content: Option<u64>,
    /// Milliseconds to the end.
    #[ts(type = "number")]
    pub total: u64,
    /// Tokens read, by the upstream's own count.
    #[ts(type = "number | null")]
    pub input_tokens: Option<u64>,
    /// Tokens written, by the upstream's own count.
    #[ts(type = "number | null")]
    pub output_tokens: Option<u64>,
    /// US$, by the configuration's costs; none where tokens or costs are unknown.
    pub cost: Option<f64>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum RequestOutcome {
    /// Answered to the end.
    Served,
    /// Broken off after content had been sent; the client got an error event.
    Cut,
    /// No candidate could answer; the client got an error.
    Failed,
    /// The client went away.
    Cancelled,
}

/// A candidate that did not serve a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct PassedOver {
    /// Which.
    #[ts(type = "string")]
    pub model: ModelRef,
    /// A stable name, such as `cold`, `refused`, `timeout`, `status`, `error-event`, `cut`, `local-only`.
    pub code: String,
    /// In words, such as `loading for 12 s`.
    pub detail: String,
}
