//! `pilotlight`: the engine without a desktop, and every action of the tray as a command.
//!
//! Must not know: Tauri. What a command does is the engine's and the configuration's; here it is asked for and shown.
#![allow(clippy::print_stdout, reason = "what a command prints is its result")]

mod config_commands;
mod config_edit;
mod config_show;
mod config_words;
mod connect;
mod context;
mod demo;
mod keys;
mod load;
mod logging;
mod output;
mod pages;
mod provider;
mod remote;
mod runtime;
mod serve;
mod text;
mod token;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use output::Failure;

/// The proxy makes and drops much that is small: a tenth of its processor time went into the platform's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Keeps a local model ready, and answers at once even when it is not.
///
/// Exit codes: 0 done; 1 it could not be done; 2 the command line is wrong; 3 no engine is running.
#[derive(Parser)]
#[command(name = "pilotlight", version, propagate_version = true, max_term_width = 110)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the engine without a desktop: the proxy, and the keeper of the local models
    ///
    /// Prints one line with its address when it is ready. Ctrl-C or SIGTERM stops it; answers under way are given
    /// 10 s to end. The environment variable `PILOTLIGHT_HOME` moves settings, state and ledger to another folder.
    Serve(ServeArguments),
    /// Make a model the primary, in the configuration file; a running engine follows at once
    ///
    /// Only that value changes in the file; where the model was a fallback, the two change places.
    Use {
        /// A ref (provider/model), an alias, or a bare model id
        model: String,
        /// The configuration file [default: OpenClaw's, by its own rules; else config.json5 in Pilot Light's folder]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print what would change, and change nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Work on the configuration file, engine or no engine
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Give models short names
    Alias {
        #[command(subcommand)]
        command: config_edit::AliasCommand,
    },
    /// Set which models answer, in which order
    Chain {
        #[command(subcommand)]
        command: config_edit::ChainCommand,
    },
    /// Work on the providers of the configuration
    Provider {
        #[command(subcommand)]
        command: config_edit::ProviderCommand,
    },
    /// Show what the running engine does: who answers, each model of the chain, the last requests
    Status(OutputArguments),
    /// List the configured models and whether each can answer
    Models(OutputArguments),
    /// Load a local model, and wait until it is in memory
    ///
    /// On a terminal a line shows how far it has come, and how long it took before.
    Load {
        /// A ref (provider/model), an alias, a bare model id, or the name that `status` shows
        model: String,
        /// Show how far it has come also where the output is no terminal: a line every 5 s, with --json an object
        #[arg(long)]
        watch: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Take a local model out of memory; it stays out until somebody asks for it
    Unload {
        /// A ref (provider/model), an alias, a bare model id, or the name that `status` shows
        model: String,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Show the loaded context of local models against the configuration's, or make the two agree
    ///
    /// A model that is loaded with less than its contextWindow cuts off long prompts or fails on them.
    Context {
        /// A ref (provider/model), an alias, a bare model id, or the name that `status` shows; left out, every local model
        model: Option<String>,
        /// Load it anew, with what the configuration says
        #[arg(long, requires = "model", conflicts_with = "lower")]
        reload: bool,
        /// Write into the configuration what is loaded; `config undo` takes it back
        #[arg(long, requires = "model")]
        lower: bool,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Ask upstreams again that failed and are passed over for a while
    ///
    /// After a refused key, a rate limit or several failures in a row, a provider or a model is left alone until its
    /// time is over. This forgets that: the next request asks it.
    Retry {
        /// The provider's id; left out, all of them
        provider: Option<String>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Show the local runtimes (what each can be told, and what it cannot tell), or start LM Studio's server
    Runtime {
        #[command(subcommand)]
        command: runtime::RuntimeCommand,
    },
    /// Keep the providers' keys: in the keychain, a private file, a variable, or the configuration
    Key {
        #[command(subcommand)]
        command: keys::KeyCommand,
    },
    /// Print the token that clients send as bearer or x-api-key; or make tokens with limits for single clients
    Token {
        #[command(subcommand)]
        command: Option<token::TokenCommand>,
        /// The settings file [default: settings.json5 in Pilot Light's folder]
        #[arg(long, value_name = "FILE")]
        settings: Option<PathBuf>,
    },
    /// Connect a tool to Pilot Light, in its own settings; without a name, list the tools and how they stand
    ///
    /// Only what is needed is written there; what stood there is kept, and `pilotlight disconnect` gives it back. The tool
    /// gets a token of its own. Where an engine runs, one small request shows whether it works.
    Connect(connect::ConnectArguments),
    /// Take a tool's connection back: what stood in its settings before, where what stands there is still ours
    Disconnect(connect::DisconnectArguments),
    /// Show it all with simulated servers: a cold model, the bridge, an unload, the notification
    Demo(demo::Arguments),
}

/// Which files to work on.
#[derive(Args, Clone, Debug, Default)]
struct FileArguments {
    /// The configuration file [default: OpenClaw's, by its own rules; else config.json5 in Pilot Light's folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The settings file [default: settings.json5 in Pilot Light's folder]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

#[derive(Args)]
struct ServeArguments {
    #[command(flatten)]
    files: FileArguments,
    /// Where to listen [default: `listen` of the settings, else 127.0.0.1:11235]; port 0 takes any free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
    /// Serve the window to a browser too, and print its address
    #[arg(long)]
    ui: bool,
}

#[derive(Args, Clone, Copy)]
struct OutputArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Say what is wrong with a configuration file; exit code 1 when something keeps it from being used
    Check {
        /// [default: the file in use]
        file: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArguments,
    },
    /// Print the path of the configuration file in use
    Path(OutputArguments),
    #[command(flatten)]
    Edit(config_edit::EditCommand),
}

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    // The work is waiting, not computing, and a request that is handed from one worker to another waits for it.
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output::report(&Failure::new("runtime", error.to_string()), false),
    };
    runtime.block_on(run(command_line.command))
}

async fn run(command: Command) -> ExitCode {
    let json = match &command {
        Command::Use { output, .. }
        | Command::Load { output, .. }
        | Command::Unload { output, .. }
        | Command::Context { output, .. }
        | Command::Retry { output, .. } => output.json,
        Command::Status(output) | Command::Models(output) => output.json,
        Command::Config { command: ConfigCommand::Check { output, .. } | ConfigCommand::Path(output) } => output.json,
        Command::Config { command: ConfigCommand::Edit(command) } => command.json(),
        Command::Alias { command } => command.json(),
        Command::Chain { command } => command.json(),
        Command::Provider { command } => command.json(),
        Command::Key { command } => command.json(),
        Command::Runtime { command } => command.json(),
        Command::Token { command, .. } => command.as_ref().is_some_and(token::TokenCommand::json),
        Command::Connect(arguments) => arguments.json(),
        Command::Disconnect(arguments) => arguments.json(),
        Command::Serve(_) | Command::Demo(_) => false,
    };
    let done = match command {
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Use { model, config, dry_run, .. } => {
            config_commands::use_model(&model, config.as_deref(), dry_run, json)
        }
        Command::Config { command: ConfigCommand::Check { file, .. } } => {
            config_commands::check(file.as_deref(), json).await
        }
        Command::Config { command: ConfigCommand::Path(_) } => config_commands::path(json),
        Command::Config { command: ConfigCommand::Edit(command) } => command.run(),
        Command::Alias { command } => command.run(),
        Command::Chain { command } => command.run(),
        Command::Provider { command } => command.run().await,
        Command::Status(_) => remote::status(json).await,
        Command::Models(_) => remote::models(json).await,
        Command::Load { model, watch, .. } => load::run(&model, watch, json).await,
        Command::Context { model, reload, lower, .. } => context::run(model.as_deref(), reload, lower, json).await,
        Command::Unload { model, .. } => remote::unload(&model, json).await,
        Command::Retry { provider, .. } => remote::retry(provider.as_deref(), json).await,
        Command::Key { command } => command.run(),
        Command::Runtime { command } => command.run().await,
        Command::Token { command: None, settings } => config_commands::token(settings),
        Command::Token { command: Some(command), settings } => command.run(settings),
        Command::Connect(arguments) => arguments.run().await,
        Command::Disconnect(arguments) => arguments.run(),
        Command::Demo(arguments) => demo::run(arguments).await,
    };
    match done {
        Ok(code) => code,
        Err(failure) => output::report(&failure, json),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::CommandLine::command().debug_assert();
    }
}
