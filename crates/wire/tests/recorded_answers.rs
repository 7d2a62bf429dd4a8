//! Streams that real providers sent, read as answers: words, thoughts, calls, the end, tokens and errors come out as
//! they were recorded, however the bytes are cut. The recordings lie beside the project; without them nothing is tested.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::path::{Path, PathBuf};

use pilotlight_wire::failure::Failure;
use pilotlight_wire::sse::Framer;
use pilotlight_wire::translate::{Asked, Block, Event, Finish, Reader, read_answer};
use pilotlight_wire::{UpstreamApi, Usage};
use serde_json::{Value, json};

/// What an answer comes to.
#[derive(Debug, Default, PartialEq)]
struct Told {
    text: String,
    reasoning: String,
    tools: Vec<(String, Value)>,
    finish: Option<Finish>,
    usage: Usage,
    failure: Option<Failure>,
    dropped: Vec<String>,
    citations: usize,
    ids: Vec<String>,
    sealed: usize,
}

/// Adds up events, and checks that they come in an order that can be told.
fn told(events: &[Event]) -> Told {
    let mut told = Told::default();
    let (mut open, mut arguments) = (None::<Block>, String::new());
    for (at, event) in events.iter().enumerate() {
        let over = told.finish.is_some() || told.failure.is_some();
        match event {
            Event::Start { usage, .. } => {
                assert!(!events[..at].iter().any(|event| !matches!(event, Event::Life)), "a start is first");
                told.usage = usage.unwrap_or_default();
            }
            Event::Life => {}
            Event::Begin(block) => {
                assert!(!over, "nothing begins after the end");
                assert_eq!(open.replace(block.clone()), None, "blocks do not overlap");
                if let Block::ToolCall { id, name, .. } = block {
                    assert!(!id.is_empty() && !name.is_empty());
                    assert!(!told.ids.contains(id), "ids are unique");
                    told.ids.push(id.clone());
                    arguments.clear();
                }
            }
            Event::Delta(text) => {
                assert!(!text.is_empty());
                match open.as_ref().expect("a delta stands in a block") {
                    Block::Text | Block::Refusal => told.text.push_str(text),
                    Block::Reasoning | Block::Summary => told.reasoning.push_str(text),
                    Block::ToolCall { .. } => arguments.push_str(text),
                }
            }
            Event::End { opaque } => {
                told.sealed += usize::from(opaque.is_some());
                if let Block::ToolCall { name, custom, .. } = open.take().expect("only what began ends") {
                    let text = if arguments.is_empty() { "{}" } else { &arguments };
                    let value = if custom { json!(text) } else { serde_json::from_str(text).expect("JSON arguments") };
                    told.tools.push((name, value));
                }
            }
            Event::Citation { url, .. } => {
                assert!(matches!(open, Some(Block::Text)) && !url.is_empty());
                told.citations += 1;
            }
            Event::Usage(usage) => told.usage = usage.or_earlier(Some(told.usage)),
            Event::Dropped(note) => told.dropped.push(note.name().to_owned()),
            Event::Finish(finish) => {
                assert!(!over && open.is_none());
                told.finish = Some(finish.clone());
            }
            Event::Failed(failure) => {
                assert!(!over);
                told.failure = Some(failure.clone());
            }
        }
    }
    assert!(told.finish.is_some() != told.failure.is_some(), "an answer ends, once");
    told
}

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors/recorded");
    let there = folder.join("manifest.json").is_file();
    if !there {
        eprintln!("skipped: there are no recorded streams beside the project");
    }
    there.then_some(folder)
}

/// The recordings of an API: what the manifest says, and the payloads, a list for each answer in it.
fn recordings(api: &str) -> Vec<(Value, Vec<Vec<Value>>)> {
    let Some(folder) = folder() else { return Vec::new() };
    let manifest: Vec<Value> = serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
    let of_api = manifest.into_iter().filter(|entry| entry["api"] == api);
    let all: Vec<_> = of_api.map(|entry| (entry.clone(), answers(&folder, &entry))).collect();
    assert!(!all.is_empty(), "{api}");
    all
}

fn answers(folder: &Path, entry: &Value) -> Vec<Vec<Value>> {
    let text = std::fs::read_to_string(folder.join(entry["file"].as_str().unwrap())).unwrap();
    let payloads: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(payloads.len() as u64, entry["events"].as_u64().unwrap(), "{entry}");
    let mut answers = vec![Vec::new()];
    for payload in payloads {
        let over = matches!(
            payload["type"].as_str(),
            Some("message_stop" | "response.completed" | "response.failed" | "response.incomplete")
        );
        answers.last_mut().unwrap().push(payload);
        if over {
            answers.push(Vec::new());
        }
    }
    answers.retain(|answer| !answer.is_empty());
    answers
}

