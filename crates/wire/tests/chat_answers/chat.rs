//! What servers of the Chat API really send, and what it means. Each case is one that some server was seen to send.

use super::told::{asked, asked_minimax, lines, read, stream, told};
use pilotlight_wire::UpstreamApi;
use pilotlight_wire::translate::{Event, read_answer};
use serde_json::{Value, json};

const API: UpstreamApi = UpstreamApi::OpenaiCompletions;

/// Deltas as chunks of one answer.
fn deltas(deltas: &[Value]) -> Vec<Value> {
    let chunk = |delta: &Value| json!({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta}]});
    deltas.iter().map(chunk).collect()
}

/// A stream of these deltas, with its end.
fn answer(all: &[Value], finish_reason: Value) -> Vec<u8> {
    let mut chunks = deltas(all);
    chunks.push(
        json!({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}),
    );
    [stream(&chunks), b"data: [DONE]\n\n".to_vec()].concat()
}

#[track_caller]
fn check(all: &[Value], finish_reason: Value, expected: &[&str]) {
    assert_eq!(told(&asked(API), &answer(all, finish_reason)), expected);
}

/// Fragments of calls, a delta for each.
#[track_caller]
fn check_calls(fragments: &[Value], expected: &[&str]) {
    let all: Vec<Value> = fragments.iter().map(|fragment| json!({"tool_calls": [fragment]})).collect();
    check(&all, json!("tool_calls"), &[expected, &["finish ToolCalls"]].concat());
}

fn call(index: impl Into<Value>, id: impl Into<Value>, name: impl Into<Value>, arguments: impl Into<Value>) -> Value {
    let (index, id): (Value, Value) = (index.into(), id.into());
    let (name, arguments): (Value, Value) = (name.into(), arguments.into());
    let mut call = json!({"type": "function", "function": {}});
    for (key, value) in [("index", index), ("id", id)] {
        if !value.is_null() {
            call[key] = value;
        }
    }
    for (key, value) in [("name", name), ("arguments", arguments)] {
        if !value.is_null() {
            call["function"][key] = value;
        }
    }
    call
}

const NONE: Value = Value::Null;

#[test]
fn parallel_calls_with_an_index_each() {
    check_calls(
        &[
            call(0, "a", "add", ""),
            call(0, NONE, NONE, "{\"x\":"),
            call(0, NONE, NONE, "1}"),
            call(1, "b", "add", ""),
            call(1, NONE, NONE, "{\"x\":2}"),
        ],
        &["call a add {\"x\":1}", "call b add {\"x\":2}"],
    );
}

#[test]
fn fragments_that_are_interleaved() {
    check_calls(
        &[
            call(0, "a", "add", "{\"x\""),
            call(1, "b", "sub", "{\"y\""),
            call(0, NONE, NONE, ":1}"),
            call(1, NONE, NONE, ":2}"),
        ],
        &["call a add {\"x\":1}", "call b sub {\"y\":2}"],
    );
}

#[test]
fn every_call_has_the_index_0_or_none() {
    for index in [json!(0), NONE] {
        check_calls(
            &[
                call(index.clone(), "a", "add", "{\"x\":"),
                call(index.clone(), NONE, NONE, "1}"),
                call(index.clone(), "b", "add", "{\"x\":2}"),
            ],
            &["call a add {\"x\":1}", "call b add {\"x\":2}"],
        );
        // And no ids either.
        check_calls(
            &[call(index.clone(), NONE, "add", "{\"x\":1}"), call(index, NONE, "add", "{\"x\":2}")],
            &["call made add {\"x\":1}", "call made add {\"x\":2}"],
        );
    }
}

#[test]
fn several_whole_calls_in_one_event() {
    for (index, id) in [(NONE, NONE), (json!(0), NONE), (json!(0), json!("same"))] {
        let calls = json!({"tool_calls": [call(index.clone(), id.clone(), "now", ""), call(index, NONE, "now", "{}")]});
        let id = id.as_str().unwrap_or("made");
        let expected = [&format!("call {id} now"), "call made now", "finish ToolCalls"];
        check(&[calls], json!("tool_calls"), &expected);
    }
}

#[test]
fn id_and_name_with_every_fragment() {
    check_calls(
        &[
            call(0, "a", "add", "{\"x\":"),
            call(0, "a", "add", "1}"),
            call(0, "a", "add", ""),
            call(1, NONE, "sub", "{\"y\":"),
            call(1, NONE, "sub", "2}"),
        ],
        &["call a add {\"x\":1}", "call made sub {\"y\":2}"],
    );
}

