//! Finds the files that OpenClaw makes for its agents, in which it may have left keys. I/O happens here.

use std::path::{Path, PathBuf};

use pilotlight_wire::Secret;

use crate::files::{Disk, Files as _};
use crate::home::Environment;
use crate::location::ConfigLocation;
use crate::rules::AgentFile;

/// As many agents as are looked at.
const MOST: usize = 256;

/// Every `agents/*/agent/models.json` in OpenClaw's state folder that can be read, in the order of the agents' names.
/// None where the configuration is our own.
pub(crate) fn agent_files(location: &ConfigLocation, environment: &Environment) -> Vec<AgentFile> {
    if !location.openclaw {
        return Vec::new();
    }
    let mut agents: Vec<PathBuf> = state_folders(location, environment)
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder.join("agents")).ok())
        .flat_map(|entries| entries.flatten().take(MOST).map(|entry| entry.path()))
        .collect();
    agents.sort();
    agents.dedup();
    let files = agents.into_iter().map(|agent| agent.join("agent").join("models.json"));
    files.filter_map(|path| Disk.read(&path).ok().map(|text| AgentFile { path, text: Secret::new(text) })).collect()
}

/// The state folder: the one that is named, else the one the file stands in.
fn state_folders(location: &ConfigLocation, environment: &Environment) -> Vec<PathBuf> {
    let named = ["OPENCLAW_STATE_DIR", "CLAWDBOT_STATE_DIR"].iter().find_map(|name| environment.var(name));
    let beside = location.path.parent().unwrap_or(Path::new("/")).to_owned();
    match named {
        Some(folder) => vec![environment.path(folder)],
        None => vec![beside],
    }
}
