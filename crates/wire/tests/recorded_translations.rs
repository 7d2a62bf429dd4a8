//! Streams that real providers sent, through the translation to every client API: words, thoughts apart from them,
//! calls with their arguments, the end, tokens and errors arrive as the manifest says, streamed and whole, however the
//! bytes were cut. The recordings lie beside the project; without them nothing is tested.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod clients;
mod recorded;

use clients::Seen;
use pilotlight_wire::ClientApi::{self, Chat, Messages, Responses};
use pilotlight_wire::sse::{Frame, Framer};
use pilotlight_wire::translate::{
    Asked, Event, Names, Opening, Reader, StreamTranslator, read_answer, translate_answer, whole,
};
use pilotlight_wire::{UpstreamApi, Usage};
use recorded::{Recording, recordings};
use serde_json::{Value, json};

const APIS: [ClientApi; 3] = [Responses, Chat, Messages];

fn opening() -> Opening {
    Opening {
        id: "0123456789".to_owned(),
        created: 1_760_000_000,
        model: "studio/some-model".to_owned(),
        usage_wanted: true,
        input_estimate: 10,
        names: Names::default(),
        echo: json!({"tools": [], "temperature": 1.0}),
    }
}

fn asked(recording: &Recording) -> Asked {
    let api = match recording.api.as_str() {
        "responses" => UpstreamApi::OpenaiResponses,
        "messages" => UpstreamApi::AnthropicMessages,
        "gemini" => UpstreamApi::GoogleGenerativeAi,
        "chat" => UpstreamApi::OpenaiCompletions,
        other => panic!("{other}"),
    };
    Asked::new(api, "studio", "some-model")
}

/// The bytes of each answer of a recording: some hold several, one after the other.
fn answers(recording: &Recording) -> Vec<Vec<u8>> {
    let mut answers = vec![Vec::new()];
    for payload in &recording.payloads {
        // Two lines of one recording are torn.
        let Ok(value) = serde_json::from_str::<Value>(payload) else { continue };
        let kind = value["type"].as_str().unwrap_or_default();
        let answer = answers.last_mut().unwrap();
        if !kind.is_empty() {
            answer.extend_from_slice(format!("event: {kind}\n").as_bytes());
        }
        answer.extend_from_slice(format!("data: {payload}\n\n").as_bytes());
        if matches!(kind, "message_stop" | "response.completed" | "response.failed" | "response.incomplete") {
            answers.push(Vec::new());
        }
    }
    answers.retain(|answer| !answer.is_empty());
    if recording.api == "chat" {
        answers.last_mut().unwrap().extend_from_slice(b"data: [DONE]\n\n");
    }
    answers
}

fn frames(bytes: &[u8], piece: usize) -> Vec<Frame> {
    let (mut framer, mut frames) = (Framer::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        framer.push(piece);
        frames.extend(std::iter::from_fn(|| framer.next_frame().unwrap()));
    }
    frames.extend(framer.finish());
    frames
}

fn events(asked: &Asked, frames: &[Frame]) -> Vec<Event> {
    let mut reader = Reader::new(asked);
    let mut events: Vec<Event> = frames.iter().flat_map(|frame| reader.read(frame)).collect();
    events.extend(reader.end());
    events
}

/// The client's stream, piece by piece, with what a gateway asks of the translator on the way.
fn translate(asked: &Asked, api: ClientApi, frames: &[Frame]) -> (Vec<u8>, StreamTranslator) {
    let mut translator = StreamTranslator::new(asked, api, opening());
    let mut out = Vec::new();
    for frame in frames {
        let was_over = translator.is_over();
        let bytes = translator.push(frame);
        assert!(bytes.is_empty() || bytes.ends_with(b"\n\n"), "whole events only");
        assert!(bytes.is_empty() || !was_over, "nothing after the end");
        out.extend_from_slice(&bytes);
    }
    out.extend_from_slice(&translator.end());
    assert!(translator.is_over());
    assert_eq!(translator.is_whole(), translator.failure().is_none());
    assert!(translator.end().is_empty());
    (out, translator)
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

fn arguments(seen: &Seen) -> Vec<(String, Value)> {
    let value = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| json!(text));
    // A free-form tool is a function of one string where there are none.
    let unwrapped = |whole: Value| match whole.as_object().filter(|map| map.len() == 1).and_then(|map| map.get("input"))
    {
        Some(Value::String(text)) => value(text),
        _ => whole,
    };
    seen.tools.iter().map(|tool| (tool.name.clone(), unwrapped(value(&tool.arguments)))).collect()
}

