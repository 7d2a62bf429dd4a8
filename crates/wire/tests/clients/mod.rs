//! Clients of each API, stricter than the real ones: they refuse whatever an event sequence of their API may not have.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use pilotlight_wire::ClientApi::{self, Chat, Messages, Responses};
use pilotlight_wire::Usage;
use pilotlight_wire::failure::Failure;
use pilotlight_wire::sse::Framer;
use serde_json::{Value, json};

/// What a client has in its hands in the end.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    pub text: String,
    pub reasoning: String,
    pub refusal: String,
    pub tools: Vec<Tool>,
    pub finish: String,
    pub stop_sequence: Option<String>,
    pub usage: Option<Usage>,
    pub error: Option<Failure>,
    /// Signatures, encrypted and redacted thoughts.
    pub sealed: Vec<String>,
    pub citations: Vec<String>,
    /// Whether something was read that is content.
    pub content: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tool {
    pub id: String,
    pub name: String,
    pub namespace: Option<String>,
    pub arguments: String,
    pub custom: bool,
}

/// Reads a stream.
pub fn stream(api: ClientApi, bytes: &[u8]) -> Seen {
    let mut framer = Framer::default();
    framer.push(bytes);
    let mut events = Vec::new();
    while let Some(frame) = framer.next_frame().unwrap() {
        let data = std::str::from_utf8(frame.data.as_ref().expect("an event with data")).unwrap();
        let value = if data == "[DONE]" { json!("[DONE]") } else { serde_json::from_str(data).expect(data) };
        if api != Chat && value != "[DONE]" {
            assert_eq!(value["type"], frame.name(), "the event's name and type");
        }
        events.push(value);
    }
    assert!(!framer.is_within_event(), "half an event");
    match api {
        Responses => responses(&events),
        Messages => messages(&events),
        _ => chat(&events),
    }
}

/// Reads a whole body.
pub fn body(api: ClientApi, bytes: &[u8]) -> Seen {
    let value: Value = serde_json::from_slice(bytes).unwrap();
    let mut seen = Seen { usage: Usage::read(&value["usage"]), ..Seen::default() };
    match api {
        Responses => read_response(&value, &mut seen),
        Messages => {
            assert_eq!((&value["type"], &value["role"]), (&json!("message"), &json!("assistant")));
            for block in value["content"].as_array().unwrap() {
                read_block(block, &mut seen);
            }
            read_stop(&value, &mut seen);
        }
        _ => {
            assert_eq!(value["object"], "chat.completion");
            let choice = &value["choices"][0];
            let message = &choice["message"];
            seen.text = text(&message["content"]);
            seen.refusal = text(&message["refusal"]);
            seen.reasoning = text(&message["reasoning_content"]);
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                seen.tools.push(chat_call(call));
            }
            chat_extras(message, &mut seen);
            seen.finish = text(&choice["finish_reason"]);
        }
    }
    seen.content = has_content(&seen);
    seen
}

