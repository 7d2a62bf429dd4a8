//! Gemini upstreams.

use pilotlight_wire::UpstreamApi;
use serde_json::{Value, json};

use super::{read_text, read_whole};

const API: UpstreamApi = UpstreamApi::GoogleGenerativeAi;

fn read(payloads: &[Value]) -> Vec<String> {
    super::read(&API, payloads)
}

fn chunk(parts: Value) -> Value {
    json!({"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0}]})
}

fn last(parts: Value, reason: &str) -> Value {
    let mut chunk = chunk(parts);
    chunk["candidates"][0]["finishReason"] = json!(reason);
    chunk
}

/// What follows the start.
fn answer(payloads: &[Value]) -> Vec<String> {
    let mut events = read(payloads);
    assert_eq!(events.remove(0), "start - -");
    events
}

#[test]
fn words_thoughts_and_their_signatures() {
    let events = answer(&[
        chunk(json!([{"text": "Hm", "thought": true}])),
        chunk(json!([{"text": ".", "thought": true, "thoughtSignature": "a"}, {"text": "Yes"}])),
        chunk(json!([{"text": ", well"}])),
        last(json!([{"text": "", "thoughtSignature": "b"}]), "STOP"),
    ]);
    assert_eq!(events, ["reasoning Hm. [ThoughtSignature a]", "text Yes, well [ThoughtSignature b]", "finish Stop"]);
    let alone = answer(&[last(json!([{"text": "", "thoughtSignature": "c"}]), "STOP")]);
    assert_eq!(alone, ["reasoning [ThoughtSignature c]", "finish Stop"]);
}

#[test]
fn calls_get_ids_of_their_own_and_keep_their_signature() {
    let mut first = chunk(json!([
        {"functionCall": {"name": "a", "args": {"x": 1}}, "thoughtSignature": "s"},
        {"functionCall": {"name": "a", "args": {"x": 2}}},
        {"functionCall": {"name": "b", "args": {}}},
        {"functionCall": {"name": "b"}},
        {"functionCall": {"id": "own", "name": "b", "args": {"y": "é"}}},
    ]));
    first["responseId"] = json!("r1");
    let payloads = [first, last(json!([{"text": ""}]), "STOP")];
    let events = read(&payloads);
    let ids: Vec<_> = events.iter().filter_map(|line| line.strip_prefix("call ")?.split(' ').next()).collect();
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((ids.len(), distinct.len()), (5, 5), "{events:?}");
    assert!(ids[..4].iter().all(|id| id.starts_with("call_") && id.len() <= 40), "{events:?}");
    let rest: Vec<_> = events.iter().map(|line| line.replace(ids[0], "1").replace(ids[1], "2")).collect();
    assert_eq!(rest[1..3], ["call 1 a {\"x\":1} [ThoughtSignature s]", "call 2 a {\"x\":2}"]);
    assert_eq!(
        events[3..],
        [
            format!("call {} b", ids[2]),
            format!("call {} b", ids[3]),
            "call own b {\"y\":\"é\"}".to_owned(),
            "finish ToolCalls".to_owned()
        ]
    );
    assert_eq!(read(&payloads), events, "the same answer has the same ids");
    let mut other = payloads.clone();
    other[0]["responseId"] = json!("r2");
    assert!(!read(&other)[1].contains(ids[0]), "another answer has others");
}

/// In whole bodies and streams alike, arguments are passed on in their own text.
#[test]
fn numbers_of_any_size_stay_as_they_are() {
    let body = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"id":"1","name":"a","args":{"n":12345678901234567890123,"x":1.50}}}]},"finishReason":"STOP"}]}"#;
    let told = ["start - -", "call 1 a {\"n\":12345678901234567890123,\"x\":1.50}", "finish ToolCalls"];
    assert_eq!(read_whole(&API, body), told);
    assert_eq!(read_text(&API, &format!("data: {body}\n\n")), told);
}

#[test]
fn arguments_in_pieces() {
    let piece = |call: Value| chunk(json!([{"functionCall": call}]));
    let a = |text: &str| json!({"partialArgs": [{"jsonPath": "$.x.y[0]", "stringValue": text, "willContinue": true}], "willContinue": true});
    let mut begin = piece(json!({"name": "a", "willContinue": true}));
    begin["candidates"][0]["content"]["parts"][0]["thoughtSignature"] = json!("s");
    let begun = [begin, piece(a("on")), piece(a("e"))];
    let told = |events: Vec<String>| {
        assert!(events[0].ends_with(" a {\"x\":{\"y\":[\"one\"]}} [ThoughtSignature s]"), "{events:?}");
        events[1..].join(", ")
    };
    let ended = answer(&[&begun[..], &[piece(json!({})), last(json!([{"text": "so"}]), "STOP")]].concat());
    assert_eq!(told(ended), "text so, finish ToolCalls");
    let not_ended = answer(&[&begun[..], &[last(json!([{"text": ""}]), "STOP")]].concat());
    assert_eq!(told(not_ended), "finish ToolCalls");
    let lost = json!({"partialArgs": [{"jsonPath": "x[", "stringValue": "?"}]});
    let events = answer(&[&begun[..], &[piece(lost)]].concat());
    assert!(events.last().unwrap().ends_with("one has no place: x["), "{events:?}");
}

