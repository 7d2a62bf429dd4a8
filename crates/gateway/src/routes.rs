//! What the gateway knows of the configuration: targets, the chain, names, and what is allowed. A request takes one
//! snapshot of it. Must not know: OpenClaw's types, files, local runtimes.

use std::time::Duration;

use pilotlight_wire::translate::Compat;
use pilotlight_wire::{Location, ModelRef, Secret, UpstreamApi};
use std::sync::Arc;
use url::Url;

/// One snapshot of everything a request is routed by.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Every model that can be asked for, in the configuration's order.
    pub targets: Vec<Arc<Target>>,
    /// What `primary` means: the first choice, then the fallbacks. Refs that are no target are passed over.
    pub chain: Vec<ModelRef>,
    /// Short names, compared without regard to case; of two equal ones the later wins.
    pub aliases: Vec<(String, ModelRef)>,
    /// Patterns for names that are nothing else (`claude-*`), and what they mean; the first match wins. `*` stands
    /// for any run of characters, and case does not matter.
    pub map: Vec<(String, String)>,
    /// Whether a request for a named model may be answered by the chain.
    pub named: Named,
    /// What a request does that meets a cold model.
    pub cold: Cold,
    /// No byte goes to a hosted upstream, whatever fails.
    pub local_only: bool,
    /// The named token for whose requests alone that holds, where the settings do not ask for it.
    pub local_only_for: Option<String>,
    /// Hosted upstreams only in these regions; none: anywhere. A hosted upstream whose region is unknown is in none.
    pub regions: Option<Vec<String>>,
    /// Who may call us.
    pub access: Access,
}

impl Routes {
    /// The target of this ref.
    #[must_use]
    pub fn target(&self, model: &ModelRef) -> Option<&Arc<Target>> {
        self.targets.iter().find(|target| target.model == *model)
    }
}

/// One model at one upstream.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its ref.
    pub model: ModelRef,
    /// The configuration's alias, for the list of models.
    pub alias: Option<String>,
    /// What a person calls it.
    pub title: String,
    /// The `model` that its upstream is asked for.
    pub upstream_id: String,
    /// As configured: OpenAI-shaped ones end in `/v1`, Anthropic's do not (but may).
    pub base_url: Url,
    /// The API it speaks.
    pub api: UpstreamApi,
    /// Its key, if it needs one.
    pub key: Option<Secret>,
    /// Why there is no key although one is configured, in words for the person who calls.
    pub key_problem: Option<String>,
    /// Further request headers of the configuration.
    pub headers: Vec<(String, Secret)>,
    /// Where it runs.
    pub location: Location,
    /// In which region it runs, such as `eu`.
    pub region: Option<String>,
    /// How long a warm upstream may be silent before its first content. A stream's sign of life starts it anew; an
    /// answer that is not streamed may take [`crate::Timing::whole`] times as long.
    pub first_content: Duration,
    /// In tokens.
    pub context_window: Option<u64>,
    /// In tokens.
    pub max_tokens: Option<u64>,
    /// Whether it takes pictures; none: not known.
    pub images: Option<bool>,
    /// What the configuration says that it does its own way.
    pub compat: Compat,
    /// Whether [`crate::LocalModels`] knows its state.
    pub managed: bool,
}

/// Whether a request for a named model (alias, ref or bare id) may be answered by another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// That model alone.
    #[default]
    Strict,
    /// That model, then the chain.
    Failover,
}

/// What a request does that meets a cold or loading model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cold {
    /// It goes on to the next candidate while the model loads; it waits where there is none.
    #[default]
    Bridge,
    /// It waits, with heartbeats.
    Wait,
}

/// Who may call us.
#[derive(Clone, Debug)]
pub struct Access {
    /// Asked for as bearer or `x-api-key`; none: anyone who reaches the listener.
    pub token: Option<Secret>,
    /// Tokens with limits, which open the models' paths only.
    pub named: Vec<Arc<NamedToken>>,
    /// Names besides `localhost` that a request's `Host` may have, without a port.
    pub hosts: Vec<String>,
    /// Web origins (`https://app.example`) that may call besides our own.
    pub origins: Vec<String>,
    /// How many requests are served at once; more wait their turn.
    pub most_requests: usize,
}

impl Default for Access {
    fn default() -> Self {
        Self { token: None, named: Vec::new(), hosts: Vec::new(), origins: Vec::new(), most_requests: 256 }
    }
}

/// A token with limits.
#[derive(Clone, Debug)]
pub struct NamedToken {
    /// What a person calls it.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// Its requests go to local models only.
    pub local_only: bool,
    /// The only names, aliases or refs that it may ask for, as patterns; none: any.
    pub models: Option<Vec<String>>,
    /// The most requests in a minute; none: any number.
    pub per_minute: Option<u32>,
}
