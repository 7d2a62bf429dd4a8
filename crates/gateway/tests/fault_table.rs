//! Every fault of the simulator × three client APIs × streamed or not × two candidates: the fallback answers, or the
//! request ends in an honest error. None hangs, no text comes twice, nothing comes after an error.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::clock::unhurried;
use common::{
    Proxy, ask, error_message, events, header, hosted, quick, read, target, text_of, upstream_api, whole_text,
};
use pilotlight_gateway::{Outcome, Target, Timing};
use pilotlight_simulator::{After, Die, Fault, Kind, Malformed, Model, Options, Simulator, UnloadCause};
use pilotlight_wire::ClientApi::{self, Chat, Messages, Responses};
use pilotlight_wire::UpstreamApi;
use serde_json::{Value, json};
use tokio::task::JoinSet;

const FIRST: &str = "one two three four five";
const SECOND: &str = "the fallback speaks here";
/// No case takes longer, whatever the fault: two budgets of silence, and a connection that nobody accepts.
const HUNG: Duration = Duration::from_secs(10);

/// The name of a fault. A fault that is new to the simulator does not compile here until the table has it.
fn name(fault: &Fault) -> &'static str {
    match fault {
        Fault::Refuse {} => "refuse",
        Fault::Hang { .. } => "hang",
        Fault::Status { .. } => "status",
        Fault::SlowFirstByte { .. } => "slow first byte",
        Fault::Cut { .. } => "cut",
        Fault::ErrorEvent { .. } => "error event",
        Fault::End { .. } => "end",
        Fault::Malformed { .. } => "malformed",
        Fault::Unload { .. } => "unload",
        Fault::Die { .. } => "die",
        Fault::LoadTakes { .. } => "load takes",
        Fault::LoadFails { .. } => "load fails",
    }
}

const NAMES: usize = 12;

fn table() -> Vec<Fault> {
    let moments = [After::Request, After::Headers, After::Content(0), After::Content(2), After::Content(99)];
    let mut table = vec![Fault::Refuse {}, Fault::slow_first_byte(Duration::from_millis(100)), Fault::load_fails()];
    table.push(Fault::load_takes(Duration::from_millis(100)));
    table.push(Fault::load_takes(Duration::from_secs(60)));
    for after in moments {
        table.push(Fault::Hang { after });
        table.extend([false, true].map(|reset| Fault::Cut { after, reset }));
        table.push(Fault::ErrorEvent { after, message: None, code: None });
        table.push(Fault::ErrorEvent { after, message: Some("n_keep: 9000 >= n_ctx: 4096".into()), code: None });
        table.push(Fault::End { after });
        table.push(Fault::Die { after });
        for form in [Malformed::BadJson, Malformed::Unframed, Malformed::Html, Malformed::Empty] {
            table.push(Fault::Malformed { form, after });
        }
        let causes = [UnloadCause::Ejected, UnloadCause::Crash];
        table.extend(causes.map(|cause| Fault::Unload { after, cause }));
    }
    for status in [301, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 501, 502, 503, 504, 529] {
        table.push(Fault::status(status));
    }
    for status in [400, 413, 500] {
        table.extend(["<html>no", "no"].map(|body| Fault::status_with_body(status, json!(body))));
    }
    table.push(Fault::status_with_header(429, "retry-after", "86400"));
    table.push(Fault::status_with_header(429, "retry-after", "soon"));
    table.push(Fault::status_with_body(400, json!({"error": "n_keep: 9000 >= n_ctx: 4096"})));
    table.push(Fault::status_with_body(200, json!({"error": "Unexpected endpoint or method."})));
    table
}

#[derive(Clone)]
struct Case {
    api: ClientApi,
    /// What both upstreams speak: the client's API, or one that is translated.
    upstream: UpstreamApi,
    streamed: bool,
    /// Whether a second candidate is there and well.
    second: bool,
}

#[tokio::test]
async fn every_fault_is_served_by_the_fallback_or_ends_honestly() {
    unhurried(every_case()).await;
}

async fn every_case() {
    let table = table();
    assert_eq!(table.iter().map(name).collect::<BTreeSet<_>>().len(), NAMES, "every fault is in the table");
    let mut cases = JoinSet::new();
    let across = |fault: &Fault| match fault {
        Fault::Unload { .. } | Fault::LoadTakes { .. } | Fault::LoadFails { .. } => false,
        Fault::Hang { after } | Fault::Malformed { after, .. } => *after == After::Content(2),
        _ => true,
    };
    for fault in table {
        for api in [Responses, Chat, Messages] {
            for (streamed, second) in [(true, true), (false, true), (true, false), (false, false)] {
                if cases.len() >= 128 {
                    cases.join_next().await.unwrap().unwrap();
                }
                let straight = Case { api, upstream: upstream_api(api), streamed, second };
                if second && across(&fault) {
                    cases.spawn(run(fault.clone(), Case { upstream: other_api(api), ..straight.clone() }));
                }
                cases.spawn(run(fault.clone(), straight));
            }
        }
    }
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}

