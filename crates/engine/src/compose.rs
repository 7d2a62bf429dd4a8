//! From what the files say to what the actors need: the gateway's routes, the keeper's plan, and a catalogue of the
//! models for the eye. Pure: the same files give the same three.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use pilotlight_config::settings::{AccessSettings, Cold, KeepWarm, Named, ProviderSettings, Runtime, Settings};
use pilotlight_config::{Cost, Key, ModelConfiguration, Provider};
use pilotlight_gateway::{Access, NamedToken, Routes, Target};
use pilotlight_runtime::{Limits, Plan, RuntimeKind, WatchedModel, WatchedProvider};
use pilotlight_wire::{Location, ModelRef, Secret, UpstreamApi, Usage};
use url::Url;

use crate::location;

/// How long a warm local model may be silent before its first content: it may have a long prompt to read.
const FIRST_CONTENT_LOCAL: Duration = Duration::from_secs(120);
/// How long a hosted model may be silent before its first content.
const FIRST_CONTENT_HOSTED: Duration = Duration::from_secs(60);

/// What the actors are given.
#[derive(Clone, Debug)]
pub(crate) struct Composition {
    pub(crate) routes: Arc<Routes>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) catalogue: Arc<Catalogue>,
}

/// The configured models as a person sees them, in the file's order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Catalogue {
    pub(crate) entries: Vec<Entry>,
    pub(crate) chain: Vec<ModelRef>,
}

/// One model of the catalogue.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) model: ModelRef,
    pub(crate) alias: Option<String>,
    pub(crate) name: String,
    pub(crate) location: Location,
    pub(crate) api: UpstreamApi,
    pub(crate) context_window: Option<u64>,
    pub(crate) cost: Option<Cost>,
    /// Why no request is sent to it.
    pub(crate) barred: Option<String>,
}

impl Catalogue {
    pub(crate) fn entry(&self, model: &ModelRef) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.model == *model)
    }

    /// US$ for an answer, where the configuration says what the model costs.
    pub(crate) fn cost(&self, model: &ModelRef, usage: &Usage) -> Option<f64> {
        let cost = self.entry(model)?.cost?;
        #[expect(clippy::cast_precision_loss, reason = "token counts are far below 2^52")]
        let millions = |tokens: u64| tokens as f64 / 1e6;
        Some(
            millions(usage.input) * cost.input
                + millions(usage.output) * cost.output
                + millions(usage.cache_read) * cost.cache_read
                + millions(usage.cache_write) * cost.cache_write,
        )
    }

    /// The price in words, for the notice that a hosted model answers.
    pub(crate) fn price(&self, model: &ModelRef) -> Option<String> {
        let cost = self.entry(model)?.cost?;
        Some(format!("${} in and ${} out per million tokens", cost.input, cost.output))
    }
}

/// Who may call.
fn access(settings: &AccessSettings, token: Option<Secret>) -> Access {
    let named = settings.tokens.iter().filter_map(|(name, limits)| {
        Some(Arc::new(NamedToken {
            name: name.clone(),
            hash: <[u8; 32]>::try_from(hex::decode(&limits.sha256).ok()?).ok()?,
            local_only: limits.local_only,
            models: limits.models.clone(),
            per_minute: limits.per_minute,
        }))
    });
    Access {
        token,
        named: named.collect(),
        hosts: settings.hosts.clone(),
        origins: settings.origins.clone(),
        most_requests: settings.max_requests,
    }
}

/// When a schedule next opens or closes, so that there is something else to compose; none where none ever does.
pub(crate) fn next_turn(settings: &Settings, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let schedules = settings.models.values().filter_map(|model| match &model.keep_warm {
        KeepWarm::Schedule(schedule) => Some(schedule),
        KeepWarm::Always | KeepWarm::Chain | KeepWarm::Never => None,
    });
    schedules.filter_map(|schedule| schedule.next_change(now)).min()
}

