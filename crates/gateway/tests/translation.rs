//! Clients of one API and upstreams of another, over the simulator: text, tools, errors, conversations, counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod common;

use std::time::Duration;

use common::raw::{Piece, Raw};
use common::{
    Proxy, ask, client, error_message, events, header, hosted, quick, read, target, text_of, upstream_api, whole_text,
};
use pilotlight_gateway::{Outcome, Readiness};
use pilotlight_simulator::{Fault, Kind, Options, Simulator};
use pilotlight_wire::ClientApi::{self, Chat, Messages, Responses};
use pilotlight_wire::UpstreamApi;
use serde_json::{Value, json};

const TALKING: [ClientApi; 3] = [Responses, Chat, Messages];
const REPLY: &str = "the kettle is on and the cups are warm";

async fn vendor(api: ClientApi, reply: &str) -> Simulator {
    let kind = if api == Messages { Kind::Anthropic } else { Kind::OpenAi };
    Simulator::start(kind, Options { reply: Some(reply.to_owned()), ..Options::default() }).await.unwrap()
}

/// Every client API with every upstream API that is not its own.
fn pairs() -> impl Iterator<Item = (ClientApi, ClientApi)> {
    TALKING
        .into_iter()
        .flat_map(|client| TALKING.into_iter().map(move |upstream| (client, upstream)))
        .filter(|(client, upstream)| client != upstream)
}

#[tokio::test]
async fn every_client_reads_every_upstream() {
    for (client, upstream) in pairs() {
        let server = vendor(upstream, REPLY).await;
        let mut proxy = Proxy::start(vec![hosted(target("far/m", server.address(), upstream_api(upstream)))]).await;
        for stream in [true, false] {
            let response = proxy.send(client, ask(client, "primary", stream)).await;
            let told = (response.status().as_u16(), header(&response, "x-pilotlight-model").to_owned());
            assert_eq!(told, (200, "far/m".to_owned()), "{client:?} {upstream:?}");
            let body = read(response).await;
            let text = match stream {
                true => text_of(client, &events(&body)),
                false => whole_text(client, &serde_json::from_str(&body).unwrap()),
            };
            assert_eq!(text, REPLY, "{client:?} {upstream:?} {stream}");
            let served = proxy.finished().await;
            assert_eq!(served.outcome, Outcome::Served);
            assert!(served.usage.is_some_and(|usage| usage.output > 0), "{client:?} {upstream:?} {served:?}");
        }
    }
}

#[tokio::test]
async fn an_error_before_content_fails_over_and_one_after_it_is_told() {
    for (client, upstream) in pairs() {
        let (first, second) = (vendor(upstream, "one two three four").await, vendor(upstream, REPLY).await);
        let targets = vec![
            target("first/m", first.address(), upstream_api(upstream)),
            hosted(target("second/m", second.address(), upstream_api(upstream))),
        ];
        let proxy = Proxy::start(targets).await;
        first.control().fault(Fault::status(500));
        let response = proxy.send(client, ask(client, "primary", true)).await;
        assert_eq!(header(&response, "x-pilotlight-attempts"), "first/m=status; second/m=ok");
        assert_eq!(text_of(client, &events(&read(response).await)), REPLY);

        first.control().clear();
        first.control().fault(Fault::cut(2));
        let response = proxy.send(client, ask(client, "first/m", true)).await;
        let events = events(&read(response).await);
        assert!("one two three four".starts_with(text_of(client, &events).trim()), "{events:?}");
        let last = events.iter().rev().find(|(name, _)| name != "[DONE]").unwrap();
        assert!(error_message(client, last).is_some(), "{client:?} {upstream:?} {events:?}");
    }
}

#[tokio::test]
async fn an_upstreams_refusal_has_the_form_of_the_client() {
    for (client, upstream) in pairs() {
        let server = vendor(upstream, REPLY).await;
        server
            .control()
            .fault(Fault::status_with_body(400, json!({"error": {"message": "no such temperature", "type": "x"}})));
        let proxy = Proxy::start(vec![hosted(target("far/m", server.address(), upstream_api(upstream)))]).await;
        let response = proxy.send(client, ask(client, "primary", true)).await;
        assert_eq!(response.status(), 400);
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"]["message"], "no such temperature");
        assert_eq!(body["type"] == "error", client == Messages, "{body}");
    }
}

#[tokio::test]
async fn a_cold_load_is_waited_for_with_signs_of_life() {
    for (client, upstream) in pairs() {
        let server = vendor(upstream, REPLY).await;
        let proxy = Proxy::start(vec![target("near/m", server.address(), upstream_api(upstream))]).await;
        proxy.local.set("near/m", Readiness::Cold);
        let local = proxy.local.clone();
        let warm = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(250)).await;
            local.set("near/m", Readiness::Loading { for_: Duration::ZERO, expected: None });
            tokio::time::sleep(Duration::from_millis(450)).await;
            local.set("near/m", Readiness::Ready);
        });
        let response = proxy.send(client, ask(client, "primary", true)).await;
        let events = events(&read(response).await);
        warm.await.unwrap();
        assert_eq!(text_of(client, &events), REPLY, "{client:?} {upstream:?}");
        let begins = |kind: &str| events.iter().filter(|(_, data)| data["type"] == kind).count();
        match client {
            Responses => {
                assert_eq!(begins("response.created"), 1);
                assert!(begins("response.in_progress") >= 1);
                let numbers: Vec<u64> =
                    events.iter().filter_map(|(_, data)| data["sequence_number"].as_u64()).collect();
                assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
            }
            Messages => assert_eq!((begins("message_start"), begins("ping") >= 1), (1, true)),
            _ => assert!(events.len() > 3),
        }
    }
}