fn expected_tools(recording: &Recording) -> Vec<(String, Value)> {
    let tool = |tool: &Value| {
        let text = tool["args"].as_str().unwrap();
        let value = serde_json::from_str(if text.is_empty() { "{}" } else { text }).unwrap_or_else(|_| json!(text));
        (tool["name"].as_str().unwrap_or_default().to_owned(), value)
    };
    recording.facts["tools"].as_array().unwrap().iter().map(tool).collect()
}

fn expected_finish(recording: &Recording, last: &Seen, api: ClientApi) -> &'static str {
    let names = match recording.facts["finish"].as_str().unwrap() {
        _ if !last.tools.is_empty() => ["completed", "tool_calls", "tool_use"],
        "stop" | "STOP" | "completed" | "end_turn" => ["completed", "stop", "end_turn"],
        "length" | "max_tokens" => ["max_output_tokens", "length", "max_tokens"],
        "refusal" => ["content_filter", "content_filter", "refusal"],
        other => panic!("{other} in {}", recording.file),
    };
    names[APIS.iter().position(|other| *other == api).unwrap()]
}

/// What all answers of a recording come to, as the manifest adds them up.
fn sum(seen: Vec<Seen>) -> Seen {
    let mut sum = Seen::default();
    for next in seen {
        sum.text += &next.text;
        sum.reasoning += &next.reasoning;
        sum.refusal += &next.refusal;
        sum.tools.extend(next.tools.iter().cloned());
        sum.content |= next.content;
        sum.sealed.extend(next.sealed.iter().cloned());
        (sum.finish, sum.usage, sum.error) = (next.finish, next.usage, next.error);
    }
    sum
}

#[test]
fn every_stream_to_every_client() {
    let mut found = 0;
    for recording in recordings() {
        let (file, facts, asked) = (recording.file.as_str(), &recording.facts, asked(&recording));
        let answers: Vec<_> = answers(&recording).iter().map(|answer| frames(answer, usize::MAX)).collect();
        let proofs: Vec<_> = answers.iter().flat_map(|frames| thought_proofs(&events(&asked, frames))).collect();
        found += proofs.len();
        for api in APIS {
            let at = format!("{file} to {}", api.title());
            let mut all = Vec::new();
            for frames in &answers {
                let (bytes, translator) = translate(&asked, api, frames);
                let seen = clients::stream(api, &bytes);
                assert_eq!(seen.content, translator.has_content(), "{at}");
                assert_eq!(seen.error.is_some(), translator.failure().is_some(), "{at}");
                all.push(seen);
            }
            let last_tools = all.last().unwrap().tools.clone();
            let sum = sum(all);
            assert_eq!(sum.text, facts["text"].as_str().unwrap(), "{at}");
            assert_eq!(squeezed(&sum.reasoning), squeezed(facts["reasoning"].as_str().unwrap()), "{at}");
            for proof in &proofs {
                assert!(sum.sealed.iter().any(|told| told == &proof.value || *told == proof.seal()), "{at}: {proof:?}");
            }
            let tools = arguments(&sum);
            let expected = expected_tools(&recording);
            // Of several answers the manifest has the last call at each place; of Gemini's, pieces of calls.
            match (recording.api.as_str(), facts["steps"].as_u64()) {
                ("gemini", _) => {
                    assert_eq!(tools.len(), expected.iter().filter(|tool| !tool.0.is_empty()).count(), "{at}")
                }
                // Of this one the manifest knows neither all calls nor their arguments, which come in their beginnings.
                _ if file.contains("programmatic-tool-calling") && recording.api == "messages" => {
                    assert_eq!(tools.iter().filter(|tool| tool.1["player"].is_string()).count(), 14, "{at}");
                }
                ("responses" | "chat", Some(1)) => assert_eq!(tools, expected, "{at}"),
                _ => assert!(expected.iter().all(|tool| tools.contains(tool)), "{at}: {tools:?}"),
            }
            match (facts["error"].as_object(), facts["finish"].as_str()) {
                (Some(error), _) => {
                    let told = sum.error.expect(&at);
                    assert!(told.message.contains(error["message"].as_str().unwrap()), "{at}");
                }
                (None, None) => assert!(sum.error.is_some(), "{at}: it has no end"),
                (None, Some(_)) => {
                    assert_eq!(sum.error, None, "{at}");
                    let last = Seen { tools: last_tools, ..Seen::default() };
                    assert_eq!(sum.finish, expected_finish(&recording, &last, api), "{at}");
                    let usage = sum.usage.unwrap_or_default();
                    if let Some(expected) = Usage::read(&facts["usage"]) {
                        assert_eq!(usage, expected.or_earlier(Some(usage)), "{at}");
                    }
                }
            }
        }
    }
    assert!(found > 5 || recordings().is_empty(), "{found}");
}

