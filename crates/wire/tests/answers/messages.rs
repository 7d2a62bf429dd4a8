//! Messages upstreams.

use pilotlight_wire::UpstreamApi;
use serde_json::{Value, json};

use super::{read_text, read_whole};

const API: UpstreamApi = UpstreamApi::AnthropicMessages;

fn read(payloads: &[Value]) -> Vec<String> {
    super::read(&API, payloads)
}

fn message_start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "model": "m", "content": [], "stop_reason": null}})
}

fn start(index: u64, block: Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn tool(input: Value) -> Value {
    json!({"type": "tool_use", "id": "toolu_1", "name": "a", "input": input})
}

fn delta(index: u64, kind: &str, key: &str, value: &str) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, key: value}})
}

fn words(text: &str) -> Value {
    delta(0, "text_delta", "text", text)
}

fn arguments(text: &str) -> Value {
    delta(0, "input_json_delta", "partial_json", text)
}

fn stop_block() -> Value {
    json!({"type": "content_block_stop", "index": 0})
}

fn end(reason: &str) -> Vec<Value> {
    let delta = json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null}});
    vec![delta, json!({"type": "message_stop"})]
}

/// What lies between the beginning and the end.
fn between(payloads: &[Value], reason: &str) -> Vec<String> {
    let mut events = read(&[&[message_start()], payloads, &end(reason)].concat());
    assert_eq!(events.remove(0), "start msg_1 m");
    events
}

#[test]
fn arguments_in_pieces_in_the_blocks_beginning_or_none() {
    let told = ["call toolu_1 a {\"x\":1}", "finish ToolCalls"];
    let pieces = [start(0, tool(json!({}))), arguments(""), arguments("{\"x\""), arguments(":1}"), stop_block()];
    assert_eq!(between(&pieces, "tool_use"), told);
    assert_eq!(between(&[start(0, tool(json!({"x": 1}))), stop_block()], "tool_use"), told);
    assert_eq!(between(&[start(0, tool(json!({"x": 1})))], "tool_use"), told, "no end of the block");
    assert_eq!(between(&[start(0, tool(json!({"x": 1}))), arguments("{\"x\":1}"), stop_block()], "tool_use"), told);
    for input in [json!({}), Value::Null, json!("")] {
        let events = between(&[start(0, tool(input)), arguments(""), stop_block()], "tool_use");
        assert_eq!(events, ["call toolu_1 a", "finish ToolCalls"]);
    }
}

#[test]
fn numbers_of_any_size_stay_as_they_are() {
    let call = r#"{"type":"tool_use","id":"toolu_1","name":"a","input":{"n":12345678901234567890123,"x":1.50}}"#;
    let told = ["call toolu_1 a {\"n\":12345678901234567890123,\"x\":1.50}", "finish ToolCalls"];
    let body = format!("{{\"content\":[{call}],\"stop_reason\":\"tool_use\"}}");
    assert_eq!(read_whole(&API, &body)[1..], told);
    let stream = format!(
        "data: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{call}}}\n\ndata: {{\"type\":\"message_stop\"}}\n\n"
    );
    assert_eq!(read_text(&API, &stream), told);
}

#[test]
fn thoughts_and_their_signature() {
    let thinking = start(0, json!({"type": "thinking", "thinking": "", "signature": ""}));
    let events = between(
        &[
            thinking.clone(),
            delta(0, "thinking_delta", "thinking", "Hm"),
            delta(0, "thinking_delta", "thinking", "."),
            delta(0, "signature_delta", "signature", "Eq"),
            delta(0, "signature_delta", "signature", "=="),
            stop_block(),
            thinking.clone(),
            delta(1, "signature_delta", "signature", "omitted"),
            stop_block(),
            start(2, json!({"type": "redacted_thinking", "data": "EmwK"})),
            stop_block(),
            thinking,
            delta(0, "thinking_delta", "thinking", "unsigned"),
            stop_block(),
            start(3, json!({"type": "text", "text": ""})),
            words("Yes"),
            stop_block(),
        ],
        "end_turn",
    );
    let told = [
        "reasoning Hm. [Signature Eq==]",
        "reasoning [Signature omitted]",
        "reasoning [Redacted EmwK]",
        "reasoning unsigned",
        "text Yes",
        "finish Stop",
    ];
    assert_eq!(events, told);
}