fn stream(payloads: &[Value]) -> Vec<u8> {
    let event = |payload: &Value| match payload["type"].as_str() {
        Some(name) => format!("event: {name}\ndata: {payload}\n\n"),
        None => format!("data: {payload}\r\n\r\n"),
    };
    payloads.iter().map(event).collect::<String>().into_bytes()
}

fn read(api: &UpstreamApi, bytes: &[u8], piece: usize) -> Vec<Event> {
    let mut reader = Reader::new(&Asked::new(api.clone(), "studio", "some-model"));
    let (mut framer, mut events) = (Framer::default(), Vec::new());
    for piece in bytes.chunks(piece) {
        framer.push(piece);
        while let Some(frame) = framer.next_frame().unwrap() {
            events.extend(reader.read(&frame));
        }
    }
    events.extend(reader.end());
    events
}

/// Reads every answer of a recording, whole and in pieces of several sizes, and adds them up as the manifest does.
fn read_all(api: &UpstreamApi, file: &str, answers: &[Vec<Value>]) -> (Told, Vec<Told>) {
    let mut all = Vec::new();
    for answer in answers {
        let bytes = stream(answer);
        let events = read(api, &bytes, usize::MAX);
        // Byte by byte takes long for the largest, and what is between their events is no different.
        for piece in if bytes.len() < 100_000 { [1, 13] } else { [61, 4093] } {
            assert_eq!(read(api, &bytes, piece), events, "{file} in pieces of {piece}");
        }
        all.push(told(&events));
    }
    let mut sum = Told::default();
    for answer in &all {
        sum.text.push_str(&answer.text);
        sum.reasoning.push_str(&answer.reasoning);
        sum.tools.extend(answer.tools.iter().cloned());
        sum.dropped.extend(answer.dropped.iter().cloned());
        (sum.finish, sum.usage) = (answer.finish.clone(), answer.usage);
        sum.failure = answer.failure.clone();
    }
    (sum, all)
}

fn tools_of(entry: &Value) -> Vec<(String, Value)> {
    let tool = |tool: &Value| {
        let text = tool["args"].as_str().unwrap();
        let text = if text.is_empty() { "{}" } else { text };
        let value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
        (tool["name"].as_str().unwrap().to_owned(), value)
    };
    entry["tools"].as_array().unwrap().iter().map(tool).collect()
}

fn check_hosted(file: &str, entry: &Value, told: &Told) {
    for hosted in entry["hosted"].as_array().unwrap() {
        assert!(told.dropped.iter().any(|name| hosted == name), "{file}: {hosted} was left out without a word");
    }
}

#[test]
fn responses() {
    let api = UpstreamApi::OpenaiResponses;
    for (entry, answers) in recordings("responses") {
        let file = entry["file"].as_str().unwrap();
        let (sum, all) = read_all(&api, file, &answers);
        assert_eq!(sum.text, entry["text"].as_str().unwrap(), "{file}");
        assert_eq!(sum.reasoning, entry["reasoning"].as_str().unwrap(), "{file}");
        // An input of a free-form tool that is JSON by chance stays text.
        let tools = sum.tools.iter().map(|(name, value)| match value {
            Value::String(text) => (name.clone(), serde_json::from_str(text).unwrap_or_else(|_| json!(text))),
            value => (name.clone(), value.clone()),
        });
        let tools: Vec<_> = tools.collect();
        if entry["steps"] == 1 {
            assert_eq!(tools, tools_of(&entry), "{file}");
        } else {
            // Of several answers, the manifest has the last call at each place.
            assert!(tools_of(&entry).iter().all(|tool| tools.contains(tool)), "{file}");
        }
        check_hosted(file, &entry, &sum);
        match entry["error"].as_object() {
            Some(error) => {
                let failure = sum.failure.expect(file);
                assert_eq!(failure.code.as_deref(), error["code"].as_str(), "{file}");
                assert_eq!(failure.message, error["message"].as_str().unwrap(), "{file}");
            }
            // Of this one, the last events are torn.
            None if entry["finish"].is_null() => assert!(sum.failure.expect(file).message.contains("ended before")),
            None => {
                let last = all.last().unwrap();
                let done = if last.tools.is_empty() { Finish::Stop } else { Finish::ToolCalls };
                assert_eq!(sum.finish, Some(done), "{file}");
                assert_eq!(Some(sum.usage), Usage::read(&entry["usage"]).or(Some(sum.usage)), "{file}");
            }
        }
    }
}

