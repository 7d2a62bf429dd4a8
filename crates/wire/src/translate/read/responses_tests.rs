//! Responses requests, as Codex and others send them and as none should.

use serde_json::{Value, json};

use crate::ClientApi;
use crate::error::ApiError;
use crate::translate::prompt::{Format, Source, Thought, ToolCall, ToolChoice};
use crate::translate::{Note, Opaque, OpaqueKind, Part, Prompt, Role, Turn, read_request};

fn try_read(mut body: Value) -> Result<Prompt, ApiError> {
    if let Some(body) = body.as_object_mut() {
        body.entry("model").or_insert(json!("primary"));
        body.entry("input").or_insert(json!("hi"));
    }
    read_request(ClientApi::Responses, body.to_string().as_bytes())
}

#[track_caller]
fn read(body: Value) -> Prompt {
    try_read(body).unwrap_or_else(|error| panic!("{}", error.message))
}

#[track_caller]
fn turns(input: Value) -> Vec<Turn> {
    read(json!({"input": input})).turns
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn call(id: &str, name: &str, arguments: &str) -> Part {
    Part::ToolCall(ToolCall { id: id.into(), name: name.into(), arguments: arguments.into(), ..ToolCall::default() })
}

fn result(call_id: &str, text: &str) -> Part {
    let content = vec![Part::text(text)];
    Part::ToolResult { call_id: call_id.into(), content, is_error: false, custom: false, cache: None }
}

#[test]
fn a_text_for_input_is_the_person_s() {
    let read = read(json!({"input": "hi", "instructions": "be brief"}));
    assert_eq!(
        read.turns,
        [turn(Role::System, vec![Part::text("be brief")]), turn(Role::User, vec![Part::text("hi")])]
    );
    assert_eq!((read.instructions, read.usage_wanted), (1, true));
}

#[test]
fn an_answer_s_items_are_one_turn_and_its_results_another() {
    let read = turns(json!([
        {"role": "developer", "content": "a"},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "b"}]},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "c"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}], "content": null,
            "encrypted_content": "gAAA"},
        {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "phase": "commentary",
            "content": [{"type": "output_text", "text": "d", "annotations": []}]},
        {"type": "function_call", "id": "fc_1", "call_id": "call_a", "name": "f", "arguments": "{\"x\":1}"},
        {"type": "function_call", "id": "fc_2", "call_id": "call_b", "name": "g", "arguments": ""},
        {"type": "function_call_output", "id": "fco_1", "call_id": "call_a", "output": "1"},
        {"type": "function_call_output", "call_id": "call_b", "output": "2"},
        {"role": "user", "content": "e"}, {"role": "user", "content": "f"},
    ]));
    let opaque = Opaque { provider: None, kind: OpaqueKind::Encrypted, value: "gAAA".into(), id: Some("rs_1".into()) };
    let thought = Thought { text: String::new(), summary: vec!["s".into()], opaque: Some(opaque) };
    let said =
        vec![Part::Reasoning(thought), Part::text("d"), call("call_a", "f", "{\"x\":1}"), call("call_b", "g", "{}")];
    assert_eq!(
        read,
        [
            turn(Role::Developer, vec![Part::text("a")]),
            turn(Role::Developer, vec![Part::text("b")]),
            turn(Role::User, vec![Part::text("c")]),
            turn(Role::Assistant, said),
            turn(Role::User, vec![result("call_a", "1"), result("call_b", "2")]),
            turn(Role::User, vec![Part::text("e")]),
            turn(Role::User, vec![Part::text("f")]),
        ]
    );
}

#[test]
fn thoughts_in_the_open_and_in_an_envelope() {
    let opaque =
        Opaque { provider: Some("anthropic".into()), kind: OpaqueKind::Signature, value: "s".into(), id: None };
    let read = turns(json!([
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "h"}, {"type": "reasoning_text", "text": "m"}],
            "id": "rs_ours", "encrypted_content": opaque.seal()},
        {"type": "reasoning", "summary": [], "content": null, "encrypted_content": null},
    ]));
    let thought = Thought { text: "hm".into(), summary: Vec::new(), opaque: Some(opaque) };
    assert_eq!(read, [turn(Role::Assistant, vec![Part::Reasoning(thought)])]);
}

