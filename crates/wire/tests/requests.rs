//! Requests as no client should send them: every one is read or refused, and what is read is what the writers count on.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "requests/mod.rs"]
mod requests;

use proptest::prelude::*;
use serde_json::{Value, json};

/// Bodies with something of everything.
fn bodies() -> Vec<Value> {
    let carried = "a~pl1.eyJwIjoiZyIsImsiOiJ0aG91Z2h0LXNpZ25hdHVyZSIsInYiOiJzIn0";
    let sealed = "pl1.eyJwIjoicCIsImsiOiJzaWduYXR1cmUiLCJ2IjoicyJ9";
    let png = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAAB";
    vec![
        json!({"model": "m", "stream": true, "stream_options": {"include_usage": true}, "max_tokens": 9, "stop": ["a"],
        "reasoning": {"effort": "low"}, "thinking": {"type": "enabled"}, "logprobs": true, "top_logprobs": 2,
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}},
            {"type": "custom", "custom": {"name": "c", "format": {"type": "grammar", "grammar": {"syntax": "lark"}}}}],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"function": {"name": "f"}}]}},
        "functions": [{"name": "g"}], "function_call": "auto",
        "messages": [
            {"role": "system", "content": "s"}, {"role": "developer", "content": [{"type": "text", "text": "d"}]},
            {"role": "user", "name": "n", "content": [{"type": "image_url", "image_url": {"url": png}},
                {"type": "file", "file": {"file_data": "aGk="}}, {"type": "input_audio", "input_audio": {"format": "wav", "data": "x"}}]},
            {"role": "assistant", "content": "t", "refusal": "r", "reasoning_content": "h",
                "reasoning_details": [{"type": "reasoning.encrypted", "data": sealed}, {"type": "reasoning.text", "text": "t", "signature": "s"}],
                "tool_calls": [{"id": carried, "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "type": "custom", "custom": {"name": "c", "input": "x"}}]},
            {"role": "tool", "tool_call_id": carried, "content": "1"}, {"role": "tool", "content": [{"type": "text", "text": "2"}]},
            {"role": "assistant", "function_call": {"name": "g", "arguments": "{}"}}, {"role": "function", "name": "g", "content": "3"},
        ]}),
        json!({"model": "m", "instructions": "i", "store": false, "include": ["reasoning.encrypted_content"], "max_output_tokens": 16,
        "reasoning": {"effort": "high", "summary": "auto"}, "text": {"format": {"type": "json_object"}, "verbosity": "low"},
        "tools": [{"type": "function", "name": "f", "parameters": {}}, {"type": "custom", "name": "c"}, {"type": "web_search"},
            {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "g"}]}],
        "tool_choice": {"type": "function", "name": "g", "namespace": "ns"},
        "input": [
            {"role": "developer", "content": "d"}, {"type": "message", "role": "user", "content": [
                {"type": "input_text", "text": "u"}, {"type": "input_image", "image_url": png}, {"type": "input_file", "file_id": "f"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}], "content": null, "encrypted_content": sealed},
            {"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "t"}], "encrypted_content": "gAAAAA"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "a"}, {"type": "refusal", "refusal": "r"}]},
            {"type": "function_call", "call_id": carried, "name": "g", "namespace": "ns", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "c", "name": "c", "input": "x"},
            {"type": "function_call_output", "call_id": carried, "output": [{"type": "input_text", "text": "1"}]},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "2"}, {"type": "web_search_call"},
            {"type": "local_shell_call", "call_id": "l", "action": {"command": ["ls"]}},
            {"type": "local_shell_call_output", "id": "l", "output": "x"},
            {"type": "tool_search_output", "call_id": "s", "tools": [{"type": "function", "name": "h"}]},
        ]}),
        json!({"model": "m", "max_tokens": 9, "thinking": {"type": "enabled", "budget_tokens": 5}, "output_config": {"effort": "low"},
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}], "stop_sequences": ["x"],
        "tools": [{"name": "f", "input_schema": {}}, {"type": "web_search_20250305", "name": "w"}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": true}, "metadata": {"user_id": "u"},
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "u"}, {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "t"}]}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQSkZJRgABAQ"}}]},
            {"role": "system", "content": "s"},
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": sealed}, {"type": "thinking", "thinking": "t", "signature": "bare"},
                {"type": "redacted_thinking", "data": "abc"}, {"type": "text", "text": "a"}, {"type": "tool_use", "id": carried, "name": "f", "input": {"x": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": carried, "is_error": true, "content": [{"type": "text", "text": "1"}]}]},
        ]}),
    ]
}

/// How many values there are in one.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(size).sum(),
        Value::Object(map) => map.values().map(size).sum(),
        _ => 0,
    }
}

/// Puts `new` in place of the value of this number; none: takes it out.
fn put(value: &mut Value, at: &mut usize, new: &Option<Value>) -> bool {
    if *at == 0 {
        if let Some(new) = new {
            value.clone_from(new);
        }
        return new.is_none();
    }
    *at -= 1;
    match value {
        Value::Array(list) => {
            for index in 0..list.len() {
                let inner = size(&list[index]);
                if *at < inner {
                    if put(&mut list[index], at, new) {
                        list.remove(index);
                    }
                    return false;
                }
                *at -= inner;
            }
        }
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().cloned().collect();
            for key in keys {
                let inner = size(&map[&key]);
                if *at < inner {
                    if put(&mut map[&key], at, new) {
                        map.remove(&key);
                    }
                    return false;
                }
                *at -= inner;
            }
        }
        _ => {}
    }
    false
}

fn any_value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "",
        "text",
        "function",
        "custom",
        "reasoning",
        "thinking",
        "tool_use",
        "tool_result",
        "assistant",
        "user",
        "pl1.",
        "a~pl1.",
        "a~pl1.x",
        "~pl1.eyJwIjpudWxsLCJrIjoiZGV0YWlsIiwidiI6IiJ9",
        "data:",
        "data:,",
        "data:;base64,",
        "\u{0}é%",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        word.prop_map(Into::into),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        let key = prop::sample::select(vec!["type", "text", "id", "name", "content", "role", "data", "call_id"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            prop::collection::vec((key, inner), 0..3).prop_map(|pairs| Value::Object(
                pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
            )),
        ]
    })
}

#[test]
fn each_body_is_read_by_its_own_api() {
    use pilotlight_wire::ClientApi::{Chat, Messages, Responses};
    for (api, body) in [Chat, Responses, Messages].into_iter().zip(bodies()) {
        let body = body.to_string();
        requests::check(body.as_bytes());
        let read = pilotlight_wire::translate::read_request(api, body.as_bytes());
        assert!(read.is_ok(), "{api:?}: {:?}", read.unwrap_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_body_with_anything_wrong_in_it_is_read_or_refused(
        which in 0..3_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::option::weighted(0.8, any_value())), 1..4),
    ) {
        let mut body = bodies().swap_remove(which);
        for (at, new) in changes {
            let mut at = at.index(size(&body) - 1) + 1;
            put(&mut body, &mut at, &new);
        }
        requests::check(body.to_string().as_bytes());
    }

    #[test]
    fn bytes_of_any_kind_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..60), which in 0..3_usize, at in any::<prop::sample::Index>()) {
        requests::check(&bytes);
        let body = bodies().swap_remove(which).to_string();
        let at = at.index(body.len());
        bytes.truncate(2);
        requests::check(&[&body.as_bytes()[..at], bytes.as_slice(), &body.as_bytes()[at..]].concat());
        requests::check(&body.as_bytes()[..at]);
    }
}