#[test]
fn thoughts_words_and_calls_on_one_index() {
    let events = between(
        &[
            start(0, json!({"type": "thinking", "thinking": ""})),
            delta(0, "thinking_delta", "thinking", "Hm."),
            words("Yes"),
            start(0, tool(json!({}))),
            arguments("{\"x\":1}"),
        ],
        "end_turn",
    );
    assert_eq!(events, ["reasoning Hm.", "text Yes", "call toolu_1 a {\"x\":1}", "finish ToolCalls"]);
}

#[test]
fn a_message_that_begins_twice_has_one_start() {
    let text = start(0, json!({"type": "text", "text": ""}));
    let events = between(&[message_start(), text.clone(), words("a"), message_start(), text, words("b")], "end_turn");
    assert_eq!(events, ["text a", "text b", "finish Stop"]);
}

#[test]
fn nothing_follows_the_end() {
    let surplus = [message_start(), words("b"), stop_block(), json!({"type": "error", "error": {"message": "late"}})];
    let whole = [vec![message_start(), words("a")], end("end_turn"), surplus.to_vec(), end("max_tokens")].concat();
    assert_eq!(read(&whole), ["start msg_1 m", "text a", "finish Stop"]);
}

#[test]
fn a_call_that_begins_anew_goes_on_where_it_broke_off() {
    let again = |first: &str, second: &[&str]| {
        let mut payloads =
            vec![start(0, tool(json!({}))), arguments(first), message_start(), start(0, tool(json!({})))];
        payloads.extend(second.iter().map(|piece| arguments(piece)));
        payloads.push(stop_block());
        between(&payloads, "tool_use")
    };
    let told = ["call toolu_1 a {\"x\":12}", "finish ToolCalls"];
    assert_eq!(again("{\"x\":1", &["{\"x", "\":12}"]), told);
    assert_eq!(again("", &["{\"x\":12}"]), told);
    assert_eq!(again("{\"x\":12}", &["{\"x\":12", "}"]), told);
    for second in [&["{\"y\":1}"][..], &["{\"x"], &[]] {
        let events = again("{\"x\":1", second);
        assert!(events.last().unwrap().starts_with("failed - the upstream began its message anew"), "{events:?}");
    }
    let events = between(&[start(0, tool(json!({}))), arguments("{"), message_start()], "tool_use");
    assert!(events.last().unwrap().starts_with("failed"), "the call never came again: {events:?}");
}

#[test]
fn a_message_that_begins_with_all_of_its_content() {
    let message = json!({
        "id": "msg_1", "model": "m", "type": "message", "role": "assistant", "stop_reason": "tool_use",
        "usage": {"input_tokens": 7, "output_tokens": 2},
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "Eq"},
            {"type": "text", "text": "Yes", "citations": [{"type": "web_search_result_location", "url": "u", "title": "t"}]},
            {"type": "server_tool_use", "name": "web_search", "input": {}},
            tool(json!({"x": 1})),
        ],
    });
    let told = [
        "start msg_1 m 7",
        "reasoning Hm. [Signature Eq]",
        "text Yes<u t>",
        "dropped server_tool_use",
        "call toolu_1 a {\"x\":1}",
        "finish ToolCalls",
    ];
    assert_eq!(read(&[json!({"type": "message_start", "message": message}), json!({"type": "message_stop"})]), told);
    assert_eq!(read_whole(&API, &message.to_string()), told);
}

#[test]
fn reasons_to_end() {
    let table = [
        ("end_turn", "finish Stop"),
        ("tool_use", "finish Stop"),
        ("max_tokens", "finish Length"),
        ("refusal", "finish Refusal"),
        ("pause_turn", "finish Pause"),
        ("model_context_window_exceeded", "finish ContextFull"),
        ("stop_sequence", "finish StopSequence(None)"),
        ("new", "finish Other(\"new\")"),
        ("", "finish Stop"),
    ];
    for (reason, finish) in table {
        assert_eq!(between(&[words("a")], reason), ["text a", finish], "{reason}");
    }
    let stop = json!({"type": "message_delta", "delta": {"stop_reason": "stop_sequence", "stop_sequence": "END"}});
    let events = read(&[stop, json!({"type": "message_stop"})]);
    assert_eq!(events, ["finish StopSequence(Some(\"END\"))"]);
}

