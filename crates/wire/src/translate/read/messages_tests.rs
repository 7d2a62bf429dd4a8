//! Messages requests, as Claude Code and others send them and as none should.

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
    read_request(ClientApi::Messages, body.to_string().as_bytes())
}

#[track_caller]
fn read(body: Value) -> Prompt {
    try_read(body).unwrap_or_else(|error| panic!("{}", error.message))
}

#[track_caller]
fn turns(messages: Value) -> Vec<Turn> {
    read(json!({"messages": messages})).turns
}

fn turn(role: Role, parts: Vec<Part>) -> Turn {
    Turn { role, parts }
}

fn cached(text: &str) -> Part {
    Part::Text { text: text.into(), cache: Some(json!({"type": "ephemeral"})) }
}

fn thought(text: &str, opaque: Option<Opaque>) -> Part {
    Part::Reasoning(Thought { text: text.into(), summary: Vec::new(), opaque })
}

fn bare(kind: OpaqueKind, value: &str) -> Option<Opaque> {
    Some(Opaque { provider: None, kind, value: value.into(), id: None })
}

#[test]
fn system_as_a_text_or_as_blocks_comes_first() {
    let user = turn(Role::User, vec![Part::text("hi")]);
    let expected = [turn(Role::System, vec![Part::text("be brief")]), user.clone()];
    assert_eq!(read(json!({"system": "be brief"})).turns, expected);
    let blocks = json!([
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2"},
        {"type": "text", "text": "You are", "cache_control": {"type": "ephemeral"}},
    ]);
    let parts = vec![Part::text("x-anthropic-billing-header: cc_version=2"), cached("You are")];
    assert_eq!(read(json!({"system": blocks})).turns, [turn(Role::System, parts), user.clone()]);
    for nothing in [json!(""), json!([]), json!(null)] {
        assert_eq!(read(json!({"system": nothing})).turns, std::slice::from_ref(&user));
    }
}

#[test]
fn a_system_message_between_the_others_keeps_its_place() {
    let read = turns(json!([
        {"role": "user", "content": "a"}, {"role": "system", "content": "b"},
        {"role": "system", "content": [{"type": "text", "text": "c"}]}, {"role": "user", "content": "d"},
    ]));
    let roles: Vec<Role> = read.iter().map(|turn| turn.role).collect();
    assert_eq!(roles, [Role::User, Role::System, Role::System, Role::User]);
}

#[test]
fn thoughts_calls_and_results_in_order() {
    let read = turns(json!([
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "c2ln+/="},
            {"type": "thinking", "thinking": "", "signature": "omitted"},
            {"type": "thinking", "thinking": "unsigned", "signature": ""},
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "redacted_thinking", "data": "r"},
            {"type": "text", "text": "so", "citations": null},
            {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"b": 1, "a": [2.50, "é"]}},
            {"type": "tool_use", "id": "toolu_2", "name": "g"},
        ]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "1", "cache_control": {"type": "ephemeral"}},
            {"type": "tool_result", "tool_use_id": "toolu_2", "is_error": true, "content": [
                {"type": "text", "text": "no"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "Uk+/="}},
                {"type": "tool_reference", "tool_name": "found"},
            ]},
            {"type": "tool_result", "tool_use_id": "toolu_3"},
            {"type": "text", "text": "and", "cache_control": {"type": "ephemeral"}},
        ]},
    ]));
    let call = |id: &str, name: &str, arguments: &str| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: arguments.into(),
            ..ToolCall::default()
        })
    };
    assert_eq!(
        read[0].parts,
        [
            thought("hm", bare(OpaqueKind::Signature, "c2ln+/=")),
            thought("", bare(OpaqueKind::Signature, "omitted")),
            thought("unsigned", None),
            thought("", bare(OpaqueKind::Redacted, "r")),
            Part::text("so"),
            call("toolu_1", "f", "{\"b\":1,\"a\":[2.5,\"é\"]}"),
            call("toolu_2", "g", "{}"),
        ]
    );
    let image = Source::Data { media_type: "image/webp".into(), data: "Uk+/=".into() };
    let result = |call_id: &str, content: Vec<Part>, is_error: bool, cache: Option<Value>| Part::ToolResult {
        call_id: call_id.into(),
        content,
        is_error,
        custom: false,
        cache,
    };
    let failed = vec![Part::text("no"), Part::Image { source: image, detail: None }, Part::text("found")];
    assert_eq!(
        read[1].parts,
        [
            result("toolu_1", vec![Part::text("1")], false, Some(json!({"type": "ephemeral"}))),
            result("toolu_2", failed, true, None),
            result("toolu_3", vec![], false, None),
            cached("and"),
        ]
    );
}

