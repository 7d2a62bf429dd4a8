//! Every fault in every API, streamed and not, before and after the first content.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::future::Future;
use std::time::Duration;

use common::{
    Proxy, ask, error_message, events, header, hosted, quick, read, target, text_of, upstream_api, whole_text,
};
use pilotlight_gateway::{Outcome, Target, Timing, Trouble};
use pilotlight_simulator::{After, Fault, Kind, Malformed, Model, Options, Simulator, UnloadCause};
use pilotlight_wire::ClientApi::{self, Chat, Completions, Embeddings, Messages, Responses};
use serde_json::json;
use tokio::task::JoinSet;

const STREAMED: [ClientApi; 4] = [Responses, Chat, Messages, Completions];
const FIRST: &str = "one two three four five";
const SECOND: &str = "the fallback speaks here";

/// A vendor of this API, and what it says.
async fn vendor(api: ClientApi, reply: &str) -> Simulator {
    let kind = if api == Messages { Kind::Anthropic } else { Kind::OpenAi };
    Simulator::start(kind, Options { reply: Some(reply.to_owned()), ..Options::default() }).await.unwrap()
}

async fn lm_studio(reply: &str) -> Simulator {
    let models = vec![Model::new("m").loaded()];
    Simulator::start(Kind::LmStudio, Options { models, reply: Some(reply.to_owned()), ..Options::default() })
        .await
        .unwrap()
}

/// A proxy that soon gives up on the first and has all the time for the second. Without heartbeats.
async fn proxy(api: ClientApi, first: &Simulator, second: &Simulator) -> Proxy {
    let long = Duration::from_secs(20);
    let first = target("first/m", first.address(), upstream_api(api));
    let first = Target { first_content: Duration::from_millis(700), ..first };
    let second = Target { first_content: long, ..hosted(target("second/m", second.address(), upstream_api(api))) };
    let timing = Timing { first_beat: long, patience: long, whole: 1, idle: Duration::from_millis(1200), ..quick() };
    Proxy::with(vec![first, second], timing, |_| {}).await
}

/// What the fault is called in a failed assertion, the fault, and the code that it must be given.
type Case = (&'static str, Fault, &'static str);

fn before_content() -> Vec<Case> {
    let malformed = |form| Fault::malformed(form);
    vec![
        ("hang", Fault::hang(), "timeout"),
        ("hang after headers", Fault::hang_after_headers(), "timeout"),
        ("401", Fault::status(401), "unauthorized"),
        ("402", Fault::status(402), "payment"),
        ("403", Fault::status(403), "unauthorized"),
        ("408", Fault::status(408), "timeout"),
        ("429", Fault::status(429), "rate-limited"),
        ("500", Fault::status_with_body(500, json!({"error": "oops"})), "status"),
        ("502 page", Fault::status_with_body(502, json!("<html>bad gateway")), "status"),
        ("503", Fault::status_with_body(503, json!({"error": {"message": "busy"}})), "status"),
        ("529", Fault::status_with_body(529, json!({})), "status"),
        ("redirect", Fault::status_with_header(307, "location", "http://127.0.0.1:9/"), "status"),
        (
            "404",
            Fault::status_with_body(404, json!({"error": {"code": "model_not_found", "message": "m"}})),
            "model-not-found",
        ),
        ("400 unloaded", Fault::status_with_body(400, json!({"error": "Model unloaded."})), "unloaded"),
        (
            "200 error string",
            Fault::status_with_body(200, json!({"error": "Unexpected endpoint or method."})),
            "error-body",
        ),
        ("cut before the answer", Fault::Cut { after: After::Request, reset: false }, "cut"),
        ("cut after headers", Fault::Cut { after: After::Headers, reset: false }, "cut"),
        ("reset after headers", Fault::Cut { after: After::Headers, reset: true }, "cut"),
        ("page", malformed(Malformed::Html), "malformed"),
        ("empty", malformed(Malformed::Empty), "malformed"),
    ]
}

