//! `pilotlight token`: the one token, and tokens with limits of their own for single clients.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use pilotlight_config::settings::TokenLimits;
use pilotlight_config::{Environment, Home, settings_edit, settings_store};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::output::{Failure, print};

/// How many random bytes a token has.
const BYTES: usize = 24;

#[derive(Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token with limits for one client, and print it: it is shown this once, and kept as a hash
    Add {
        /// What you call it, such as claude-code
        name: String,
        /// Its requests go to local models only
        #[arg(long)]
        local_only: bool,
        /// The only models it may ask for: names, aliases or refs, with * for any run of characters
        #[arg(long, value_delimiter = ',', value_name = "PATTERN,…")]
        models: Option<Vec<String>>,
        /// The most requests in a minute
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        per_minute: Option<u32>,
    },
    /// List the named tokens and their limits
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget a named token: whoever shows it is refused from then on
    Rm {
        /// Its name
        name: String,
    },
}

impl TokenCommand {
    pub(crate) fn json(&self) -> bool {
        matches!(self, Self::List { json: true })
    }

    pub(crate) fn run(self, settings: Option<PathBuf>) -> Result<ExitCode, Failure> {
        let environment = Environment::of_process();
        let file = settings.unwrap_or_else(|| Home::from(&environment).settings_file());
        let state = settings_store::read(&file, &environment);
        let tokens = &state.settings.access.tokens;
        let changed = |name: &str, value: Option<&Value>| {
            settings_edit::edit(&file, &["access", "tokens", name], value, &environment)
                .map_err(|error| Failure::new("settings", format!("nothing was changed: {error}")))
        };
        match self {
            Self::Add { name, local_only, models, per_minute } => {
                if tokens.contains_key(&name) {
                    let message = format!("there is a token {name:?} already: `pilotlight token rm {name}` forgets it");
                    return Err(Failure::new("exists", message));
                }
                let mut random = [0_u8; BYTES];
                getrandom::fill(&mut random).map_err(|error| Failure::new("random", error.to_string()))?;
                let token = format!("pl-{}", hex::encode(random));
                let mut entry = Map::from_iter([("sha256".to_owned(), hex::encode(Sha256::digest(&token)).into())]);
                if local_only {
                    entry.insert("localOnly".to_owned(), true.into());
                }
                if let Some(models) = models {
                    entry.insert("models".to_owned(), models.into());
                }
                if let Some(most) = per_minute {
                    entry.insert("perMinute".to_owned(), most.into());
                }
                changed(&name, Some(&entry.into()))?;
                print(&format!("{token}\n"))?;
            }
            Self::List { json: true } => {
                let list: Vec<Value> = tokens.iter().map(|(name, limits)| described(name, limits)).collect();
                print(&format!("{:#}\n", Value::from(list)))?;
            }
            Self::List { json: false } if tokens.is_empty() => {
                print("no named tokens: `pilotlight token add NAME` makes one\n")?;
            }
            Self::List { json: false } => {
                for (name, limits) in tokens {
                    print(&format!("{name}: {}\n", words(limits)))?;
                }
            }
            Self::Rm { name } => {
                if !tokens.contains_key(&name) {
                    let known: Vec<&str> = tokens.keys().map(String::as_str).collect();
                    let known = if known.is_empty() { "none with a name".to_owned() } else { known.join(", ") };
                    let message = format!("there is no token {name:?}; there are: {known}");
                    return Err(Failure::new("unknown", message));
                }
                changed(&name, None)?;
                print(&format!("{name} is forgotten\n"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn described(name: &str, limits: &TokenLimits) -> Value {
    json!({
        "name": name, "localOnly": limits.local_only, "models": limits.models, "perMinute": limits.per_minute,
    })
}

fn words(limits: &TokenLimits) -> String {
    let mut words = Vec::new();
    if limits.local_only {
        words.push("local models only".to_owned());
    }
    if let Some(models) = &limits.models {
        words.push(format!("only {}", models.join(", ")));
    }
    if let Some(most) = limits.per_minute {
        words.push(format!("at most {most} requests a minute"));
    }
    if words.is_empty() { "no limits".to_owned() } else { words.join("; ") }
}
