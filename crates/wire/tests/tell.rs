//! What clients read of an answer, told by hand-made events: the cases of each API, and any answer in any pieces.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod clients;
mod told;

use clients::{Seen, Tool};
use pilotlight_wire::ClientApi::{self, Chat, Messages, Responses};
use pilotlight_wire::Usage;
use pilotlight_wire::failure::Failure;
use pilotlight_wire::translate::{Block, Event, Finish, Note, Opaque, OpaqueKind, Opening, Writer, whole};
use proptest::prelude::*;
use serde_json::{Value, json};
use told::{answer, block, call, delta, opaque, opening, proven, start, usage};

const APIS: [ClientApi; 3] = [Responses, Chat, Messages];

fn written(api: ClientApi, events: &[Event]) -> String {
    let mut writer = Writer::new(api, opening());
    let mut out = Vec::new();
    for event in events {
        out.extend_from_slice(&writer.write(event));
    }
    out.extend_from_slice(&writer.end());
    assert!(writer.is_over());
    assert!(writer.end().is_empty() && writer.write(&delta("more")).is_empty(), "nothing after the end");
    String::from_utf8(out).unwrap()
}

/// What a client sees, given that a stream, written at once or by the event, and a body say the same.
fn seen(api: ClientApi, events: &[Event]) -> Seen {
    let mut writer = Writer::new(api, opening());
    let mut at_once = writer.write_all(events).to_vec();
    at_once.extend_from_slice(&writer.end());
    let streamed = clients::stream(api, &at_once);
    if events.iter().any(|event| matches!(event, Event::Failed(_))) {
        assert!(whole(api, &opening(), events).is_err());
        return streamed;
    }
    let mut body = clients::body(api, &whole(api, &opening(), events).unwrap());
    if api == Messages {
        // A body holds objects where a stream has text.
        for (tool, streamed) in body.tools.iter_mut().zip(&streamed.tools) {
            let texts = [&tool.arguments, &streamed.arguments].map(|text| serde_json::from_str::<Value>(text).ok());
            assert!(texts[0] == texts[1] || tool.arguments.contains("INVALID_JSON"), "{tool:?} {streamed:?}");
            tool.arguments.clone_from(&streamed.arguments);
        }
    }
    assert_eq!(streamed, body, "a stream and a body of {}", api.title());
    streamed
}

fn datas(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap_or(json!(data)))
        .collect()
}

fn kinds(text: &str) -> Vec<String> {
    datas(text).iter().map(|data| data["type"].as_str().unwrap_or("[DONE]").replace("response.", "")).collect()
}

#[test]
fn words_thoughts_and_calls_stay_apart_in_every_api() {
    let events = answer(
        &[
            block(Block::Reasoning, &["hm", " \"so\""]),
            block(Block::Text, &["Héllo\n", "wörld"]),
            call("call_1", "weather", &["{\"city\":", "\"Rome\"}"]),
            call("call_2", "docs__search", &[]),
        ],
        Finish::Stop,
    );
    for api in APIS {
        let seen = seen(api, &events);
        assert_eq!((seen.text.as_str(), seen.reasoning.as_str()), ("Héllo\nwörld", "hm \"so\""));
        let calls: Vec<_> =
            seen.tools.iter().map(|tool| (tool.id.as_str(), tool.name.as_str(), tool.arguments.as_str())).collect();
        assert_eq!(calls, [("call_1", "weather", "{\"city\":\"Rome\"}"), ("call_2", "search", "{}")]);
        assert_eq!(seen.tools[1].namespace.as_deref(), (api == Responses).then_some("docs"), "namespaces are restored");
        assert_eq!(seen.usage, Some(usage()), "each API counts its own way");
    }
}

