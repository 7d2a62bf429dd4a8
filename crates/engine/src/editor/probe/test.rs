//! The test of a connection: step by step from the address to the models, each with what was seen and what to do.

use std::io;
use std::net::SocketAddr;

use pilotlight_wire::{Location, UpstreamApi};
use serde_json::json;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::Url;

use super::http::{Http, PATIENCE, Reply, Silence, Target};
use super::listing::ids;
use crate::editor::types::{ProviderTest, TestStep, TestStepName};

/// Tests a provider. Ends with the first step that makes the next ones pointless. Takes at most a few times 5 s.
pub async fn test(target: &Target) -> ProviderTest {
    let mut steps = Steps(Vec::new());
    // An early end is a failed step, which is among them.
    let _ = run(target, &mut steps).await;
    ProviderTest { ok: steps.0.iter().all(|step| step.ok), steps: steps.0 }
}

struct Steps(Vec<TestStep>);

/// A step failed, and those after it have nothing to say.
struct Ended;

impl Steps {
    fn good(&mut self, name: TestStepName, detail: impl Into<String>) {
        self.0.push(TestStep { name, ok: true, detail: detail.into(), advice: None });
    }

    fn noted(&mut self, name: TestStepName, detail: impl Into<String>, advice: impl Into<String>) {
        self.0.push(TestStep { name, ok: true, detail: detail.into(), advice: Some(advice.into()) });
    }

    fn bad(&mut self, name: TestStepName, detail: impl Into<String>, advice: impl Into<String>) -> Ended {
        self.0.push(TestStep { name, ok: false, detail: detail.into(), advice: Some(advice.into()) });
        Ended
    }
}

async fn run(target: &Target, steps: &mut Steps) -> Result<(), Ended> {
    let base = address_and_connection(target, steps).await?;
    let http = Http::new(target, base)
        .map_err(|why| steps.bad(TestStepName::Answer, why, "report this: no request could be made"))?;
    let listing = first_answer(&http, steps).await?;
    let called = call(&http).await;
    key(target, &listing, called.as_ref().and_then(|called| called.as_ref().ok()), steps)?;
    api(&http, called, steps).await?;
    models(target, &listing, steps);
    Ok(())
}

async fn address_and_connection(target: &Target, steps: &mut Steps) -> Result<Url, Ended> {
    let Some(base) = target.base_url.clone() else {
        let advice = "give it a baseUrl, such as \"http://127.0.0.1:1234/v1\"";
        return Err(steps.bad(TestStepName::Address, "it has no base URL that can be used", advice));
    };
    let (Some(host), Some(port)) = (base.host_str().map(str::to_owned), base.port_or_known_default()) else {
        return Err(steps.bad(
            TestStepName::Address,
            "its base URL names no host",
            "write it like \"http://127.0.0.1:1234/v1\"",
        ));
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let found = timeout(PATIENCE, lookup_host((bare, port))).await;
    let addresses: Vec<SocketAddr> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            let advice = match target.location {
                Location::Local => {
                    "check the name; in a home network the machine's IP address is surer, or its name with .local"
                }
                Location::Hosted => "check the spelling of baseUrl, and that this machine is online",
            };
            return Err(steps.bad(TestStepName::Address, format!("{host} has no address: {error}"), advice));
        }
        Err(_) => {
            let advice = "the name server does not answer: check that this machine is online";
            return Err(steps.bad(TestStepName::Address, format!("no address for {host} within 5 s"), advice));
        }
    };
    let Some(first) = addresses.first() else {
        return Err(steps.bad(
            TestStepName::Address,
            format!("{host} has no address"),
            "check the spelling of baseUrl",
        ));
    };
    steps.good(
        TestStepName::Address,
        match first.ip().to_string() {
            address if address == bare => format!("{address} needs no look-up"),
            address => format!("{host} is {address}"),
        },
    );
    connect(&host, port, &addresses, steps).await?;
    Ok(base)
}

