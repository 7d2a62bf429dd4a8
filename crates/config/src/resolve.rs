//! From a name to a model: aliases, refs, bare ids, and the chain. No I/O.

use pilotlight_wire::{ModelRef, UpstreamApi};

use crate::hosted;
use crate::model::{Mode, Model, ModelConfiguration, OWN_PROVIDER, Provider, Upstream};
use crate::rules::nearest;

impl ModelConfiguration {
    /// The model that a name means: an alias (whatever its case; of two equal ones the later), `provider/alias`, a ref,
    /// or a bare id that exactly one provider has. A trailing `@profile` is left out of account, as OpenClaw does it.
    ///
    /// A ref to a hosted provider that OpenClaw has built in is good even when no row names the model, unless
    /// `models.mode` is `replace`. [`ModelConfiguration::upstream`] knows such a model only once the chain or an alias
    /// names it.
    #[must_use]
    pub fn resolve(&self, name: &str) -> Option<ModelRef> {
        let name = strip_profile(name.trim());
        self.by_alias(name)
            .or_else(|| self.by_provider_and_alias(name))
            .or_else(|| name.parse().ok().filter(|model| self.upstream(model).is_some()))
            .or_else(|| self.by_bare_id(name))
            .or_else(|| name.parse().ok().filter(|model| self.is_built_in(model)))
    }

    /// What a name that means no model was probably meant to be: an alias or a ref, as it would be written. None where
    /// nothing, or more than one thing, is near.
    #[must_use]
    pub fn nearest(&self, name: &str) -> Option<String> {
        nearest(self, name.trim())
    }

    /// The chain: the primary and then the fallbacks, resolved, each once, without refs to ourselves and without names
    /// that mean no model.
    #[must_use]
    pub fn chain(&self) -> Vec<ModelRef> {
        let mut chain = Vec::new();
        for name in self.primary.iter().chain(&self.fallbacks) {
            if is_own(name) {
                continue;
            }
            if let Some(model) = self.resolve(name)
                && model.provider() != OWN_PROVIDER
                && !chain.contains(&model)
            {
                chain.push(model);
            }
        }
        chain
    }

    /// Every model that can be called, in the file's order: all but our own entry.
    pub fn upstreams(&self) -> impl Iterator<Item = Upstream<'_>> {
        self.providers
            .iter()
            .filter(|provider| provider.id != OWN_PROVIDER)
            .flat_map(move |provider| provider.models.iter().map(move |model| self.join(provider, model)))
    }

    /// One model that can be called. Of two rows with one id, the first.
    #[must_use]
    pub fn upstream(&self, model: &ModelRef) -> Option<Upstream<'_>> {
        let provider = self.provider(model.provider())?;
        let row = provider.models.iter().find(|row| row.id == model.model())?;
        Some(self.join(provider, row))
    }

    /// A provider, by its id in whatever case.
    #[must_use]
    pub fn provider(&self, id: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.id.eq_ignore_ascii_case(id))
    }

    /// Whether OpenClaw is connected through us: then its primary is ours, and its fallbacks are the real chain.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.primary.as_deref().is_some_and(is_own)
    }

    fn join<'a>(&'a self, provider: &'a Provider, model: &'a Model) -> Upstream<'a> {
        let named = || ModelRef::new(&provider.id, &model.id).ok();
        let alias = if self.aliases.is_empty() { None } else { named().and_then(|model| self.aliases.get(&model)) };
        Upstream {
            provider,
            model,
            alias: alias.map(String::as_str),
            base_url: model.base_url.as_ref().or(provider.base_url.as_ref()),
            // With none, OpenClaw takes Chat Completions.
            api: model.api.as_ref().or(provider.api.as_ref()).unwrap_or(&UpstreamApi::OpenaiCompletions),
        }
    }

    fn by_alias(&self, name: &str) -> Option<ModelRef> {
        self.aliases.iter().rev().find(|(_, alias)| is_same(alias.trim(), name)).map(|(model, _)| model.clone())
    }

    fn by_provider_and_alias(&self, name: &str) -> Option<ModelRef> {
        let (provider, alias) = name.split_once('/')?;
        let (provider, alias) = (provider.trim().to_lowercase(), alias.trim());
        self.aliases
            .iter()
            .rev()
            .find(|(model, written)| model.provider() == provider && is_same(written.trim(), alias))
            .map(|(model, _)| model.clone())
    }

    fn by_bare_id(&self, name: &str) -> Option<ModelRef> {
        let providers = self.providers.iter().filter(|provider| provider.id != OWN_PROVIDER);
        // A second row of the same provider is the same model.
        let mut having = providers.filter(|provider| provider.models.iter().any(|row| row.id == name));
        let first = having.next()?;
        having.all(|other| other.id == first.id).then(|| ModelRef::new(&first.id, name).ok()).flatten()
    }

    /// Whether a ref may stand without a row, because OpenClaw knows its provider's models.
    pub(crate) fn is_built_in(&self, model: &ModelRef) -> bool {
        self.mode == Mode::Merge && hosted::find(model.provider()).is_some()
    }
}

