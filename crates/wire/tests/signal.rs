//! What streams and bodies mean: by hand for what goes wrong, by recorded streams for what goes right.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod recorded;

use pilotlight_wire::ClientApi::{Chat, Completions, Embeddings, Messages, Responses};
use pilotlight_wire::signal::{Answer, Signal, StreamReader, read_body};
use pilotlight_wire::sse::{Frame, Framer};
use pilotlight_wire::{ClientApi, Usage};
use serde_json::Value;

fn frames(text: &str) -> Vec<Frame> {
    let mut framer = Framer::default();
    framer.push(text.as_bytes());
    std::iter::from_fn(|| framer.next_frame().unwrap()).collect()
}

/// One letter for each event: `.` life, `C` content, `T` the end, `E` an error in the API's form, `e` in another,
/// `M` malformed, `-` surplus; then `|whole` or `|open`.
fn letters(api: ClientApi, text: &str) -> String {
    let mut reader = StreamReader::new(api);
    let mut out: String = frames(text)
        .iter()
        .map(|frame| match reader.read(frame) {
            Signal::Lifecycle => '.',
            Signal::Content => 'C',
            Signal::Terminal => 'T',
            Signal::Error { own: true, .. } => 'E',
            Signal::Error { own: false, .. } => 'e',
            Signal::Malformed(_) => 'M',
            Signal::Surplus => '-',
        })
        .collect();
    out += if reader.is_whole() { "|whole" } else { "|open" };
    out
}

fn data(events: &[&str]) -> String {
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}

