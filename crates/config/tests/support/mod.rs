//! What several tests need.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

use pilotlight_config::{ConfigLocation, Environment, Reading};
use tempfile::TempDir;

/// A folder with a configuration in it, and an environment of its own.
pub struct Bench {
    pub folder: TempDir,
    pub environment: Environment,
    pub location: ConfigLocation,
}

impl Bench {
    /// With this text as OpenClaw's file.
    pub fn with(text: &str) -> Self {
        let bench = Self::empty();
        bench.write("openclaw.json", text);
        bench
    }

    pub fn empty() -> Self {
        let folder = TempDir::new().unwrap();
        let environment = Environment::isolated(folder.path(), &[("OPENROUTER_API_KEY", "sk-or-secret")]);
        let path = folder.path().join("openclaw.json");
        let location = ConfigLocation { path, openclaw: true, read_only: false };
        Self { folder, environment, location }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn read(&self) -> Reading {
        pilotlight_config::read(&self.location, &self.environment)
    }

    /// Every diagnostic, one a line, with file names without folders.
    pub fn told(&self) -> String {
        let folder = format!("{}/", self.folder.path().display());
        let lines: Vec<String> = self.read().diagnostics.iter().map(|diagnostic| diagnostic.to_string()).collect();
        lines.join("\n").replace(&folder, "")
    }
}

/// A fixture's text.
pub fn fixture(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}
