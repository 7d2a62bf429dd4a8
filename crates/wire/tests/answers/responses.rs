//! Responses upstreams.

use pilotlight_wire::UpstreamApi;
use serde_json::{Value, json};

use super::{read_text, read_whole};

const API: UpstreamApi = UpstreamApi::OpenaiResponses;

fn read(payloads: &[Value]) -> Vec<String> {
    super::read(&API, payloads)
}

fn completed(output: Value) -> Value {
    json!({"type": "response.completed", "response": {"id": "resp_1", "model": "m", "status": "completed", "output": output}})
}

fn call(id: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": format!("call_{id}"), "name": id, "arguments": arguments})
}

fn added(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn done(index: u64, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

/// LM Studio sends no deltas of arguments.
#[test]
fn arguments_that_come_only_when_they_are_done() {
    let events = read(&[
        json!({"type": "response.created", "response": {"id": "resp_1", "model": "m"}}),
        added(0, call("weather", "")),
        json!({"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{\"city\":\"Rome\"}"}),
        done(0, call("weather", "{\"city\":\"Rome\"}")),
        completed(json!([call("weather", "{\"city\":\"Rome\"}")])),
    ]);
    assert_eq!(events, ["start resp_1 m", "call call_weather weather {\"city\":\"Rome\"}", "finish ToolCalls"]);
}

#[test]
fn arguments_that_come_only_with_the_item_or_as_an_object() {
    let mut item = call("weather", "");
    item["arguments"] = json!({"city": "Rome"});
    let told = ["call call_weather weather {\"city\":\"Rome\"}", "finish ToolCalls"];
    assert_eq!(read(&[added(0, call("weather", "")), done(0, item.clone()), completed(json!([]))]), told);
    assert_eq!(read(&[done(0, item), completed(json!([]))]), told);
}

#[test]
fn arguments_of_parallel_calls_do_not_mix() {
    let delta = |index: u64, text: &str| json!({"type": "response.function_call_arguments.delta", "output_index": index, "delta": text});
    let events = read(&[
        added(0, call("a", "")),
        added(1, call("b", "")),
        delta(1, "{\"b\""),
        delta(0, "{\"a\":"),
        delta(1, ":2}"),
        delta(0, "1}"),
        done(1, call("b", "{\"b\":2}")),
        done(0, call("a", "{\"a\":1}")),
        completed(json!([call("a", "{\"a\":1}"), call("b", "{\"b\":2}")])),
    ]);
    assert_eq!(events, ["call call_a a {\"a\":1}", "call call_b b {\"b\":2}", "finish ToolCalls"]);
}

/// llama-server leaves `output_index` out, and the id of its deltas is the call's.
#[test]
fn items_without_a_place_are_found_by_their_id_or_their_kind() {
    let events = read(&[
        json!({"type": "response.output_item.added", "item": {"type": "message", "id": "msg_1"}}),
        json!({"type": "response.output_text.delta", "item_id": "msg_1", "delta": "Well, "}),
        json!({"type": "response.output_text.delta", "item_id": "msg_2", "delta": "yes"}),
        json!({"type": "response.output_item.done", "item": {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Well, yes"}]}}),
        json!({"type": "response.output_item.added", "item": {"type": "function_call", "call_id": "fc_9", "name": "a", "arguments": ""}}),
        json!({"type": "response.function_call_arguments.delta", "item_id": "fc_9", "delta": "{\"x\":1}"}),
        json!({"type": "response.output_item.done", "item": {"type": "function_call", "call_id": "fc_9", "name": "a", "arguments": "{\"x\":1}"}}),
        completed(json!([])),
    ]);
    assert_eq!(events, ["text Well, yes", "call fc_9 a {\"x\":1}", "finish ToolCalls"]);
}

#[test]
fn a_call_without_an_id_gets_one() {
    let item = json!({"type": "function_call", "name": "a", "arguments": "{}"});
    let events = read(&[done(0, item.clone()), completed(json!([]))]);
    let id = events[0].split(' ').nth(1).unwrap();
    assert!(id.starts_with("call_") && id.len() > 12, "{events:?}");
    assert_eq!(read(&[done(0, item), completed(json!([]))])[0], events[0], "the same answer has the same");
}

/// LM Studio before 0.3.39.
#[test]
fn thoughts_in_one_shot_are_told_once_and_apart_from_the_words() {
    let thoughts = json!({"type": "reasoning", "id": "rs_1", "content": [{"type": "reasoning_text", "text": "Hm."}], "summary": []});
    let events = read(&[
        added(0, json!({"type": "reasoning", "id": "rs_1"})),
        json!({"type": "response.reasoning_text.done", "output_index": 0, "content_index": 0, "text": "Hm."}),
        json!({"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": {"type": "reasoning_text", "text": "Hm."}}),
        done(0, thoughts.clone()),
        added(1, json!({"type": "message"})),
        json!({"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Yes."}),
        completed(json!([thoughts, {"type": "message", "content": [{"type": "output_text", "text": "Yes."}]}])),
    ]);
    assert_eq!(events, ["reasoning Hm.", "text Yes.", "finish Stop"]);
}

#[test]
fn paragraphs_of_a_summary_are_blocks_and_the_last_is_sealed() {
    let delta = |index: u64, text: &str| json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": index, "delta": text});
    let item = json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "summary": [{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}]});
    let events = read(&[
        added(0, json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gA"})),
        delta(0, "On"),
        delta(0, "e."),
        delta(1, "Two."),
        done(0, item.clone()),
        completed(json!([item])),
    ]);
    assert_eq!(events, ["summary One.", "summary Two. [Encrypted gAAA of rs_1]", "finish Stop"]);
    let bare = json!({"type": "reasoning", "id": "rs_2", "encrypted_content": "gB", "summary": []});
    assert_eq!(read(&[done(0, bare), completed(json!([]))]), ["reasoning [Encrypted gB of rs_2]", "finish Stop"]);
}

#[test]
fn ids_that_change_with_every_event_do_not_matter() {
    let part = |id: &str, text: &str| json!({"type": "response.output_text.delta", "item_id": id, "output_index": 0, "content_index": 0, "delta": text});
    let message = |id: &str| json!({"type": "message", "id": id, "content": [{"type": "output_text", "text": "ab"}]});
    let events = read(&[
        added(0, json!({"type": "message", "id": "1", "content": []})),
        part("2", "a"),
        part("3", "b"),
        done(0, message("4")),
        completed(json!([message("5")])),
    ]);
    assert_eq!(events, ["text ab", "finish Stop"]);
}

#[test]
fn an_empty_or_partial_output_at_the_end_takes_nothing_away() {
    let events = [
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}),
        done(1, call("a", "{}")),
    ];
    let told = ["text a", "call call_a a", "finish ToolCalls"];
    for output in [json!([]), json!([call("a", "{}")]), Value::Null] {
        assert_eq!(read(&[&events[..], &[completed(output)]].concat()), told);
    }
}

#[test]
fn what_only_the_response_at_the_end_holds_is_told() {
    let output = json!([
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]},
        {"type": "message", "content": [{"type": "output_text", "text": "a", "annotations": [{"type": "url_citation", "url": "u", "title": "t"}]}]},
        {"type": "web_search_call"},
        call("a", "{\"x\":1}"),
        call("b", ""),
    ]);
    let told = [
        "reasoning Hm.",
        "text a<u t>",
        "dropped web_search_call",
        "call call_a a {\"x\":1}",
        "call call_b b",
        "finish ToolCalls",
    ];
    let mut whole = vec!["start resp_1 m"];
    whole.extend(told);
    assert_eq!(read(&[completed(output.clone())]), whole);
    let some = [
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "delta": "Hm."}),
        completed(output.clone()),
    ];
    assert_eq!(read(&some), told);
    assert_eq!(read_whole(&API, &completed(output)["response"].to_string()), whole);
}

