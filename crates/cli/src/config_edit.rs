//! Commands that edit the configuration file, engine or no engine. A running engine follows by itself, since it watches
//! the file. Every edit is recorded, so that `config undo` takes it back.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Subcommand};
use json5_edit::{Edit, Expected, Path};
use pilotlight_config::diagnostic::Severity;
use pilotlight_config::write::{self, Step, short};
use pilotlight_config::{
    ConfigLocation, Diagnostic, Environment, Home, Loaded, ModelConfiguration, PRESETS, Plan, StoreError, Who, intents,
    is_variable_name, plan, presets,
};
use pilotlight_wire::ModelRef;
use serde_json::{Value, json};

use crate::config_show::{concealed_diff, differences, get, history};
use crate::config_words::{model_called, value_of};
use crate::output::{Failure, print, show};
use crate::provider;

/// Which file, and what to do with the edit.
#[derive(Args)]
pub(crate) struct EditArguments {
    #[command(flatten)]
    pub(crate) file: FileArguments,
    /// Print what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Make the edit even when the configuration could not be used after it
    #[arg(long)]
    force: bool,
}

/// Which file, and in which form to print.
#[derive(Args)]
pub(crate) struct FileArguments {
    /// The configuration file [default: OpenClaw's, by its own rules; else config.json5 in Pilot Light's folder]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Subcommands of `pilotlight config` that read and edit values, or go through the history.
#[derive(Subcommand)]
pub(crate) enum EditCommand {
    /// Print a value of the configuration, with what its included files hold
    Get {
        /// Dotted, with quotes in brackets for keys that hold dots or slashes:
        /// agents.defaults.models["anthropic/claude-opus-4-6"].alias, models.providers.lmstudio.models[0].id;
        /// left out, the whole configuration
        path: Option<Path>,
        /// Print keys too
        #[arg(long)]
        show_keys: bool,
        #[command(flatten)]
        file: FileArguments,
    },
    /// Set a value, and nothing else of the file: comments, order and quotes stay
    ///
    /// What is missing on the way to it is made. A value that an included file holds is set there.
    Set {
        /// As for `config get`; an index right after an array's last item adds one
        path: Path,
        /// JSON5, such as 8192, true, ["a", "b"] or { alias: "Opus" }; what is none is taken as a string, unless it
        /// begins with a bracket or a quote
        #[arg(allow_hyphen_values = true)]
        value: String,
        #[command(flatten)]
        edit: EditArguments,
    },
    /// Remove a key or an item, with the comments that belong to it
    Unset {
        /// As for `config get`
        path: Path,
        #[command(flatten)]
        edit: EditArguments,
    },
    /// Show what the last change did, or what has changed since a revision
    Diff {
        /// A revision of `config history`, or its beginning
        revision: Option<String>,
        #[command(flatten)]
        file: FileArguments,
    },
    /// Take the last change back, whoever made it, to the byte
    Undo(EditArguments),
    /// Make the change again that was undone last
    Redo(EditArguments),
    /// List the last 50 revisions, the newest first
    History(FileArguments),
    /// Go back to a revision; that is itself a change that can be undone
    Restore {
        /// A revision of `config history`, or its beginning
        revision: String,
        #[command(flatten)]
        edit: EditArguments,
    },
    /// Put back the comments that another program dropped when it rewrote the file
    RestoreComments {
        /// Leave them out instead, and offer them no longer
        #[arg(long)]
        dismiss: bool,
        #[command(flatten)]
        file: FileArguments,
    },
}

/// Subcommands of `pilotlight alias`.
#[derive(Subcommand)]
pub(crate) enum AliasCommand {
    /// Give a model a short name, in place of the one it has
    Set {
        /// The short name
        name: String,
        /// A ref (provider/model), an alias, or a bare model id
        model: String,
        #[command(flatten)]
        edit: EditArguments,
    },
    /// Take a short name away
    Rm {
        /// The short name
        name: String,
        #[command(flatten)]
        edit: EditArguments,
    },
}

/// Subcommands of `pilotlight chain`.
#[derive(Subcommand)]
pub(crate) enum ChainCommand {
    /// Make these models the chain: the primary, then the fallbacks in their order
    Set {
        /// Refs (provider/model), aliases, or bare model ids
        #[arg(required = true, value_name = "MODEL")]
        models: Vec<String>,
        #[command(flatten)]
        edit: EditArguments,
    },
}

/// Subcommands of `pilotlight provider`.
#[derive(Subcommand)]
pub(crate) enum ProviderCommand {
    /// Add a provider, beginning with what is known of it
    Add {
        /// What to begin with
        #[arg(value_parser = presets_parser())]
        preset: String,
        /// Its id in the configuration [default: as the preset says]
        #[arg(long)]
        id: Option<String>,
        /// Where it answers [default: as the preset says]
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
        /// The environment variable that has its key; the file gets "${VAR}", never the key
        #[arg(long, value_name = "VAR")]
        key_env: Option<String>,
        /// A model it has, by its id there; may be given several times [default: those the preset knows]
        #[arg(long = "model", value_name = "ID")]
        models: Vec<String>,
        #[command(flatten)]
        edit: EditArguments,
    },
    /// Say whether a provider works, step by step, and what to do where it does not; it costs nothing
    Test {
        /// Its id in the configuration
        id: String,
        #[command(flatten)]
        file: FileArguments,
    },
    /// List the models that a provider's server has
    Models {
        /// Its id in the configuration
        id: String,
        #[command(flatten)]
        file: FileArguments,
    },
}

/// How a provider that is there gets a model; ID stands for the provider's.
const ADD_A_MODEL: &str =
    "`pilotlight config set 'models.providers.ID.models[0]' '{ id: \"…\", name: \"…\" }'` adds one";

fn presets_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(PRESETS.iter().map(|preset| PossibleValue::new(preset.id).help(preset.description)))
}

