//! What Ollama's own API answers, and what it means.

use super::told::{asked, asked_minimax, lines, told};
use pilotlight_wire::UpstreamApi;
use pilotlight_wire::translate::{Asked, read_answer};
use serde_json::{Value, json};

fn stream(lines: &[Value]) -> Vec<u8> {
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

fn line(message: Value) -> Value {
    json!({"model": "m", "created_at": "2026-01-01T00:00:00.1Z", "message": message, "done": false})
}

fn done(reason: &str) -> Value {
    json!({"model": "m", "created_at": "2026-01-01T00:00:00.9Z", "message": {"role": "assistant", "content": ""}, "done": true,
        "done_reason": reason, "total_duration": 9, "prompt_eval_count": 5, "eval_count": 7})
}

fn check(asked: &Asked, messages: &[Value], reason: &str, expected: &[&str]) {
    let mut all: Vec<Value> = messages.iter().cloned().map(line).collect();
    all.push(done(reason));
    // A body is whole in as many lines as the server likes.
    for mut told in [told(asked, &stream(&all)), lines(&read_answer(asked, &stream(&all)))] {
        // It is told with the last line, whatever is open then.
        let usage = told.iter().position(|line| line == "usage 5 7").unwrap();
        told.remove(usage);
        assert_eq!(told, expected);
    }
}

#[test]
fn words_thoughts_and_calls() {
    let asked = asked(UpstreamApi::Ollama);
    check(
        &asked,
        &[
            json!({"thinking": "h"}),
            json!({"thinking": "m", "content": ""}),
            json!({"content": "ye"}),
            json!({"content": "s"}),
        ],
        "stop",
        &["thought hm", "text yes", "finish Stop"],
    );
    let call = |name: &str, arguments: Value| json!({"function": {"index": 0, "name": name, "arguments": arguments}});
    check(
        &asked,
        &[
            json!({"content": "", "tool_calls": [call("add", json!({"x": 1})), call("add", json!({"x": 1}))]}),
            json!({"content": "", "tool_calls": [call("now", json!({}))]}),
            json!({"content": "", "tool_calls": [{"id": "call_a", "function": {"name": "now", "arguments": "{\"z\":0}"}}]}),
        ],
        "stop",
        &[
            "call made add {\"x\":1}",
            "call made add {\"x\":1}",
            "call made now",
            "call call_a now {\"z\":0}",
            "finish ToolCalls",
        ],
    );
    check(&asked, &[json!({"content": "cut"})], "length", &["text cut", "finish Length"]);
    check(&asked, &[], "load", &["finish Other(\"load\")"]);
}

#[test]
fn thoughts_and_calls_within_the_content() {
    let content = |text: &str| json!({"content": text});
    check(
        &asked(UpstreamApi::Ollama),
        &[content("<thi"), content("nk>hm</think"), content(">\n\nyes")],
        "stop",
        &["thought hm", "text yes", "finish Stop"],
    );
    let xml =
        "<minimax:tool_call><invoke name=\"add\"><parameter name=\"x\">1</parameter></invoke></minimax:tool_call>";
    check(
        &asked_minimax(UpstreamApi::Ollama),
        &[content("hm</think>\n"), content(xml)],
        "stop",
        &["thought hm", "call made add {\"x\":1}", "finish ToolCalls"],
    );
}

#[test]
fn failures() {
    let asked = asked(UpstreamApi::Ollama);
    let begun = stream(&[line(json!({"content": "yes"}))]);
    let cut = "failed - the stream ended before its answer did";
    assert_eq!(told(&asked, &begun), ["text yes …", cut]);
    assert_eq!(told(&asked, b""), [cut]);
    let error = b"{\"error\":\"an error was encountered while running the model\"}\n";
    let told_error = "failed - an error was encountered while running the model";
    assert_eq!(told(&asked, &[&begun[..], error].concat()), ["text yes …", told_error]);
    assert_eq!(lines(&read_answer(&asked, error)), [told_error]);
    assert!(told(&asked, b"{\"model\"\n")[0].starts_with("failed - an event whose data is not JSON"));
    for (body, failure) in [
        (&b""[..], "failed - no answer of its API: an empty body"),
        (b"404 page not found", "failed - no answer of its API: 404 page not found"),
        (b"{\"models\":[]}", "failed - no answer of its API: {\"models\":[]}"),
    ] {
        assert_eq!(lines(&read_answer(&asked, body)), [failure]);
    }
}

#[test]
fn a_whole_body() {
    let asked = asked(UpstreamApi::Ollama);
    let mut body = done("stop");
    body["message"] = json!({"role": "assistant", "thinking": "hm", "content": "yes"});
    let expected = ["thought hm", "usage 5 7", "text yes", "finish Stop"];
    assert_eq!(lines(&read_answer(&asked, serde_json::to_string_pretty(&body).unwrap().as_bytes())), expected);
}