async fn connect(host: &str, port: u16, addresses: &[SocketAddr], steps: &mut Steps) -> Result<(), Ended> {
    match timeout(PATIENCE, TcpStream::connect(addresses)).await {
        Ok(Ok(_)) => {
            steps.good(TestStepName::Connect, format!("port {port} of {host} is open"));
            Ok(())
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err(steps.bad(
            TestStepName::Connect,
            format!("nothing listens on port {port} of {host}: connection refused"),
            start_advice(port),
        )),
        Ok(Err(error)) => Err(steps.bad(
            TestStepName::Connect,
            format!("no connection to port {port} of {host}: {error}"),
            "check the address, and that both machines are in the same network",
        )),
        Err(_) => Err(steps.bad(
            TestStepName::Connect,
            format!("no connection to port {port} of {host} within 5 s"),
            "the machine is off or asleep, its address is another one, or a firewall drops the connection",
        )),
    }
}

fn start_advice(port: u16) -> String {
    let start = match port {
        1234 => "start LM Studio's server (Developer, Start server; or `lms server start`)",
        11434 => "start Ollama (`ollama serve`, or its application)",
        8080 => "start the server (`llama-server` listens on 8080)",
        8000 => "start the server (`vllm serve` listens on 8000)",
        4000 => "start LiteLLM (`litellm --config …`)",
        _ => "start the server there",
    };
    format!("{start}, or correct the port; a server on another machine must listen on 0.0.0.0, not on 127.0.0.1 alone")
}

/// Where a provider lists its models.
fn listing_url(http: &Http<'_>) -> Url {
    match http.target.api {
        UpstreamApi::Ollama => http.below_root("api/tags"),
        UpstreamApi::AnthropicMessages if !http.base.path().trim_end_matches('/').ends_with("/v1") => {
            http.below("v1/models")
        }
        _ => http.below("models"),
    }
}

/// The first request: what it is, if it is a model server at all.
async fn first_answer(http: &Http<'_>, steps: &mut Steps) -> Result<Reply, Ended> {
    let secure = http.base.scheme() == "https";
    let reply = match http.get(listing_url(http)).await {
        Ok(reply) => reply,
        Err(Silence::Tls(words)) => return Err(tls(&words, steps)),
        Err(Silence::TimeOut) => {
            let advice = "it is busy or hangs (a large model that is being read can do that), or something else listens there: look at its log";
            return Err(steps.bad(
                TestStepName::Answer,
                "it takes the connection and does not answer within 5 s",
                advice,
            ));
        }
        Err(Silence::Other(words)) => {
            let advice = if secure {
                "look at the server's log"
            } else {
                "it does not speak plain HTTP: try https:// in baseUrl, and look at the server's log"
            };
            return Err(steps.bad(TestStepName::Answer, format!("no answer: {}", http.target.quoted(&words)), advice));
        }
    };
    if secure {
        steps.good(TestStepName::Tls, "its certificate is good");
    }
    if let Some(to) = &reply.redirect {
        let detail = format!("it sends to another address: {}", http.target.quoted(to));
        let advice = "the key is not sent on: if you trust that address, write it as baseUrl";
        return Err(steps.bad(TestStepName::Answer, detail, advice));
    }
    if reply.status == 400 && reply.text.to_lowercase().contains("https") && !secure {
        let detail = reply.shown(http.target);
        return Err(steps.bad(
            TestStepName::Answer,
            detail,
            "the server wants a secure connection: write https:// in baseUrl",
        ));
    }
    if reply.refuses_key() && !reply.html {
        steps.good(TestStepName::Answer, reply.shown(http.target));
        return Ok(reply);
    }
    if reply.status >= 500 {
        let advice =
            "the server is in trouble, or a gateway before it does not reach it: look at its log and try again";
        return Err(steps.bad(TestStepName::Answer, reply.shown(http.target), advice));
    }
    if reply.no_such_path() {
        return wrong_path(http, reply, steps).await;
    }
    steps.good(TestStepName::Answer, reply.shown(http.target));
    Ok(reply)
}

fn tls(words: &str, steps: &mut Steps) -> Ended {
    let lower = words.to_lowercase();
    let advice = if lower.contains("handshake") {
        "something else listens on this port, or it speaks plain HTTP: check the port, or write http:// in baseUrl (only \
         within your own network)"
    } else if lower.contains("corrupt message") || lower.contains("invalidcontenttype") {
        "the server speaks plain HTTP on this port: write http:// in baseUrl (only within your own network)"
    } else if lower.contains("expired") {
        "its certificate has run out, or this machine's clock is wrong"
    } else if lower.contains("notvalidforname") || lower.contains("not valid for name") {
        "its certificate is for another name: write that name in baseUrl"
    } else {
        "its certificate is not signed by anybody this machine trusts: add the issuer to the system's certificates"
    };
    steps.bad(TestStepName::Tls, format!("no secure connection: {words}"), advice)
}

/// Nothing of the kind at this path: perhaps at a neighbouring one, or the server lists no models.
async fn wrong_path(http: &Http<'_>, reply: Reply, steps: &mut Steps) -> Result<Reply, Ended> {
    let path = http.base.path().trim_end_matches('/');
    let anthropic = http.target.api == UpstreamApi::AnthropicMessages;
    let mut tries = vec![http.below_root("v1/models"), http.below("v1/models")];
    if !path.ends_with("/api/v1") && !path.ends_with("/v1") {
        tries.push(http.below("api/v1/models"));
    }
    let asked = listing_url(http);
    tries.retain(|url| *url != asked);
    tries.dedup();
    for url in tries {
        if let Ok(found) = http.get(url.clone()).await
            && !found.no_such_path()
            && (found.refuses_key() || !ids(found.json.as_ref()).is_empty())
        {
            let mut better = url;
            let whole = better.path().to_owned();
            let suffix = if anthropic { "/v1/models" } else { "/models" };
            better.set_path(whole.strip_suffix(suffix).unwrap_or(&whole));
            let shown = better.as_str().trim_end_matches('/');
            let detail = format!("nothing at {} ({})", asked.path(), reply.shown(http.target));
            return Err(steps.bad(TestStepName::Answer, detail, format!("write baseUrl: \"{shown}\"")));
        }
    }
    // A server may do without a listing; one whose API answers is a model server all the same.
    if !reply.html
        && let Some(Ok(called)) = call(http).await
        && !called.no_such_path()
    {
        let detail = format!("it lists no models ({} at {})", reply.shown(http.target), asked.path());
        steps.noted(
            TestStepName::Answer,
            detail,
            "nothing is wrong with that; which models it has cannot be seen from here",
        );
        return Ok(reply);
    }
    let advice = if anthropic {
        "check the path of baseUrl: for anthropic-messages it stands without /v1"
    } else {
        "check the path of baseUrl: most servers want it to end in /v1"
    };
    Err(steps.bad(
        TestStepName::Answer,
        format!("no model server at {}: {}", asked.path(), reply.shown(http.target)),
        advice,
    ))
}

/// A request of the configured API that is refused for being empty, so it costs nothing. None where the API is one
/// that listings tell enough of, or that is not known here.
async fn call(http: &Http<'_>) -> Option<Result<Reply, Silence>> {
    let url = call_url(http, &http.target.api)?;
    Some(http.post(url, &json!({})).await)
}

fn call_url(http: &Http<'_>, api: &UpstreamApi) -> Option<Url> {
    match api {
        UpstreamApi::OpenaiResponses => Some(http.below("responses")),
        UpstreamApi::OpenaiCompletions => Some(http.below("chat/completions")),
        UpstreamApi::AnthropicMessages if http.base.path().trim_end_matches('/').ends_with("/v1") => {
            Some(http.below("messages"))
        }
        UpstreamApi::AnthropicMessages => Some(http.below("v1/messages")),
        UpstreamApi::GoogleGenerativeAi | UpstreamApi::Ollama | UpstreamApi::Other(_) => None,
    }
}

fn key(target: &Target, listing: &Reply, called: Option<&Reply>, steps: &mut Steps) -> Result<(), Ended> {
    let refused = [Some(listing), called].into_iter().flatten().find(|reply| reply.refuses_key() && !reply.html);
    let Some(refused) = refused else {
        match (&target.key, &target.key_problem) {
            (_, Some(problem)) => {
                steps.noted(TestStepName::Key, "it was asked without a key, and did not mind", problem.clone());
            }
            (Some(_), None) => steps.good(TestStepName::Key, "the key is not refused"),
            (None, None) => steps.good(TestStepName::Key, "it asks for no key"),
        }
        return Ok(());
    };
    let detail = refused.shown(target);
    let advice = match (&target.key, &target.key_problem) {
        (_, Some(problem)) => problem.clone(),
        (None, None) => "it asks for a key: give this provider one".to_owned(),
        (Some(_), None) if refused.status == 403 => {
            "the key is known and may not do this: check its rights, its budget and its region".to_owned()
        }
        (Some(_), None) => {
            "the key is wrong, has been revoked, or belongs to another provider: enter it anew".to_owned()
        }
    };
    Err(steps.bad(TestStepName::Key, detail, advice))
}

async fn api(http: &Http<'_>, called: Option<Result<Reply, Silence>>, steps: &mut Steps) -> Result<(), Ended> {
    let name = http.target.api.name();
    match called {
        None if matches!(http.target.api, UpstreamApi::Other(_)) => {
            let advice = "OpenClaw can use it; Pilot Light cannot send requests to it";
            steps.noted(TestStepName::Api, format!("{name} is not spoken here, so it was not tried"), advice);
            Ok(())
        }
        None => {
            steps.good(TestStepName::Api, format!("its listing is that of {name}"));
            Ok(())
        }
        Some(Err(Silence::TimeOut)) => {
            let advice = "it is busy: try again when it is not";
            Err(steps.bad(TestStepName::Api, format!("no answer to an empty {name} request within 5 s"), advice))
        }
        Some(Err(Silence::Tls(words) | Silence::Other(words))) => Err(steps.bad(
            TestStepName::Api,
            format!("no answer to an empty {name} request: {}", http.target.quoted(&words)),
            "look at the server's log",
        )),
        Some(Ok(reply)) if reply.no_such_path() => {
            let detail = format!("it does not speak {name} ({})", reply.shown(http.target));
            let advice = other_api(http).await;
            Err(steps.bad(TestStepName::Api, detail, advice))
        }
        Some(Ok(reply)) if reply.status >= 500 => {
            // Some servers answer an empty request so.
            steps.noted(
                TestStepName::Api,
                format!("{name} is there ({})", reply.shown(http.target)),
                "if real requests fail too, look at the server's log",
            );
            Ok(())
        }
        Some(Ok(_)) => {
            steps.good(TestStepName::Api, format!("it speaks {name}"));
            Ok(())
        }
    }
}

/// Which API it speaks instead.
async fn other_api(http: &Http<'_>) -> String {
    for api in [UpstreamApi::OpenaiCompletions, UpstreamApi::OpenaiResponses, UpstreamApi::AnthropicMessages] {
        let url = match api {
            UpstreamApi::AnthropicMessages => Some(http.below_root("v1/messages")),
            _ if http.target.api == UpstreamApi::AnthropicMessages => {
                let path = if api == UpstreamApi::OpenaiCompletions { "v1/chat/completions" } else { "v1/responses" };
                Some(http.below_root(path))
            }
            _ => call_url(http, &api),
        };
        if api != http.target.api
            && let Some(url) = url
            && let Ok(reply) = http.post(url, &json!({})).await
            && !reply.no_such_path()
        {
            let note = if http.target.api == UpstreamApi::AnthropicMessages {
                ", with /v1 at the end of baseUrl"
            } else if api == UpstreamApi::AnthropicMessages {
                ", without /v1 at the end of baseUrl"
            } else {
                ""
            };
            return format!("write api: \"{}\"{note}", api.name());
        }
    }
    "check api and the path of baseUrl".to_owned()
}

fn models(target: &Target, listing: &Reply, steps: &mut Steps) {
    let listed = ids(listing.json.as_ref());
    if listed.is_empty() {
        let detail = "it lists no models, so the configured ones could not be looked up";
        let advice = if listing.is_success() && listing.json.is_some() {
            "download or load one in the server, if it is a local one"
        } else {
            "nothing is wrong with that"
        };
        steps.noted(TestStepName::Models, detail, advice);
        return;
    }
    if target.models.is_empty() {
        steps.noted(
            TestStepName::Models,
            format!("it has {}", some_of(&listed)),
            "none is configured yet: fetch its models and pick",
        );
        return;
    }
    let missing: Vec<&str> =
        target.models.iter().map(String::as_str).filter(|id| !listed.iter().any(|listed| same(listed, id))).collect();
    if missing.is_empty() {
        let detail = match target.models.as_slice() {
            [only] => format!("it has {only}"),
            all => format!("it has all {} configured models", all.len()),
        };
        steps.good(TestStepName::Models, detail);
        return;
    }
    let detail = format!("it does not list {}", missing.join(", "));
    let advice = match target.location {
        Location::Local => format!("download it there, or correct the id; it has {}", some_of(&listed)),
        Location::Hosted => {
            format!("correct the id, or check that your account may use it; it has {}", some_of(&listed))
        }
    };
    steps.bad(TestStepName::Models, detail, advice);
}

/// Whether a listed id is a configured one: LM Studio's may name a variant, Ollama's a tag, Google's a folder.
fn same(listed: &str, id: &str) -> bool {
    let bare = |id: &str| {
        let id = id.strip_prefix("models/").unwrap_or(id).to_lowercase();
        id.strip_suffix(":latest").map_or_else(|| id.clone(), str::to_owned)
    };
    let (listed, id) = (bare(listed), bare(id));
    listed == id || id.split_once('@').is_some_and(|(model, _)| model == listed)
}

fn some_of(ids: &[String]) -> String {
    const SHOWN: usize = 5;
    let some = ids.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if ids.len() > SHOWN { format!("{some} and {} more", ids.len() - SHOWN) } else { some }
}