impl Upstream<'_> {
    /// Its ref; none only where the file gives it an id that no ref can have.
    #[must_use]
    pub fn model_ref(&self) -> Option<ModelRef> {
        ModelRef::new(&self.provider.id, &self.model.id).ok()
    }
}

/// Whether two names are the same, whatever their case.
fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
        || (!(one.is_ascii() && other.is_ascii()) && one.to_lowercase() == other.to_lowercase())
}

/// Whether a name is a ref to ourselves.
pub(crate) fn is_own(name: &str) -> bool {
    name.trim().split_once('/').is_some_and(|(provider, _)| provider.trim().eq_ignore_ascii_case(OWN_PROVIDER))
}

/// A name without the auth profile at its end (`anthropic/claude-opus-4-6@work`), which OpenClaw splits at the first `@`
/// after the last `/`. What looks like a version, a date or a quantisation belongs to the model's id: `@20251001`, `@v1.2`,
/// `@q4_k_m`, `@4bit`. OpenClaw takes `@bf16` and `@mxfp4` for profiles; since LM Studio has such variants and we know no
/// profiles, they are kept here.
///
/// Source: `src/agents/model-ref-profile.ts` of OpenClaw.
pub(crate) fn strip_profile(name: &str) -> &str {
    let start = name.rfind('/').map_or(0, |slash| slash + 1);
    let Some(at) = name[start..].find('@').map(|at| start + at) else { return name };
    let (model, suffix) = (name[..at].trim(), name[at + 1..].trim());
    if model.is_empty() || suffix.is_empty() || at == start || is_variant(suffix) { name } else { model }
}

/// Whether what follows an `@` is a version, a date or a quantisation.
pub(crate) fn is_variant(suffix: &str) -> bool {
    let suffix = suffix.to_ascii_lowercase();
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    // A version: v1.2.3-rc1, 20251001
    let version = suffix.strip_prefix('v').unwrap_or(&suffix);
    let numbers = version.split(['-', '+']).next().unwrap_or_default();
    if !numbers.is_empty() && numbers.split('.').all(digits) {
        return true;
    }
    // A quantisation: q4_k_m, iq2_xs, q8, 4bit, 4-bit, int8, fp16, bf16, f16, mxfp4, nvfp4
    let quantised = suffix.trim_start_matches("ud-").trim_start_matches('i');
    quantised.strip_prefix('q').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        || suffix.strip_suffix("bit").is_some_and(|rest| digits(rest.trim_end_matches(['-', '_'])))
        || ["mxfp", "nvfp", "bf", "fp", "int", "f"].iter().any(|kind| suffix.strip_prefix(kind).is_some_and(digits))
}

#[cfg(test)]
mod tests {
    use super::strip_profile;

    #[test]
    fn a_profile_is_taken_off_and_a_variant_is_not() {
        for (name, expected) in [
            ("anthropic/claude-opus-4-6@work", "anthropic/claude-opus-4-6"),
            ("Opus@cf:default", "Opus"),
            ("openai/@cf/x", "openai/@cf/x"),
            ("a/m@20251001", "a/m@20251001"),
            ("a/m@v1.2-rc", "a/m@v1.2-rc"),
            ("a/m@Q4_K_M", "a/m@Q4_K_M"),
            ("a/m@iq2_xs", "a/m@iq2_xs"),
            ("a/m@4bit", "a/m@4bit"),
            ("a/m@bf16", "a/m@bf16"),
            ("a/m@mxfp4", "a/m@mxfp4"),
            ("a/m@fast", "a/m"),
            ("a@b/m", "a@b/m"),
            ("a/m@", "a/m@"),
        ] {
            assert_eq!(strip_profile(name), expected, "{name}");
        }
    }
}