fn before_streamed_content() -> Vec<Case> {
    let mut cases = before_content();
    cases.extend([
        ("cut", Fault::cut(0), "cut"),
        ("end", Fault::End { after: After::Content(0) }, "cut"),
        ("error event first", Fault::ErrorEvent { after: After::Headers, message: None, code: None }, "error-event"),
        ("error event", Fault::error_event(0), "error-event"),
        ("bad JSON", Fault::malformed(Malformed::BadJson), "malformed"),
        ("unframed", Fault::malformed(Malformed::Unframed), "cut"),
        ("death", Fault::Die { after: After::Content(0) }, "cut"),
    ]);
    cases
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_content_the_fallback_answers_and_nothing_is_said_twice() {
    let mut cases = Cases::default();
    for api in STREAMED {
        for case in before_content() {
            cases.add(falls_back(api, false, case)).await;
        }
        for case in before_streamed_content() {
            cases.add(falls_back(api, true, case)).await;
        }
    }
    cases.end().await;
}

/// A few cases at a time: some of them only wait.
#[derive(Default)]
struct Cases(JoinSet<()>);

impl Cases {
    async fn add(&mut self, case: impl Future<Output = ()> + Send + 'static) {
        if self.0.len() >= 8 {
            self.0.join_next().await.unwrap().unwrap();
        }
        self.0.spawn(case);
    }

    async fn end(mut self) {
        while let Some(case) = self.0.join_next().await {
            case.unwrap();
        }
    }
}

async fn falls_back(api: ClientApi, streamed: bool, (name, fault, code): Case) {
    let case = format!("{name}, {api:?}, streamed: {streamed}");
    // What a Completions stream consists of before its first content is nothing at all.
    let code = if api == Completions && matches!(name, "end" | "unframed") { "malformed" } else { code };
    let (first, second) = (vendor(api, FIRST).await, vendor(api, SECOND).await);
    first.control().fault(fault);
    let mut proxy = proxy(api, &first, &second).await;
    let response = proxy.send(api, ask(api, "primary", streamed)).await;
    assert_eq!(response.status(), 200, "{case}");
    let attempts = format!("first/m={code}; second/m=ok");
    assert_eq!(header(&response, "x-pilotlight-attempts"), attempts, "{case}");
    assert_eq!(header(&response, "x-pilotlight-model"), "second/m", "{case}");
    let body = read(response).await;
    if streamed {
        assert_eq!(text_of(api, &events(&body)), SECOND, "{case}");
    } else {
        let body = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{case}: {body}"));
        assert_eq!(whole_text(api, &body), SECOND, "{case}");
    }
    let served = proxy.finished().await;
    assert_eq!(served.outcome, Outcome::Served, "{case}");
    assert_eq!(served.served_by.unwrap().to_string(), "second/m", "{case}");
    assert_eq!(first.requests().len(), 1, "{case}: asked once");
    assert_eq!(proxy.local.busy_count(), 0, "{case}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_connection_costs_no_time() {
    for api in [Responses, Chat, Messages, Completions, Embeddings] {
        for streamed in [true, false] {
            let (first, second) = (vendor(api, FIRST).await, vendor(api, SECOND).await);
            first.control().refuse(true).await;
            let proxy = proxy(api, &first, &second).await;
            let begun = std::time::Instant::now();
            let response = proxy.send(api, ask(api, "primary", streamed)).await;
            assert!(begun.elapsed().as_millis() < 300, "{api:?}: {:?}", begun.elapsed());
            assert_eq!(header(&response, "x-pilotlight-attempts"), "first/m=refused; second/m=ok");
            assert_eq!(proxy.local.troubles(), [Trouble::Refused]);
        }
    }
}

fn after_content() -> Vec<Case> {
    let after = After::Content(2);
    vec![
        ("cut", Fault::Cut { after, reset: false }, "cut"),
        ("reset", Fault::Cut { after, reset: true }, "cut"),
        ("end", Fault::End { after }, "cut"),
        ("error event", Fault::ErrorEvent { after, message: None, code: None }, "error-event"),
        ("hang", Fault::Hang { after }, "timeout"),
        ("bad JSON", Fault::Malformed { form: Malformed::BadJson, after }, "malformed"),
        ("unframed", Fault::Malformed { form: Malformed::Unframed, after }, "cut"),
        ("death", Fault::Die { after }, "cut"),
    ]
}

async fn broken_off(case: &str, api: ClientApi, first: Simulator, code: &str) -> Vec<Trouble> {
    let second = vendor(api, SECOND).await;
    let mut proxy = proxy(api, &first, &second).await;
    let response = proxy.send(api, ask(api, "primary", true)).await;
    assert_eq!(header(&response, "x-pilotlight-model"), "first/m", "{case}");
    let body = read(response).await;
    let events = events(&body);
    assert_eq!(text_of(api, &events).trim_end(), "one two", "{case}: {body}");
    let last = events.last().unwrap();
    let message = error_message(api, last).unwrap_or_else(|| panic!("{case}: no error at the end: {body}"));
    assert!(!message.is_empty(), "{case}");
    let ends = ["response.completed", "message_stop", "[DONE]", "\"finish_reason\":\"stop\""];
    assert!(!ends.iter().any(|end| body.contains(end)), "{case}: claims success: {body}");
    if api == Responses {
        let numbers: Vec<u64> =
            events.iter().map(|(_, data)| data["sequence_number"].as_u64().unwrap_or(u64::MAX)).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{case}: {numbers:?}");
        assert_eq!(last.1["response"]["id"], events[0].1["response"]["id"], "{case}");
    }
    let served = proxy.finished().await;
    assert_eq!(served.outcome, Outcome::Cut, "{case}");
    assert_eq!(served.served_by.unwrap().to_string(), "first/m", "{case}");
    let codes: Vec<_> = served.attempts.iter().map(|report| report.code.name()).collect();
    assert_eq!(codes, ["ok", code], "{case}");
    assert_eq!(second.requests().len(), 0, "{case}: nobody else was asked");
    assert_eq!(proxy.local.busy_count(), 0, "{case}");
    proxy.local.troubles()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_content_an_error_event_ends_the_stream() {
    let mut cases = Cases::default();
    for api in STREAMED {
        for (name, fault, code) in after_content() {
            let case = async move {
                let first = vendor(api, FIRST).await;
                first.control().fault(fault);
                broken_off(&format!("{name}, {api:?}"), api, first, code).await;
            };
            cases.add(case).await;
        }
    }
    cases.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lm_studio_breaks_off_in_its_own_words() {
    let after = After::Content(2);
    for api in STREAMED {
        for (cause, code, trouble) in
            [(UnloadCause::Ejected, "unloaded", Trouble::Unloaded), (UnloadCause::Crash, "crashed", Trouble::Crashed)]
        {
            let first = lm_studio(FIRST).await;
            first.control().fault(Fault::Unload { after, cause });
            let troubles = broken_off(&format!("{cause:?}, {api:?}"), api, first, code).await;
            assert_eq!(troubles, [trouble]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lm_studios_error_under_status_200_fails_over() {
    for api in STREAMED {
        let (first, second) = (lm_studio(FIRST).await, vendor(api, SECOND).await);
        first.control().fault(Fault::ErrorEvent {
            after: After::Headers,
            message: Some("out of order".into()),
            code: None,
        });
        let proxy = proxy(api, &first, &second).await;
        let response = proxy.send(api, ask(api, "primary", true)).await;
        assert_eq!(header(&response, "x-pilotlight-attempts"), "first/m=error-event; second/m=ok", "{api:?}");
        assert_eq!(text_of(api, &events(&read(response).await)), SECOND);
        assert_eq!(proxy.local.troubles(), [Trouble::Other]);
    }
}
