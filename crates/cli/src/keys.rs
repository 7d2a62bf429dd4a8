//! `pilotlight key`: where the providers' keys are kept. A key comes in by standard input or by a prompt that does not show
//! it, and goes out to OpenClaw's process alone.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use pilotlight_config::keys::{self, KeyError, KeyPlace, KeyView, NewKey, Stores, SystemKeychain};
use pilotlight_config::{ConfigLocation, Environment, Home, Who, plan, write};
use pilotlight_wire::Secret;
use serde_json::json;

use crate::config_show::concealed_diff;
use crate::output::{Failure, print, show};

/// Which file, and in which form to print.
#[derive(Args)]
pub(crate) struct FileArguments {
    /// The configuration file [default: OpenClaw's, by its own rules; else config.json5 in Pilot Light's folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Where to keep a key.
#[derive(Clone, Copy, ValueEnum)]
enum In {
    /// The system's keychain
    Keychain,
    /// A file in Pilot Light's folder that only you can read
    File,
    /// A variable of the environment, or of the .env file beside the configuration
    Env,
    /// The configuration file itself
    Config,
}

/// Where a key goes.
#[derive(Args)]
pub(crate) struct PlaceArguments {
    /// The provider's id
    provider: String,
    /// Where to keep the key
    #[arg(long = "in", value_name = "PLACE", value_enum)]
    place: In,
    /// With `--in env`: the variable [default: the provider's usual one, such as OPENAI_API_KEY]
    #[arg(long, value_name = "NAME")]
    variable: Option<String>,
    /// Print what would change in the configuration, and change nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    file: FileArguments,
}

/// Subcommands of `pilotlight key`.
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// List the providers, and where the key of each is kept; never the key
    List(FileArguments),
    /// Keep a key for a provider, in the place of an earlier one
    ///
    /// The key is read from standard input, or asked for where that is a terminal.
    Set(PlaceArguments),
    /// Keep the key that a provider has in another place
    Move(PlaceArguments),
    /// Show where a provider's key is kept, and whether it can be read; never the key
    Get {
        /// The provider's id
        provider: String,
        #[command(flatten)]
        file: FileArguments,
    },
    /// Answer OpenClaw, which runs this for a key in the keychain
    #[command(hide = true)]
    Answer,
}

impl KeyCommand {
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::List(file) | Self::Get { file, .. } => file.json,
            Self::Set(place) | Self::Move(place) => place.file.json,
            Self::Answer => false,
        }
    }

    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::List(file) => list(&file),
            Self::Set(arguments) => keep(&arguments, false),
            Self::Move(arguments) => keep(&arguments, true),
            Self::Get { provider, file } => get(&provider, &file),
            Self::Answer => answer(),
        }
    }
}

fn files(file: &FileArguments) -> (Environment, Home, ConfigLocation) {
    let environment = Environment::of_process();
    let home = Home::from(&environment);
    let location = ConfigLocation::find(&environment, &home, file.config.as_deref());
    (environment, home, location)
}

fn list(file: &FileArguments) -> Result<ExitCode, Failure> {
    let (environment, _, location) = files(file);
    let views = listed(&location, &environment)?;
    let value: Vec<_> = views.iter().map(value).collect();
    show(file.json, &value, || {
        if views.is_empty() {
            return format!("No provider is configured in {}\n", location.path.display());
        }
        views.iter().map(line).collect()
    })
}

/// Where the key of each is kept. A file that cannot be read is no file without providers.
fn listed(location: &ConfigLocation, environment: &Environment) -> Result<Vec<KeyView>, Failure> {
    let views = keys::list(location, environment);
    if views.is_empty() {
        plan::plan(location, environment, &[]).map_err(crate::config_edit::failure)?;
    }
    Ok(views)
}

fn get(provider: &str, file: &FileArguments) -> Result<ExitCode, Failure> {
    let (environment, _, location) = files(file);
    let views = listed(&location, &environment)?;
    let Some(view) = views.iter().find(|view| view.provider.eq_ignore_ascii_case(provider.trim())) else {
        let known: Vec<&str> = views.iter().map(|view| view.provider.as_str()).collect();
        let message = format!("there is no provider {provider:?} in the configuration: there is {}", known.join(", "));
        return Err(Failure::new("unknown-provider", message));
    };
    show(file.json, &value(view), || line(view))
}

fn value(view: &KeyView) -> serde_json::Value {
    json!({ "provider": view.provider, "place": view.place, "detail": view.detail, "problem": view.problem })
}

fn line(view: &KeyView) -> String {
    let state = match (&view.problem, view.place) {
        (Some(problem), _) => format!("cannot be read: {problem}"),
        (None, "none") => "no key".to_owned(),
        (None, _) => "can be read".to_owned(),
    };
    format!("{:<20} {:<13} {:<24} {state}\n", view.provider, view.place, view.detail)
}