#[test]
fn every_fragment_has_an_id_of_its_own() {
    check_calls(
        &[call(0, "a", "add", ""), call(0, "b", NONE, "{\"x\":"), call(0, "c", "", "1}")],
        &["call a add {\"x\":1}"],
    );
}

#[test]
fn empty_names_and_ids_after_the_first_fragment() {
    check_calls(&[call(0, "a", "add", "{"), call(0, "", "", "\"x\":1}")], &["call a add {\"x\":1}"]);
}

#[test]
fn every_call_has_the_tools_name_as_its_id() {
    check_calls(
        &[call(0, "add", "add", "{\"x\":1}"), call(1, "add", "add", "{\"x\":2}")],
        &["call add add {\"x\":1}", "call add_2 add {\"x\":2}"],
    );
}

#[test]
fn a_call_that_is_repeated_whole_at_the_end_is_one() {
    check_calls(
        &[call(0, "a", "add", "{\"x\":"), call(0, NONE, NONE, "1}"), call(0, "a", "add", "{\"x\":1}")],
        &["call a add {\"x\":1}"],
    );
}

#[test]
fn a_name_that_comes_late() {
    check_calls(
        &[call(0, "a", NONE, ""), call(0, NONE, NONE, "{\"x\""), call(0, NONE, "add", ":1}")],
        &["call a add {\"x\":1}"],
    );
    check(
        &[json!({"tool_calls": [call(0, "a", NONE, "{}")]})],
        json!("tool_calls"),
        &["dropped tool_calls", "finish Stop"],
    );
}

#[test]
fn calls_without_arguments() {
    for arguments in [json!(""), json!("{}"), json!({}), NONE] {
        check_calls(&[call(0, "a", "now", arguments)], &["call a now"]);
    }
    check_calls(&[call(0, "a", "add", "{}"), call(0, NONE, NONE, "{\"x\":1}")], &["call a add {\"x\":1}"]);
}

#[test]
fn arguments_that_are_an_object_keep_their_text() {
    let chunk = r#"data: {"id":"c1","choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"add","arguments":{"z":1.50,"x":12345678901234567890123}}}]},"finish_reason":"tool_calls"}]}"#;
    assert_eq!(
        told(&asked(API), format!("{chunk}\n\n").as_bytes()),
        ["call a add {\"z\":1.50,\"x\":12345678901234567890123}", "finish ToolCalls"]
    );
}

#[test]
fn whoever_calls_has_not_stopped() {
    for finish_reason in [json!("stop"), json!(""), NONE] {
        check(
            &[json!({"tool_calls": [call(0, "a", "now", "{}")]})],
            finish_reason,
            &["call a now", "finish ToolCalls"],
        );
    }
    let all = [
        json!({"function_call": {"name": "add", "arguments": ""}}),
        json!({"function_call": {"arguments": "{\"x\":1}"}}),
    ];
    check(&all, json!("function_call"), &["call made add {\"x\":1}", "finish ToolCalls"]);
}

#[test]
fn a_free_form_tool_is_called_with_text() {
    let custom = |name: Value, input: &str| json!({"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": name, "input": input}}]});
    check(
        &[custom(json!("patch"), "*** Begin"), custom(NONE, " {}")],
        json!("tool_calls"),
        &["custom a patch *** Begin {}", "finish ToolCalls"],
    );
}

#[test]
fn ids_that_are_made_up_are_the_same_for_the_same_answer_alone() {
    let ids = |answer: &str| -> Vec<Event> {
        let chunk = json!({"id": answer, "choices": [{"delta": {"tool_calls": [call(0, NONE, "a", ""), call(1, NONE, "b", "")]}, "finish_reason": "tool_calls"}]});
        let events = read(&asked(API), &stream(&[chunk]), usize::MAX);
        events.into_iter().filter(|event| matches!(event, Event::Begin(_))).collect()
    };
    assert_eq!(ids("one"), ids("one"));
    assert!(ids("one").iter().all(|id| !ids("two").contains(id)));
}