#[test]
fn a_responses_stream_event_by_event() {
    let proof = opaque(OpaqueKind::Encrypted, "gAAA");
    let events = answer(
        &[
            block(Block::Summary, &["one"]),
            proven(Block::Summary, &["two"], proof),
            block(Block::Text, &["a", "b"]),
            call("c", "f", &["{}"]),
        ],
        Finish::ToolCalls,
    );
    let text = written(Responses, &events);
    assert_eq!(
        kinds(&text),
        [
            "created",
            "in_progress",
            "output_item.added",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "reasoning_summary_part.added",
            "reasoning_summary_text.delta",
            "reasoning_summary_text.done",
            "reasoning_summary_part.done",
            "output_item.done",
            "output_item.added",
            "content_part.added",
            "output_text.delta",
            "output_text.delta",
            "output_text.done",
            "content_part.done",
            "output_item.done",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
            "[DONE]",
        ]
    );
    let last = &datas(&text)[23]["response"];
    assert_eq!(
        last["output"][0],
        json!({"id": "rs_abc1230", "type": "reasoning", "summary": [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}], "encrypted_content": "gAAA"})
    );
    assert_eq!(
        last["output"][2],
        json!({"id": "fc_abc1232", "type": "function_call", "call_id": "c", "name": "f", "status": "completed", "arguments": "{}"})
    );
    assert_eq!(
        last["usage"],
        json!({"input_tokens": 157, "input_tokens_details": {"cached_tokens": 50, "cache_write_tokens": 7}, "output_tokens": 20, "output_tokens_details": {"reasoning_tokens": 5}, "total_tokens": 177})
    );
    for (key, value) in [
        ("model", json!("lmstudio/minimax-m2.1")),
        ("instructions", json!("be brief")),
        ("temperature", json!(0.5)),
        ("reasoning", json!({"effort": "high", "summary": null})),
        ("store", json!(false)),
        ("input", json!(null)),
        ("id", json!("resp_abc123")),
    ] {
        assert_eq!(last[key], value, "{key}: the request is repeated, what is ours is ours");
    }
}

#[test]
fn thoughts_themselves_are_content_of_a_reasoning_item() {
    let text = written(Responses, &answer(&[block(Block::Reasoning, &["hm"])], Finish::Stop));
    let middle = [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ];
    assert_eq!(kinds(&text)[2..8], middle);
}

#[test]
fn a_messages_stream_event_by_event() {
    let events = answer(
        &[
            proven(Block::Reasoning, &["hm"], opaque(OpaqueKind::Signature, "sig")),
            block(Block::Text, &["a"]),
            call("c", "f", &[]),
        ],
        Finish::Stop,
    );
    let text = written(Messages, &events);
    let datas = datas(&text);
    let deltas: Vec<_> = datas
        .iter()
        .filter(|data| data["type"] == "content_block_delta")
        .map(|data| (data["index"].as_u64().unwrap(), data["delta"].clone()))
        .collect();
    assert_eq!(
        deltas,
        [
            (0, json!({"type": "thinking_delta", "thinking": "hm"})),
            (0, json!({"type": "signature_delta", "signature": "sig"})),
            (1, json!({"type": "text_delta", "text": "a"})),
            (2, json!({"type": "input_json_delta", "partial_json": "{}"})),
        ],
        "each kind in a block of its own, and the input of a call without any"
    );
    assert_eq!(
        datas[0]["message"]["usage"],
        json!({"input_tokens": 4321, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}),
        "an estimate at the start"
    );
    assert_eq!(
        datas[datas.len() - 2],
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": null}, "usage": {"input_tokens": 100, "cache_creation_input_tokens": 7, "cache_read_input_tokens": 50, "output_tokens": 20, "output_tokens_details": {"thinking_tokens": 5}}}),
        "the exact counts at the end"
    );
}

