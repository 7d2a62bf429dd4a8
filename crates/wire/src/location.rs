//! Where a model runs.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Whether a provider runs on hardware of the user's or on somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "kebab-case")]
pub enum Location {
    /// On hardware of the user's: a loopback or private address, or marked so in the settings.
    Local,
    /// Anywhere else.
    Hosted,
}
