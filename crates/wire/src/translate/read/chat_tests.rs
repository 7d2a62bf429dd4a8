//! Chat requests, as clients send them and as none should.

use serde_json::{Value, json};

use crate::ClientApi;
use crate::error::ApiError;
use crate::translate::prompt::{Format, Reasoning, Source, Thought, ToolCall, ToolChoice};
use crate::translate::{Note, Opaque, OpaqueKind, Part, Prompt, Role, Turn, read_request};

fn try_read(mut body: Value) -> Result<Prompt, ApiError> {
    if let Some(body) = body.as_object_mut() {
        body.entry("model").or_insert(json!("primary"));
        body.entry("messages").or_insert(json!([{"role": "user", "content": "hi"}]));
    }
    read_request(ClientApi::Chat, body.to_string().as_bytes())
}

#[track_caller]
fn read(body: Value) -> Prompt {
    try_read(body).unwrap_or_else(|error| panic!("{}", error.message))
}

#[track_caller]
fn turns(messages: Value) -> Vec<Turn> {
    read(json!({"messages": messages})).turns
}

#[track_caller]
fn error(body: Value) -> (String, String) {
    let error = try_read(body).unwrap_err();
    (error.param.unwrap_or_default().into_owned(), error.message)
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), ..ToolCall::default() })
}

fn result(call_id: &str, text: &str) -> Part {
    Part::ToolResult {
        call_id: call_id.into(),
        content: vec![Part::text(text)],
        is_error: false,
        custom: false,
        cache: None,
    }
}

fn thought(text: &str) -> Part {
    Part::Reasoning(Thought { text: text.into(), ..Thought::default() })
}

#[test]
fn system_and_developer_keep_their_place_wherever_they_stand() {
    let read = turns(json!([
        {"role": "system", "content": "a"}, {"role": "developer", "content": [{"type": "text", "text": "b"}]},
        {"role": "developer", "content": "c"}, {"role": "user", "content": "d"}, {"role": "system", "content": "e"},
    ]));
    let roles: Vec<Role> = read.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::System, Role::Developer, Role::Developer, Role::User, Role::System]);
    assert_eq!(read[1].parts, [Part::text("b")]);
}

#[test]
fn pictures_files_and_sound() {
    let read = turns(json!([{"role": "user", "content": [
        {"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO+/==", "detail": "high"}},
        {"type": "image_url", "image_url": "https://x/y.png"},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "file", "file": {"filename": "a.txt", "file_data": "aGk="}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
    ]}]));
    let data = |media_type: &str, data: &str| Source::Data { media_type: media_type.into(), data: data.into() };
    assert_eq!(
        read[0].parts,
        [
            Part::Text { text: "see".into(), cache: Some(json!({"type": "ephemeral"})) },
            Part::Image { source: data("image/png", "iVBO+/=="), detail: Some("high".into()) },
            Part::Image { source: Source::Url("https://x/y.png".into()), detail: None },
            Part::File { source: data("application/pdf", "JVBERi0="), name: Some("a.pdf".into()) },
            Part::File { source: data("text/plain", "aGk="), name: Some("a.txt".into()) },
            Part::File { source: Source::Id("file-1".into()), name: None },
            Part::Audio { format: "wav".into(), data: "UklG".into() },
        ]
    );
}

#[test]
fn thoughts_text_and_calls_of_one_answer_stand_in_order() {
    let read = turns(json!([
        {"role": "assistant", "content": "so", "reasoning_content": "hm", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
            {"id": "b", "function": {"name": "g", "arguments": ""}},
            {"id": "c", "function": {"name": "h", "arguments": {"y": [2]}}},
            {"id": "d", "function": {"name": "i"}},
        ]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "2"}]},
        {"role": "tool", "tool_call_id": "c"},
    ]));
    let calls =
        [call("a", "f", "{\"x\":1}"), call("b", "g", "{}"), call("c", "h", "{\"y\":[2]}"), call("d", "i", "{}")];
    let mut parts = vec![thought("hm"), Part::text("so")];
    parts.extend(calls);
    assert_eq!(read[0], turn(Role::Assistant, parts));
    assert_eq!(read[1], turn(Role::User, vec![result("a", "1")]));
    assert_eq!(read[2], turn(Role::User, vec![result("b", "2")]));
    assert!(matches!(&read[3].parts[0], Part::ToolResult { content, .. } if content.is_empty()));
}