#[test]
fn a_chat_stream_event_by_event() {
    let text = written(Chat, &answer(&[call("c1", "f", &["{\"a\"", ":1}"]), call("c2", "f", &[])], Finish::Stop));
    let deltas: Vec<_> =
        datas(&text).iter().filter_map(|data| data["choices"].get(0)).map(|choice| choice["delta"].clone()).collect();
    assert_eq!(
        deltas,
        [
            json!({"role": "assistant", "content": ""}),
            json!({"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\""}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}),
            json!({"tool_calls": [{"index": 1, "id": "c2", "type": "function", "function": {"name": "f", "arguments": ""}}]}),
            json!({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
            json!({}),
        ]
    );
    assert!(text.ends_with("data: [DONE]\n\n"));
}

#[test]
fn usage_that_comes_after_the_finish_is_told_and_only_to_who_asked() {
    let mut events = answer(&[block(Block::Text, &["a"])], Finish::Stop);
    let last = events.len() - 1;
    events.swap(last - 1, last);
    for api in APIS {
        assert_eq!(clients::stream(api, written(api, &events).as_bytes()).usage, Some(usage()));
    }
    let mut writer = Writer::new(Chat, Opening { usage_wanted: false, ..opening() });
    let mut out = writer.write_all(&events).to_vec();
    out.extend_from_slice(&writer.end());
    assert!(!String::from_utf8(out).unwrap().contains("usage"));
}

#[test]
fn usage_that_never_comes_is_not_made_up_but_for_messages_which_need_numbers() {
    let mut events = answer(&[block(Block::Text, &["a longer text"])], Finish::Stop);
    events.retain(|event| !matches!(event, Event::Usage(_)));
    assert_eq!(seen(Responses, &events).usage, None);
    assert_eq!(seen(Chat, &events).usage, None);
    assert_eq!(seen(Messages, &events).usage, Some(Usage { input: 4321, output: 4, ..Usage::default() }));
}

#[test]
fn counts_of_the_start_are_told_at_the_start() {
    let counted = Usage { input: 9, cache_read: 90, ..Usage::default() };
    let mut events = answer(&[block(Block::Text, &["a"])], Finish::Stop);
    events[0] = Event::Start { id: None, model: None, usage: Some(counted) };
    let first = &datas(&written(Messages, &events))[0]["message"]["usage"];
    assert_eq!((&first["input_tokens"], &first["cache_read_input_tokens"]), (&json!(9), &json!(90)));
}

#[test]
fn free_form_tools_come_back_as_the_client_knows_them() {
    let json = ["{\"input\":\"*** Beg", "in Patch\\n", "+é\\u00e9\"}"];
    let as_function = answer(&[call("c", "apply_patch", &json)], Finish::ToolCalls);
    let free = Block::ToolCall { id: "c".to_owned(), name: "apply_patch".to_owned(), custom: true };
    let as_custom = answer(&[block(free, &["*** Begin Patch", "\n+éé"])], Finish::ToolCalls);
    for events in [&as_function, &as_custom] {
        for api in [Responses, Chat] {
            let tool = Tool {
                id: "c".to_owned(),
                name: "apply_patch".to_owned(),
                namespace: None,
                arguments: "*** Begin Patch\n+éé".to_owned(),
                custom: true,
            };
            assert_eq!(seen(api, events).tools, [tool]);
        }
        let input = serde_json::from_str::<Value>(&seen(Messages, events).tools[0].arguments).unwrap();
        assert_eq!(input, json!({"input": "*** Begin Patch\n+éé"}));
    }
    let text = written(Responses, &as_function);
    let middle = [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ];
    assert_eq!(kinds(&text)[2..8], middle, "piece by piece");
}

#[test]
fn proofs_travel_bare_where_they_are_at_home_and_sealed_elsewhere() {
    for (kind, home) in [
        (OpaqueKind::Signature, Some(Messages)),
        (OpaqueKind::Encrypted, Some(Responses)),
        (OpaqueKind::ThoughtSignature, None),
    ] {
        let proof = opaque(kind, "Zm9v+/=");
        for api in APIS {
            let told = seen(
                api,
                &answer(&[proven(Block::Reasoning, &["hm"], proof.clone()), block(Block::Text, &["a"])], Finish::Stop),
            );
            let expected = if Some(api) == home { proof.value.clone() } else { proof.seal() };
            assert_eq!(told.sealed, [expected], "{kind:?} to {}", api.title());
            assert_eq!(told.reasoning, "hm");
        }
    }
}

#[test]
fn a_thought_of_which_only_the_proof_is_told() {
    let encrypted = opaque(OpaqueKind::Encrypted, "gAAA");
    let events =
        answer(&[proven(Block::Reasoning, &[], encrypted.clone()), call("c", "f", &["{}"])], Finish::ToolCalls);
    for api in APIS {
        let told = seen(api, &events);
        assert_eq!((told.sealed.len(), told.reasoning.as_str(), told.tools.len()), (1, "", 1));
    }
    let redacted = answer(&[proven(Block::Reasoning, &[], opaque(OpaqueKind::Redacted, "xyz"))], Finish::Stop);
    assert_eq!(
        datas(&written(Messages, &redacted))[1]["content_block"],
        json!({"type": "redacted_thinking", "data": "xyz"})
    );
    assert_eq!(seen(Messages, &redacted).sealed, ["xyz"]);
}

#[test]
fn a_calls_signature_travels_in_its_id() {
    let signature = opaque(OpaqueKind::ThoughtSignature, "sig");
    let mut signed = call("c1", "f", &["{\"a\":1}"]);
    *signed.last_mut().unwrap() = Event::End { opaque: Some(signature.clone()) };
    for api in APIS {
        let told = seen(api, &answer(&[signed.clone(), call("c2", "f", &[])], Finish::ToolCalls));
        assert_eq!(Opaque::split_id(&told.tools[0].id), ("c1", Some(signature.clone())));
        assert_eq!((told.tools[1].id.as_str(), told.sealed.len()), ("c2", 0));
    }
}

#[test]
fn paragraphs_of_a_summary_are_one_thought() {
    let proof = opaque(OpaqueKind::Encrypted, "gAAA");
    let events = answer(&[block(Block::Summary, &["one"]), proven(Block::Summary, &["two"], proof)], Finish::Stop);
    for api in [Chat, Messages] {
        let told = seen(api, &events);
        assert_eq!((told.reasoning.as_str(), told.sealed.len()), ("one\n\ntwo", 1));
    }
    assert_eq!(kinds(&written(Messages, &events)).iter().filter(|kind| *kind == "content_block_start").count(), 1);
}

#[test]
fn texts_in_a_row_are_one_part_unless_something_stood_between_them() {
    let pieces = [block(Block::Text, &["a"]), block(Block::Text, &["b"])];
    let count = |events: &[Event]| {
        kinds(&written(Responses, events)).iter().filter(|kind| *kind == "output_item.added").count()
    };
    assert_eq!(count(&answer(&pieces, Finish::Stop)), 1);
    let [first, second] = pieces;
    let apart = answer(&[first, vec![Event::Dropped(Note::dropped("web_search_call"))], second], Finish::Stop);
    assert_eq!(count(&apart), 2);
    let mut within = block(Block::Text, &["a", "b"]);
    within.insert(2, Event::Dropped(Note::dropped("file_citation")));
    assert_eq!(count(&answer(&[within.clone()], Finish::Stop)), 1, "and it stood between them, not within one");
    assert_eq!(seen(Responses, &answer(&[within], Finish::Stop)).text, "ab");
    assert_eq!(seen(Responses, &apart).text, "ab");
}

#[test]
fn empty_blocks_are_not_told() {
    let events =
        answer(&[block(Block::Text, &[]), block(Block::Reasoning, &[]), block(Block::Text, &["a"])], Finish::Stop);
    for api in APIS {
        assert_eq!(seen(api, &events).text, "a");
    }
    assert_eq!(kinds(&written(Messages, &events)).iter().filter(|kind| *kind == "content_block_start").count(), 1);
}

#[test]
fn reasons_to_end() {
    let sequence = Finish::StopSequence(Some("END".to_owned()));
    let table: [(Finish, [&str; 3]); 9] = [
        (Finish::Stop, ["completed", "stop", "end_turn"]),
        (sequence.clone(), ["completed", "stop", "stop_sequence"]),
        (Finish::Length, ["max_output_tokens", "length", "max_tokens"]),
        (Finish::ContextFull, ["max_output_tokens", "length", "model_context_window_exceeded"]),
        (Finish::ToolCalls, ["completed", "stop", "end_turn"]),
        (Finish::ContentFilter, ["content_filter", "content_filter", "refusal"]),
        (Finish::Refusal, ["content_filter", "content_filter", "refusal"]),
        (Finish::Pause, ["completed", "stop", "pause_turn"]),
        (Finish::Other("eos".to_owned()), ["completed", "stop", "end_turn"]),
    ];
    for (finish, expected) in table {
        let with_call = answer(&[call("c", "f", &["{}"])], finish.clone());
        for (api, expected) in APIS.into_iter().zip(expected) {
            let told = seen(api, &answer(&[block(Block::Text, &["a"])], finish.clone()));
            assert_eq!(told.finish, expected, "{finish:?} to {}", api.title());
            assert_eq!(told.stop_sequence.as_deref(), (api == Messages && finish == sequence).then_some("END"));
            if matches!(finish, Finish::Stop | Finish::ToolCalls | Finish::Other(_)) {
                assert_eq!(
                    seen(api, &with_call).finish,
                    ["completed", "tool_calls", "tool_use"][APIS.iter().position(|other| *other == api).unwrap()],
                    "{finish:?} after a call"
                );
            }
        }
    }
}

#[test]
fn a_model_that_declines() {
    let events = answer(&[block(Block::Refusal, &["I ", "won't"])], Finish::Stop);
    let [responses, chat, messages] = APIS.map(|api| seen(api, &events));
    assert_eq!((responses.refusal.as_str(), responses.finish.as_str()), ("I won't", "completed"));
    assert_eq!((chat.refusal.as_str(), chat.finish.as_str()), ("I won't", "stop"));
    assert_eq!((messages.text.as_str(), messages.finish.as_str()), ("I won't", "refusal"));
}

#[test]
fn pages_that_a_text_was_taken_from() {
    let cited = Event::Citation { url: "https://example.org/\"a\"".to_owned(), title: None };
    let mut text = block(Block::Text, &["a", "b"]);
    text.insert(2, cited.clone());
    text.insert(4, cited.clone());
    for api in APIS {
        assert_eq!(seen(api, &answer(&[text.clone()], Finish::Stop)).citations.len(), 2);
    }
    let mut writer = Writer::new(Messages, opening());
    writer.write_all(&[start(), cited]);
    assert_eq!(writer.notes(), [Note::dropped("citations")], "no text to cite in");
}

#[test]
fn failures_are_told_in_the_clients_own_form_and_nothing_after() {
    let failed = |code: Option<&str>, message: &str| {
        let mut events = vec![start()];
        events.extend([Event::Begin(Block::Text), delta("half")]);
        events.push(Event::Failed(Failure { code: code.map(str::to_owned), message: message.to_owned() }));
        events
    };
    let table = [
        (Some("overloaded_error"), "busy", ["rate_limit_exceeded", "rate_limit_exceeded", "overloaded_error"]),
        (
            None,
            "n_keep: 9 >= n_ctx: 4",
            ["context_length_exceeded", "context_length_exceeded", "invalid_request_error"],
        ),
        (Some("insufficient_quota"), "pay", ["insufficient_quota", "insufficient_quota", "billing_error"]),
        (None, "the stream \"broke\"\noff", ["server_error", "server_error", "api_error"]),
        (Some("boom"), "m", ["boom", "boom", "api_error"]),
    ];
    for (code, message, codes) in table {
        for (api, expected) in APIS.into_iter().zip(codes) {
            let told = seen(api, &failed(code, message));
            let error = told.error.unwrap();
            assert_eq!(error.code.as_deref(), Some(expected));
            assert!(error.message.ends_with(message), "{}", error.message);
            assert_eq!(error.message.starts_with("prompt is too long"), api == Messages && message.contains("n_keep"));
            assert!(told.content);
        }
    }
    for api in APIS {
        let alone = written(api, &[Event::Failed(Failure::new("m"))]);
        assert_eq!(clients::stream(api, alone.as_bytes()).error.unwrap().message, "m", "before anything else");
    }
}

#[test]
fn a_stream_without_an_end_is_an_error_and_no_success() {
    let mut events = vec![start()];
    events.extend(block(Block::Text, &["half"]));
    for api in APIS {
        assert!(clients::stream(api, written(api, &events).as_bytes()).error.is_some());
        assert!(whole(api, &opening(), &events).is_err());
    }
}

#[test]
fn signs_of_life_are_events_of_the_api_and_silent_before_content() {
    for api in APIS {
        let mut writer = Writer::new(api, opening());
        assert!(writer.write(&Event::Life).is_empty());
        writer.write_all(&[start(), Event::Begin(Block::Text), delta("a")]);
        assert!(writer.write(&Event::Life).starts_with(if api == Chat { b"data: {" } else { b"event: " }));
        let mut events = answer(&[block(Block::Text, &["a", "b"])], Finish::Stop);
        events.insert(3, Event::Life);
        assert_eq!(seen(api, &events).text, "ab");
    }
}

#[test]
fn a_stream_that_heartbeats_began_is_not_begun_twice() {
    use pilotlight_wire::error::Position;
    use pilotlight_wire::heartbeat::Heart;
    use pilotlight_wire::sse::Framer;
    for api in APIS {
        let opening = opening();
        let (id, model) = (format!("resp_{}", opening.id), opening.model.clone());
        let at = Position { response_id: id, created: opening.created, model, sequence: 0 };
        let mut heart = Heart::new(api, at);
        let mut out = [heart.beat(), heart.beat(), heart.beat()].concat();
        let mut writer = Writer::new(api, opening);
        let mut written = writer.write_all(&answer(&[block(Block::Text, &["a"])], Finish::Stop)).to_vec();
        written.extend_from_slice(&writer.end());
        let mut framer = Framer::default();
        framer.push(&written);
        while let Some(frame) = framer.next_frame().unwrap() {
            out.extend_from_slice(&heart.adopt(&frame).unwrap_or_default());
        }
        if api == Messages {
            // Its pings may come before everything else.
            let from = out.windows(20).position(|window| window == b"event: message_start").unwrap();
            out.drain(..from);
        }
        assert_eq!(clients::stream(api, &out).text, "a");
    }
}

#[test]
fn arguments_that_are_no_object_are_not_lost() {
    for (arguments, input) in [
        ("\"{\\\"a\\\":1}\"", json!({"a": 1})),
        ("{\"a\":", json!({"INVALID_JSON": "{\"a\":"})),
        ("null", json!({})),
        ("[1]", json!({"INVALID_JSON": "[1]"})),
    ] {
        let body = whole(Messages, &opening(), &answer(&[call("c", "f", &[arguments])], Finish::Length)).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["content"][0]["input"], input);
    }
}