#[test]
fn reasons_to_end() {
    let table = [
        ("STOP", "finish Stop"),
        ("MAX_TOKENS", "finish Length"),
        ("SAFETY", "finish ContentFilter"),
        ("RECITATION", "finish ContentFilter"),
        ("BLOCKLIST", "finish ContentFilter"),
        ("PROHIBITED_CONTENT", "finish ContentFilter"),
        ("SPII", "finish ContentFilter"),
        ("LANGUAGE", "finish Other(\"LANGUAGE\")"),
        ("OTHER", "finish Other(\"OTHER\")"),
        (
            "MALFORMED_FUNCTION_CALL",
            "failed malformed_function_call the model's answer could not be used: MALFORMED_FUNCTION_CALL",
        ),
    ];
    for (reason, end) in table {
        assert_eq!(answer(&[last(json!([]), reason)]), [end], "{reason}");
    }
}

#[test]
fn a_reason_with_every_chunk_ends_nothing_before_the_body_does() {
    let events = answer(&[last(json!([{"text": "a"}]), "STOP"), last(json!([{"text": "b"}]), "MAX_TOKENS")]);
    assert_eq!(events, ["text ab", "finish Length"]);
}

#[test]
fn a_prompt_that_was_blocked() {
    let blocked = |feedback: Value| answer(&[json!({"promptFeedback": feedback})]);
    assert_eq!(blocked(json!({"blockReason": "SAFETY"})), ["finish ContentFilter"]);
    let words = blocked(json!({"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "No."}));
    assert_eq!(words, ["refusal No.", "finish ContentFilter"]);
    let whole = read_whole(&API, "{\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"responseId\":\"r\"}");
    assert_eq!(whole, ["start r -", "finish ContentFilter"]);
}

#[test]
fn usage() {
    let mut first = chunk(json!([{"text": "a"}]));
    first["usageMetadata"] = json!({"promptTokenCount": 9, "totalTokenCount": 9});
    let mut end = last(json!([]), "STOP");
    end["usageMetadata"] = json!({"promptTokenCount": 9, "cachedContentTokenCount": 4, "candidatesTokenCount": 3, "thoughtsTokenCount": 20, "toolUsePromptTokenCount": 2, "totalTokenCount": 34});
    let mut late = json!({"usageMetadata": {"trafficType": "ON_DEMAND"}});
    late["modelVersion"] = json!("m");
    assert_eq!(read(&[first, end, late]), ["start - - 9", "usage 7+4r+0w 23 (20)", "text a", "finish Stop"]);
}

#[test]
fn pages_that_were_found_are_cited_once() {
    let mut first = chunk(json!([{"text": "a"}]));
    first["candidates"][0]["groundingMetadata"] =
        json!({"groundingChunks": [{"web": {"uri": "u", "title": "t"}}, {"retrievedContext": {}}]});
    let mut end = last(json!([{"text": "", "thoughtSignature": "s"}]), "STOP");
    end["candidates"][0]["groundingMetadata"] =
        json!({"groundingChunks": [{"web": {"uri": "u", "title": "t"}}, {"web": {"uri": "v"}}]});
    end["candidates"][0]["citationMetadata"] = json!({"citationSources": [{"uri": "w"}]});
    assert_eq!(answer(&[first, end]), ["text a<u t><v -><w -> [ThoughtSignature s]", "finish Stop"]);
}

#[test]
fn parts_that_no_other_api_has_are_dropped() {
    let parts = json!([{"executableCode": {"code": "1"}}, {"codeExecutionResult": {}}, {"inlineData": {}, "thoughtSignature": "s"}, {"text": "a"}]);
    let events = answer(&[last(parts, "STOP")]);
    assert_eq!(events[..3], ["dropped executableCode", "dropped codeExecutionResult", "dropped inlineData"]);
    assert_eq!(events[3..], ["reasoning [ThoughtSignature s]", "text a", "finish Stop"]);
}

#[test]
fn failures() {
    let limited = json!({"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}});
    assert_eq!(read(std::slice::from_ref(&limited)), ["failed RESOURCE_EXHAUSTED Quota"]);
    assert_eq!(
        answer(&[chunk(json!([{"text": "a"}])), limited.clone()]),
        ["open text a", "failed RESOURCE_EXHAUSTED Quota"]
    );
    let cut = answer(&[chunk(json!([{"text": "a"}]))]);
    assert_eq!(cut, ["open text a", "failed - the stream ended before its answer did"]);
    assert_eq!(read_text(&API, "data: x\n\n").len(), 1);
    for body in [limited.to_string(), json!([limited]).to_string()] {
        assert_eq!(read_whole(&API, &body), ["failed RESOURCE_EXHAUSTED Quota"]);
    }
    for body in ["", "<html>", "{}", "[]", "{\"usageMetadata\":{}}"] {
        let events = read_whole(&API, body);
        assert!(events.len() == 1 && events[0].starts_with("failed"), "{body}: {events:?}");
    }
}

#[test]
fn a_whole_body_is_one_response_or_a_list() {
    let end = last(json!([{"text": "a"}, {"functionCall": {"id": "1", "name": "b", "args": {"x": null}}}]), "STOP");
    let told = ["start - -", "text a", "call 1 b {\"x\":null}", "finish ToolCalls"];
    assert_eq!(read_whole(&API, &end.to_string()), told);
    assert_eq!(read_whole(&API, &json!([chunk(json!([{"text": ""}])), end]).to_string()), told);
}