#[test]
fn chat() {
    let role =
        r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#;
    let text = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let stop = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    let usage = r#"{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let table: &[(&[&str], &str)] = &[
        (&[role, text, stop, usage, "[DONE]"], ".C..T|whole"),
        (&[role, text, stop], ".C.|whole"),
        (&[role, text], ".C|open"),
        (&[role, stop, "[DONE]", text, "[DONE]"], "..T--|whole"),
        (&[r#"{"choices":[{"delta":{"reasoning_content":"x"}}]}"#], "C|open"),
        (&[r#"{"choices":[{"delta":{"reasoning":"x","content":null}}]}"#], "C|open"),
        (&[r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a"}]}}]}"#], "C|open"),
        (&[r#"{"choices":[{"delta":{"tool_calls":[],"content":null},"finish_reason":""}]}"#], ".|open"),
        (
            &[r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"},{"index":1,"delta":{}}]}"#],
            "C|open",
        ),
        (&[r#"{"error":{"message":"m"}}"#, "[DONE]"], "E-|whole"),
        (&[r#"{"error":"m"}"#], "e|whole"),
        (&[r#"{"error_type":"x","error_message":"m"}"#], "e|whole"),
        (&[r#"{"choices":[{"delta":{"content":"a"},"finish_reason":"error"}]}"#], "e|whole"),
        (&["{\"choices\":[{\"del", "[1]", "3"], "M..|open"),
    ];
    for (events, expected) in table {
        assert_eq!(letters(Chat, &data(events)), *expected, "{events:?}");
    }
    assert_eq!(letters(Chat, ": PROCESSING\n\nevent: ping\n\n"), "..|open");
    assert_eq!(letters(Chat, "event: error\ndata: {\"error\":{\"message\":\"m\"},\"message\":\"m\"}\n\n"), "E|whole");
    assert_eq!(letters(Chat, "event: error\ndata: {\"message\":\"m\"}\n\n"), "e|whole");
    let completion =
        [r#"{"choices":[{"index":0,"text":""}]}"#, r#"{"choices":[{"index":0,"text":"a","finish_reason":"length"}]}"#];
    assert_eq!(letters(Completions, &data(&completion)), ".C|whole");
}

#[test]
fn responses() {
    let created = r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1"}}"#;
    let added = r#"{"type":"response.output_item.added","item":{"type":"message"}}"#;
    let call = r#"{"type":"response.output_item.added","item":{"type":"function_call","name":"f"}}"#;
    let delta = r#"{"type":"response.output_text.delta","sequence_number":5,"delta":"a"}"#;
    let empty = r#"{"type":"response.output_text.delta","delta":""}"#;
    let reasoning = r#"{"type":"response.reasoning_text.done","text":"a"}"#;
    let completed = r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed"}}"#;
    let failed = r#"{"type":"response.failed","response":{"id":"resp_1","error":{"code":"c","message":"m"}}}"#;
    let error = r#"{"type":"error","error":{"message":"m"}}"#;
    let table: &[(&[&str], &str)] = &[
        (&[created, added, delta, completed], "..CT|whole"),
        (&[created, added, delta, completed, "[DONE]", delta], "..CTT-|whole"),
        (&[created, completed, delta], ".T-|whole"),
        (&[created, call], ".C|open"),
        (&[created, reasoning], ".C|open"),
        (&[created, empty, "[DONE]"], "...|open"),
        (&[created, delta, failed, "[DONE]"], ".CE-|whole"),
        (&[created, error, delta, failed, completed], ".E-E-|whole"),
        (&[r#"{"error":{"message":"m"}}"#, delta], "e-|whole"),
        (&[r#"{"type":"response.completed","response":{"status":"failed","error":{"message":"m"}}}"#], "e|whole"),
        (&[r#"{"type":"response.incomplete","response":{"status":"incomplete"}}"#], "T|whole"),
        (&[r#"{"type":"codex.rate_limits"}"#], ".|open"),
    ];
    for (events, expected) in table {
        assert_eq!(letters(Responses, &data(events)), *expected, "{events:?}");
    }
    assert_eq!(
        letters(Responses, "event: error\ndata: {\"error\":{\"message\":\"m\"},\"message\":\"m\"}\n\n"),
        "e|whole"
    );
    let mut reader = StreamReader::new(Responses);
    for frame in frames(&data(&[created, delta])) {
        reader.read(&frame);
    }
    assert_eq!((reader.response_id(), reader.next_sequence()), (Some("resp_1"), 6));
}

#[test]
fn messages() {
    let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":12,"output_tokens":1}}}"#;
    let block = r#"{"type":"content_block_start","content_block":{"type":"text","text":""}}"#;
    let tool = r#"{"type":"content_block_start","content_block":{"type":"tool_use","name":"f","input":{}}}"#;
    let delta = r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}"#;
    let thinking = r#"{"type":"content_block_delta","delta":{"type":"thinking_delta","thinking":"a"}}"#;
    let signature = r#"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"a"}}"#;
    let empty = r#"{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":""}}"#;
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":30}}"#;
    let stop = r#"{"type":"message_stop"}"#;
    let ping = r#"{"type":"ping"}"#;
    let table: &[(&[&str], &str)] = &[
        (&[start, ping, block, delta, end, stop, delta, "[DONE]"], "...C.T--|whole"),
        (&[start, end], "..|open"),
        (&[start, end, stop], "..T|whole"),
        (&[start, tool, empty], ".C.|open"),
        (&[start, thinking], ".C|open"),
        (&[start, signature], ".C|open"),
        (&[start, r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#, stop], ".E-|whole"),
        (&[r#"{"error":"m"}"#], "e|whole"),
    ];
    for (events, expected) in table {
        assert_eq!(letters(Messages, &data(events)), *expected, "{events:?}");
    }
    let untyped = "event: error\ndata: {\"error\":{\"message\":\"m\"},\"message\":\"m\"}\n\n";
    assert_eq!(letters(Messages, untyped), "e|whole");
    let mut reader = StreamReader::new(Messages);
    for frame in frames(&data(&[start, end])) {
        reader.read(&frame);
    }
    assert_eq!(reader.usage(), Some(Usage { input: 12, output: 30, ..Usage::default() }));
}

#[test]
fn bodies() {
    let usage = Some(Usage { input: 1, output: 2, ..Usage::default() });
    let whole = |api, body: &str| match read_body(api, body.as_bytes()) {
        Answer::Whole(usage) => Ok(usage),
        Answer::Failed(failure) => Err(failure.message),
        Answer::Malformed(_) => Err("malformed".to_owned()),
    };
    let counted = r#""usage":{"prompt_tokens":1,"completion_tokens":2}"#;
    assert_eq!(whole(Chat, &format!(" \n{{\"choices\":[],{counted}}}")), Ok(usage));
    assert_eq!(whole(Completions, r#"{"choices":[{"text":"a"}],"error":null}"#), Ok(None));
    assert_eq!(
        whole(Embeddings, r#"{"data":[],"usage":{"prompt_tokens":1,"total_tokens":1}}"#),
        Ok(Some(Usage { input: 1, ..Usage::default() }))
    );
    assert_eq!(whole(Messages, r#"{"content":[],"usage":{"input_tokens":1,"output_tokens":2}}"#), Ok(usage));
    assert_eq!(whole(Responses, r#"{"output":[],"error":null,"status":"completed"}"#), Ok(None));
    assert_eq!(whole(Responses, r#"{"output":[],"error":{"message":"m"},"status":"failed"}"#), Err("m".to_owned()));
    assert_eq!(
        whole(Chat, r#"{"error":"Unexpected endpoint or method."}"#),
        Err("Unexpected endpoint or method.".to_owned())
    );
    assert!(whole(Chat, r#"{"choices":[{"finish_reason":"error"}]}"#).unwrap_err().contains("finish_reason"));
    for body in ["", "  ", "<html>", "{", "[]", "{}", r#"{"output":[]}"#] {
        assert_eq!(whole(Chat, body), Err("malformed".to_owned()), "{body:?}");
    }
}

#[test]
fn recorded_streams_have_content_an_end_and_their_usage() {
    for recording in recorded::recordings() {
        let api = match (recording.api.as_str(), recording.file.starts_with("openai.completion.")) {
            (_, true) => Completions,
            ("chat", _) => Chat,
            ("responses", _) => Responses,
            ("messages", _) => Messages,
            _ => continue,
        };
        // Some recordings hold several turns after each other, and one is a test of what follows an end.
        let mut reader = StreamReader::new(api);
        let (mut content, mut failed, mut usage) = (false, false, None);
        for payload in &recording.payloads {
            if reader.is_over() && !failed {
                reader = StreamReader::new(api);
            }
            for frame in frames(&data(&[payload])) {
                match reader.read(&frame) {
                    Signal::Content => content = true,
                    Signal::Error { own, .. } => failed = own,
                    Signal::Malformed(why) => assert!(recording.facts["bad"] != 0, "{}: {why}", recording.file),
                    Signal::Surplus => panic!("{}: surplus {payload}", recording.file),
                    Signal::Lifecycle | Signal::Terminal => {}
                }
                usage = reader.usage().or(usage);
            }
        }
        let facts = &recording.facts;
        assert_eq!(failed, !facts["error"].is_null(), "{}", recording.file);
        if facts["bad"] != 0 {
            continue;
        }
        let says = |key: &str| facts[key].as_str().is_some_and(|text| !text.is_empty());
        let tools = facts["tools"].as_array().is_some_and(|tools| !tools.is_empty());
        if says("text") || says("reasoning") || tools {
            assert!(content, "{}", recording.file);
        }
        if !failed && !facts["finish"].is_null() {
            assert!(reader.is_whole(), "{}", recording.file);
        }
        let expected = Usage::read(&facts["usage"]);
        assert_eq!(usage.map(|usage| usage.output), expected.map(|usage| usage.output), "{}", recording.file);
        if facts["usage"].get("input_tokens").is_some_and(Value::is_u64)
            || facts["usage"].get("prompt_tokens").is_some()
        {
            assert_eq!(
                usage.map(|usage| usage.total_input()),
                expected.map(|usage| usage.total_input()),
                "{}",
                recording.file
            );
        }
    }
}