fn any_block() -> impl Strategy<Value = Vec<Event>> {
    let which = prop_oneof![
        3 => Just(Block::Text),
        2 => Just(Block::Reasoning),
        1 => Just(Block::Summary),
        1 => Just(Block::Refusal),
        3 => ("[a-z0-9]{1,9}", "apply_patch|docs__search|f", any::<bool>()).prop_map(|(id, name, custom)| Block::ToolCall { id, name, custom }),
    ];
    let pieces = proptest::collection::vec("(?s).{1,9}", 0..5);
    let kind = prop_oneof![
        Just(OpaqueKind::Signature),
        Just(OpaqueKind::Encrypted),
        Just(OpaqueKind::Redacted),
        Just(OpaqueKind::ThoughtSignature)
    ];
    (which, pieces, proptest::option::of(kind), any::<bool>()).prop_map(|(which, pieces, kind, cited)| {
        let mut events = vec![Event::Begin(which.clone())];
        events.extend(pieces.iter().map(|piece| delta(piece)));
        if cited && which == Block::Text && !pieces.is_empty() {
            events.push(Event::Citation { url: "https://example.org".to_owned(), title: Some("t".to_owned()) });
        }
        events.push(Event::End {
            opaque: kind.filter(|_| matches!(which, Block::Reasoning | Block::Summary)).map(|kind| opaque(kind, "v")),
        });
        events
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_answer_reads_the_same_as_a_stream_and_as_a_body(blocks in proptest::collection::vec(any_block(), 0..7), late in any::<bool>()) {
        let mut events = answer(&blocks, Finish::Stop);
        if late {
            let last = events.len() - 1;
            events.swap(last - 1, last);
        }
        let words: String = blocks.iter().filter(|block| block[0] == Event::Begin(Block::Text)).flatten().filter_map(|event| if let Event::Delta(text) = event { Some(text.as_str()) } else { None }).collect();
        let calls = blocks.iter().filter(|block| matches!(block[0], Event::Begin(Block::ToolCall { .. }))).count();
        for api in APIS {
            let told = seen(api, &events);
            prop_assert_eq!(told.tools.len(), calls);
            prop_assert_eq!(told.usage, Some(usage()));
            if api != Messages {
                prop_assert_eq!(&told.text, &words);
            }
        }
    }
}

#[test]
fn a_number_keeps_its_digits_in_an_answer() {
    let number = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let body = whole(Messages, &opening(), &answer(&[call("c", "f", &[&format!("{{\"a\":{number}}}")])], Finish::Stop));
    let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
    assert!(body.contains(&format!("\"input\":{{\"a\":{number}}}")), "{body}");
}