impl EditCommand {
    /// Whether to print JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Get { file, .. }
            | Self::Diff { file, .. }
            | Self::History(file)
            | Self::RestoreComments { file, .. } => file.json,
            Self::Set { edit, .. } | Self::Unset { edit, .. } | Self::Restore { edit, .. } => edit.file.json,
            Self::Undo(edit) | Self::Redo(edit) => edit.file.json,
        }
    }

    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Get { path, show_keys, file } => {
                get(&Bench::of(&file), &path.unwrap_or_default(), show_keys, file.json)
            }
            Self::Set { path, value, edit } => {
                let whole = path.steps().is_empty();
                let label = if whole { "the whole configuration set".to_owned() } else { format!("{path} set") };
                let value = value_of(&value)?;
                Bench::of(&edit.file)
                    .edit(&edit, &label, |_, _| Ok(vec![Edit::Set { path, value, expected: Expected::Anything }]))
            }
            Self::Unset { path, edit } => {
                let label = format!("{path} removed");
                Bench::of(&edit.file)
                    .edit(&edit, &label, |_, _| Ok(vec![Edit::Remove { path, expected: Expected::Anything }]))
            }
            Self::Diff { revision, file } => differences(&Bench::of(&file), revision.as_deref(), file.json),
            Self::History(file) => history(&Bench::of(&file), file.json),
            Self::Undo(edit) => Bench::of(&edit.file).go(&edit, &Step::Undo),
            Self::Redo(edit) => Bench::of(&edit.file).go(&edit, &Step::Redo),
            Self::Restore { revision, edit } => Bench::of(&edit.file).go(&edit, &Step::To(revision)),
            Self::RestoreComments { dismiss: false, file } => Bench::of(&file).restore_comments(file.json),
            Self::RestoreComments { dismiss: true, file } => Bench::of(&file).dismiss_comments(file.json),
        }
    }
}

impl AliasCommand {
    /// Whether to print JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Set { edit, .. } | Self::Rm { edit, .. } => edit.file.json,
        }
    }

    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Set { name, model, edit } => {
                let label = format!("{model} called {name}");
                Bench::of(&edit.file).edit(&edit, &label, |configuration, whole| {
                    let model = model_called(configuration, &model)?;
                    intents::set_alias(configuration, whole, &name, &model).map_err(refused)
                })
            }
            Self::Rm { name, edit } => {
                let label = format!("alias {name} removed");
                Bench::of(&edit.file)
                    .edit(&edit, &label, |_, whole| intents::remove_alias(whole, &name).map_err(refused))
            }
        }
    }
}

impl ChainCommand {
    /// Whether to print JSON.
    pub(crate) fn json(&self) -> bool {
        let Self::Set { edit, .. } = self;
        edit.file.json
    }

