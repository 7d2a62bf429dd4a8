//! Base URLs: those that lack `/v1` or say too much, and keys that travel in clear.

use std::collections::HashMap;

use pilotlight_wire::{Location, UpstreamApi};
use url::{Host, Url};

use super::{Ground, write};
use crate::diagnostic::Severity;
use crate::hosted::HOSTED;
use crate::key_looks::is_placeholder;
use crate::model::{Key, Model, OWN_PROVIDER, Provider};
use crate::tree::{At, Report};

/// Hosts whose OpenAI-shaped API stands at the root.
///
/// Sources: api-docs.deepseek.com; docs.perplexity.ai.
const AT_ROOT: [&str; 2] = ["api.deepseek.com", "api.perplexity.ai"];

/// What OpenClaw, and we, append to a base URL.
const ENDPOINTS: [&str; 5] = ["/chat/completions", "/completions", "/responses", "/embeddings", "/models"];

pub(super) fn check(ground: &Ground<'_>, report: &mut Report<'_>) {
    for (provider, entry) in ground.providers() {
        let models = || -> HashMap<&str, &Model> {
            provider.models.iter().rev().map(|model| (model.id.as_str(), model)).collect()
        };
        let rows = entry.get("models").filter(|_| provider.models.iter().any(|row| row.base_url.is_some()));
        let models = if rows.is_some() { models() } else { HashMap::new() };
        let row_urls = rows.iter().flat_map(At::items).filter_map(|row| {
            let at = row.get("baseUrl")?;
            let model = models.get(row.get("id")?.as_str()?.trim())?;
            Some((at, model.base_url.clone()?, model.api.as_ref().or(provider.api.as_ref())))
        });
        let own = entry.get("baseUrl").zip(provider.base_url.clone()).map(|(at, url)| (at, url, provider.api.as_ref()));
        let location = ground.location(provider);
        for (at, url, api) in own.into_iter().chain(row_urls) {
            path(report, &at, &url, api.unwrap_or(&UpstreamApi::OpenaiCompletions), location);
            if provider.id != OWN_PROVIDER && has_key(provider) {
                in_clear(report, &at, &url);
            }
        }
    }
}

fn path(report: &mut Report<'_>, at: &At<'_>, url: &Url, api: &UpstreamApi, location: Location) {
    let Some(written) = at.as_str().map(|written| written.trim().trim_end_matches('/')) else { return };
    let path = url.path().trim_end_matches('/');
    let openai = matches!(api, UpstreamApi::OpenaiCompletions | UpstreamApi::OpenaiResponses);
    let said: &[&str] = match api {
        UpstreamApi::AnthropicMessages => &["/v1/messages"],
        _ if openai => &ENDPOINTS,
        _ => return,
    };
    if let Some(endpoint) = said.iter().find(|endpoint| path.ends_with(**endpoint)) {
        let message = format!("a base URL ends before {endpoint}, which is added to it: take that off");
        report.warning("endpoint-in-base-url", at, message);
        let shorter = written.strip_suffix(endpoint);
        report.mend(shorter.map(|shorter| write(format!("Take off {endpoint}"), at, shorter)));
        return;
    }
    let has_version = path
        .split('/')
        .any(|part| part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())));
    if !openai || has_version || url.host_str().is_some_and(|host| AT_ROOT.contains(&host)) {
        return;
    }
    if path.is_empty() {
        let message = "this base URL lacks the /v1 under which servers of OpenAI's shape answer: write it at the end";
        report.warning("no-v1", at, message);
        report.mend(Some(write("Add /v1", at, format!("{written}/v1"))));
    } else if location == Location::Local {
        let message = "this base URL has no /v1, under which most servers of OpenAI's shape answer: see whether this one \
                       does, and write it at the end";
        report.add(Severity::Info, "no-v1", at, message);
    }
}

fn has_key(provider: &Provider) -> bool {
    let real = |key: &Key| match key {
        Key::Literal(value) => !is_placeholder(value.expose()),
        _ => true,
    };
    let carries =
        |name: &str| ["authorization", "x-api-key", "api-key"].iter().any(|header| name.eq_ignore_ascii_case(header));
    provider.key.as_ref().is_some_and(real) || provider.headers.iter().any(|(name, key)| carries(name) && real(key))
}

fn in_clear(report: &mut Report<'_>, at: &At<'_>, url: &Url) {
    if url.scheme() != "http" || stays_here(url) {
        return;
    }
    // Tailscale's addresses and names (RFC 6598, *.ts.net) are inside an encrypted tunnel, if it is Tailscale.
    let tunnel = match url.host() {
        Some(Host::Ipv4(address)) => address.octets()[0] == 100 && address.octets()[1] & 0xC0 == 64,
        Some(Host::Domain(name)) => name.ends_with(".ts.net"),
        _ => false,
    };
    let severity = if tunnel { Severity::Info } else { Severity::Warning };
    let message = "the key goes over the network in clear, for everybody on the way to read: write https://, or reach the \
                   server through a tunnel";
    report.add(severity, "key-in-clear", at, message);
    let vendor = HOSTED.iter().any(|hosted| {
        let known = hosted.base_url.strip_prefix("https://").and_then(|rest| rest.split('/').next());
        known == url.host_str()
    });
    let secure = at.as_str().and_then(|written| written.trim().strip_prefix("http://"));
    report.mend(secure.filter(|_| vendor).map(|rest| write("Write https://", at, format!("https://{rest}"))));
}

/// Whether it is this machine.
fn stays_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Some(Host::Ipv6(address)) => {
            address.is_loopback()
                || address.is_unspecified()
                || address.to_ipv4_mapped().is_some_and(|address| address.is_loopback())
        }
        // The last is this machine as a container of Docker's sees it.
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost") || name == "host.docker.internal"
        }
        None => true,
    }
}