/// What the events told and what the response at their end holds is the same answer.
#[test]
fn whole_responses() {
    let api = UpstreamApi::OpenaiResponses;
    let mut read = 0;
    for (entry, answers) in recordings("responses") {
        let file = entry["file"].as_str().unwrap();
        // Of these the recording lacks events.
        if ["openai-phase", "shell-container", "parallel-tool-call-wrapper"].iter().any(|name| file.contains(name)) {
            continue;
        }
        for answer in &answers {
            let response = &answer.last().unwrap()["response"];
            let body = serde_json::to_vec(response).unwrap();
            let whole = told(&read_answer(&Asked::new(api.clone(), "studio", "some-model"), &body));
            let streamed = told(&self::read(&api, &stream(answer), usize::MAX));
            if response["output"].as_array().is_none_or(Vec::is_empty) && streamed.failure.is_none() {
                continue;
            }
            read += 1;
            assert_eq!((&whole.text, &whole.reasoning), (&streamed.text, &streamed.reasoning), "{file}");
            assert_eq!((&whole.tools, &whole.ids), (&streamed.tools, &streamed.ids), "{file}");
            assert_eq!((&whole.finish, whole.usage), (&streamed.finish, streamed.usage), "{file}");
            assert_eq!((&whole.failure, whole.sealed), (&streamed.failure, streamed.sealed), "{file}");
            assert_eq!(whole.citations, streamed.citations, "{file}");
        }
    }
    assert!(read > 40 || folder().is_none(), "{read} were read");
}

#[test]
fn messages() {
    let api = UpstreamApi::AnthropicMessages;
    for (entry, answers) in recordings("messages") {
        let file = entry["file"].as_str().unwrap();
        let (sum, all) = read_all(&api, file, &answers);
        assert_eq!(sum.text, entry["text"].as_str().unwrap(), "{file}");
        assert_eq!(sum.reasoning, entry["reasoning"].as_str().unwrap(), "{file}");
        if file.contains("programmatic-tool-calling") {
            // The manifest knows of one call only: the others stand whole in the beginnings of their messages.
            assert_eq!(sum.tools.len(), 14, "{file}");
            for (name, input) in &sum.tools {
                assert_eq!((name.as_str(), input["player"].is_string()), ("rollDie", true), "{file}");
            }
        } else {
            assert_eq!(sum.tools, tools_of(&entry), "{file}");
        }
        check_hosted(file, &entry, &sum);
        let last = all.last().unwrap();
        let finish = match entry["finish"].as_str().unwrap() {
            "end_turn" => Finish::Stop,
            "tool_use" => Finish::ToolCalls,
            "refusal" => Finish::Refusal,
            other => panic!("{other}"),
        };
        let finish = if finish == Finish::Stop && !last.tools.is_empty() { Finish::ToolCalls } else { finish };
        assert_eq!(sum.finish, Some(finish), "{file}");
        let usage = Usage::read(&entry["usage"]).unwrap();
        assert_eq!(sum.usage, usage.or_earlier(Some(sum.usage)), "{file}");
        assert_eq!(sum.failure, None, "{file}");
        let thoughts = file.contains("thinking") || file.contains("combined") || file.contains("spliced");
        assert_eq!(all.iter().any(|answer| answer.sealed > 0), thoughts, "{file}");
        assert_eq!(all.iter().any(|answer| answer.citations > 0), file.contains("web-search"), "{file}");
    }
}