#[test]
fn thoughts_in_every_key_and_never_twice() {
    for key in ["reasoning_content", "reasoning", "reasoning_text", "thinking"] {
        let all = [json!({key: "h", "content": ""}), json!({key: "m"}), json!({"content": "yes"})];
        check(&all, json!("stop"), &["thought hm", "text yes", "finish Stop"]);
    }
    let twice = json!({"reasoning_content": "hm", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]});
    let again = json!({"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]});
    check(&[twice, again], json!("stop"), &["thought hm", "finish Stop"]);
}

#[test]
fn details_of_thoughts_are_kept_for_who_wrote_them() {
    let detail = |detail: Value| json!({"reasoning_details": [detail]});
    let all = [
        detail(json!({"type": "reasoning.text", "text": "hm", "format": "f", "index": 0})),
        detail(json!({"type": "reasoning.text", "text": "", "signature": "s1", "format": "f", "index": 0})),
        detail(json!({"type": "reasoning.summary", "summary": "so", "index": 1})),
        detail(json!({"type": "reasoning.encrypted", "data": "e1", "id": "r1", "index": 2})),
        detail(json!({"type": "reasoning.encrypted", "data": "e1", "id": "r1", "index": 2})),
        json!({"content": "yes"}),
    ];
    let expected = [
        r#"thought hm | Detail {"type":"reasoning.text","signature":"s1","format":"f","index":0}"#,
        r#"summary so | Detail {"type":"reasoning.encrypted","data":"e1","id":"r1","index":2}"#,
        "text yes",
        "finish Stop",
    ];
    check(&all, json!("stop"), &expected);
}

#[test]
fn thoughts_within_the_text() {
    let content = |pieces: &[&str]| pieces.iter().map(|piece| json!({"content": piece})).collect::<Vec<_>>();
    check(
        &content(&["<th", "ink>\nhm</", "think>\n\n", "yes"]),
        json!("stop"),
        &["thought hm", "text yes", "finish Stop"],
    );
    check(&content(&["It is <think>", "hm</think>"]), json!("stop"), &["text It is <think>hm</think>", "finish Stop"]);
    check(&content(&["<think>never"]), json!("length"), &["thought never", "finish Length"]);
    // What was held is told before a call.
    let all = [json!({"content": "<thin"}), json!({"tool_calls": [call(0, "a", "now", "{}")]})];
    check(&all, json!("tool_calls"), &["text <thin", "call a now", "finish ToolCalls"]);
}

#[test]
fn minimax_begins_inside_its_thoughts() {
    let check = |all: &[Value], expected: &[&str]| {
        assert_eq!(told(&asked_minimax(API), &answer(all, json!("stop"))), expected);
    };
    check(
        &[json!({"content": "hm\n</thi"}), json!({"content": "nk>\n\nyes"})],
        &["thought hm", "text yes", "finish Stop"],
    );
    check(&[json!({"content": "<think>hm</think>yes"})], &["thought hm", "text yes", "finish Stop"]);
    check(&[json!({"content": "hm"})], &["thought hm", "finish Stop"]);
    // A server that gives them apart has taken them out.
    check(
        &[json!({"content": "\n"}), json!({"reasoning_content": "hm"}), json!({"content": "yes"})],
        &["thought hm", "text \nyes", "finish Stop"],
    );
    let xml = "hm</think>Now.\n<minimax:tool_call>\n<invoke name=\"add\">\n<parameter name=\"x\">1</parameter>\n</invoke>\n</minimax:tool_call>";
    check(&[json!({"content": xml})], &["thought hm", "text Now.", "call made add {\"x\":1}", "finish ToolCalls"]);
}

#[test]
fn content_in_parts() {
    let all = [
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"type": "text", "text": "m"}]}]}),
        json!({"content": [{"type": "text", "text": "ye"}, {"type": "reference", "reference_ids": [1]}]}),
        json!({"content": "s"}),
    ];
    check(&all, json!("stop"), &["thought hm", "dropped reference", "text yes", "finish Stop"]);
}

#[test]
fn refusals() {
    let all = [json!({"content": null, "refusal": "No"}), json!({"refusal": "."})];
    check(&all, json!("stop"), &["refusal No.", "finish Refusal"]);
}

#[test]
fn pages_that_were_read() {
    let annotation =
        json!({"type": "url_citation", "url_citation": {"url": "https://a.test/", "title": "A", "start_index": 0}});
    let all = [json!({"content": "yes"}), json!({"content": "", "annotations": [annotation]})];
    check(&all, json!("stop"), &["cites https://a.test/ A", "text yes", "finish Stop"]);
    let mut chunks = deltas(&[json!({"content": "yes"}), json!({"content": " so"})]);
    for chunk in &mut chunks {
        chunk["citations"] = json!(["https://a.test/"]);
        chunk["search_results"] = json!([{"url": "https://a.test/", "title": "A"}]);
    }
    chunks[1]["choices"][0]["finish_reason"] = json!("stop");
    assert_eq!(told(&asked(API), &stream(&chunks)), ["cites https://a.test/ A", "text yes so", "finish Stop"]);
}