#[test]
fn a_free_form_tool() {
    let item =
        |input: &str| json!({"type": "custom_tool_call", "call_id": "call_1", "name": "apply_patch", "input": input});
    let delta = |text: &str| json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": text});
    let told = ["custom call_1 apply_patch *** Begin", "finish ToolCalls"];
    let end = [done(0, item("*** Begin")), completed(json!([]))];
    assert_eq!(read(&[&[added(0, item("")), delta("*** "), delta("Begin")], &end[..]].concat()), told);
    let input = json!({"type": "response.custom_tool_call_input.done", "output_index": 0, "input": "*** Begin"});
    assert_eq!(read(&[&[added(0, item("")), input], &end[..]].concat()), told);
    assert_eq!(read(&end), told);
}

#[test]
fn a_refusal() {
    let part = json!({"type": "refusal", "refusal": "I will not."});
    let events = read(&[
        json!({"type": "response.refusal.delta", "output_index": 0, "content_index": 0, "delta": "I will not."}),
        json!({"type": "response.content_part.done", "output_index": 0, "content_index": 0, "part": part}),
        completed(json!([{"type": "message", "content": [part]}])),
    ]);
    assert_eq!(events, ["refusal I will not.", "finish Refusal"]);
}

#[test]
fn reasons_to_end() {
    let table = [
        (json!({"status": "completed"}), "finish Stop"),
        (json!({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}), "finish Length"),
        (json!({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}), "finish ContentFilter"),
        (json!({"status": "incomplete", "incomplete_details": {"reason": "new"}}), "finish Other(\"new\")"),
        (json!({"status": "incomplete", "incomplete_details": null}), "finish Other(\"incomplete\")"),
        (json!({"status": "failed", "error": {"code": "server_error", "message": "m"}}), "failed server_error m"),
        (json!({"status": "cancelled"}), "failed - the response ended as cancelled without saying why"),
        (json!({"status": "in_progress"}), "failed - the response ended as in_progress without saying why"),
    ];
    for (mut response, last) in table {
        response["output"] = json!([]);
        let kind = if response["status"] == "incomplete" { "response.incomplete" } else { "response.completed" };
        let events = read(&[json!({"type": kind, "response": response})]);
        assert_eq!(events.last().unwrap(), last, "{response}");
        assert_eq!(read_whole(&API, &response.to_string()).last().unwrap(), last, "{response}");
    }
}