/// Signatures, encrypted and redacted thoughts: what a provider needs back must arrive in every API.
fn thought_proofs(events: &[Event]) -> Vec<pilotlight_wire::translate::Opaque> {
    use pilotlight_wire::translate::Block;
    let (mut thought, mut proofs) = (false, Vec::new());
    for event in events {
        match event {
            Event::Begin(block) => thought = matches!(block, Block::Reasoning | Block::Summary),
            Event::End { opaque: Some(opaque) } if thought => proofs.push(opaque.clone()),
            _ => {}
        }
    }
    if events.iter().any(|event| matches!(event, Event::Failed(_))) { Vec::new() } else { proofs }
}

/// A whole body, written by us in the upstream's API and read back, comes to what the stream did.
#[test]
fn every_answer_whole() {
    for recording in recordings().into_iter().filter(|recording| recording.payloads.len() < 400) {
        let asked = asked(&recording);
        let own = match recording.api.as_str() {
            "responses" => Responses,
            "messages" => Messages,
            "chat" => Chat,
            _ => continue,
        };
        for answer in answers(&recording) {
            let frames = frames(&answer, usize::MAX);
            let events = events(&asked, &frames);
            let Ok(body) = whole(own, &opening(), &events) else {
                assert!(recording.facts["error"].is_object() || recording.facts["finish"].is_null());
                continue;
            };
            assert!(!read_answer(&asked, &body).is_empty());
            for api in APIS {
                let at = format!("{} to {}", recording.file, api.title());
                let (whole, _) = translate_answer(&asked, api, &opening(), &body).expect(&at);
                let (whole, streamed) =
                    (clients::body(api, &whole), clients::stream(api, &translate(&asked, api, &frames).0));
                assert_eq!(
                    (&whole.text, squeezed(&whole.reasoning)),
                    (&streamed.text, squeezed(&streamed.reasoning)),
                    "{at}"
                );
                assert_eq!((arguments(&whole), &whole.finish), (arguments(&streamed), &streamed.finish), "{at}");
                assert_eq!(whole.refusal, streamed.refusal, "{at}");
                // Without a count there is a guess, which counts in turn.
                if streamed.usage.is_some_and(|usage| usage.total_input() > 0) {
                    assert_eq!(whole.usage, streamed.usage, "{at}");
                }
            }
        }
    }
}

#[test]
fn however_the_bytes_are_cut() {
    let told = |frames: &[Frame]| -> Vec<_> {
        frames.iter().filter(|frame| frame.is_event()).map(|frame| (frame.name.clone(), frame.data.clone())).collect()
    };
    for recording in recordings() {
        let asked = asked(&recording);
        for answer in answers(&recording) {
            let at_once = frames(&answer, usize::MAX);
            for piece in [1, 7, 1021] {
                assert_eq!(told(&frames(&answer, piece)), told(&at_once), "{} by {piece}", recording.file);
            }
            let crlf = String::from_utf8(answer).unwrap().replace('\n', "\r\n").into_bytes();
            let by_the_byte = frames(&crlf, 1);
            assert_eq!(told(&by_the_byte), told(&at_once), "{}", recording.file);
            let [one, other] = [&at_once, &by_the_byte].map(|frames| translate(&asked, Messages, frames).0);
            assert_eq!(one, other, "{}", recording.file);
        }
    }
}

/// A stream that is cut anywhere is an error, and never a whole answer; what came before it arrives.
#[test]
fn cut_anywhere() {
    for recording in recordings().iter().filter(|recording| recording.payloads.len() < 30) {
        let asked = asked(recording);
        for answer in answers(recording) {
            let all = frames(&answer, usize::MAX);
            for length in 0..all.len() {
                let events = events(&asked, &all[..length]);
                let whole = events.iter().any(|event| matches!(event, Event::Finish(_)));
                for api in APIS {
                    let (bytes, translator) = translate(&asked, api, &all[..length]);
                    let seen = clients::stream(api, &bytes);
                    assert_eq!(
                        (seen.error.is_none(), translator.is_whole()),
                        (whole, whole),
                        "{} at {length}",
                        recording.file
                    );
                }
            }
        }
    }
}