#[test]
fn a_signature_of_a_call() {
    let mut signed = call(0, "a", "now", "{}");
    signed["extra_content"] = json!({"google": {"thought_signature": "sig"}});
    check_calls(&[signed], &["call a now | ThoughtSignature sig"]);
}

#[test]
fn usage_in_any_event() {
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    let yes = || deltas(&[json!({"content": "yes"})]).remove(0);
    let stop = || json!({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let last = json!({"id": "c1", "choices": [], "usage": usage});
    let with = |mut chunk: Value, pointer: &str| {
        match pointer {
            "" => chunk["usage"] = usage.clone(),
            "x_groq" => chunk["x_groq"] = json!({"id": "r", "usage": usage}),
            _ => chunk["choices"][0]["usage"] = usage.clone(),
        }
        chunk
    };
    for chunks in [
        vec![yes(), stop(), last],
        vec![yes(), with(stop(), "")],
        vec![yes(), with(stop(), "x_groq")],
        vec![yes(), with(stop(), "choice")],
        vec![with(yes(), ""), with(stop(), "")],
    ] {
        let mut expected = told(&asked(API), &stream(&chunks));
        expected.sort();
        assert_eq!(expected, ["finish Stop", "text yes", "usage 3 2"], "{chunks:?}");
    }
    assert_eq!(told(&asked(API), &stream(&[yes(), stop()])), ["text yes", "finish Stop"], "never");
}

#[test]
fn reasons_to_finish() {
    for (reason, finish) in [
        ("length", "Length"),
        ("content_filter", "ContentFilter"),
        ("model_length", "ContextFull"),
        ("eos", "Stop"),
        ("tool_calls", "Stop"),
        ("abort", "Other(\"abort\")"),
    ] {
        check(&[json!({"content": "yes"})], json!(reason), &["text yes", &format!("finish {finish}")]);
    }
    let stop = |key: &str, value: Value| {
        let mut chunk = deltas(&[json!({"content": "yes"})]).remove(0);
        chunk["choices"][0]["finish_reason"] = json!("stop");
        chunk["choices"][0][key] = value;
        told(&asked(API), &stream(&[chunk])).pop().unwrap()
    };
    assert_eq!(stop("stop_reason", json!("END")), "finish StopSequence(Some(\"END\"))");
    assert_eq!(stop("matched_stop", json!(151_645)), "finish Stop");
    assert_eq!(stop("stop_reason", json!("stop")), "finish Stop");
}

#[test]
fn a_stream_without_its_end_has_failed() {
    let cut = "failed - the stream ended before its answer did";
    assert_eq!(told(&asked(API), &stream(&deltas(&[json!({"content": "yes"})]))), ["text yes …", cut]);
    assert_eq!(told(&asked(API), b""), [cut]);
    assert_eq!(told(&asked(API), b": ping\n\n"), [cut]);
    assert_eq!(told(&asked(API), b"data: [DONE]\n\n"), [cut], "an end of nothing");
    let all = deltas(&[
        json!({"tool_calls": [call(0, "a", "add", "{\"x\":")]}),
        json!({"tool_calls": [call(1, "b", "add", "{}")]}),
    ]);
    assert_eq!(told(&asked(API), &stream(&all)), ["call a add {\"x\": …", cut]);
    // Without a reason to finish, but with the end of the stream, it is whole.
    let whole = [stream(&deltas(&[json!({"content": "yes"})])), b"data: [DONE]\n\n".to_vec()].concat();
    assert_eq!(told(&asked(API), &whole), ["text yes", "finish Stop"]);
}

#[test]
fn errors_in_every_form() {
    let begun = String::from_utf8(stream(&deltas(&[json!({"content": "yes"})]))).unwrap();
    for (text, failure) in [
        (r#"data: {"error":{"message":"no","code":"c"}}"#, "failed c no"),
        (r#"data: {"error":"no"}"#, "failed - no"),
        ("event: error\ndata: {\"error\":{\"message\":\"no\"},\"message\":\"no\"}", "failed - no"),
        ("event: error\ndata: {\"message\":\"no\"}", "failed - no"),
        ("event: error\ndata: it broke", "failed - it broke"),
        (r#"data: {"error_type":"t","error_message":"no"}"#, "failed t no"),
        (r#"data: {"object":"error","message":"no","code":404}"#, "failed 404 no"),
        (
            r#"data: {"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}"#,
            "failed 1008 insufficient balance",
        ),
        (
            r#"data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"code":502,"message":"no"}}]}"#,
            "failed 502 no",
        ),
        (
            r#"data: {"choices":[{"delta":{},"finish_reason":"error"}]}"#,
            "failed - the answer ended with finish_reason \"error\"",
        ),
        (r#"{"error":{"message":"no"}}"#, "failed - no"),
    ] {
        assert_eq!(told(&asked(API), format!("{text}\n\n").as_bytes()), [failure], "{text}");
        let late = format!("{begun}{text}\n\ndata: {{\"choices\":[]}}\n\ndata: [DONE]\n\n");
        assert_eq!(told(&asked(API), late.as_bytes()), ["text yes …", failure], "{text}");
    }
    let torn = told(&asked(API), b"data: {\"choices\":[{\"delta\":\n\n");
    assert!(torn[0].starts_with("failed - an event whose data is not JSON"), "{torn:?}");
    assert_eq!(told(&asked(API), b"data: {\"detail\":\"Not Found\"}\n\n"), ["failed - Not Found"]);
}

#[test]
fn a_key_that_says_no_error_is_none() {
    let mut chunk = deltas(&[json!({"content": "yes"})]).remove(0);
    chunk["error"] = json!(null);
    chunk["base_resp"] = json!({"status_code": 0, "status_msg": ""});
    chunk["choices"][0]["finish_reason"] = json!("stop");
    assert_eq!(told(&asked(API), &stream(&[chunk])), ["text yes", "finish Stop"]);
}

#[test]
fn a_message_is_read_where_there_is_no_delta_and_only_once() {
    let message = json!({"id": "c1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}]});
    assert_eq!(told(&asked(API), &stream(std::slice::from_ref(&message))), ["text yes", "finish Stop"]);
    let chunks = [deltas(&[json!({"content": "yes"})]), vec![message.clone()]].concat();
    assert_eq!(told(&asked(API), &stream(&chunks)), ["text yes", "finish Stop"]);
    // A server that does not stream though it was asked to, and one that does though it was not.
    assert_eq!(told(&asked(API), message.to_string().as_bytes()), ["text yes", "finish Stop"]);
    let streamed = answer(&[json!({"content": "yes"})], json!("stop"));
    assert_eq!(lines(&read_answer(&asked(API), &streamed)), ["text yes", "finish Stop"]);
}

#[test]
fn the_first_of_several_answers() {
    let chunk = |index: u64, text: &str| json!({"id": "c1", "choices": [{"index": index, "delta": {"content": text}, "finish_reason": "stop"}]});
    assert_eq!(
        told(&asked(API), &stream(&[chunk(1, "no"), chunk(0, "yes"), chunk(1, "no")])),
        ["dropped choices", "text yes", "finish Stop"]
    );
}

#[test]
fn whole_bodies() {
    let message = json!({"role": "assistant", "content": "yes", "reasoning_content": "hm", "refusal": null, "audio": {"id": "x"},
        "tool_calls": [call(NONE, "a", "add", "{\"x\":1}"), call(NONE, "b", "add", json!({"x": 2})), call(NONE, "c", "now", "")]});
    let body = json!({"id": "c1", "model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": {"content": []}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2}});
    let events = read_answer(&asked(API), body.to_string().as_bytes());
    let start = Event::Start { id: Some("c1".to_owned()), model: Some("m".to_owned()), usage: None };
    assert_eq!(events.first(), Some(&start));
    let mut told = lines(&events);
    told.sort();
    let expected = [
        "call a add {\"x\":1}",
        "call b add {\"x\":2}",
        "call c now",
        "dropped audio",
        "dropped logprobs",
        "finish ToolCalls",
        "text yes",
        "thought hm",
        "usage 3 2",
    ];
    assert_eq!(told, expected);
}

#[test]
fn whole_bodies_that_are_no_answer() {
    for (body, failure) in [
        ("", "failed - no answer of its API: an empty body"),
        ("<html></html>", "failed - no answer of its API: a web page in place of an answer"),
        (r#"{"error":"Unexpected endpoint or method"}"#, "failed - Unexpected endpoint or method"),
        (r#"{"error":{"message":"no","code":"c"}}"#, "failed c no"),
        (r#"{"detail":"Not Found"}"#, "failed - no answer of its API: Not Found"),
        (r#"{"id":"c1","choices":[]}"#, "failed - no answer of its API: {\"id\":\"c1\",\"choices\":[]}"),
        (r#"{"id":"c1","object":"#, "failed - no answer of its API: {\"id\":\"c1\",\"object\":"),
    ] {
        assert_eq!(lines(&read_answer(&asked(API), body.as_bytes())), [failure], "{body}");
    }
}