#[test]
fn one_failure_however_it_is_said() {
    let started = json!({"type": "response.created", "response": {"id": "resp_1", "model": "m"}});
    let nested =
        json!({"type": "error", "error": {"type": "t", "code": "context_length_exceeded", "message": "too long"}});
    let flat = json!({"type": "error", "code": "context_length_exceeded", "message": "too long", "param": null});
    let response = json!({"type": "response.failed", "response": {"status": "failed", "error": {"code": "context_length_exceeded", "message": "too long"}}});
    let told = ["start resp_1 m", "failed context_length_exceeded too long"];
    for failure in [&[nested.clone(), response.clone()][..], &[flat], &[response], &[nested]] {
        assert_eq!(read(&[std::slice::from_ref(&started), failure, &[completed(json!([]))]].concat()), told);
    }
}

#[test]
fn failures_without_the_form_of_the_api() {
    let table = [
        (
            "event: error\ndata: {\"error\":{\"message\":\"n_keep: 9 >= n_ctx: 4\"},\"message\":\"x\"}\n\n",
            "failed - n_keep: 9 >= n_ctx: 4",
        ),
        ("data: {\"error\":\"Model unloaded.\"}\n\n", "failed - Model unloaded."),
        ("{\"error\":\"Model unloaded.\"}", "failed - Model unloaded."),
        ("data: {\"type\":\"response.created\"\n\n", "failed - an event whose data is not JSON"),
        ("", "failed - the stream ended before its answer did"),
        (": ping\n\n: ping\n\n", "failed - the stream ended before its answer did"),
        ("proxy error: Failed to read connection", "failed - the stream ended before its answer did"),
        ("data: [DONE]\n\n", "failed - the stream ended before its answer did"),
    ];
    for (text, failed) in table {
        let events = read_text(&API, text);
        assert!(events.len() == 1 && events[0].starts_with(failed), "{text}: {events:?}");
    }
    for (body, failed) in [
        ("{\"error\":{\"message\":\"m\",\"code\":\"c\"}}", "failed c m"),
        ("<html>", "failed - no answer of its API: a web page in place of an answer"),
        ("", "failed - no answer of its API: an empty body"),
        ("{\"object\":\"response\"}", "failed - no answer of its API: {\"object\":\"response\"}"),
    ] {
        assert_eq!(read_whole(&API, body), [failed], "{body}");
    }
}

#[test]
fn a_stream_that_is_cut_has_failed_whatever_came_before() {
    let events = read(&[
        added(0, call("a", "")),
        json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{\"x"}),
    ]);
    assert_eq!(events, ["open call call_a a {\"x", "failed - the stream ended before its answer did"]);
}

#[test]
fn nothing_follows_the_end_and_a_done_does_no_harm() {
    let text = format!(
        ": ping\n\ndata: {}\n\ndata: {}\n\ndata: [DONE]\n\ndata: {}\n\n",
        json!({"type": "keepalive"}),
        completed(json!([])),
        json!({"type": "response.output_text.delta", "delta": "more"})
    );
    assert_eq!(read_text(&API, &text), ["start resp_1 m", "finish Stop"]);
}

#[test]
fn usage() {
    let mut end = completed(json!([]));
    end["response"]["usage"] = json!({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10}, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 105});
    let created = json!({"type": "response.created", "response": {"id": "resp_1", "model": "m", "usage": null}});
    assert_eq!(read(&[created, end]), ["start resp_1 m", "usage 30+60r+10w 5 (3)", "finish Stop"]);
}

#[test]
fn citations_are_told_once_and_those_of_files_are_dropped() {
    let page = json!({"type": "url_citation", "url": "u", "title": "t"});
    let file = json!({"type": "file_citation", "file_id": "f"});
    let annotation = |annotation: &Value| json!({"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation": annotation});
    let message =
        json!({"type": "message", "content": [{"type": "output_text", "text": "a", "annotations": [page, file]}]});
    let events = read(&[
        json!({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}),
        annotation(&page),
        annotation(&file),
        done(0, message.clone()),
        completed(json!([message])),
    ]);
    assert_eq!(events, ["dropped file_citation", "text a<u t>", "finish Stop"]);
}
