//! `pilotlight provider test` and `pilotlight provider models`: asking a provider, engine or no engine.

use std::fmt::Write as _;
use std::process::ExitCode;

use pilotlight_config::{Home, plan, settings_store};
use pilotlight_engine::editor::probe::{self, Target};
use pilotlight_engine::editor::types::{FetchedModel, ProviderTest, TestStepName};

use crate::config_edit::{Bench, FileArguments};
use crate::output::{Failure, show};

/// `pilotlight provider test ID`: exit code 1 when a step fails.
pub(crate) async fn test(id: &str, file: &FileArguments) -> Result<ExitCode, Failure> {
    let test = probe::test(&target(id, file)?).await;
    show(file.json, &test, || steps(&test))?;
    Ok(if test.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `pilotlight provider models ID`
pub(crate) async fn models(id: &str, file: &FileArguments) -> Result<ExitCode, Failure> {
    let found = probe::fetch(&target(id, file)?).await;
    let found =
        found.map_err(|error| Failure::new("no-listing", format!("{error} (`pilotlight provider test {id}`)")))?;
    show(file.json, &found, || table(&found))
}

fn target(id: &str, file: &FileArguments) -> Result<Target, Failure> {
    let bench = Bench::of(file);
    let configuration = plan::load(&bench.location, &bench.environment).configuration.ok_or_else(|| {
        let path = bench.location.path.display();
        Failure::new("configuration", format!("{path} cannot be read: `pilotlight config check` says why"))
    })?;
    let settings = settings_store::read(&Home::from(&bench.environment).settings_file(), &bench.environment);
    let said = settings.settings.provider(&id.trim().to_lowercase()).location;
    Target::of(&configuration, id, said).ok_or_else(|| {
        let known: Vec<&str> = configuration.providers.iter().map(|provider| provider.id.as_str()).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Failure::new("unknown-provider", format!("there is no provider {id:?}; there is {known}"))
    })
}

fn steps(test: &ProviderTest) -> String {
    let mut text = String::new();
    for step in &test.steps {
        let name = match step.name {
            TestStepName::Address => "address",
            TestStepName::Connect => "connect",
            TestStepName::Tls => "certificate",
            TestStepName::Answer => "answer",
            TestStepName::Key => "key",
            TestStepName::Api => "API",
            TestStepName::Models => "models",
        };
        let _ = writeln!(text, "{}  {name:<12} {}", if step.ok { "ok" } else { "NO" }, step.detail);
        if let Some(advice) = &step.advice {
            let _ = writeln!(text, "    {:<12} {advice}", "");
        }
    }
    text
}

fn table(models: &[FetchedModel]) -> String {
    if models.is_empty() {
        return "it lists no models: download or load one there\n".to_owned();
    }
    let width = models.iter().map(|model| model.id.chars().count()).max().unwrap_or_default().min(60);
    let mut text = String::new();
    for model in models {
        let mut about = Vec::new();
        about.extend(model.context_length.map(|tokens| format!("{tokens} tokens")));
        about.extend(model.quantization.clone());
        #[expect(clippy::cast_precision_loss, reason = "a size is shown to a tenth of a GB")]
        about.extend(model.size_bytes.map(|bytes| format!("{:.1} GB", bytes as f64 / 1e9)));
        about.extend((model.vision == Some(true)).then(|| "vision".to_owned()));
        about.extend((model.tools == Some(true)).then(|| "tools".to_owned()));
        about.extend((model.reasoning == Some(true)).then(|| "reasoning".to_owned()));
        about.extend(model.embedding.then(|| "embeddings".to_owned()));
        about.extend(model.cost.map(|cost| format!("${} in, ${} out", cost.input, cost.output)));
        about.extend((model.loaded == Some(true)).then(|| "loaded".to_owned()));
        about.extend(model.listed.then(|| "configured".to_owned()));
        let _ = writeln!(text, "{}", format!("{:<width$}  {}", model.id, about.join(" · ")).trim_end());
    }
    text
}