#[test]
fn gemini() {
    let api = UpstreamApi::GoogleGenerativeAi;
    for (entry, answers) in recordings("gemini") {
        let file = entry["file"].as_str().unwrap();
        let (sum, all) = read_all(&api, file, &answers);
        let last = all.last().unwrap();
        assert_eq!(sum.text, entry["text"].as_str().unwrap(), "{file}");
        assert_eq!(sum.reasoning, entry["reasoning"].as_str().unwrap(), "{file}");
        // The manifest lists the pieces of calls that came in pieces, and not what they make.
        let names = entry["tools"].as_array().unwrap().iter().filter_map(|tool| tool["name"].as_str());
        assert_eq!(
            sum.tools.iter().map(|tool| tool.0.as_str()).collect::<Vec<_>>(),
            names.collect::<Vec<_>>(),
            "{file}"
        );
        let expected = match file.strip_prefix("google.google-").unwrap().strip_suffix(".chunks.txt").unwrap() {
            "stream-no-args-tool-call" => json!([{}, {"id": "A"}, {"id": "B"}, {"id": "C"}]),
            "stream-tool-call-arguments" => json!([{"location": "Boston"}, {"location": "San Francisco"}]),
            "stream-tool-call-array-arguments-missing-terminal-function-call" => json!([{"operations": [
                {"action": "add", "description": "Fresh red apple", "itemid": "apple_001", "price": 0.5},
                {"action": "add", "description": "Ripe yellow banana", "itemid": "banana_001", "price": 0.3},
            ]}]),
            "vertex-stream-tool-call-arguments-nested.1" => {
                let recipe = &last.tools[0].1["recipe"];
                assert_eq!(recipe["ingredients"].as_array().unwrap().len(), 10);
                assert_eq!(recipe["ingredients"][7], json!({"amount": "2 cloves", "name": "Garlic"}));
                assert_eq!(recipe["steps"][4], "In a 9x13 baking dish, spread a thin layer of meat sauce.");
                continue;
            }
            tool if tool.starts_with("tool-call") => json!([{"location": "San Francisco"}]),
            _ => json!([]),
        };
        assert_eq!(json!(sum.tools.iter().map(|tool| &tool.1).collect::<Vec<_>>()), expected, "{file}");
        assert_eq!(sum.finish, Some(if sum.tools.is_empty() { Finish::Stop } else { Finish::ToolCalls }), "{file}");
        let count = |key: &str| entry["usage"][key].as_u64().unwrap_or(0);
        let expected = Usage {
            input: count("promptTokenCount"),
            output: count("totalTokenCount") - count("promptTokenCount"),
            reasoning: count("thoughtsTokenCount"),
            ..Usage::default()
        };
        assert_eq!(sum.usage, expected, "{file}");
        assert_eq!(last.sealed, 1, "{file}: each has one signature");
    }
}

#[test]
fn chat() {
    let api = UpstreamApi::OpenaiCompletions;
    for (entry, answers) in recordings("chat") {
        let file = entry["file"].as_str().unwrap();
        // Another API, which is never translated.
        if file.starts_with("openai.completion.") {
            continue;
        }
        let (sum, all) = read_all(&api, file, &answers);
        assert_eq!(sum.text, entry["text"].as_str().unwrap(), "{file}");
        assert_eq!(sum.reasoning, entry["reasoning"].as_str().unwrap(), "{file}");
        assert_eq!(sum.tools, tools_of(&entry), "{file}");
        let finish = match entry["finish"].as_str().unwrap() {
            "stop" => Finish::Stop,
            "length" => Finish::Length,
            "tool_calls" => Finish::ToolCalls,
            other => panic!("{other}"),
        };
        assert_eq!(sum.finish, Some(finish), "{file}");
        assert_eq!(sum.usage, Usage::read(&entry["usage"]).unwrap(), "{file}");
        assert_eq!((&sum.failure, all[0].sealed), (&None, 0), "{file}");
        assert_eq!(all[0].citations > 0, file.contains("perplexity"), "{file}");
    }
}

/// The same answers as one whole body each: the deltas of a stream, put together.
#[test]
fn whole_chat() {
    let api = UpstreamApi::OpenaiCompletions;
    for (entry, answers) in recordings("chat") {
        let file = entry["file"].as_str().unwrap();
        if file.starts_with("openai.completion.") {
            continue;
        }
        let call = |(number, tool): (usize, &Value)| json!({"id": format!("c{number}"), "type": "function", "function": {"name": tool["name"], "arguments": tool["args"]}});
        let calls: Vec<Value> = entry["tools"].as_array().unwrap().iter().enumerate().map(call).collect();
        let body = json!({"id": "x", "object": "chat.completion", "model": "m", "usage": entry["usage"], "choices": [{
            "index": 0, "finish_reason": entry["finish"],
            "message": {"role": "assistant", "content": entry["text"], "reasoning_content": entry["reasoning"], "tool_calls": calls},
        }]});
        let asked = Asked::new(api.clone(), "studio", "some-model");
        let whole = told(&read_answer(&asked, body.to_string().as_bytes()));
        let streamed = told(&self::read(&api, &stream(&answers[0]), usize::MAX));
        assert_eq!((&whole.text, &whole.reasoning), (&streamed.text, &streamed.reasoning), "{file}");
        assert_eq!((&whole.tools, &whole.finish), (&streamed.tools, &streamed.finish), "{file}");
        assert_eq!((whole.usage, &whole.failure), (streamed.usage, &streamed.failure), "{file}");
    }
}