#[test]
fn envelopes_and_carried_signatures_come_back() {
    let encrypted = Opaque {
        provider: Some("openai".into()),
        kind: OpaqueKind::Encrypted,
        value: "e".into(),
        id: Some("rs_1".into()),
    };
    let signature =
        Opaque { provider: Some("google".into()), kind: OpaqueKind::ThoughtSignature, value: "s".into(), id: None };
    let id = signature.on_id("a");
    let read = turns(json!([
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": encrypted.seal()},
            {"type": "redacted_thinking", "data": encrypted.seal()},
            {"type": "tool_use", "id": id, "name": "f", "input": {}},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "1"}]},
    ]));
    assert_eq!(read[0].parts[0], thought("hm", Some(encrypted.clone())));
    assert_eq!(read[0].parts[1], thought("", Some(encrypted)));
    assert!(matches!(&read[0].parts[2], Part::ToolCall(call) if call.id == "a" && call.opaque == Some(signature)));
    assert!(matches!(&read[1].parts[0], Part::ToolResult { call_id, .. } if call_id == "a"));
}

#[test]
fn documents_of_every_source() {
    let read = turns(json!([{"role": "user", "content": [
        {"type": "document", "title": "t", "context": "about", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        {"type": "document", "source": {"type": "url", "url": "https://x/a.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "inner"}]}},
        {"type": "image", "source": {"type": "url", "url": "https://x/a.png"}},
        {"type": "search_result", "title": "T", "source": "https://x/", "content": [{"type": "text", "text": "found"}]},
    ]}]));
    let file = |source: Source, name: Option<&str>| Part::File { source, name: name.map(Into::into) };
    assert_eq!(
        read[0].parts,
        [
            Part::text("about"),
            file(Source::Data { media_type: "application/pdf".into(), data: "JVBE".into() }, Some("t")),
            file(Source::Text("words".into()), None),
            file(Source::Url("https://x/a.pdf".into()), None),
            file(Source::Id("file_1".into()), None),
            Part::text("inner"),
            Part::Image { source: Source::Url("https://x/a.png".into()), detail: None },
            Part::text("T\nhttps://x/\nfound"),
        ]
    );
}

#[test]
fn thinking_effort_and_format() {
    let reasoning = |effort: Option<&str>, budget, enabled| Reasoning {
        effort: effort.map(Into::into),
        budget,
        enabled,
        summary: None,
    };
    for (body, expected) in [
        (json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}), reasoning(None, Some(1024), Some(true))),
        (json!({"thinking": {"type": "adaptive"}}), reasoning(None, None, Some(true))),
        (json!({"thinking": {"type": "disabled"}}), reasoning(None, None, Some(false))),
        (
            json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
            reasoning(Some("max"), None, Some(true)),
        ),
        (json!({"output_config": {"effort": "low"}}), reasoning(Some("low"), None, None)),
    ] {
        assert_eq!(read(body.clone()).reasoning, expected, "{body}");
    }
    let summarized = read(json!({"thinking": {"type": "adaptive", "display": "summarized"}})).reasoning.summary;
    assert_eq!(summarized.as_deref(), Some("auto"));
    let schema = json!({"type": "object"});
    let format = Format::JsonSchema { name: None, description: None, schema: schema.clone(), strict: None };
    let wanted = json!({"type": "json_schema", "schema": schema});
    assert_eq!(read(json!({"output_config": {"format": wanted}})).format, format);
    assert_eq!(read(json!({"output_format": wanted})).format, format);
}

#[test]
fn tools_and_choices() {
    let tools = json!([
        {"name": "f", "description": "d", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"},
            "strict": true, "defer_loading": true, "eager_input_streaming": true},
        {"type": "custom", "name": "g", "input_schema": {}},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    ]);
    let prompt = read(json!({"tools": tools}));
    assert_eq!(prompt.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["f", "g"]);
    assert_eq!((prompt.tools[0].strict, prompt.tools[0].cache.is_some()), (Some(true), true));
    assert_eq!(prompt.notes, [Note::dropped("web_search_20250305")]);
    for (choice, expected, parallel) in [
        (json!({"type": "auto"}), ToolChoice::Auto, None),
        (json!({"type": "any", "disable_parallel_tool_use": true}), ToolChoice::Required, Some(false)),
        (json!({"type": "none"}), ToolChoice::None, None),
        (json!({"type": "tool", "name": "g"}), ToolChoice::Named { name: "g".into(), namespace: None }, None),
    ] {
        let read = read(json!({"tools": tools, "tool_choice": choice}));
        assert_eq!((read.tool_choice, read.parallel_tools), (Some(expected), parallel), "{choice}");
    }
    let error = try_read(json!({"tools": tools, "tool_choice": {"type": "tool", "name": "web_search"}})).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("tool_choice"));
}