#[test]
fn namespaces_and_free_form_tools() {
    let read = read(json!({
        "tools": [
            {"type": "function", "name": "f", "description": "d", "strict": false, "parameters": {"type": "object"}},
            {"type": "namespace", "name": "mcp__x", "description": "n", "tools": [
                {"type": "function", "name": "g", "parameters": {}}, {"type": "custom", "name": "h"}]},
            {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}},
            {"type": "web_search", "external_web_access": true}, {"type": "local_shell"}, {"type": "tool_search"},
        ],
        "input": [
            {"type": "function_call", "call_id": "a", "namespace": "mcp__x", "name": "g", "arguments": "{}"},
            {"type": "custom_tool_call", "call_id": "b", "name": "apply_patch", "input": "*** Begin"},
            {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "1"}]},
            {"type": "custom_tool_call_output", "call_id": "b", "output": "ok"},
            {"type": "custom_tool_call_output", "call_id": "earlier", "output": "ok"},
        ],
    }));
    let tools: Vec<_> = read
        .tools
        .iter()
        .map(|tool| (tool.namespace.as_deref(), tool.name.as_str(), tool.custom.is_some(), tool.parameters.is_some()))
        .collect();
    assert_eq!(
        tools,
        [
            (None, "f", false, true),
            (Some("mcp__x"), "g", false, true),
            (Some("mcp__x"), "h", true, false),
            (None, "apply_patch", true, false),
        ]
    );
    assert_eq!(read.tools[0].strict, Some(false));
    assert_eq!(read.notes, ["web_search", "local_shell", "tool_search"].map(Note::dropped));
    let [Part::ToolCall(one), Part::ToolCall(two)] = read.turns[0].parts.as_slice() else { panic!("{:?}", read.turns) };
    assert_eq!((one.namespace.as_deref(), one.custom), (Some("mcp__x"), false));
    assert_eq!((two.arguments.as_str(), two.custom), ("*** Begin", true));
    let custom: Vec<bool> =
        read.turns[1].parts.iter().map(|part| matches!(part, Part::ToolResult { custom: true, .. })).collect();
    assert_eq!(custom, [false, true, true]);
}

#[test]
fn a_gemini_signature_in_a_call_id() {
    let opaque =
        Opaque { provider: Some("google".into()), kind: OpaqueKind::ThoughtSignature, value: "s".into(), id: None };
    let id = opaque.on_id("a");
    let read = turns(json!([
        {"type": "function_call", "call_id": id, "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": id, "output": "1"},
    ]));
    assert!(matches!(&read[0].parts[0], Part::ToolCall(call) if call.id == "a" && call.opaque == Some(opaque)));
    assert_eq!(read[1].parts, [result("a", "1")]);
}

#[test]
fn results_with_pictures_lists_and_failures() {
    let read = turns(json!([
        {"type": "function_call_output", "call_id": "a", "output": [
            {"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": "data:image/png;base64,iV=="}]},
        {"type": "function_call_output", "call_id": "b", "output": {"content": "no", "success": false}},
        {"type": "function_call_output", "call_id": "c", "output": ""},
        {"type": "function_call_output", "call_id": "d", "output": []},
        {"type": "computer_call_output", "call_id": "e", "output": {"type": "computer_screenshot", "image_url": "https://x/"}},
    ]));
    let image =
        Part::Image { source: Source::Data { media_type: "image/png".into(), data: "iV==".into() }, detail: None };
    let told: Vec<_> = read[0]
        .parts
        .iter()
        .map(|part| match part {
            Part::ToolResult { content, is_error, .. } => (content.clone(), *is_error),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told[0], (vec![Part::text("see"), image], false));
    assert_eq!(told[1], (vec![Part::text("no")], true));
    assert_eq!((told[2].clone(), told[3].clone()), ((vec![Part::text("")], false), (Vec::new(), false)));
    assert!(matches!(&told[4].0[0], Part::Image { source: Source::Url(url), .. } if url == "https://x/"));
}

#[test]
fn items_of_hosted_tools_are_noted_and_client_run_ones_are_calls() {
    let read = read(json!({"input": [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "local_shell_call", "call_id": "a", "status": "completed", "action": {"type": "exec", "command": ["ls"]}},
        {"type": "function_call_output", "call_id": "a", "output": "files"},
        {"type": "tool_search_call", "call_id": "b", "execution": "client", "arguments": {"query": "q"}},
        {"type": "tool_search_output", "call_id": "b", "execution": "client", "tools": [
            {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "g"}]}]},
        {"type": "tool_search_call", "call_id": null, "execution": "server", "arguments": {}},
        {"type": "tool_search_output", "call_id": null, "tools": [{"type": "function", "name": "h"}]},
        {"type": "image_generation_call", "id": "ig_1", "result": "iVBO"}, {"type": "something_new"},
    ]}));
    assert_eq!(
        read.turns,
        [
            turn(Role::Assistant, vec![call("a", "local_shell", "{\"type\":\"exec\",\"command\":[\"ls\"]}")]),
            turn(Role::User, vec![result("a", "files")]),
            turn(Role::Assistant, vec![call("b", "tool_search", "{\"query\":\"q\"}")]),
            turn(Role::User, vec![result("b", "Tools found: g")]),
        ]
    );
    let tools: Vec<_> = read.tools.iter().map(|tool| (tool.namespace.as_deref(), tool.name.as_str())).collect();
    assert_eq!(tools, [(Some("ns"), "g"), (None, "h")]);
    assert_eq!(
        read.notes,
        ["web_search_call", "tool_search_call", "image_generation_call", "something_new"].map(Note::dropped)
    );
}