#[tokio::test]
async fn a_conversation_goes_on_by_its_id_where_the_upstream_keeps_none() {
    let server = vendor(Chat, REPLY).await;
    let proxy = Proxy::start(vec![hosted(target("far/m", server.address(), UpstreamApi::OpenaiCompletions))]).await;
    for stream in [false, true] {
        let first = json!({"model": "primary", "input": "remember the blue door", "instructions": "be brief"});
        let body: Value = proxy.send(Responses, first).await.json().await.unwrap();
        let id = body["id"].as_str().unwrap();
        let next = json!({"model": "primary", "input": "which door?", "previous_response_id": id, "stream": stream});
        let response = proxy.send(Responses, next).await;
        assert_eq!(response.status(), 200);
        read(response).await;
        let asked = server.requests().last().unwrap().body.clone();
        let said: Vec<(String, String)> = asked["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| {
                (message["role"].as_str().unwrap().to_owned(), message["content"].as_str().unwrap().to_owned())
            })
            .collect();
        let expected = [("user", "remember the blue door"), ("assistant", REPLY), ("user", "which door?")];
        assert_eq!(said, expected.map(|(role, text)| (role.to_owned(), text.to_owned())), "without the instructions");
    }
    let unknown = json!({"model": "primary", "input": "x", "previous_response_id": "resp_nobody"});
    let response = proxy.send(Responses, unknown).await;
    assert_eq!(response.status(), 400);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "previous_response_not_found");
}

#[tokio::test]
async fn a_conversation_kept_by_one_upstream_is_not_continued_by_another() {
    let (first, second) = (vendor(Responses, "first").await, vendor(Responses, "second").await);
    let api = UpstreamApi::OpenaiResponses;
    let targets = vec![
        hosted(target("first/m", first.address(), api.clone())),
        hosted(target("second/m", second.address(), api)),
    ];
    let proxy = Proxy::start(targets).await;
    let response = proxy.send(Responses, ask(Responses, "primary", true)).await;
    let events = events(&read(response).await);
    let id = events.iter().find_map(|(_, data)| data["response"]["id"].as_str()).unwrap().to_owned();
    let next = json!({"model": "primary", "input": "and then?", "previous_response_id": id});
    assert_eq!(proxy.send(Responses, next.clone()).await.status(), 200);
    first.control().fault(Fault::status(503));
    let response = proxy.send(Responses, next).await;
    assert_eq!(response.status(), 503);
    assert!(header(&response, "x-pilotlight-attempts").contains("second/m=untranslatable"));
    assert_eq!(second.requests().len(), 0);
}

#[tokio::test]
async fn tokens_are_counted_by_the_upstream_or_estimated() {
    let server = vendor(Messages, REPLY).await;
    let body = json!({"model": "primary", "messages": [{"role": "user", "content": "how many words are in here?"}]});
    for api in [UpstreamApi::AnthropicMessages, UpstreamApi::OpenaiCompletions] {
        let proxy = Proxy::start(vec![hosted(target("far/m", server.address(), api.clone()))]).await;
        let response = client().post(proxy.url("/v1/messages/count_tokens")).json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let estimated = header(&response, "x-pilotlight-estimate") == "true";
        assert_eq!(estimated, api != UpstreamApi::AnthropicMessages);
        let counted: Value = response.json().await.unwrap();
        assert!(counted["input_tokens"].as_u64().is_some_and(|count| (3..40).contains(&count)), "{counted}");
    }
}

#[tokio::test]
async fn what_another_provider_sealed_is_not_sent_on() {
    let event =
        |data: Value| Piece::Bytes(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()).into());
    let item = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "SEALED-BY-FIRST"});
    let message = json!({"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "hi", "annotations": []}]});
    let response = json!({"id": "resp_1", "status": "completed", "output": [item, message], "model": "m"});
    let first = Raw::stream(vec![
        event(json!({"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "output": []}})),
        event(json!({"type": "response.output_item.done", "output_index": 0, "item": item})),
        event(json!({"type": "response.output_item.done", "output_index": 1, "item": message})),
        event(json!({"type": "response.completed", "response": response})),
    ])
    .await;
    let second = vendor(Responses, REPLY).await;
    let api = UpstreamApi::OpenaiResponses;
    let targets =
        vec![hosted(target("first/m", first.address, api.clone())), hosted(target("second/m", second.address(), api))];
    let proxy = Proxy::with(targets, quick(), |_| {}).await;
    read(proxy.send(Responses, ask(Responses, "first/m", true)).await).await;
    let again = json!({"model": "second/m", "store": false, "input": [
        {"role": "user", "content": "hello"}, item, message, {"role": "user", "content": "and?"},
    ]});
    assert_eq!(proxy.send(Responses, again.clone()).await.status(), 200);
    let sent = second.requests().last().unwrap().body.to_string();
    assert!(!sent.contains("SEALED-BY-FIRST") && sent.contains("and?"), "{sent}");
    let mut to_first = again;
    to_first["model"] = json!("first/m");
    to_first["stream"] = json!(true);
    read(proxy.send(Responses, to_first).await).await;
    let (_, body) = first.requests().pop().unwrap();
    assert!(String::from_utf8(body).unwrap().contains("SEALED-BY-FIRST"), "its own come back to it");
}