#[test]
fn the_rest_of_a_request_as_claude_code_sends_it() {
    let read = read(json!({
        "max_tokens": 32000, "stream": true, "temperature": 1, "top_k": 5, "top_p": 0.9, "stop_sequences": ["a", "b"],
        "metadata": {"user_id": "u"}, "service_tier": "auto", "context_management": {"edits": []},
        "cache_control": {"type": "ephemeral"}, "container": null, "mcp_servers": [{"name": "x"}],
    }));
    assert_eq!((read.max_output, read.stream, read.usage_wanted), (Some(32000), true, true));
    assert_eq!((read.sampling.top_k, read.sampling.stop.len()), (Some(5), 2));
    assert_eq!((read.user.as_deref(), read.service_tier.as_deref()), (Some("u"), Some("auto")));
    assert_eq!(read.notes, [Note::dropped("context_management"), Note::dropped("mcp_servers")]);
}

#[test]
fn what_ran_at_the_vendor_s_is_noted() {
    let read = read(json!({"messages": [{"role": "assistant", "content": [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "compaction", "content": "before"}, {"type": "text", "text": "so"},
    ]}, {"role": "assistant", "content": [{"type": "server_tool_use", "name": "x"}]}]}));
    assert_eq!(read.turns, [turn(Role::Assistant, vec![Part::text("before"), Part::text("so")])]);
    assert_eq!(read.notes, ["server_tool_use", "web_search_tool_result"].map(Note::dropped));
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    let user = |content: Value| json!({"messages": [{"role": "user", "content": content}]});
    for (body, param) in [
        (json!({"messages": null}), "messages"),
        (json!({"messages": {}}), "messages"),
        (json!({"messages": [{"role": "tool", "content": "a"}]}), "messages[0].role"),
        (json!({"messages": [{"role": "user"}]}), "messages[0].content"),
        (user(json!(1)), "messages[0].content"),
        (user(json!(["a"])), "messages[0].content[0]"),
        (user(json!([{"type": "text", "text": 1}])), "messages[0].content[0].text"),
        (user(json!([{"type": "container_upload", "file_id": "f"}])), "messages[0].content[0].type"),
        (user(json!([{"type": "image"}])), "messages[0].content[0].source"),
        (
            user(json!([{"type": "image", "source": {"type": "base64", "data": "x"}}])),
            "messages[0].content[0].source.media_type",
        ),
        (user(json!([{"type": "image", "source": {"type": "ftp"}}])), "messages[0].content[0].source.type"),
        (
            user(json!([{"type": "document", "source": {"type": "content", "content": 1}}])),
            "messages[0].content[0].source.content",
        ),
        (user(json!([{"type": "tool_result", "content": "a"}])), "messages[0].content[0].tool_use_id"),
        (
            user(json!([{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text"}]}])),
            "messages[0].content[0].content[0].text",
        ),
        (
            json!({"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": 1}]}]}),
            "messages[0].content[0].input",
        ),
        (json!({"system": 1}), "system"),
        (json!({"system": [{"type": "image"}]}), "system[0].type"),
        (json!({"tools": [{"name": "f"}]}), "tools[0].input_schema"),
        (json!({"tools": [{"name": "", "input_schema": {}}]}), "tools[0].name"),
        (json!({"tool_choice": "auto"}), "tool_choice"),
        (json!({"tool_choice": {"type": "some"}}), "tool_choice.type"),
        (json!({"thinking": {"type": "maybe"}}), "thinking.type"),
        (json!({"output_config": {"effort": 3}}), "output_config.effort"),
        (json!({"metadata": {"user_id": 1}}), "metadata.user_id"),
        (json!({"stop_sequences": "x"}), "stop_sequences"),
        (json!({"max_tokens": "many"}), "max_tokens"),
    ] {
        let error = try_read(body.clone()).unwrap_err();
        assert_eq!(error.param.as_deref(), Some(param), "{body}: {}", error.message);
    }
}