#[test]
fn the_rest_of_a_request() {
    let read = read(json!({
        "max_output_tokens": 16, "reasoning": {"effort": "xhigh", "summary": "auto"}, "store": false, "stream": true,
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"], "previous_response_id": "resp_1",
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": true}},
        "prompt_cache_key": "k", "client_metadata": {"a": "b"}, "truncation": "auto", "input": null,
        "stream_options": {"include_obfuscation": false}, "temperature": 0.1,
    }));
    assert_eq!((read.max_output, read.store, read.stream), (Some(16), Some(false), true));
    assert_eq!((read.reasoning.effort.as_deref(), read.reasoning.summary.as_deref()), (Some("xhigh"), Some("auto")));
    assert_eq!((read.previous_response_id.as_deref(), read.turns.len()), (Some("resp_1"), 0));
    assert_eq!((read.sampling.logprobs, read.include.len()), (Some(0), 2));
    assert_eq!(
        (read.verbosity.as_deref(), read.format),
        (
            Some("low"),
            Format::JsonSchema {
                name: Some("n".into()),
                description: None,
                schema: json!({"type": "object"}),
                strict: Some(true)
            }
        )
    );
    assert_eq!(read.notes, [Note::dropped("truncation")]);
}

#[test]
fn choices_among_tools() {
    let choose = |choice: Value| {
        let tools = json!([
            {"type": "function", "name": "f"}, {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "g"}]}
        ]);
        try_read(json!({"tools": tools, "tool_choice": choice}))
    };
    let named = |name: &str, namespace: Option<&str>| {
        Some(ToolChoice::Named { name: name.into(), namespace: namespace.map(Into::into) })
    };
    assert_eq!(choose(json!({"type": "function", "name": "f"})).unwrap().tool_choice, named("f", None));
    assert_eq!(choose(json!({"type": "function", "name": "g"})).unwrap().tool_choice, named("g", None));
    let choice = json!({"type": "function", "name": "g", "namespace": "ns"});
    assert_eq!(choose(choice).unwrap().tool_choice, named("g", Some("ns")));
    let choice = json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]});
    let allowed = Some(ToolChoice::Allowed { names: vec!["f".into()], required: false });
    assert_eq!(choose(choice).unwrap().tool_choice, allowed);
    for choice in [json!({"type": "web_search"}), json!({"type": "mcp", "server_label": "x"})] {
        let error = choose(choice).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("tool_choice.type"), "{}", error.message);
    }
}

#[test]
fn what_only_the_vendor_stores_is_refused_clearly() {
    for (body, param) in [
        (json!({"conversation": "conv_1"}), "conversation"),
        (json!({"conversation": {"id": "conv_1"}}), "conversation"),
        (json!({"prompt": {"id": "pmpt_1"}}), "prompt"),
        (json!({"background": true}), "background"),
        (json!({"input": [{"type": "item_reference", "id": "msg_1"}]}), "input[0]"),
        (json!({"input": [{"id": "msg_1"}]}), "input[0]"),
        (json!({"input": [{"type": "compaction", "encrypted_content": "x"}]}), "input[0]"),
    ] {
        let error = try_read(body.clone()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{body}: {}", error.message);
    }
    assert!(try_read(json!({"background": false, "conversation": null})).is_ok());
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    for (body, param) in [
        (json!({"input": null}), "input"),
        (json!({"input": 1}), "input"),
        (json!({"input": [1]}), "input[0]"),
        (json!({"input": [{}]}), "input[0].type"),
        (json!({"input": [{"role": "tool", "content": "a"}]}), "input[0].role"),
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (json!({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}), "input[0].content[0].image_url"),
        (json!({"input": [{"type": "reasoning", "summary": [{"text": 1}]}]}), "input[0].summary[0].text"),
        (json!({"input": [{"type": "function_call", "call_id": "a"}]}), "input[0].name"),
        (json!({"input": [{"type": "function_call", "name": "f", "arguments": 1}]}), "input[0].arguments"),
        (json!({"input": [{"type": "function_call_output", "id": "fco_1", "output": "a"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call_output", "call_id": "a", "output": 1}]}), "input[0].output"),
        (json!({"instructions": []}), "instructions"),
        (
            json!({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]}),
            "tools[0].tools[0].name",
        ),
        (json!({"text": {"format": {"type": "x"}}}), "text.format.type"),
        (json!({"text": {"verbosity": 1}}), "text.verbosity"),
        (json!({"reasoning": {"effort": 1}}), "reasoning.effort"),
        (json!({"include": ["a", 1]}), "include[1]"),
    ] {
        let error = try_read(body.clone()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{body}: {}", error.message);
    }
}
