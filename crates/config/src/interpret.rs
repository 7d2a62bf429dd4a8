//! From the located tree to the typed view, with a diagnostic for everything that is not as it should be. Unknown keys
//! are passed over in silence: OpenClaw's file holds far more than models. No I/O.

mod names;

use std::collections::{HashMap, HashSet};

use json5_edit::{Edit, Expected};
use pilotlight_wire::translate::Compat;
use pilotlight_wire::{ModelRef, Secret, UpstreamApi};
use url::Url;

use crate::diagnostic::{Diagnostic, Fix, Severity};
use crate::hosted;
use crate::keys::{self, KeptIn};
use crate::members::{QuickMap, QuickSet};
use crate::model::{Cost, Key, Mode, Model, ModelConfiguration, Provider};
use crate::resolve::strip_profile;
use crate::tree::{At, Data, Report, Source, Tree};
use crate::variables::{Variables, is_name};

/// The values that OpenClaw takes for `api`.
///
/// Source: the schema of the npm package `openclaw@2026.9.6`.
pub(crate) const APIS: [&str; 11] = [
    "openai-responses",
    "openai-completions",
    "anthropic-messages",
    "google-generative-ai",
    "ollama",
    "openai-chatgpt-responses",
    "google-vertex",
    "github-copilot",
    "bedrock-converse-stream",
    "pi-messages",
    "azure-openai-responses",
];

/// Reads the model part of a configuration. The view is as complete as the errors allow; whether it may be used is for
/// the caller to decide by the diagnostics.
pub(crate) fn interpret(
    tree: &Tree,
    sources: &[Source],
    variables: Variables<'_>,
    keeper: Keeper<'_>,
) -> (ModelConfiguration, Vec<Diagnostic>) {
    let mut reader = Reader {
        report: Report::new(sources),
        variables,
        keeper,
        configuration: ModelConfiguration::default(),
        by_alias: HashMap::new(),
        guesses: GUESSES,
    };
    let root = At::root(tree);
    if !matches!(tree.data, Data::Object(_)) {
        reader.report.wrong_type(&root, "an object");
        return (reader.configuration, reader.report.diagnostics);
    }
    reader.models(&root);
    let named = reader.agents(&root);
    reader.add_built_in(&named);
    reader.check_names(&root, &named);
    (reader.configuration, reader.report.diagnostics)
}