#[test]
fn empty_or_absent_text_beside_calls_is_none() {
    for content in [json!(""), json!(null)] {
        let read = turns(json!([{"role": "assistant", "content": content, "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]));
        assert_eq!(read[0].parts, [call("a", "f", "{}")]);
    }
    assert_eq!(turns(json!([{"role": "assistant", "content": ""}, {"role": "user", "content": ""}])).len(), 1);
}

#[test]
fn ids_are_made_up_once_for_call_and_result() {
    let read = turns(json!([
        {"role": "assistant", "tool_calls": [{"function": {"name": "f"}}, {"id": "", "function": {"name": "g"}}]},
        {"role": "tool", "content": "1"}, {"role": "tool", "tool_call_id": "", "content": "2"},
    ]));
    assert_eq!(read[0].parts, [call("call_0", "f", "{}"), call("call_1", "g", "{}")]);
    assert_eq!((&read[1].parts[0], &read[2].parts[0]), (&result("call_0", "1"), &result("call_1", "2")));
}

#[test]
fn the_older_functions_are_tools() {
    let read = read(json!({
        "functions": [{"name": "f", "parameters": {"type": "object"}}], "function_call": {"name": "f"},
        "messages": [
            {"role": "assistant", "content": null, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
        ],
    }));
    assert_eq!(
        (read.tools[0].name.as_str(), read.tools[0].parameters.as_ref()),
        ("f", Some(&json!({"type": "object"})))
    );
    assert_eq!(read.tool_choice, Some(ToolChoice::Named { name: "f".into(), namespace: None }));
    assert_eq!(read.turns[0].parts, [call("call_0", "f", "{}")]);
    assert_eq!(read.turns[1].parts, [result("call_0", "1")]);
    assert!(
        error(json!({"messages": [{"role": "function", "name": "f", "content": "1"}]})).1.contains("was not called")
    );
}

#[test]
fn free_form_tools_and_their_grammar() {
    let grammar = json!({"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /x/"}});
    let read = read(json!({
        "tools": [{"type": "custom", "custom": {"name": "patch", "description": "d", "format": grammar}},
            {"type": "custom", "custom": {"name": "say"}}],
        "messages": [
            {"role": "assistant", "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "patch", "input": "x"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "ok"},
        ],
    }));
    let flat = json!({"type": "grammar", "syntax": "lark", "definition": "start: /x/"});
    assert_eq!(read.tools[0].custom, Some(flat));
    assert_eq!((read.tools[1].custom.clone(), read.tools[1].parameters.clone()), (Some(json!({"type": "text"})), None));
    assert!(matches!(&read.turns[0].parts[0], Part::ToolCall(call) if call.custom && call.arguments == "x"));
    assert!(matches!(&read.turns[1].parts[0], Part::ToolResult { custom: true, .. }));
}

#[test]
fn a_call_id_carries_gemini_s_signature_and_loses_it() {
    let opaque =
        Opaque { provider: Some("google".into()), kind: OpaqueKind::ThoughtSignature, value: "s".into(), id: None };
    let id = opaque.on_id("a");
    let read = turns(json!([
        {"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": id, "content": "1"},
    ]));
    let expected = ToolCall {
        id: "a".into(),
        name: "f".into(),
        arguments: "{}".into(),
        opaque: Some(opaque),
        ..ToolCall::default()
    };
    assert_eq!(read[0].parts, [Part::ToolCall(expected)]);
    assert_eq!(read[1].parts, [result("a", "1")]);
}

#[test]
fn reasoning_is_read_once_from_whichever_key() {
    for message in [
        json!({"reasoning_content": "hm"}),
        json!({"reasoning": "hm"}),
        json!({"reasoning_text": "hm"}),
        json!({"reasoning_content": "hm", "reasoning": "hm"}),
        json!({"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}),
        json!({"reasoning_details": [{"type": "reasoning.text", "text": "h"}, {"type": "reasoning.text", "text": "m"}]}),
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
    ] {
        let mut message = message;
        message["role"] = json!("assistant");
        assert_eq!(turns(json!([message]))[0].parts, [thought("hm")], "{message}");
    }
}

#[test]
fn envelopes_come_back_and_what_others_sealed_does_not() {
    let sealed = |value: &str, kind| Opaque { provider: Some("p".into()), kind, value: value.into(), id: None };
    let (one, two) = (sealed("1", OpaqueKind::Redacted), sealed("2", OpaqueKind::Signature));
    let read = read(json!({"messages": [{"role": "assistant", "reasoning": "hm", "reasoning_details": [
        {"type": "reasoning.encrypted", "data": one.seal()}, {"type": "reasoning.encrypted", "data": two.seal()},
        {"type": "reasoning.encrypted", "data": "foreign"},
    ]}]}));
    let part = |text: &str, opaque: Opaque| {
        Part::Reasoning(Thought { text: text.into(), summary: Vec::new(), opaque: Some(opaque) })
    };
    assert_eq!(read.turns[0].parts, [part("", one), part("hm", two)]);
    assert_eq!(read.notes, [Note::dropped("reasoning_details")]);
}

#[test]
fn every_form_of_the_tool_choice() {
    let named = |name: &str| ToolChoice::Named { name: name.into(), namespace: None };
    for (choice, expected) in [
        (json!("auto"), ToolChoice::Auto),
        (json!("none"), ToolChoice::None),
        (json!("required"), ToolChoice::Required),
        (json!("any"), ToolChoice::Required),
        (json!({"type": "function", "function": {"name": "f"}}), named("f")),
        (json!({"type": "function", "name": "f"}), named("f")),
        (json!({"type": "tool", "name": "f"}), named("f")),
        (json!({"type": "custom", "custom": {"name": "c"}}), named("c")),
        (
            json!({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
                {"type": "function", "function": {"name": "f"}}, {"type": "web_search"}]}}),
            ToolChoice::Allowed { names: vec!["f".into()], required: true },
        ),
    ] {
        let tools =
            json!([{"type": "function", "function": {"name": "f"}}, {"type": "custom", "custom": {"name": "c"}}]);
        let read = read(json!({"tools": tools, "tool_choice": choice, "parallel_tool_calls": false}));
        assert_eq!((read.tool_choice, read.parallel_tools), (Some(expected), Some(false)), "{choice}");
    }
    let (param, message) = error(json!({"tool_choice": {"type": "function", "function": {"name": "gone"}}}));
    assert!(param == "tool_choice" && message.contains("\"gone\""), "{message}");
    assert_eq!(error(json!({"tool_choice": "maybe"})).0, "tool_choice");
}

#[test]
fn limits_sampling_and_the_rest() {
    let read = read(json!({
        "max_tokens": 5, "max_completion_tokens": 7, "temperature": 0.5, "top_p": 1, "seed": -3, "stop": "x",
        "frequency_penalty": 1, "presence_penalty": -1, "logprobs": true, "top_logprobs": 2, "stream": true,
        "stream_options": {"include_usage": true}, "verbosity": "low", "reasoning_effort": "high", "store": true,
        "prompt_cache_key": "k", "user": "u", "safety_identifier": "s", "service_tier": "flex", "metadata": {"a": "b"},
        "logit_bias": {"1": 2}, "n": 1, "modalities": ["text"], "odd key\n": 1,
    }));
    assert_eq!((read.max_output, read.stream, read.usage_wanted), (Some(7), true, true));
    let sampling = &read.sampling;
    assert_eq!((sampling.temperature, sampling.top_p, sampling.seed), (Some(0.5), Some(1.0), Some(-3)));
    assert_eq!((&sampling.stop, sampling.logprobs), (&vec!["x".to_owned()], Some(2)));
    assert_eq!((read.verbosity.as_deref(), read.reasoning.effort.as_deref()), (Some("low"), Some("high")));
    assert_eq!((read.cache_key.as_deref(), read.user.as_deref(), read.store), (Some("k"), Some("s"), Some(true)));
    assert_eq!(read.notes, [Note::dropped("logit_bias"), Note::dropped("unknown")]);
    let limit = |body: Value| self::read(body).max_output;
    assert_eq!(limit(json!({"max_tokens": 9.0, "max_completion_tokens": null})), Some(9));
    assert_eq!((limit(json!({"max_tokens": -1})), limit(json!({}))), (None, None));
    assert_eq!(self::read(json!({"top_logprobs": 2})).sampling.logprobs, None);
}

#[test]
fn every_way_to_say_how_much_to_think() {
    let reasoning = |effort: Option<&str>, budget, enabled| Reasoning {
        effort: effort.map(Into::into),
        budget,
        enabled,
        summary: None,
    };
    for (body, expected) in [
        (json!({"reasoning_effort": "none"}), reasoning(Some("none"), None, None)),
        (json!({"reasoning": {"effort": "low"}}), reasoning(Some("low"), None, None)),
        (json!({"reasoning": {"max_tokens": 9, "enabled": true}}), reasoning(None, Some(9), Some(true))),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 9}}), reasoning(None, Some(9), Some(true))),
        (json!({"thinking": {"type": "disabled"}}), reasoning(None, None, Some(false))),
        (json!({"enable_thinking": false}), reasoning(None, None, Some(false))),
        (json!({"chat_template_kwargs": {"enable_thinking": true}}), reasoning(None, None, Some(true))),
    ] {
        assert_eq!(read(body.clone()).reasoning, expected, "{body}");
    }
}

#[test]
fn response_formats() {
    let format = |value: Value| read(json!({"response_format": value})).format;
    assert_eq!(format(json!({"type": "text"})), Format::Text);
    assert_eq!(format(json!({"type": "json_object"})), Format::JsonObject);
    let schema = json!({"type": "object"});
    assert_eq!(
        format(json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema, "strict": true}})),
        Format::JsonSchema { name: Some("n".into()), description: None, schema, strict: Some(true) }
    );
    assert_eq!(error(json!({"response_format": {"type": "xml"}})).0, "response_format.type");
}

