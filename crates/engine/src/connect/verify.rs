//! Asks a running engine for an answer as a connected tool would: at the tool's path, with the tool's token.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use pilotlight_config::connect::Tool;
use pilotlight_wire::Secret;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use url::Url;

use super::Verification;

/// A cold model may have to load first.
const MOST: Duration = Duration::from_secs(120);
/// How long a token that was just made may be unknown: the engine sees a change of its settings within a second.
const SETTLES: Duration = Duration::from_secs(5);
/// How often it is asked again meanwhile.
const AGAIN: Duration = Duration::from_millis(200);

/// The address that clients on this machine are given for one that an engine listens on: with a loopback address in the
/// place of "every address", and no slash at the end.
#[must_use]
pub fn base_for_clients(address: &str) -> String {
    let Ok(mut url) = address.parse::<Url>() else { return address.trim_end_matches('/').to_owned() };
    let every = match url.host() {
        Some(url::Host::Ipv4(ip)) if ip.is_unspecified() => Some(IpAddr::from(Ipv4Addr::LOCALHOST)),
        Some(url::Host::Ipv6(ip)) if ip.is_unspecified() => Some(IpAddr::from(Ipv6Addr::LOCALHOST)),
        _ => None,
    };
    // An address with a host takes another.
    if let Some(ip) = every
        && url.set_ip_host(ip).is_err()
    {
        tracing::debug!(address, "the address keeps its host");
    }
    url.as_str().trim_end_matches('/').to_owned()
}

/// Sends one small request for `primary` as the tool would. `base` is the engine's address without a path.
pub async fn verify(base: &str, tool: Tool, token: Option<&Secret>) -> Verification {
    let began = Instant::now();
    loop {
        let answer = ask(base, tool, token).await;
        if let Err(Refusal { status: Some(StatusCode::UNAUTHORIZED), .. }) = &answer
            && began.elapsed() < SETTLES
        {
            sleep(AGAIN).await;
            continue;
        }
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        return match answer {
            Ok(model) => Verification { ok: true, model, milliseconds, message: None },
            Err(Refusal { message, .. }) => {
                Verification { ok: false, model: None, milliseconds, message: Some(message) }
            }
        };
    }
}

/// Why there was no answer.
struct Refusal {
    status: Option<StatusCode>,
    message: String,
}

async fn ask(base: &str, tool: Tool, token: Option<&Secret>) -> Result<Option<String>, Refusal> {
    let failed = |error: reqwest::Error| Refusal { status: None, message: error.without_url().to_string() };
    let client = reqwest::Client::builder().no_proxy().timeout(MOST).build().map_err(failed)?;
    let mut request = client.post(format!("{base}{}", tool.asks_at())).json(&question(tool));
    if let Some(token) = token {
        request = request.bearer_auth(token.expose());
    }
    let response = request.send().await.map_err(failed)?;
    let status = response.status();
    if status.is_success() {
        let header = response.headers().get("x-pilotlight-model").and_then(|value| value.to_str().ok());
        let model = header.map(str::to_owned);
        // The answer is there when it is whole.
        response.bytes().await.map_err(failed)?;
        return Ok(model);
    }
    let body: Value = response.json().await.unwrap_or_default();
    let words =
        body["error"]["message"].as_str().map_or_else(|| format!("the engine answered {status}"), str::to_owned);
    Err(Refusal { status: Some(status), message: words })
}

/// The least that can be asked for.
fn question(tool: Tool) -> Value {
    const WORDS: &str = "Answer with OK.";
    match tool.asks_at() {
        "/v1/responses" => json!({ "model": "primary", "input": WORDS, "max_output_tokens": 16, "store": false }),
        _ => json!({
            "model": "primary", "max_tokens": 16, "messages": [{ "role": "user", "content": WORDS }],
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::base_for_clients;

    #[test]
    fn clients_are_given_an_address_that_they_can_reach() {
        for (listens, given) in [
            ("http://127.0.0.1:11235", "http://127.0.0.1:11235"),
            ("http://0.0.0.0:80/", "http://127.0.0.1"),
            ("http://[::]:4000", "http://[::1]:4000"),
            ("http://192.168.1.2:4000", "http://192.168.1.2:4000"),
        ] {
            assert_eq!(base_for_clients(listens), given);
        }
    }
}
