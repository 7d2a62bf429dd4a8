//! What goes, what is opened, and what stays to the byte.

use serde_json::{Value, json};

use super::*;
use crate::UpstreamApi;

fn to(provider: &str, vendor: bool) -> Upstream {
    Upstream {
        api: UpstreamApi::OpenaiResponses,
        provider: provider.to_owned(),
        model: "m".to_owned(),
        max_tokens: None,
        vendor,
        images: None,
        compat: Default::default(),
    }
}

/// Who wrote `x-…` is x.
fn wrote(value: &str) -> Option<String> {
    value.split_once('-').map(|(provider, _)| provider.to_owned())
}

fn seal(provider: &str, kind: OpaqueKind, value: &str, id: Option<&str>) -> String {
    Opaque { provider: Some(provider.into()), kind, value: value.into(), id: id.map(Into::into) }.seal()
}

#[track_caller]
fn check(api: ClientApi, to: &Upstream, body: Value, expected: Option<Value>) {
    let pretty = serde_json::to_string_pretty(&body).unwrap();
    let new = sanitise(api, pretty.as_bytes(), to, &wrote);
    let new = new.map(|new| serde_json::from_slice::<Value>(&new).unwrap());
    assert_eq!(new, expected);
}

fn items(items: Value) -> Value {
    json!({"model": "m", "input": items, "reasoning": {}, "big": 12_345_678_901_234_567_890_u64})
}

#[test]
fn what_needs_no_change_is_not_touched() {
    let mine = to("p", true);
    check(ClientApi::Responses, &mine, items(json!("hi")), None);
    let own = json!([{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "p-1"},
        {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "unknown"}, {"role": "user", "content": "a"}]);
    check(ClientApi::Responses, &mine, items(own), None);
    let own = json!({"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "p-1"}]}]});
    check(ClientApi::Messages, &mine, own, None);
    check(
        ClientApi::Chat,
        &mine,
        json!({"messages": [{"role": "assistant", "reasoning_details": [{"data": "p-1"}]}]}),
        None,
    );
    for (api, body) in
        [(ClientApi::Responses, "\"reasoning\""), (ClientApi::Chat, "{\"messages\": \"reasoning_details\"}")]
    {
        assert_eq!(sanitise(api, body.as_bytes(), &mine, &wrote), None);
    }
    assert_eq!(sanitise(ClientApi::Embeddings, b"{\"input\": \"~pl1.\"}", &mine, &wrote), None);
}

#[test]
fn bytes_around_a_change_stay_as_they_are() {
    let call = Opaque { provider: None, kind: OpaqueKind::ThoughtSignature, value: "s".into(), id: None }.on_id("a");
    let body = format!(
        "{{ \"x\": 1e5,\t\"input\" : [ {{\"type\": \"function_call\", \"call_id\":\"{call}\" , \"n\": 1.50}}, {{\"role\": \"user\"}}\n] , \"y\": \"\\u0041\" }}"
    );
    let new = sanitise(ClientApi::Responses, body.as_bytes(), &to("p", false), &wrote).unwrap();
    assert_eq!(String::from_utf8(new).unwrap(), body.replace(&call, "a"));
}

#[test]
fn another_s_reasoning_items_go_and_one_s_own_are_opened() {
    let body = items(json!([
        {"role": "user", "content": "a"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "q-1"},
        {"type": "reasoning", "id": "ours", "summary": [], "encrypted_content": seal("P", OpaqueKind::Encrypted, "v", Some("rs_9"))},
        {"type": "reasoning", "summary": [], "encrypted_content": seal("p", OpaqueKind::Encrypted, "w", Some("rs_8"))},
        {"type": "reasoning", "id": "o", "summary": [], "encrypted_content": seal("q", OpaqueKind::Encrypted, "v", None)},
        {"type": "reasoning", "id": "o", "summary": [], "encrypted_content": seal("p", OpaqueKind::Signature, "v", None)},
        {"type": "reasoning", "id": "o", "summary": [], "encrypted_content": "pl1.broken"},
        {"type": "reasoning", "id": "q-rs", "summary": []},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]));
    let expected = items(json!([
        {"role": "user", "content": "a"},
        {"type": "reasoning", "id": "rs_9", "summary": [], "encrypted_content": "v"},
        {"type": "reasoning", "id": "rs_8", "summary": [], "encrypted_content": "w"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
    ]));
    check(ClientApi::Responses, &to("p", false), body, Some(expected));
}

#[test]
fn openai_itself_gets_no_thoughts_that_it_cannot_find_or_read() {
    let open = json!([{"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}]}]);
    check(ClientApi::Responses, &to("p", true), items(open.clone()), Some(items(json!([]))));
    check(ClientApi::Responses, &to("p", false), items(open), None);
    let mut body = items(json!([{"type": "reasoning", "id": "rs_1", "summary": [], "content": null}]));
    check(ClientApi::Responses, &to("p", true), body.clone(), None);
    body["store"] = json!(false);
    let mut expected = items(json!([]));
    expected["store"] = json!(false);
    check(ClientApi::Responses, &to("p", true), body, Some(expected));
}

#[test]
fn another_s_signatures_go_with_their_blocks() {
    let carried = Opaque { provider: None, kind: OpaqueKind::ThoughtSignature, value: "s".into(), id: None }.on_id("a");
    let body = json!({"messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "q-1"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "t", "signature": "q-1"},
            {"type": "thinking", "thinking": "t", "signature": seal("p", OpaqueKind::Signature, "v", None)},
            {"type": "thinking", "thinking": "t", "signature": seal("p", OpaqueKind::Encrypted, "v", None)},
            {"type": "thinking", "thinking": "unsigned", "signature": ""},
            {"type": "redacted_thinking", "data": seal("p", OpaqueKind::Redacted, "r", None)},
            {"type": "tool_use", "id": carried, "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": carried, "content": "1"}]},
    ]});
    let expected = |unsigned: bool| {
        let mut blocks = vec![json!({"type": "thinking", "thinking": "t", "signature": "v"})];
        if unsigned {
            blocks.push(json!({"type": "thinking", "thinking": "unsigned", "signature": ""}));
        }
        blocks.push(json!({"type": "redacted_thinking", "data": "r"}));
        blocks.push(json!({"type": "tool_use", "id": "a", "name": "f", "input": {}}));
        json!({"messages": [
            {"role": "user", "content": "hi"}, {"role": "assistant", "content": blocks},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "1"}]},
        ]})
    };
    check(ClientApi::Messages, &to("p", false), body.clone(), Some(expected(true)));
    check(ClientApi::Messages, &to("p", true), body, Some(expected(false)));
}

