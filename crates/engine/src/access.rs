//! The token that clients are asked for: from the settings, else made at the first run.

use std::net::SocketAddr;

use pilotlight_config::settings::TokenSetting;
use pilotlight_config::{Home, Settings};
use pilotlight_wire::Secret;

/// Why there is no token to ask for.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file of the token cannot be read or made.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The token by these settings; makes and keeps one where they leave it out. None where they switch it off.
///
/// # Errors
/// When the file it is kept in cannot be read or made.
pub fn token(settings: &Settings, home: &Home) -> Result<Option<Secret>, AccessError> {
    match &settings.token {
        TokenSetting::None => Ok(None),
        TokenSetting::Env { value, .. } | TokenSetting::Literal(value) => Ok(Some(value.clone())),
        TokenSetting::Made => pilotlight_config::token::read_or_make(home)
            .map(Some)
            .map_err(|source| AccessError::File { path: home.token_file(), source }),
    }
}

/// Whether others could call an engine that listens there without being asked for anything.
pub(crate) fn open_to_others(listen: SocketAddr, settings: &Settings) -> bool {
    !listen.ip().is_loopback() && settings.token == TokenSetting::None
}
