//! A model that is loaded with less context than the configuration says: both mends, as one command each.

use pilotlight_config::{Environment, intents, plan};
use pilotlight_wire::{Location, ModelRef};
use serde::{Deserialize, Serialize};

use crate::commands::{Commands, keeper_error};
use crate::error::CommandError;
use crate::state::ModelSummary;

/// How to make the two agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContextMend {
    /// Load the model anew, with what the configuration says; where the runtime keeps that in a setting of its own, it is
    /// set first.
    Reload,
    /// Write into the configuration what is loaded.
    Lower,
}

/// How it is afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextMended {
    /// Which.
    pub model: ModelRef,
    /// What is loaded now, in tokens, where the runtime says so.
    pub loaded_context: Option<u64>,
    /// The configuration's `contextWindow`, in tokens.
    pub context_window: Option<u64>,
}

impl Commands {
    /// Mends it.
    pub(crate) async fn mend_context(&self, name: &str, mend: ContextMend) -> Result<ContextMended, CommandError> {
        let model = self.resolve(name)?;
        let state = self.state();
        let unknown = || CommandError::new("not-local", format!("{model} is not a watched local model"));
        let summary = state.models.iter().find(|known| known.model == model).ok_or_else(unknown)?;
        if summary.location != Location::Local {
            return Err(unknown());
        }
        let (loaded_context, context_window) = match mend {
            ContextMend::Reload => (self.reload(summary).await?, summary.context_window),
            ContextMend::Lower => {
                let lowered = self.lower(summary).await?;
                (Some(lowered), Some(lowered))
            }
        };
        Ok(ContextMended { model, loaded_context, context_window })
    }

    /// Out of memory and back in. It goes on to its end when whoever asked has gone: a model must not stay out for that.
    async fn reload(&self, summary: &ModelSummary) -> Result<Option<u64>, CommandError> {
        let model = &summary.model;
        let Some(wanted) = summary.context_window else {
            let message =
                format!("the configuration has no contextWindow for {model}: write one, or leave it as it is");
            return Err(CommandError::new("nothing-to-do", message));
        };
        let state = self.state();
        let runtime = state.runtimes.iter().find(|runtime| runtime.provider.eq_ignore_ascii_case(model.provider()));
        let sets = runtime.is_some_and(|runtime| runtime.sets_context);
        if let Some(runtime) = runtime.filter(|runtime| runtime.reachable && !runtime.load_context && !sets) {
            let how = runtime.context_set_by.as_deref().unwrap_or("the server's own settings");
            let message = format!(
                "{} takes no context length with a load: it is set by {how}. Or lower contextWindow instead",
                runtime.title
            );
            return Err(CommandError::new("unsupported", message));
        }
        let (commands, model_to_set, name) = (self.clone(), model.clone(), model.to_string());
        let reloaded = tokio::spawn(async move {
            if sets {
                let set = commands.keeper.set_context(&model_to_set, wanted).await;
                set.map_err(|error| keeper_error(&error))?;
            }
            commands.unload(&name).await?;
            commands.load(&name).await
        });
        let loaded = reloaded.await.map_err(|error| CommandError::new("failed", error.to_string()))??;
        match loaded.context {
            Some(got) if got < wanted => {
                let message = format!(
                    "{model} was loaded again and has {got} tokens, still less than {wanted}: its runtime gives no more. \
                     Lower contextWindow, or free memory"
                );
                Err(CommandError::new("context-reduced", message))
            }
            got => Ok(got),
        }
    }

    /// What is loaded, into the file, with the history's help to go back.
    async fn lower(&self, summary: &ModelSummary) -> Result<u64, CommandError> {
        let model = summary.model.clone();
        let loaded = summary.loaded_context.ok_or_else(|| {
            CommandError::new("nothing-to-do", format!("what {model} is loaded with is not known: load it first"))
        })?;
        if summary.context_window.is_some_and(|window| window <= loaded) {
            let message = format!("{model} is loaded with {loaded} tokens, and the configuration asks for no more");
            return Err(CommandError::new("nothing-to-do", message));
        }
        let (location, environment): (_, Environment) = (self.config.location().clone(), self.environment.clone());
        let label = format!("contextWindow of {model} lowered to {loaded}, as it is loaded");
        let read = tokio::task::spawn_blocking(move || {
            let whole = plan::load(&location, &environment).value.unwrap_or_default();
            intents::set_context_window(&whole, &model, loaded)
        });
        let edits = read.await.map_err(|error| CommandError::new("failed", error.to_string()))?;
        let edits = edits.map_err(|refusal| CommandError::new("configuration", refusal.to_string()))?;
        let saved = self.config.apply(edits, label, None).await;
        saved.map_err(|error| CommandError::new("configuration", error.to_string()))?;
        Ok(loaded)
    }
}