#[test]
fn anthropic_does_not_think_on_where_the_thoughts_of_the_turn_went() {
    let body = |thinking: &str, blocks: Value| {
        json!({"thinking": {"type": thinking, "budget_tokens": 2000}, "messages": [
            {"role": "assistant", "content": blocks},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a"}]}]})
    };
    let call = json!({"type": "tool_use", "id": "a", "name": "f", "input": {}});
    let foreign = json!({"type": "thinking", "thinking": "t", "signature": "q-1"});
    let mut expected = body("enabled", json!([call]));
    expected["thinking"] = json!({"type": "disabled"});
    check(ClientApi::Messages, &to("p", true), body("enabled", json!([foreign, call])), Some(expected));
    let expected = body("adaptive", json!([call]));
    check(ClientApi::Messages, &to("p", true), body("adaptive", json!([foreign, call])), Some(expected));
    let expected = body("enabled", json!([call]));
    check(ClientApi::Messages, &to("p", false), body("enabled", json!([foreign, call])), Some(expected));
}

#[test]
fn chat_s_details_and_carried_signatures() {
    let carried = Opaque { provider: None, kind: OpaqueKind::ThoughtSignature, value: "s".into(), id: None }.on_id("a");
    let body = json!({"messages": [
        {"role": "assistant", "reasoning_details": [{"type": "reasoning.encrypted", "data": seal("q", OpaqueKind::Encrypted, "v", None)},
            {"type": "reasoning.encrypted", "data": "q-1"}, {"type": "reasoning.text", "text": "t", "signature": "p-1"},
            {"type": "reasoning.encrypted", "data": seal("p", OpaqueKind::Detail, "{\"own\":1}", None)}],
            "tool_calls": [{"id": carried, "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": carried, "content": "1"},
    ]});
    let expected = json!({"messages": [
        {"role": "assistant", "reasoning_details": [{"type": "reasoning.text", "text": "t", "signature": "p-1"}, {"own": 1}],
            "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]});
    check(ClientApi::Chat, &to("p", false), body, Some(expected));
}

#[test]
fn pages_that_another_provider_cited_are_no_search_results_of_anthropic_s() {
    let cited = |index: &str| {
        let citation =
            json!({"type": "web_search_result_location", "url": "https://example.org", "encrypted_index": index});
        let text = |citations: Value| json!({"type": "text", "text": "a", "citations": citations});
        let body = |citations| json!({"messages": [{"role": "assistant", "content": [text(citations)]}]});
        (body(json!([citation])), body(Value::Null))
    };
    let (ours, without) = cited("pl1.");
    check(ClientApi::Messages, &to("p", true), ours, Some(without));
    check(ClientApi::Messages, &to("p", true), cited("Eo8BCioIBhgB").0, None);
}