fn keep(arguments: &PlaceArguments, same_key: bool) -> Result<ExitCode, Failure> {
    let (environment, home, location) = files(&arguments.file);
    let provider = arguments.provider.trim().to_lowercase();
    let place = match (arguments.place, &arguments.variable) {
        (In::Env, variable) => {
            KeyPlace::Environment { variable: variable.clone().unwrap_or_else(|| keys::usual_variable(&provider)) }
        }
        (_, Some(_)) => return Err(Failure::new("usage", "--variable goes with --in env")),
        (In::Keychain, None) => KeyPlace::Keychain,
        (In::File, None) => KeyPlace::PrivateFile,
        (In::Config, None) => KeyPlace::File,
    };
    // A variable's value is set where the programs are started.
    let is_variable = matches!(place, KeyPlace::Environment { .. });
    let key = if same_key || is_variable || arguments.dry_run { None } else { Some(read_key(&provider)?) };
    // For a look at the edits, any text will do.
    let key =
        if arguments.dry_run && !same_key && !is_variable { Some(Secret::new("the-key-that-is-given")) } else { key };
    let program = std::env::current_exe()
        .and_then(|path| path.canonicalize())
        .map_err(|error| Failure::new("program", format!("where this program is cannot be found out: {error}")))?;
    let stores = Stores::of_system(&home);
    let new = NewKey { provider, place, key, program };
    let prepared = keys::prepare(&location, &environment, &stores, &new, !arguments.dry_run).map_err(failure)?;
    let plan =
        plan::plan(&location, &environment, &prepared.edits).map_err(|error| stored(&error.to_string(), &new))?;
    let diff = concealed_diff(&plan.changes);
    if !arguments.dry_run {
        if !plan.changes.is_empty() {
            write::commit(&location, &environment, &plan, Who::Command, &prepared.label)
                .map_err(|error| stored(&error.to_string(), &new))?;
        }
        prepared.finish(&stores).map_err(failure)?;
    }
    let value = json!({
        "provider": new.provider,
        "label": prepared.label,
        "notes": prepared.notes,
        "diff": diff,
        "dryRun": arguments.dry_run,
    });
    show(arguments.file.json, &value, || {
        let mut text = if arguments.dry_run { diff.clone() } else { format!("{}: done\n", prepared.label) };
        for note in &prepared.notes {
            text += &format!("Note: {note}\n");
        }
        text
    })
}

/// The key is where it was put already, and nothing names it.
fn stored(error: &str, new: &NewKey) -> Failure {
    let rest = match new.place {
        KeyPlace::Keychain => "; the key is in the keychain, and the configuration does not name it yet",
        KeyPlace::PrivateFile => "; the key is in the private file, and the configuration does not name it yet",
        KeyPlace::Environment { .. } | KeyPlace::File => "",
    };
    Failure::new("configuration", format!("{error}{rest}"))
}

fn read_key(provider: &str) -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return rpassword::prompt_password(format!("Key of {provider} (not shown): "))
            .map(Secret::new)
            .map_err(|error| Failure::new("input", format!("the key could not be read: {error}")));
    }
    let mut text = String::new();
    stdin
        .lock()
        .take(64 * 1024)
        .read_to_string(&mut text)
        .map_err(|error| Failure::new("input", format!("the key could not be read: {error}")))?;
    let key = text.trim();
    if key.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(Failure::new("input", "a key is one word: what came in has several, or several lines"));
    }
    Ok(Secret::new(key))
}

fn answer() -> Result<ExitCode, Failure> {
    if io::stdout().is_terminal() {
        return Err(Failure::new("terminal", "this answers OpenClaw, and shows no key to a person"));
    }
    let mut request = String::new();
    io::stdin()
        .lock()
        .take(keys::MOST_BYTES as u64)
        .read_to_string(&mut request)
        .map_err(|error| Failure::new("input", error.to_string()))?;
    let home = Home::from(&Environment::of_process());
    let answer = keys::answer(&request, &SystemKeychain::new(&home)).map_err(failure)?;
    print(&format!("{answer}\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn failure(error: KeyError) -> Failure {
    let code = match &error {
        KeyError::NoKeychain(_) => "no-keychain",
        KeyError::Locked(_) => "keychain-locked",
        KeyError::UnknownProvider { .. } => "unknown-provider",
        _ => "key",
    };
    let flags = if matches!(error, KeyError::NoKeychain(_)) { " (`--in file`, `--in env`)" } else { "" };
    Failure::new(code, format!("{error}{flags}"))
}