#[test]
fn hosted_tools_are_noted_and_left_out() {
    let read = read(json!({"tools": [{"type": "web_search"}, {"type": "function", "function": {"name": "f"}}]}));
    assert_eq!((read.tools.len(), read.notes), (1, vec![Note::dropped("web_search")]));
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    for (body, param, words) in [
        (json!({"model": null}), "model", "`model` is missing"),
        (json!({"messages": null}), "messages", "`messages` is missing"),
        (json!({"messages": "hi"}), "messages", "`messages` must be a list, not a string"),
        (json!({"messages": [1]}), "messages[0]", "must be an object, not a number"),
        (json!({"messages": [{"content": "a"}]}), "messages[0].role", "is missing"),
        (json!({"messages": [{"role": "bot", "content": "a"}]}), "messages[0].role", "\"bot\""),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content", "is missing"),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
            "messages[0].content[0].text",
            "missing",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": 1}}]}]}),
            "messages[0].content[0].image_url.url",
            "must be a string",
        ),
        (
            json!({"messages": [{"role": "user", "content": ["a", {"type": "video_url"}]}]}),
            "messages[0].content[1].type",
            "\"video_url\"",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]}]}),
            "messages[0].tool_calls[0].function.name",
            "is missing",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": [{"type": "x"}]}]}),
            "messages[0].content[0].type",
            "\"x\"",
        ),
        (json!({"messages": [{"role": "tool", "content": "a"}]}), "messages[0].tool_call_id", "is missing"),
        (json!({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}), "messages[0].audio", "sound"),
        (
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]}),
            "tools[0].function.parameters",
            "must be an object",
        ),
        (json!({"temperature": "hot"}), "temperature", "must be a number, not a string"),
        (json!({"max_tokens": 1.5}), "max_tokens", "must be a whole number"),
        (json!({"stop": [1]}), "stop[0]", "must be a string"),
        (json!({"stream_options": {"include_usage": 1}}), "stream_options.include_usage", "true or false"),
        (json!({"n": 2}), "n", "must be 1"),
        (json!({"modalities": ["text", "audio"]}), "modalities", "text"),
    ] {
        let (at, message) = error(body.clone());
        assert_eq!(at, param, "{body}: {message}");
        assert!(message.contains(words), "{body}: {message}");
    }
    let error = read_request(ClientApi::Chat, b"[]").unwrap_err();
    assert_eq!(error.message, "the request's body must be an object, not a list");
    let error = read_request(ClientApi::Chat, b"{\"model\":").unwrap_err();
    assert_eq!((error.code.as_ref(), error.message.contains("line 1")), ("invalid_json", true));
}