#[test]
fn input_counted_in_the_beginning_at_the_end_or_both() {
    let started =
        |usage: Value| json!({"type": "message_start", "message": {"id": "msg_1", "model": "m", "usage": usage}});
    let ended = |usage: Value| json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage});
    let table = [
        (json!({"input_tokens": 43, "output_tokens": 1}), json!({"output_tokens": 9}), "43+0r+0w 9 (0)"),
        (
            json!({"input_tokens": 43, "output_tokens": 1}),
            json!({"input_tokens": 61, "output_tokens": 9}),
            "61+0r+0w 9 (0)",
        ),
        (
            json!({"input_tokens": 0, "output_tokens": 0}),
            json!({"input_tokens": 61, "output_tokens": 9}),
            "61+0r+0w 9 (0)",
        ),
        (
            json!({"input_tokens": 6, "cache_creation_input_tokens": 33, "cache_read_input_tokens": 62, "output_tokens": 1}),
            json!({"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}),
            "6+62r+33w 9 (4)",
        ),
    ];
    for (first, last, told) in table {
        let events = read(&[started(first), ended(last), json!({"type": "message_stop"})]);
        assert_eq!(events[1..], [format!("usage {told}"), "finish Stop".to_owned()]);
    }
}

#[test]
fn the_servers_own_tools_are_dropped_and_citations_told() {
    let citation = json!({"type": "content_block_delta", "index": 2, "delta": {"type": "citations_delta", "citation": {"type": "web_search_result_location", "url": "u", "title": "t"}}});
    let passage = json!({"type": "content_block_delta", "index": 2, "delta": {"type": "citations_delta", "citation": {"type": "char_location", "document_index": 0}}});
    let events = between(
        &[
            start(0, json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}})),
            arguments("{\"query\":\"x\"}"),
            stop_block(),
            start(1, json!({"type": "web_search_tool_result", "content": []})),
            stop_block(),
            start(2, json!({"type": "text", "text": "", "citations": []})),
            citation.clone(),
            words("Yes"),
            citation,
            passage,
            stop_block(),
        ],
        "end_turn",
    );
    let told = [
        "dropped server_tool_use",
        "dropped web_search_tool_result",
        "dropped citations",
        "text Yes<u t><u t>",
        "finish Stop",
    ];
    assert_eq!(events, told);
}

#[test]
fn failures() {
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let events = read(&[message_start(), words("a"), overloaded, json!({"type": "message_stop"})]);
    assert_eq!(events, ["start msg_1 m", "open text a", "failed overloaded_error Overloaded"]);
    let table = [
        ("event: error\ndata: {\"error\":{\"message\":\"m\"},\"message\":\"m\"}\n\n", "failed - m"),
        ("event: ping\ndata: {\"type\":\"ping\"}\n\n", "failed - the stream ended before its answer did"),
        ("{\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}", "failed api_error m"),
        ("data: nonsense\n\n", "failed - an event whose data is not JSON: expected ident at line 1 column 2"),
    ];
    for (text, failed) in table {
        assert_eq!(read_text(&API, text), [failed], "{text}");
    }
    for body in ["", "<html>", "{\"error\":\"m\"}", "{\"id\":\"msg_1\"}", "[]"] {
        let events = read_whole(&API, body);
        assert!(events.len() == 1 && events[0].starts_with("failed"), "{body}: {events:?}");
    }
    // A reason without the terminal: the stream was cut all the same.
    let events = read(&[message_start(), words("a"), end("end_turn").remove(0)]);
    assert_eq!(events.last().unwrap(), "failed - the stream ended before its answer did");
}

#[test]
fn events_are_known_by_their_name_where_they_have_no_type() {
    let text = "event: content_block_delta\ndata: {\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n\
                event: message_stop\ndata: {}\n\nevent: ping\ndata: {}\n\n";
    assert_eq!(read_text(&API, text), ["text a", "finish Stop"]);
}