/// An upstream API that requests and answers of this client API are translated to and from.
fn other_api(api: ClientApi) -> UpstreamApi {
    match api {
        Responses => UpstreamApi::AnthropicMessages,
        Chat => UpstreamApi::OpenaiResponses,
        _ => UpstreamApi::OpenaiCompletions,
    }
}

fn vendor(api: &UpstreamApi) -> Kind {
    if *api == UpstreamApi::AnthropicMessages { Kind::Anthropic } else { Kind::OpenAi }
}

async fn first(api: &UpstreamApi, fault: &Fault) -> Simulator {
    let options = Options { reply: Some(FIRST.to_owned()), die: Die::CloseEverything, ..Options::default() };
    let (kind, models) = match fault {
        Fault::LoadTakes { .. } | Fault::LoadFails { .. } => (Kind::LmStudio, vec![Model::new("m")]),
        Fault::Unload { .. } => (Kind::LmStudio, vec![Model::new("m").loaded()]),
        _ => (vendor(api), Vec::new()),
    };
    Simulator::start(kind, Options { models, ..options }).await.unwrap()
}

async fn run(fault: Fault, Case { api, upstream, streamed, second }: Case) {
    let what =
        format!("{fault:?}, {api:?}, upstream: {upstream:?}, streamed: {streamed}, a second candidate: {second}");
    let near = first(&upstream, &fault).await;
    let far = Simulator::start(vendor(&upstream), Options { reply: Some(SECOND.to_owned()), ..Options::default() })
        .await
        .unwrap();
    match fault {
        Fault::Refuse {} => near.control().refuse(true).await,
        fault => drop(near.control().fault(fault)),
    }
    let budget = Duration::from_millis(350);
    let mut targets = vec![Target { first_content: budget, ..target("first/m", near.address(), upstream.clone()) }];
    if second {
        targets.push(hosted(Target { first_content: HUNG, ..target("second/m", far.address(), upstream) }));
    }
    let timing = Timing {
        first_beat: HUNG,
        patience: HUNG,
        whole: 1,
        idle: 4 * budget,
        settle: budget,
        cold_grace: budget,
        ..quick()
    };
    let mut proxy = Proxy::with(targets, timing, |_| {}).await;
    let answer = async {
        let response = proxy.send(api, ask(api, "primary", streamed)).await;
        let status = response.status().as_u16();
        let model = header(&response, "x-pilotlight-model").to_owned();
        (status, model, read(response).await)
    };
    let Ok((status, model, body)) = tokio::time::timeout(HUNG, answer).await else { panic!("hung: {what}") };
    let text = if streamed && status == 200 { stream(api, &body, &what) } else { whole(api, status, &body, &what) };
    let served = proxy.finished().await;
    match text {
        Text::Whole(text) => {
            assert_eq!(served.outcome, Outcome::Served, "{what}");
            let expected = if model == "second/m" { SECOND } else { FIRST };
            assert_eq!(text, expected, "{what}: {model}");
        }
        Text::Broken(text) => {
            assert_eq!((served.outcome, model.as_str()), (Outcome::Cut, "first/m"), "{what}: {:?}", served.attempts);
            assert!(!text.is_empty() && FIRST.starts_with(text.trim_end()), "{what}: {text:?}");
            assert!(far.requests().is_empty(), "{what}: nobody else is asked once content was sent");
        }
        Text::None => {
            assert_eq!(served.outcome, Outcome::Failed, "{what}");
            // With another candidate that is well, only the client's own mistake fails.
            assert!(!second || matches!(status, 400 | 413 | 415 | 422), "{what}: {status}");
        }
    }
    assert_eq!(proxy.local.busy_count(), 0, "{what}");
}

enum Text {
    Whole(String),
    /// An error after content.
    Broken(String),
    None,
}

fn stream(api: ClientApi, body: &str, what: &str) -> Text {
    let events = events(body);
    let text = text_of(api, &events);
    let errors: Vec<usize> = (0..events.len()).filter(|at| error_message(api, &events[*at]).is_some()).collect();
    let ends = ["response.completed", "message_stop", "[DONE]", "\"finish_reason\":\"stop\""];
    let claims_success = ends.iter().any(|end| body.contains(end));
    match errors.as_slice() {
        [] => {
            assert!(claims_success, "{what}: no end: {body}");
            Text::Whole(text)
        }
        [at] => {
            assert!(!claims_success, "{what}: an error and success: {body}");
            assert_eq!(at + 1, events.len(), "{what}: something after the error: {body}");
            if text.is_empty() { Text::None } else { Text::Broken(text) }
        }
        _ => panic!("{what}: two errors: {body}"),
    }
}

fn whole(api: ClientApi, status: u16, body: &str, what: &str) -> Text {
    let json: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{what}: {status} {body}"));
    if status == 200 {
        return Text::Whole(whole_text(api, &json));
    }
    let message = json["error"].as_str().or(json["error"]["message"].as_str()).unwrap_or_default();
    assert!(status >= 400 && !message.is_empty(), "{what}: {status} {body}");
    Text::None
}