/// Composes the three, as of `now`. `token` is what clients are asked for.
pub(crate) fn compose(
    configuration: &ModelConfiguration,
    settings: &Settings,
    token: Option<Secret>,
    now: DateTime<Utc>,
) -> Composition {
    let chain = configuration.chain();
    let kept_of_chain = first_local(configuration, settings, &chain);
    let mut targets = Vec::new();
    let mut entries = Vec::new();
    let mut providers: BTreeMap<String, WatchedProvider> = BTreeMap::new();

    for upstream in configuration.upstreams() {
        let (Some(model), Some(base_url)) = (upstream.model_ref(), upstream.base_url) else { continue };
        let location = location_of(upstream.provider, base_url, settings);
        let key_problem = upstream.provider.key.as_ref().and_then(Key::problem);
        if location == Location::Local {
            watch(&mut providers, upstream.provider, base_url, settings).models.push(WatchedModel {
                model: model.clone(),
                upstream_id: upstream.model.id.clone(),
                context: upstream.model.context_window,
                keep_warm: match settings.model(&model).keep_warm {
                    KeepWarm::Always => pilotlight_runtime::KeepWarm::Always,
                    KeepWarm::Schedule(schedule) if schedule.is_open(now) => pilotlight_runtime::KeepWarm::Scheduled,
                    KeepWarm::Chain if kept_of_chain.as_ref() == Some(&model) => pilotlight_runtime::KeepWarm::Chain,
                    KeepWarm::Schedule(_) | KeepWarm::Chain | KeepWarm::Never => pilotlight_runtime::KeepWarm::No,
                },
                title: upstream.title().to_owned(),
            });
        }
        entries.push(Entry {
            model: model.clone(),
            alias: upstream.alias.map(str::to_owned),
            name: upstream.model.name.clone(),
            location,
            api: upstream.api.clone(),
            context_window: upstream.model.context_window,
            cost: upstream.model.cost,
            barred: barred(location, &settings.provider(&upstream.provider.id), settings)
                .or_else(|| key_problem.clone()),
        });
        targets.push(Arc::new(Target {
            alias: upstream.alias.map(str::to_owned),
            title: upstream.title().to_owned(),
            upstream_id: upstream.model.id.clone(),
            base_url: base_url.clone(),
            api: upstream.api.clone(),
            key: upstream.provider.key.as_ref().and_then(Key::secret).cloned(),
            key_problem,
            headers: headers(upstream.provider),
            location,
            region: settings.provider(&upstream.provider.id).region,
            first_content: settings.model(&model).first_token.unwrap_or(match location {
                Location::Local => FIRST_CONTENT_LOCAL,
                Location::Hosted => FIRST_CONTENT_HOSTED,
            }),
            context_window: upstream.model.context_window,
            max_tokens: upstream.model.max_tokens,
            images: match upstream.model.input.as_slice() {
                [] => None,
                kinds => Some(kinds.iter().any(|kind| kind == "image")),
            },
            compat: upstream.model.compat.clone(),
            managed: location == Location::Local,
            model,
        }));
    }

    let routes = Routes {
        targets,
        chain: chain.clone(),
        aliases: configuration.aliases.iter().map(|(model, alias)| (alias.clone(), model.clone())).collect(),
        map: settings.map.iter().map(|(pattern, meaning)| (pattern.clone(), meaning.clone())).collect(),
        named: match settings.named {
            Named::Strict => pilotlight_gateway::Named::Strict,
            Named::Failover => pilotlight_gateway::Named::Failover,
        },
        cold: match settings.cold {
            Cold::Bridge => pilotlight_gateway::Cold::Bridge,
            Cold::Wait => pilotlight_gateway::Cold::Wait,
        },
        local_only: settings.privacy.local_only,
        local_only_for: None,
        regions: settings.privacy.regions.clone(),
        access: access(&settings.access, token),
    };
    Composition {
        routes: Arc::new(routes),
        plan: Arc::new(Plan {
            providers: providers.into_values().collect(),
            poll: settings.keeper.poll,
            limits: Limits {
                models: settings.keeper.max_models.and_then(|most| usize::try_from(most).ok()),
                bytes: settings.keeper.max_memory,
            },
        }),
        catalogue: Arc::new(Catalogue { entries, chain }),
    }
}

/// Why the settings allow no request to a model there.
fn barred(location: Location, provider: &ProviderSettings, settings: &Settings) -> Option<String> {
    match (&settings.privacy.regions, &provider.region) {
        _ if location == Location::Local => None,
        _ if settings.privacy.local_only => Some("only local models are allowed".to_owned()),
        (None, _) => None,
        (Some(allowed), Some(region)) if allowed.contains(region) => None,
        (Some(_), Some(region)) => Some(format!("its region {region} is not among those allowed")),
        (Some(_), None) => {
            Some("only some regions are allowed, and the settings do not say which this is in".to_owned())
        }
    }
}

fn headers(provider: &Provider) -> Vec<(String, Secret)> {
    provider.headers.iter().filter_map(|(name, value)| Some((name.clone(), value.secret()?.clone()))).collect()
}

fn location_of(provider: &Provider, base_url: &Url, settings: &Settings) -> Location {
    settings.provider(&provider.id).location.unwrap_or_else(|| location::guess(base_url))
}

/// The model that "while in the chain" keeps warm: the first local one, since one machine seldom holds two.
fn first_local(configuration: &ModelConfiguration, settings: &Settings, chain: &[ModelRef]) -> Option<ModelRef> {
    let is_local = |model: &&ModelRef| {
        configuration.upstream(model).is_some_and(|upstream| {
            upstream
                .base_url
                .is_some_and(|base_url| location_of(upstream.provider, base_url, settings) == Location::Local)
        })
    };
    chain.iter().find(is_local).cloned()
}

/// The watched provider of this id, begun if it is not there yet.
fn watch<'a>(
    providers: &'a mut BTreeMap<String, WatchedProvider>,
    provider: &Provider,
    base_url: &Url,
    settings: &Settings,
) -> &'a mut WatchedProvider {
    providers.entry(provider.id.clone()).or_insert_with(|| WatchedProvider {
        id: provider.id.clone(),
        root: root(base_url),
        key: provider.key.as_ref().and_then(Key::secret).cloned(),
        runtime: settings.provider(&provider.id).runtime.map(|runtime| match runtime {
            Runtime::LmStudio => RuntimeKind::LmStudio,
            Runtime::Ollama => RuntimeKind::Ollama,
            Runtime::LlamaServer => RuntimeKind::LlamaServer,
            Runtime::Vllm => RuntimeKind::Vllm,
            Runtime::LiteLlm => RuntimeKind::LiteLlm,
            Runtime::OpenaiCompatible => RuntimeKind::OpenaiCompatible,
        }),
        models: Vec::new(),
    })
}

/// The base URL without its `/v1`.
fn root(base_url: &Url) -> Url {
    let mut root = base_url.clone();
    let path = base_url.path().trim_end_matches('/');
    root.set_path(path.strip_suffix("/v1").unwrap_or(path));
    root
}
