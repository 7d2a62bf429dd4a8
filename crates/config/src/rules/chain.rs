//! The chain as a whole: whether something answers when one side is down, and whether a model in it is easily led.

use pilotlight_wire::Location;

use super::{Ground, size};
use crate::diagnostic::Severity;
use crate::model::Provider;
use crate::resolve::is_own;
use crate::tree::Report;

/// Up to this many billions of parameters a model counts as small.
const SMALL: f64 = 8.0;

/// Up to this many bits a weight, a model counts as aggressively quantised.
const COARSE: f64 = 3.5;

pub(super) fn check(ground: &Ground<'_>, report: &mut Report<'_>) {
    both_sides(ground, report);
    let mut told = Vec::new();
    for (name, at) in ground.chain().into_iter().filter(|(name, _)| !is_own(name)) {
        let Some(model) = ground.configuration.resolve(&name) else { continue };
        let Some(upstream) = ground.configuration.upstream(&model) else { continue };
        if ground.location(upstream.provider) != Location::Local || told.contains(&model) {
            continue;
        }
        let live = ground.surroundings.live.get(&model);
        let texts = [upstream.model.id.as_str(), upstream.model.name.as_str()];
        let bits = live
            .and_then(|live| live.quantization.as_deref().and_then(size::bits))
            .or_else(|| texts.into_iter().find_map(size::bits));
        // A name says it better than a file, which also holds what has not the same number of bits.
        let weighed = || {
            let bytes = live?.size_bytes?;
            #[allow(clippy::cast_precision_loss, reason = "no file comes near 2^53 bytes")]
            let billions = bytes as f64 * 8.0 / bits.filter(|bits| *bits > 0.0)? / 1e9;
            Some((billions * 10.0).round() / 10.0)
        };
        let billions =
            live.and_then(|live| live.billions).or_else(|| texts.into_iter().find_map(size::billions)).or_else(weighed);
        const DANGER: &str = "is more easily talked into something by a text that it reads (prompt injection): put the \
                              largest build here that fits, or keep its agent's tools few";
        if let Some(bits) = bits.filter(|bits| *bits <= COARSE) {
            let message = format!("{model} has about {bits} bits a weight, and so coarse a quantisation {DANGER}");
            report.warning("aggressively-quantised", &at, message);
        }
        if let Some(billions) = billions.filter(|billions| *billions <= SMALL) {
            let message = format!("{model} has about {billions} billion parameters, and so small a model {DANGER}");
            report.warning("small-model", &at, message);
        }
        told.push(model);
    }
}

fn both_sides(ground: &Ground<'_>, report: &mut Report<'_>) {
    let Some(at) = ground.root.at(&["agents", "defaults", "model"]) else { return };
    let chain = ground.configuration.chain();
    let providers = chain.iter().map(|model| Some(ground.configuration.upstream(model)?.provider));
    // Where one has no address that can be read, nothing is known of it.
    let place = |provider: Option<&Provider>| {
        provider.filter(|provider| ground.is_placed(provider)).map(|it| ground.location(it))
    };
    let Some(locations) = providers.map(place).collect::<Option<Vec<Location>>>() else { return };
    if locations.is_empty() {
        return;
    }
    if !locations.contains(&Location::Local) {
        let message = "the chain has no local model: whatever is asked leaves this machine, and is paid for. Add one to \
                       the fallbacks, for when the network is down";
        report.add(Severity::Info, "no-local-in-chain", &at, message);
    }
    if !locations.contains(&Location::Hosted) {
        let message = "the chain has no hosted model: while the local one is cold or down, nothing else answers. Add one \
                       to the fallbacks, unless nothing may leave this machine";
        report.add(Severity::Info, "no-hosted-in-chain", &at, message);
    }
}
