//! The folder where settings, token, state and ledger live, and the process's environment as a value. No file is
//! touched here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A snapshot of the process's environment. Everything that depends on a variable takes one, so that tests build
/// their own and nothing reads the process's behind their back.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The variables. Their values may be keys, so they are never printed.
    pub vars: BTreeMap<String, String>,
    /// The user's home folder.
    pub user_home: PathBuf,
    /// Where `Home` is without `PILOTLIGHT_HOME`: the platform's configuration folder.
    pub config_folder: PathBuf,
    /// What a relative path in a variable is relative to.
    pub working_folder: PathBuf,
}

impl Environment {
    /// The environment of this process, as it is now.
    #[must_use]
    pub fn of_process() -> Self {
        let user_home = etcetera::home_dir().unwrap_or_default();
        let config_folder = etcetera::base_strategy::choose_native_strategy()
            .map(|strategy| etcetera::BaseStrategy::config_dir(&strategy))
            .unwrap_or_else(|_| user_home.join(".config"));
        let vars = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { vars, user_home, config_folder, working_folder: std::env::current_dir().unwrap_or_default() }
    }

    /// An environment of exactly these variables, with every folder below `folder`. For tests.
    #[must_use]
    pub fn isolated(folder: &Path, vars: &[(&str, &str)]) -> Self {
        Self {
            vars: vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            user_home: folder.to_owned(),
            config_folder: folder.join(".config"),
            working_folder: folder.to_owned(),
        }
    }

    /// A variable's value; an empty or blank one counts as unset, as it does for OpenClaw.
    #[must_use]
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }

    /// A path as a person writes it in a variable: `~` is the home folder, a relative one starts at the working folder.
    #[must_use]
    pub fn path(&self, text: &str) -> PathBuf {
        let text = text.trim();
        if text == "~" {
            return self.user_home.clone();
        }
        if let Some(rest) = text.strip_prefix("~/").or_else(|| text.strip_prefix("~\\")) {
            return self.user_home.join(rest);
        }
        self.working_folder.join(text)
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("vars", &self.vars.keys().collect::<Vec<_>>())
            .field("user_home", &self.user_home)
            .finish_non_exhaustive()
    }
}

/// The folder of settings, token, state and ledger: `PILOTLIGHT_HOME`, else `pilotlight` in the platform's
/// configuration folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// Makes one of a folder.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The folder itself. It may not exist yet.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Our settings.
    #[must_use]
    pub fn settings_file(&self) -> PathBuf {
        self.0.join("settings.json5")
    }

    /// The token that clients are asked for.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.0.join("token")
    }

    /// The model configuration where there is no OpenClaw.
    #[must_use]
    pub fn own_config_file(&self) -> PathBuf {
        self.0.join("config.json5")
    }

    /// What was served.
    #[must_use]
    pub fn ledger_file(&self) -> PathBuf {
        self.0.join("ledger.sqlite")
    }

    /// Where a running engine says its process id and address.
    #[must_use]
    pub fn running_file(&self) -> PathBuf {
        self.0.join("running.json")
    }

    /// The folder of the configurations' earlier texts. They may hold keys.
    #[must_use]
    pub fn history(&self) -> PathBuf {
        self.0.join("history")
    }

    /// The folder of the keys that are kept for providers.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// The folder of the logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }
}

impl From<&Environment> for Home {
    fn from(environment: &Environment) -> Self {
        match environment.var("PILOTLIGHT_HOME") {
            Some(folder) => Self(environment.path(folder)),
            None => Self(environment.config_folder.join("pilotlight")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_is_where_the_variable_says_else_in_the_configuration_folder() {
        let folder = Path::new("/somebody");
        let plain = Environment::isolated(folder, &[]);
        assert_eq!(Home::from(&plain).folder(), Path::new("/somebody/.config/pilotlight"));
        for (value, expected) in [("/elsewhere", "/elsewhere"), ("~/pl", "/somebody/pl"), ("pl", "/somebody/pl")] {
            let moved = Environment::isolated(folder, &[("PILOTLIGHT_HOME", value)]);
            assert_eq!(Home::from(&moved).folder(), Path::new(expected));
        }
    }

    #[test]
    fn debug_shows_names_and_no_values() {
        let environment = Environment::isolated(Path::new("/h"), &[("OPENAI_API_KEY", "sk-very-secret")]);
        let shown = format!("{environment:?}");
        assert!(shown.contains("OPENAI_API_KEY") && !shown.contains("very-secret"), "{shown}");
    }
}
