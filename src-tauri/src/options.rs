//! The command line of the tray application.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

use crate::icon::Panel;

/// The tray application of Pilot Light: keeps a local language model warm, and answers every request meanwhile.
///
/// Started a second time, it opens the window of the one that runs. For a machine without a desktop there is
/// `pilotlight serve`.
#[derive(Clone, Debug, Parser)]
#[command(name = "pilotlight-desktop", version)]
pub struct Options {
    /// The configuration file [default: OpenClaw's, or our own where there is none]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Our settings file [default: settings.json5 in PILOTLIGHT_HOME or the platform's configuration folder]
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// The address to listen on [default: `listen` of the settings]
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Start without opening the window, as at login. Where no panel shows tray icons, it opens all the same
    #[arg(long)]
    pub hidden: bool,
    /// What the panel looks like that holds the tray icon [default: guessed]
    #[arg(long, value_name = "LOOK", env = "PILOTLIGHT_PANEL")]
    pub panel: Option<Panel>,
    /// Be the window of the tray that started us
    #[arg(long, hide = true)]
    pub window: bool,
}

impl Options {
    /// What makes a process the window's instead of the tray's.
    pub(crate) const WINDOW: &str = "--window";
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
        assert!(Options::parse_from(["pilotlight-desktop", Options::WINDOW]).window);
    }
}
