//! How an upstream is reached: the address, the headers. No key goes anywhere but to its own upstream,
//! and nothing of the client's that is not meant for an upstream goes to any.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use pilotlight_wire::translate::Outgoing;
use pilotlight_wire::{ClientApi, Secret, UpstreamApi};
use url::{Host, Url};

use crate::crossing::is_vendor;
use crate::routes::Target;
use crate::serve::Listening;

/// The version that Anthropic's API is asked in when the client names none.
const ANTHROPIC_VERSION: &str = "2023-06-01";

/// Where a request of this API goes: the base URL and the API's path, with the client's query.
pub fn address(target: &Target, api: ClientApi, query: Option<&str>) -> Url {
    let mut url = target.base_url.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    // Anthropic's base URL stands before `/v1`, OpenAI's behind it.
    let version = if target.api == UpstreamApi::AnthropicMessages && !base.ends_with("/v1") { "/v1" } else { "" };
    url.set_path(&format!("{base}{version}{}", api.path()));
    if let Some(query) = query.filter(|query| !query.is_empty()) {
        let whole = url.query().map_or_else(|| query.to_owned(), |own| format!("{own}&{query}"));
        url.set_query(Some(&whole));
    }
    url.set_fragment(None);
    url
}

/// Where a translated request goes: the base URL and the path that its API has.
pub fn address_across(target: &Target, outgoing: &Outgoing) -> Url {
    let mut url = target.base_url.clone();
    let base = url.path().trim_end_matches('/').to_owned();
    // A base URL may hold the version that the path begins with, or end in Ollama's `/v1` for its other API.
    let path = match target.api {
        UpstreamApi::Ollama => return with_query(&mut url, base.trim_end_matches("/v1"), outgoing),
        UpstreamApi::AnthropicMessages if base.ends_with("/v1") => base.trim_end_matches("/v1").to_owned(),
        _ => base,
    };
    with_query(&mut url, &path, outgoing)
}

fn with_query(url: &mut Url, base: &str, outgoing: &Outgoing) -> Url {
    url.set_path(&format!("{base}{}", outgoing.path));
    if let Some(query) = outgoing.query.as_deref().filter(|query| !query.is_empty()) {
        let whole = url.query().map_or_else(|| query.to_owned(), |own| format!("{own}&{query}"));
        url.set_query(Some(&whole));
    }
    url.set_fragment(None);
    url.clone()
}

/// The headers of a translated request: none of the client's that its own API gives a meaning to.
///
/// # Errors
/// As [`headers`].
pub fn headers_across(target: &Target, forwarded: &HeaderMap, outgoing: &Outgoing) -> Result<HeaderMap, String> {
    let mut kept = HeaderMap::new();
    for (name, value) in forwarded {
        let of_an_api = name.as_str().starts_with("anthropic-") || name.as_str().starts_with("openai-");
        if !of_an_api && name != ACCEPT {
            kept.append(name.clone(), value.clone());
        }
    }
    kept.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &outgoing.headers {
        let value = HeaderValue::from_str(value).map_err(|_| format!("the header {name} cannot be sent"))?;
        kept.insert(HeaderName::from_static(name), value);
    }
    headers(target, &kept)
}