fn has_content(seen: &Seen) -> bool {
    !(seen.text.is_empty() && seen.reasoning.is_empty() && seen.refusal.is_empty() && seen.tools.is_empty())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn responses(events: &[Value]) -> Seen {
    for (number, event) in events.iter().filter(|event| *event != "[DONE]").enumerate() {
        assert_eq!(event["sequence_number"], number, "{event}");
    }
    assert_eq!(events[0]["type"], "response.created");
    assert_eq!(events[1]["type"], "response.in_progress");
    let id = &events[0]["response"]["id"];
    let (mut done, mut open, mut part) = (Vec::<Value>::new(), None::<Value>, None::<Value>);
    let mut seen = Seen::default();
    for (at, event) in events.iter().enumerate().skip(2) {
        if event == "[DONE]" {
            assert_eq!(at, events.len() - 1, "after [DONE]");
            continue;
        }
        let kind = event["type"].as_str().unwrap();
        if let Some(response) = event.get("response") {
            assert_eq!(&response["id"], id);
        }
        if let Some(index) = event.get("output_index") {
            assert_eq!(*index, done.len(), "{event}");
        }
        if let Some(item) = event.get("item_id") {
            assert_eq!(item, &open.as_ref().expect("an open item")["id"], "{event}");
        }
        match kind {
            "response.in_progress" => {}
            "response.output_item.added" => {
                assert!(open.is_none() && part.is_none(), "items overlap");
                assert_ne!(event["item"]["status"], "completed");
                open = Some(event["item"].clone());
            }
            "response.output_item.done" => {
                assert!(part.is_none(), "a part is open");
                let added = open.take().expect("an item");
                let item = event["item"].clone();
                for key in ["id", "type", "call_id", "name", "namespace"] {
                    assert_eq!(item[key], added[key], "{key}");
                }
                for key in ["content", "summary", "arguments", "input"] {
                    let empty = |value: &Value| value.is_null() || *value == json!([]);
                    assert!(
                        item[key] == added[key] || empty(&item[key]) && empty(&added[key]),
                        "{key}: {item} {added}"
                    );
                }
                assert!(done.iter().all(|before| before["id"] != item["id"]), "an id twice");
                done.push(item);
            }
            "response.content_part.added" | "response.reasoning_summary_part.added" => {
                assert!(part.is_none(), "parts overlap");
                let list = if kind.contains("summary") { "summary" } else { "content" };
                let index = &event[if list == "summary" { "summary_index" } else { "content_index" }];
                assert_eq!(*index, open.as_ref().unwrap()[list].as_array().map_or(0, Vec::len));
                part = Some(event["part"].clone());
            }
            "response.content_part.done" | "response.reasoning_summary_part.done" => {
                let list = if kind.contains("summary") { "summary" } else { "content" };
                assert_eq!(part.take().expect("a part"), event["part"]);
                let item = open.as_mut().unwrap();
                if item[list].is_null() {
                    item[list] = json!([]);
                }
                item[list].as_array_mut().unwrap().push(event["part"].clone());
            }
            "response.output_text.annotation.added" => {
                let part = part.as_mut().unwrap();
                let list = part["annotations"].as_array_mut().unwrap();
                assert_eq!(event["annotation_index"], list.len());
                list.push(event["annotation"].clone());
            }
            "response.completed" | "response.incomplete" | "response.failed" => {
                let response = &event["response"];
                assert_eq!(kind, format!("response.{}", text(&response["status"])));
                seen.usage = Usage::read(&response["usage"]);
                if kind == "response.failed" {
                    assert_eq!(at, events.len() - 1, "after a failure");
                    assert_eq!(response["output"], json!(done), "the output repeats what is done");
                    // What came of the item that was open stays with the client.
                    let mut so_far = response.clone();
                    so_far["output"].as_array_mut().unwrap().extend(open);
                    read_response(&so_far, &mut seen);
                    seen.error = Failure::read(response);
                    seen.content = has_content(&seen) || part.is_some();
                    return seen;
                }
                assert!(open.is_none(), "an item is open");
                assert_eq!(response["output"], json!(done), "the output repeats the items");
                read_response(response, &mut seen);
                seen.content = has_content(&seen);
                assert_eq!(events.len(), at + 2, "only [DONE] follows");
                return seen;
            }
            _ => {
                let (what, last) = kind.strip_prefix("response.").unwrap().rsplit_once('.').unwrap();
                let (of_part, key) = match what {
                    "output_text" | "reasoning_text" | "reasoning_summary_text" => (true, "text"),
                    "refusal" => (true, "refusal"),
                    "function_call_arguments" => (false, "arguments"),
                    "custom_tool_call_input" => (false, "input"),
                    _ => panic!("unknown {kind}"),
                };
                let holder = if of_part { part.as_mut() } else { open.as_mut() }.expect("something that grows");
                let so_far = text(&holder[key]);
                if last == "delta" {
                    assert_ne!(event["delta"], "", "an empty delta");
                    holder[key] = (so_far + event["delta"].as_str().unwrap()).into();
                } else {
                    assert_eq!((last, &event[key]), ("done", &json!(so_far)));
                }
            }
        }
    }
    panic!("no end: {events:#?}");
}

fn read_response(response: &Value, seen: &mut Seen) {
    for key in ["id", "object", "created_at", "model", "output", "parallel_tool_calls", "tool_choice", "tools"] {
        assert!(!response[key].is_null(), "{key}");
    }
    for item in response["output"].as_array().unwrap() {
        match item["type"].as_str().unwrap() {
            "message" => {
                for part in item["content"].as_array().unwrap() {
                    seen.text += &text(&part["text"]);
                    seen.refusal += &text(&part["refusal"]);
                    let cited = part["annotations"].as_array().into_iter().flatten();
                    seen.citations.extend(cited.map(|annotation| text(&annotation["url"])));
                }
            }
            "reasoning" => {
                for list in ["summary", "content"] {
                    for part in item[list].as_array().into_iter().flatten() {
                        seen.reasoning += &text(&part["text"]);
                    }
                }
                seen.sealed.extend(item["encrypted_content"].as_str().map(str::to_owned));
            }
            kind => {
                let custom = kind == "custom_tool_call";
                assert!(custom || kind == "function_call", "{kind}");
                seen.tools.push(Tool {
                    id: text(&item["call_id"]),
                    name: text(&item["name"]),
                    namespace: item["namespace"].as_str().map(str::to_owned),
                    arguments: text(&item[if custom { "input" } else { "arguments" }]),
                    custom,
                });
            }
        }
    }
    seen.finish = match response["incomplete_details"]["reason"].as_str() {
        Some(reason) => reason.to_owned(),
        None => text(&response["status"]),
    };
}

fn messages(events: &[Value]) -> Seen {
    let mut seen = Seen::default();
    if events[0]["type"] == "error" {
        assert_eq!(events.len(), 1);
        seen.error = Failure::read(&events[0]);
        return seen;
    }
    assert_eq!(events[0]["type"], "message_start");
    assert_eq!(events[0]["message"]["content"], json!([]));
    assert!(events[0]["message"]["usage"]["input_tokens"].is_u64());
    let (mut next, mut open, mut input) = (0_u64, None::<Value>, None::<String>);
    for (at, event) in events.iter().enumerate().skip(1) {
        match event["type"].as_str().unwrap() {
            "ping" => {}
            "content_block_start" => {
                assert!(open.is_none(), "blocks overlap");
                assert_eq!(event["index"], next);
                open = Some(event["content_block"].clone());
                input = None;
            }
            "content_block_delta" => {
                assert_eq!(event["index"], next);
                let block = open.as_mut().expect("an open block");
                let delta = &event["delta"];
                let (kind, key) = match delta["type"].as_str().unwrap() {
                    "text_delta" => ("text", "text"),
                    "thinking_delta" => ("thinking", "thinking"),
                    "signature_delta" => ("thinking", "signature"),
                    "input_json_delta" => {
                        assert_eq!(block["type"], "tool_use");
                        *input.get_or_insert_default() += delta["partial_json"].as_str().unwrap();
                        continue;
                    }
                    "citations_delta" => {
                        assert_eq!(block["type"], "text");
                        seen.citations.push(text(&delta["citation"]["url"]));
                        continue;
                    }
                    other => panic!("unknown {other}"),
                };
                assert_eq!(block["type"], kind, "a delta of another kind of block");
                assert_ne!(delta[key], "", "an empty delta");
                block[key] = (text(&block[key]) + delta[key].as_str().unwrap()).into();
            }
            "content_block_stop" => {
                assert_eq!(event["index"], next);
                let mut block = open.take().expect("an open block");
                if block["type"] == "tool_use" {
                    let input = input.take().expect("an input_json_delta");
                    block["raw"] = input.into();
                }
                assert_ne!(block["text"], "", "an empty text");
                read_block(&block, &mut seen);
                next += 1;
            }
            "message_delta" => {
                assert!(open.is_none(), "a block is open");
                assert_eq!(events[at + 1]["type"], "message_stop");
                assert_eq!(events.len(), at + 2, "after message_stop");
                seen.usage = Usage::read(&event["usage"]);
                read_stop(&event["delta"], &mut seen);
                seen.content = has_content(&seen);
                return seen;
            }
            "error" => {
                assert_eq!(at, events.len() - 1, "after an error");
                seen.error = Failure::read(event);
                seen.content = next > 0 || open.is_some();
                return seen;
            }
            other => panic!("unknown {other}"),
        }
    }
    panic!("no end: {events:#?}");
}

fn read_block(block: &Value, seen: &mut Seen) {
    match block["type"].as_str().unwrap() {
        "text" => {
            seen.text += &text(&block["text"]);
            let cited = block["citations"].as_array().into_iter().flatten();
            seen.citations.extend(cited.map(|citation| text(&citation["url"])));
        }
        "thinking" => {
            seen.reasoning += &text(&block["thinking"]);
            seen.sealed.extend(block["signature"].as_str().filter(|text| !text.is_empty()).map(str::to_owned));
        }
        "redacted_thinking" => seen.sealed.push(text(&block["data"])),
        "tool_use" => {
            let raw = block["raw"].as_str().map(str::to_owned);
            seen.tools.push(Tool {
                id: text(&block["id"]),
                name: text(&block["name"]),
                arguments: raw.unwrap_or_else(|| block["input"].to_string()),
                ..Tool::default()
            });
        }
        other => panic!("unknown {other}"),
    }
}

fn read_stop(holder: &Value, seen: &mut Seen) {
    seen.finish = text(&holder["stop_reason"]);
    seen.stop_sequence = holder["stop_sequence"].as_str().map(str::to_owned);
}

fn chat(events: &[Value]) -> Seen {
    let mut seen = Seen::default();
    let first = &events[0];
    let mut role = false;
    for (at, event) in events.iter().enumerate() {
        if *event == "[DONE]" {
            assert!(!seen.finish.is_empty(), "[DONE] before the finish");
            assert_eq!(at, events.len() - 1, "after [DONE]");
            seen.content = has_content(&seen);
            return seen;
        }
        if event.get("error").is_some() {
            assert_eq!(at, events.len() - 1, "after an error");
            seen.error = Failure::read(event);
            seen.content = has_content(&seen);
            return seen;
        }
        for key in ["id", "object", "created", "model"] {
            assert!(!event[key].is_null() && event[key] == first[key], "{key}: {event}");
        }
        let choices = event["choices"].as_array().unwrap();
        if !event["usage"].is_null() {
            assert!(choices.is_empty() && !seen.finish.is_empty(), "usage in a chunk of its own, after the finish");
            assert!(seen.usage.is_none(), "usage twice");
            seen.usage = Usage::read(&event["usage"]);
            continue;
        }
        assert!(seen.finish.is_empty(), "a chunk after the finish");
        let delta = &choices[0]["delta"];
        assert_eq!(choices[0]["index"], 0);
        // A heartbeat says nothing at all, and may come before it.
        let silent = delta.as_object().is_some_and(|delta| delta.values().all(|value| value == ""));
        assert!(role || silent || delta["role"].is_string(), "the role comes first");
        assert!(!(role && delta["role"].is_string()), "the role is told once: OpenAI's SDK adds roles up");
        role |= delta["role"].is_string();
        seen.text += &text(&delta["content"]);
        seen.refusal += &text(&delta["refusal"]);
        seen.reasoning += &text(&delta["reasoning_content"]);
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(call["index"].as_u64().unwrap()).unwrap();
            if index == seen.tools.len() {
                assert!(!text(&call["id"]).is_empty(), "{call}");
                seen.tools.push(chat_call(call));
            } else {
                assert_eq!(index, seen.tools.len() - 1, "an earlier call grows");
                assert!(call["id"].is_null() && call["function"]["name"].is_null(), "id and name once");
                assert!(call["type"].is_null() && call["custom"]["name"].is_null(), "id and name once");
                let tool = seen.tools.last_mut().unwrap();
                let more = if tool.custom { &call["custom"]["input"] } else { &call["function"]["arguments"] };
                tool.arguments += more.as_str().unwrap();
            }
        }
        // OpenAI's SDK adds lists up by the index of their entries.
        for (list, so_far) in [("annotations", seen.citations.len()), ("reasoning_details", seen.sealed.len())] {
            assert!(delta[list].is_null() || delta[list][0]["index"] == so_far, "{delta}");
        }
        chat_extras(delta, &mut seen);
        seen.finish = text(&choices[0]["finish_reason"]);
    }
    panic!("no end: {events:#?}");
}

fn chat_call(call: &Value) -> Tool {
    let custom = call["type"] == "custom";
    let of = &call[if custom { "custom" } else { "function" }];
    Tool {
        id: text(&call["id"]),
        name: text(&of["name"]),
        namespace: None,
        arguments: text(&of[if custom { "input" } else { "arguments" }]),
        custom,
    }
}

fn chat_extras(message: &Value, seen: &mut Seen) {
    let details = message["reasoning_details"].as_array().into_iter().flatten();
    seen.sealed.extend(details.map(|detail| text(&detail["data"])));
    let cited = message["annotations"].as_array().into_iter().flatten();
    seen.citations.extend(cited.map(|annotation| text(&annotation["url_citation"]["url"])));
}