    pub(crate) fn run(self) -> Result<ExitCode, Failure> {
        let Self::Set { models, edit } = self;
        let label = format!("chain set to {}", models.join(", "));
        Bench::of(&edit.file).edit(&edit, &label, |configuration, whole| {
            let mut chain: Vec<ModelRef> = Vec::new();
            for name in &models {
                let model = model_called(configuration, name)?;
                if chain.contains(&model) {
                    let message = format!("{name} stands in the chain twice: it is {model}");
                    return Err(Failure::new("twice", message));
                }
                chain.push(model);
            }
            intents::set_chain(configuration, whole, &chain).map_err(refused)
        })
    }
}

impl ProviderCommand {
    /// Whether to print JSON.
    pub(crate) fn json(&self) -> bool {
        match self {
            Self::Add { edit, .. } => edit.file.json,
            Self::Test { file, .. } | Self::Models { file, .. } => file.json,
        }
    }

    pub(crate) async fn run(self) -> Result<ExitCode, Failure> {
        let (preset, id, base_url, key_env, models, edit) = match self {
            Self::Add { preset, id, base_url, key_env, models, edit } => (preset, id, base_url, key_env, models, edit),
            Self::Test { id, file } => return provider::test(&id, &file).await,
            Self::Models { id, file } => return provider::models(&id, &file).await,
        };
        let preset = presets::find(&preset)
            .ok_or_else(|| Failure::new("unknown-preset", format!("there is no preset {preset:?}")))?;
        let id = id.unwrap_or_else(|| preset.provider_id.to_owned());
        if let Some(name) = key_env.as_deref().filter(|name| !is_variable_name(name)) {
            // It may be the key itself, so it is not repeated.
            let message = format!(
                "--key-env takes the name of a variable in capitals, such as OPENAI_API_KEY, and these {} are none; \
                 `pilotlight key set` takes a key itself",
                crate::text::count(name.chars().count(), "character")
            );
            return Err(Failure::new("variable", message));
        }
        let rows =
            if models.is_empty() { preset.models() } else { models.iter().map(|model| preset.model(model)).collect() };
        let (none, dry_run) = (rows.is_empty(), edit.dry_run);
        let provider = preset.provider(base_url.as_deref(), key_env.as_deref(), rows);
        let label = format!("provider {id} added");
        let bench = Bench::of(&edit.file);
        let done =
            bench.edit(&edit, &label, |_, whole| intents::add_provider(whole, &id, provider).map_err(refused))?;
        if none && !edit.file.json {
            let given = if dry_run { "--model names some" } else { ADD_A_MODEL };
            print(&format!(
                "It has no models yet. `pilotlight provider models {id}` lists what its server has; {}.\n",
                given.replace("ID", &id)
            ))?;
        }
        Ok(done)
    }
}

/// The configuration that a command works on.
pub(crate) struct Bench {
    pub(crate) location: ConfigLocation,
    pub(crate) environment: Environment,
}

impl Bench {
    pub(crate) fn of(file: &FileArguments) -> Self {
        let environment = Environment::of_process();
        let location = ConfigLocation::find(&environment, &Home::from(&environment), file.config.as_deref());
        Self { location, environment }
    }

    /// Plans edits, and writes them unless they are only to be shown.
    fn edit(
        &self,
        arguments: &EditArguments,
        label: &str,
        edits: impl FnOnce(&ModelConfiguration, &Value) -> Result<Vec<Edit>, Failure>,
    ) -> Result<ExitCode, Failure> {
        let empty = plan::plan(&self.location, &self.environment, &[]).map_err(failure)?;
        let before = empty.after;
        let nothing = ModelConfiguration::default();
        let configuration = before.configuration.as_ref().unwrap_or(&nothing);
        let edits = edits(configuration, before.value.as_ref().unwrap_or(&Value::Null))?;
        let planned = plan::plan(&self.location, &self.environment, &edits).map_err(failure)?;
        let new = new_diagnostics(&before, &planned.after);
        if let Some(error) = new.iter().find(|diagnostic| diagnostic.severity == Severity::Error)
            && !arguments.force
            && !arguments.dry_run
        {
            let message = format!("nothing was changed: with this edit, {error} (--force writes it all the same)");
            return Err(Failure::new("would-break", message));
        }
        self.finish(arguments, label, &planned, &new, || {
            write::commit(&self.location, &self.environment, &planned, Who::Command, label)
        })
    }