/// What of a client's headers is meant for an upstream. Never its token, its cookies, its origin.
pub fn forwarded(client: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in client {
        let named = [ACCEPT, CONTENT_TYPE, USER_AGENT].contains(name);
        let spoken = matches!(name.as_str(), "anthropic-version" | "anthropic-beta" | "traceparent" | "tracestate");
        if named || spoken || name.as_str().starts_with("openai-") {
            headers.append(name.clone(), value.clone());
        }
    }
    // What comes is read along: it must come as it is.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// The headers of a request to this target: the client's, the key, the configuration's own last.
///
/// # Errors
/// When the key or a configured header holds characters that no header may hold; says which, not what.
pub fn headers(target: &Target, forwarded: &HeaderMap) -> Result<HeaderMap, String> {
    let mut headers = forwarded.clone();
    if !takes_betas(target) {
        headers.remove("anthropic-beta");
    }
    if target.api == UpstreamApi::AnthropicMessages {
        let version = HeaderName::from_static("anthropic-version");
        headers.entry(version).or_insert(HeaderValue::from_static(ANTHROPIC_VERSION));
    }
    if let Some(key) = &target.key {
        let (name, text) = match target.api {
            UpstreamApi::AnthropicMessages => (HeaderName::from_static("x-api-key"), key.clone()),
            UpstreamApi::GoogleGenerativeAi => (HeaderName::from_static("x-goog-api-key"), key.clone()),
            _ => (AUTHORIZATION, Secret::new(format!("Bearer {}", key.expose()))),
        };
        headers.insert(name, secret(&text).ok_or("its key holds characters that cannot be sent")?);
    }
    for (name, value) in &target.headers {
        let wrong = || format!("its configured header {name:?} cannot be sent");
        let parsed: HeaderName = name.parse().map_err(|_| wrong())?;
        headers.insert(parsed, secret(value).ok_or_else(wrong)?);
    }
    Ok(headers)
}

/// Whether a server knows Anthropic's betas: Anthropic, and what stands before a Claude. Others refuse the whole request
/// for a beta that they do not know, and so does Bedrock.
fn takes_betas(target: &Target) -> bool {
    let bedrock = target.base_url.domain().is_some_and(|host| host.contains("bedrock"));
    is_vendor(target) || !bedrock && target.upstream_id.to_ascii_lowercase().contains("claude")
}

fn secret(text: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What of an upstream's headers the client gets. Never its cookies.
pub fn answered(upstream: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in upstream {
        match name.as_str() {
            "content-type" | "retry-after" | "retry-after-ms" | "cache-control" => {
                headers.append(name.clone(), value.clone());
            }
            "x-request-id" | "request-id" => {
                headers.insert(HeaderName::from_static("x-upstream-request-id"), value.clone());
            }
            limit if limit.starts_with("x-ratelimit-") || limit.starts_with("anthropic-ratelimit-") => {
                headers.append(name.clone(), value.clone());
            }
            _ => {}
        }
    }
    headers
}

/// Whether an address is on this machine by its looks.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether this is the address that we listen on: a request to it would come back to us for ever.
pub fn is_own_address(url: &Url, listening: &Listening) -> bool {
    if url.port_or_known_default() != Some(listening.address.port()) {
        return false;
    }
    let ours = listening.address.ip();
    let same = |ip: IpAddr| {
        ip == ours
            || ip == listening.reached.ip()
            || (ip.is_unspecified() || ip.is_loopback()) && (ours.is_loopback() || ours.is_unspecified())
    };
    match url.host() {
        Some(Host::Ipv4(ip)) => same(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => same(IpAddr::V6(ip)),
        Some(Host::Domain(name)) if name.eq_ignore_ascii_case("localhost") => {
            same(IpAddr::V4(Ipv4Addr::LOCALHOST)) || same(IpAddr::V6(Ipv6Addr::LOCALHOST))
        }
        Some(Host::Domain(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::target;

    fn address_of(base: &str, api: UpstreamApi, client: ClientApi, query: Option<&str>) -> String {
        let target = Target { base_url: base.parse().unwrap(), api, ..(*target("a/b")).clone() };
        address(&target, client, query).to_string()
    }

    #[test]
    fn addresses() {
        use ClientApi::{Chat, Messages, Responses};
        use UpstreamApi::{AnthropicMessages, OpenaiCompletions, OpenaiResponses};
        let table = [
            ("http://127.0.0.1:1234/v1", OpenaiResponses, Responses, None, "http://127.0.0.1:1234/v1/responses"),
            ("http://127.0.0.1:1234/v1/", OpenaiCompletions, Chat, None, "http://127.0.0.1:1234/v1/chat/completions"),
            (
                "https://api.anthropic.com",
                AnthropicMessages,
                Messages,
                Some("beta=true"),
                "https://api.anthropic.com/v1/messages?beta=true",
            ),
            (
                "https://x.example/anthropic/v1",
                AnthropicMessages,
                Messages,
                None,
                "https://x.example/anthropic/v1/messages",
            ),
            (
                "https://x.example/o?api-version=1",
                OpenaiCompletions,
                Chat,
                Some("a=b"),
                "https://x.example/o/chat/completions?api-version=1&a=b",
            ),
        ];
        for (base, api, client, query, expected) in table {
            assert_eq!(address_of(base, api, client, query), expected);
        }
    }

    #[test]
    fn forwards_what_is_meant_for_an_upstream_and_no_more() {
        let mut client = HeaderMap::new();
        for name in [
            "authorization",
            "x-api-key",
            "cookie",
            "origin",
            "host",
            "referer",
            "x-forwarded-for",
            "content-length",
            "connection",
            "content-type",
            "accept",
            "user-agent",
            "anthropic-version",
            "anthropic-beta",
            "openai-beta",
            "traceparent",
            "accept-encoding",
        ] {
            client.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        let mut names: Vec<_> = forwarded(&client).keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        assert_eq!(
            names,
            [
                "accept",
                "accept-encoding",
                "anthropic-beta",
                "anthropic-version",
                "content-type",
                "openai-beta",
                "traceparent",
                "user-agent"
            ]
        );
    }

    #[test]
    fn the_key_goes_where_its_api_wants_it() {
        let with = |api: UpstreamApi| Target { api, key: Some(Secret::new("k")), ..(*target("a/b")).clone() };
        let openai = headers(&with(UpstreamApi::OpenaiResponses), &HeaderMap::new()).unwrap();
        assert_eq!(openai.get("authorization").unwrap(), "Bearer k");
        assert!(openai.get("authorization").unwrap().is_sensitive());
        let anthropic = headers(&with(UpstreamApi::AnthropicMessages), &HeaderMap::new()).unwrap();
        assert_eq!(anthropic.get("x-api-key").unwrap(), "k");
        assert_eq!(anthropic.get("anthropic-version").unwrap(), ANTHROPIC_VERSION);
        assert!(anthropic.get("authorization").is_none());
        let broken = Target { key: Some(Secret::new("k\n")), ..(*target("a/b")).clone() };
        assert!(!headers(&broken, &HeaderMap::new()).unwrap_err().contains("k\n"));
    }

    #[test]
    fn betas_go_to_those_who_know_them() {
        let client = HeaderMap::from_iter([(
            HeaderName::from_static("anthropic-beta"),
            HeaderValue::from_static("context-management-2025-06-27"),
        )]);
        let table = [
            ("https://api.anthropic.com", "claude-opus-5", true),
            ("https://api.anthropic.com", "a-new-name", true),
            ("https://gateway.example/anthropic", "anthropic/Claude-opus-5", true),
            ("https://bedrock-runtime.us-east-1.amazonaws.com", "us.anthropic.claude-opus-5", false),
            ("https://api.deepseek.com/anthropic", "deepseek-chat", false),
            ("http://127.0.0.1:1234", "minimax-m2.1", false),
        ];
        for (base, model, goes) in table {
            let target = Target {
                base_url: base.parse().unwrap(),
                upstream_id: model.to_owned(),
                api: UpstreamApi::AnthropicMessages,
                ..(*target("a/b")).clone()
            };
            assert_eq!(headers(&target, &client).unwrap().contains_key("anthropic-beta"), goes, "{base} {model}");
            let own = vec![("anthropic-beta".to_owned(), Secret::new("own"))];
            let target = Target { headers: own, ..target };
            assert_eq!(headers(&target, &client).unwrap().get("anthropic-beta").unwrap(), "own", "as configured");
        }
    }

    #[test]
    fn knows_its_own_address() {
        let loopback = Listening::at("127.0.0.1:11235".parse().unwrap());
        let everywhere = Listening {
            reached: "192.168.1.5:11235".parse().unwrap(),
            ..Listening::at("0.0.0.0:11235".parse().unwrap())
        };
        let own = |url: &str, listening| is_own_address(&url.parse().unwrap(), listening);
        for url in [
            "http://127.0.0.1:11235/v1",
            "http://localhost:11235",
            "http://[::1]:11235",
            "http://127.9.9.9:11235",
            "http://0.0.0.0:11235",
        ] {
            assert!(own(url, &loopback), "{url}");
        }
        assert!(own("http://192.168.1.5:11235/v1", &everywhere));
        for url in ["http://127.0.0.1:1234/v1", "http://192.168.1.5:11235", "https://example.com:11235"] {
            assert!(!own(url, &loopback), "{url}");
        }
    }
}