/// The names that the file uses for models, and where.
struct Named<'a> {
    primary: Option<(String, At<'a>)>,
    fallbacks: Vec<(String, At<'a>)>,
    aliased: Vec<(ModelRef, At<'a>)>,
}

/// Gives a key that is kept outside the files, or says why it cannot be read.
pub(crate) type Keeper<'a> = &'a dyn Fn(KeptIn, &str) -> Result<Secret, String>;

struct Reader<'s> {
    report: Report<'s>,
    variables: Variables<'s>,
    keeper: Keeper<'s>,
    configuration: ModelConfiguration,
    /// The models that were given an alias, by the alias in lower case.
    by_alias: HashMap<String, Vec<ModelRef>>,
    /// How many more unknown names are compared with every known one.
    guesses: usize,
}

/// As many unknown names are told what they were probably meant to be. A file where more are unknown has another trouble.
const GUESSES: usize = 50;

impl Reader<'_> {
    fn models(&mut self, root: &At<'_>) {
        if let Some(mode) = root.at(&["models", "mode"]) {
            match self.report.string(&mode) {
                Some("merge") | None => {}
                Some("replace") => self.configuration.mode = Mode::Replace,
                Some(other) => {
                    let message = format!("{other:?} is no mode: write \"merge\" or \"replace\"");
                    self.report.error("unknown-mode", &mode, message);
                }
            }
        }
        let Some(models) = root.get("models") else { return };
        self.report.object(&models);
        let Some(providers) = models.get("providers") else { return };
        let mut seen = HashSet::new();
        for (id, at) in self.report.members(&providers) {
            let provider = self.provider(id, &at);
            if !seen.insert(provider.id.clone()) {
                let message = format!(
                    "there are two providers {id:?} (their case does not count), and the first one counts: rename or remove one"
                );
                self.report.at_key(Severity::Warning, "duplicate-provider", &at, message);
                continue;
            }
            self.configuration.providers.push(provider);
        }
    }

    fn provider(&mut self, id: &str, at: &At<'_>) -> Provider {
        let id = id.trim().to_lowercase();
        let known = hosted::find(&id);
        self.report.object(at);
        if id.is_empty() || id.contains('/') {
            let message = "a provider's id may hold no / and not be empty: rename it";
            self.report.at_key(Severity::Error, "provider-id", at, message);
        }
        let base_url = at.get("baseUrl").and_then(|url| self.url(&url));
        if at.get("baseUrl").is_none() && known.is_none() {
            let message = format!("the provider {id} has no baseUrl: add one, such as \"http://127.0.0.1:1234/v1\"");
            self.report.at_key(Severity::Error, "no-base-url", at, message);
        }
        let api = at.get("api").and_then(|api| self.api(&api));
        let key = match at.get("apiKey") {
            Some(key) => self.key(&key),
            None => known.map(|hosted| self.built_in_key(hosted)),
        };
        if let Some(key_at) = at.get("apiKey")
            && let Some(problem) = key.as_ref().and_then(Key::problem)
        {
            self.report.warning("key-unreadable", &key_at, format!("{problem}; until then {id} answers no request"));
        }
        let headers = match at.get("headers") {
            Some(headers) => self.headers(&headers),
            None => Vec::new(),
        };
        let auth_header = at.get("authHeader").and_then(|at| self.report.boolean(&at));
        let models = match at.get("models") {
            Some(models) => self.rows(&models),
            None => {
                if known.is_none() {
                    let message = format!("the provider {id} has no models: add models: [{{ id: …, name: … }}]");
                    self.report.at_key(Severity::Error, "no-models", at, message);
                }
                Vec::new()
            }
        };
        Provider {
            base_url: base_url.or_else(|| known.and_then(|hosted| hosted.base_url.parse().ok())),
            api: api.or_else(|| known.map(|hosted| UpstreamApi::from_name(hosted.api))),
            key,
            headers,
            auth_header,
            models,
            built_in: false,
            id,
        }
    }

    fn rows(&mut self, at: &At<'_>) -> Vec<Model> {
        let items = self.report.items(at);
        let mut rows: Vec<Model> = Vec::with_capacity(items.len());
        let mut seen: QuickSet<&str> = QuickSet::with_capacity_and_hasher(items.len(), Default::default());
        for item in items {
            if !self.report.object(&item) {
                continue;
            }
            let text = |reader: &mut Self, key: &str| {
                let found = item.get(key);
                let value = found.as_ref().and_then(|at| reader.report.string(at)).map(str::trim).unwrap_or_default();
                if value.is_empty() && found.is_none_or(|at| at.as_str().is_some()) {
                    let code = if key == "id" { "no-model-id" } else { "no-model-name" };
                    let example = if key == "id" { "as its server lists it" } else { "for people" };
                    reader.report.error(code, &item, format!("this model has no {key}: add {key}: \"…\", {example}"));
                }
                value.to_owned()
            };
            let id = text(self, "id");
            let name = text(self, "name");
            if id.is_empty() {
                continue;
            }
            let written = item.get("id").and_then(|at| at.as_str()).unwrap_or_default();
            if !seen.insert(written.trim()) {
                let at = item.get("id").unwrap_or_else(|| item.clone());
                let message = format!("{id:?} is listed twice in this provider; the first counts: remove the other");
                self.report.warning("duplicate-model", &at, message);
                // Headers may be keys, and an edit holds none.
                let fix = item.get("headers").is_none().then(|| {
                    let expected = Expected::Value(item.tree.value());
                    Fix::one("Remove the second", Edit::Remove { path: item.path(), expected })
                });
                self.report.mend(fix);
            }
            let name = if name.is_empty() { id.clone() } else { name };
            let row = Model {
                id,
                name,
                api: item.get("api").and_then(|at| self.api(&at)),
                base_url: item.get("baseUrl").and_then(|at| self.url(&at)),
                reasoning: item.get("reasoning").and_then(|at| self.report.boolean(&at)).unwrap_or_default(),
                input: item.get("input").map(|at| self.strings(&at)).unwrap_or_default(),
                cost: item.get("cost").map(|at| self.cost(&at)),
                context_window: item.get("contextWindow").and_then(|at| self.report.count(&at)),
                max_tokens: item.get("maxTokens").and_then(|at| self.report.count(&at)),
                compat: {
                    let value = |key: &str| item.get(key).map(|at| at.tree.value());
                    match (value("compat"), value("thinkingLevelMap")) {
                        (None, None) => Compat::default(),
                        (compat, levels) => Compat::read(&compat.unwrap_or_default(), &levels.unwrap_or_default()),
                    }
                },
            };
            rows.push(row);
        }
        rows
    }

    fn strings(&mut self, at: &At<'_>) -> Vec<String> {
        let items = self.report.items(at);
        items.iter().filter_map(|item| self.report.string(item)).map(str::to_owned).collect()
    }

    fn cost(&mut self, at: &At<'_>) -> Cost {
        self.report.object(at);
        let mut price = |key: &str| at.get(key).and_then(|at| self.report.float(&at)).unwrap_or_default();
        Cost {
            input: price("input"),
            output: price("output"),
            cache_read: price("cacheRead"),
            cache_write: price("cacheWrite"),
        }
    }

    fn api(&mut self, at: &At<'_>) -> Option<UpstreamApi> {
        let name = self.report.string(at)?;
        if APIS.contains(&name) {
            return Some(UpstreamApi::from_name(name));
        }
        let message = format!("{name:?} is no API that OpenClaw knows: write one of {}", APIS.join(", "));
        self.report.error("unknown-api", at, message);
        None
    }

    /// A base URL, without the slash at its end.
    fn url(&mut self, at: &At<'_>) -> Option<Url> {
        let written = self.text(at)?;
        let written = written.trim().trim_end_matches('/');
        // A URL may hold a password, so none is repeated in a message.
        let problem = match Url::parse(written) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                format!("a base URL starts with http:// or https://, not with {}:", url.scheme())
            }
            Ok(url) if url.host_str().is_none_or(str::is_empty) => "this base URL names no host".to_owned(),
            // A URL is shown in many places, so it may hold no secret.
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                "a base URL holds no user name and password: use apiKey or headers".to_owned()
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                "a base URL ends with its path, without ? or #: use headers for what else the server asks for"
                    .to_owned()
            }
            Ok(url) => return Some(url),
            Err(url::ParseError::RelativeUrlWithoutBase) => "a base URL starts with http:// or https://".to_owned(),
            Err(error) => format!("this is no base URL ({error}): write it like http://127.0.0.1:1234/v1"),
        };
        self.report.error("bad-url", at, problem);
        None
    }

    /// A string with its variables put in; an error where one is not set.
    fn text(&mut self, at: &At<'_>) -> Option<String> {
        let done = self.variables.substitute(self.report.string(at)?);
        if let Some(variable) = done.unset.first() {
            let message = format!(
                "the variable {variable} is not set: set it where Pilot Light is started, or in the .env file beside the \
                 configuration"
            );
            self.report.error("variable-unset", at, message);
            return None;
        }
        Some(done.text)
    }

    /// A key: written out, from a variable, or a secret ref.
    fn key(&mut self, at: &At<'_>) -> Option<Key> {
        if matches!(at.tree.data, Data::Object(_)) {
            let mut part =
                |key: &str| at.get(key).and_then(|at| self.report.string(&at)).unwrap_or_default().to_owned();
            let (source, provider, id) = (part("source"), part("provider"), part("id"));
            if source == "env" {
                return Some(self.first_set(&[&id]));
            }
            return Some(match keys::kept_by(&source, &provider, &id) {
                Some((place, id)) => Key::Kept { value: (self.keeper)(place, &id), place, id },
                None => Key::Reference { source, id },
            });
        }
        let written = self.report.string(at)?.trim();
        let done = self.variables.substitute(written);
        if let Some(variable) = done.unset.into_iter().next() {
            return Some(Key::Unset { variable });
        }
        if let Some(variable) = done.used.into_iter().next() {
            return Some(Key::FromEnvironment { variable, value: Secret::new(done.text) });
        }
        // The seed version of OpenClaw also takes a bare variable name.
        if is_name(written)
            && written.contains('_')
            && let Some(value) = self.variables.get(written)
        {
            return Some(Key::FromEnvironment { variable: written.to_owned(), value: Secret::new(value) });
        }
        (!done.text.is_empty()).then(|| Key::Literal(Secret::new(done.text)))
    }

    fn headers(&mut self, at: &At<'_>) -> Vec<(String, Key)> {
        let mut headers = Vec::new();
        for (name, value) in self.report.members(at) {
            if let Some(key) = self.key(&value) {
                if let Some(problem) = key.problem() {
                    self.report.warning("key-unreadable", &value, problem);
                }
                headers.push((name.to_owned(), key));
            }
        }
        headers
    }

    fn built_in_key(&self, hosted: &hosted::Hosted) -> Key {
        self.first_set(hosted.variables)
    }

    /// The first of these variables that is set.
    fn first_set(&self, names: &[&str]) -> Key {
        let found = names.iter().find_map(|name| Some((*name, self.variables.get(name)?)));
        match found {
            Some((variable, value)) => {
                Key::FromEnvironment { variable: variable.to_owned(), value: Secret::new(value.trim()) }
            }
            None => Key::Unset { variable: names.first().map_or_else(String::new, |name| (*name).to_owned()) },
        }
    }

    /// `agents.defaults`: the chain and the aliases.
    fn agents<'a>(&mut self, root: &At<'a>) -> Named<'a> {
        let mut named = Named { primary: None, fallbacks: Vec::new(), aliased: Vec::new() };
        if let Some(models) = root.at(&["agents", "defaults", "models"]) {
            for (name, at) in self.report.members(&models) {
                let Some(alias_at) = at.get("alias") else { continue };
                let Some(alias) = self.report.string(&alias_at).map(str::trim).filter(|alias| !alias.is_empty()) else {
                    continue;
                };
                let Ok(model) = strip_profile(name).parse::<ModelRef>() else {
                    let message = format!("{name:?} is no model ref: write provider/model");
                    self.report.at_key(Severity::Warning, "bad-ref", &at, message);
                    continue;
                };
                self.collision(alias, &model, &alias_at);
                // A later row of the same model counts, so it moves to the end.
                self.configuration.aliases.shift_remove(&model);
                self.configuration.aliases.insert(model.clone(), alias.to_owned());
                named.aliased.push((model, at));
            }
        }
        let Some(model) = root.at(&["agents", "defaults", "model"]) else { return named };
        let primary = if model.as_str().is_some() {
            Some(model)
        } else if matches!(model.tree.data, Data::Object(_)) {
            if let Some(fallbacks) = model.get("fallbacks") {
                for item in self.report.items(&fallbacks) {
                    if let Some(name) = self.text(&item) {
                        named.fallbacks.push((name, item));
                    }
                }
            }
            model.get("primary")
        } else {
            self.report.wrong_type(&model, "a model ref or { primary, fallbacks }");
            None
        };
        named.primary = primary.and_then(|at| Some((self.text(&at)?, at)));
        self.configuration.primary = named.primary.as_ref().map(|(name, _)| name.clone());
        self.configuration.fallbacks = named.fallbacks.iter().map(|(name, _)| name.clone()).collect();
        named
    }

    fn collision(&mut self, alias: &str, model: &ModelRef, at: &At<'_>) {
        // Of a model that is named twice, the later alias counts.
        let means = |other: &ModelRef| {
            let now = self.configuration.aliases.get(other);
            other != model && now.is_some_and(|name| name.to_lowercase() == alias.to_lowercase())
        };
        let others = self.by_alias.entry(alias.to_lowercase()).or_default();
        let other = others.iter().find(|other| means(other)).cloned();
        others.push(model.clone());
        if let Some(other) = other {
            let message = format!(
                "the alias {alias:?} is also that of {other} (case does not count); it means {model}: give one of them another"
            );
            self.report.warning("alias-collision", at, message);
        }
    }

    /// Adds the rows, and where needed the providers, of hosted models that OpenClaw has built in and that the file
    /// names without a row.
    fn add_built_in(&mut self, named: &Named<'_>) {
        let chain = named.primary.iter().chain(&named.fallbacks);
        let mut refs: Vec<ModelRef> = chain
            .filter_map(|(name, _)| self.configuration.resolve(name))
            .chain(named.aliased.iter().map(|(model, _)| model.clone()))
            .filter(|model| self.configuration.is_built_in(model))
            .collect();
        let listed = self.listed(refs.iter());
        refs.retain(|model| !listed.contains(model));
        for model in refs {
            let Some(hosted) = hosted::find(model.provider()) else { continue };
            if self.configuration.provider(hosted.id).is_none() {
                let key = Some(self.built_in_key(hosted));
                self.configuration.providers.push(Provider {
                    id: hosted.id.to_owned(),
                    base_url: hosted.base_url.parse().ok(),
                    api: Some(UpstreamApi::from_name(hosted.api)),
                    key,
                    headers: Vec::new(),
                    auth_header: None,
                    models: Vec::new(),
                    built_in: true,
                });
            }
            let provider = self.configuration.providers.iter_mut().find(|provider| provider.id == hosted.id);
            if let Some(provider) =
                provider.filter(|provider| provider.models.iter().all(|row| row.id != model.model()))
            {
                provider.models.push(Model::named(model.model()));
            }
        }
    }

    /// Which of these models have a row: a file with thousands of them is looked through once.
    fn listed<'m>(&self, models: impl Iterator<Item = &'m ModelRef>) -> HashSet<ModelRef> {
        let wanted: QuickMap<(&str, &str), &ModelRef> =
            models.map(|model| ((model.provider(), model.model()), model)).collect();
        let providers = self.configuration.providers.iter();
        let rows =
            providers.flat_map(|provider| provider.models.iter().map(|row| (provider.id.as_str(), row.id.as_str())));
        rows.filter_map(|row| wanted.get(&row).map(|model| (*model).clone())).collect()
    }
}