    fn go(&self, arguments: &EditArguments, step: &Step) -> Result<ExitCode, Failure> {
        let (planned, label) = write::plan_step(&self.location, &self.environment, step).map_err(failure)?;
        let label = match step {
            Step::Undo => format!("undone: {label}"),
            Step::Redo => format!("made again: {label}"),
            Step::To(_) => label,
        };
        self.finish(arguments, &label, &planned, &[], || {
            write::go(&self.location, &self.environment, step, Who::Command)
        })
    }

    fn restore_comments(&self, json: bool) -> Result<ExitCode, Failure> {
        let (saved, homeless) =
            write::restore_comments(&self.location, &self.environment, Who::Command).map_err(failure)?;
        let value = json!({
            "revision": saved.revision,
            "label": saved.label,
            "files": saved.changes.iter().map(|change| &change.path).collect::<Vec<_>>(),
            "withoutPlace": homeless.iter().map(|lost| json!({
                "text": lost.text, "path": lost.path, "line": lost.line,
            })).collect::<Vec<_>>(),
        });
        show(json, &value, || {
            let mut text = format!("{}\n", saved.label);
            for lost in &homeless {
                text += &format!("  no longer has a place: {}\n", lost.text);
            }
            text
        })
    }

    fn dismiss_comments(&self, json: bool) -> Result<ExitCode, Failure> {
        write::dismiss_lost_comments(&self.location, &self.environment).map_err(failure)?;
        show(json, &json!({ "dismissed": true }), || "the comments stay out\n".to_owned())
    }

    fn finish(
        &self,
        arguments: &EditArguments,
        label: &str,
        planned: &Plan,
        new: &[Diagnostic],
        commit: impl FnOnce() -> Result<write::Saved, StoreError>,
    ) -> Result<ExitCode, Failure> {
        let json = arguments.file.json;
        let (revision, changes) = if arguments.dry_run {
            (planned.after.reading.revision.clone(), planned.changes.clone())
        } else {
            let saved = commit().map_err(failure)?;
            (saved.revision, saved.changes)
        };
        let diff = concealed_diff(&changes);
        let value = json!({
            "written": !arguments.dry_run && !changes.is_empty(),
            "label": label,
            "revision": revision,
            "files": changes.iter().map(|change| &change.path).collect::<Vec<_>>(),
            "diff": diff,
            "diagnostics": new.iter().map(ToString::to_string).collect::<Vec<_>>(),
        });
        show(json, &value, || {
            let mut text = match (changes.as_slice(), arguments.dry_run) {
                ([], _) => "everything is so already; nothing to change\n".to_owned(),
                (_, true) => diff.clone(),
                (changes, false) => {
                    let files = changes.iter().map(|change| change.path.display().to_string()).collect::<Vec<_>>();
                    format!("{label} ({}; revision {})\n", files.join(", "), short(&revision))
                }
            };
            for diagnostic in new {
                text += &format!("{diagnostic}\n");
            }
            if arguments.dry_run && !arguments.force && new.iter().any(|one| one.severity == Severity::Error) {
                text += "With this error it is written only with --force\n";
            }
            text
        })
    }
}

/// What is wrong after an edit and was not before.
fn new_diagnostics(before: &Loaded, after: &Loaded) -> Vec<Diagnostic> {
    let known =
        |diagnostic: &Diagnostic| {
            before.reading.diagnostics.iter().any(|old| {
                (old.code, &old.path, &old.message) == (diagnostic.code, &diagnostic.path, &diagnostic.message)
            })
        };
    after.reading.diagnostics.iter().filter(|diagnostic| !known(diagnostic)).cloned().collect()
}

fn refused(refusal: intents::Refusal) -> Failure {
    Failure::new("refused", refusal.to_string())
}

/// Why the store did not do it.
pub(crate) fn failure(error: StoreError) -> Failure {
    let code = match &error {
        StoreError::ReadOnly { .. } => "read-only",
        StoreError::Conflict { .. } => "conflict",
        StoreError::UnknownRevision { .. } => "unknown-revision",
        StoreError::NothingToUndo | StoreError::NothingToRedo | StoreError::NothingLost => "nothing-to-do",
        StoreError::Edit { .. } => "edit",
        _ => "configuration",
    };
    Failure::new(code, error.to_string())
}
