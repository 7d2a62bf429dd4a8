//! Chat Completions: OpenAI's own, and the servers that speak it.

use pilotlight_wire::UpstreamApi::OpenaiCompletions;
use pilotlight_wire::translate::prompt::{Format, Sampling, Source, Thought, Tool, ToolCall, ToolChoice};
use pilotlight_wire::translate::{Opaque, OpaqueKind, Part, Prompt, Role, Turn, write_request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn local() -> Upstream {
    server(OpenaiCompletions)
}

fn openai(model: &str) -> Upstream {
    vendor(OpenaiCompletions, model)
}

fn messages(turns: Vec<Turn>, upstream: &Upstream) -> Value {
    body(&ask(turns), upstream)["messages"].clone()
}

fn picture() -> Part {
    Part::Image {
        source: Source::Data { media_type: "image/jpeg".into(), data: "/9j/4A==".into() },
        detail: Some("low".into()),
    }
}

#[test]
fn a_stream_always_tells_its_usage() {
    let prompt = Prompt { stream: true, max_output: Some(9), ..ask(vec![say(Role::User, "hi")]) };
    let outgoing = write_request(&prompt, &local()).unwrap();
    assert_eq!((outgoing.path.as_str(), outgoing.query, outgoing.notes), ("/chat/completions", None, vec![]));
    let written: Value = serde_json::from_slice(&outgoing.body).unwrap();
    assert_eq!(
        written,
        json!({
            "model": "local-model", "messages": [{"role": "user", "content": "hi"}], "stream": true,
            "stream_options": {"include_usage": true}, "max_tokens": 9,
        })
    );
    let quiet = Upstream { compat: Compat { usage_in_streaming: Some(false), ..Compat::default() }, ..local() };
    assert_eq!(body(&prompt, &quiet).get("stream_options"), None);
    assert_eq!(body(&Prompt { stream: false, ..prompt }, &local()).get("stream_options"), None);
}

#[test]
fn only_one_key_says_how_much_may_be_written() {
    let prompt = Prompt { max_output: Some(9000), ..ask(vec![say(Role::User, "hi")]) };
    let written = body(&prompt, &Upstream { max_tokens: Some(4096), ..openai("gpt-5") });
    assert_eq!((&written["max_completion_tokens"], written.get("max_tokens")), (&json!(4096), None));
    let other = Upstream { compat: Compat { max_completion_tokens: Some(true), ..Compat::default() }, ..local() };
    let written = body(&prompt, &other);
    assert_eq!((&written["max_completion_tokens"], written.get("max_tokens")), (&json!(9000), None));
    let unsaid = body(&ask(vec![say(Role::User, "hi")]), &Upstream { max_tokens: Some(4096), ..local() });
    assert_eq!((unsaid.get("max_tokens"), unsaid.get("max_completion_tokens")), (None, None));
}

#[test]
fn developers_become_system_where_that_role_is_not_known() {
    let turns = || {
        vec![
            say(Role::System, "s"),
            say(Role::Developer, "d1"),
            say(Role::User, "u"),
            say(Role::Assistant, "a"),
            say(Role::Developer, "d2"),
            say(Role::User, "v"),
        ]
    };
    assert_eq!(
        messages(turns(), &local()),
        json!([
            {"role": "system", "content": "s\n\nd1"}, {"role": "user", "content": "u"},
            {"role": "assistant", "content": "a"}, {"role": "system", "content": "d2"}, {"role": "user", "content": "v"},
        ])
    );
    let roles: Vec<_> = list(&body(&ask(turns()), &openai("gpt-5")), "messages")
        .iter()
        .map(|message| message["role"].clone())
        .collect();
    assert_eq!(roles, ["system", "developer", "user", "assistant", "developer", "user"]);
    let knows = Upstream { compat: Compat { developer_role: Some(true), ..Compat::default() }, ..local() };
    assert_eq!(messages(vec![say(Role::Developer, "d"), say(Role::User, "u")], &knows)[0]["role"], "developer");
}

#[test]
fn system_blocks_join_in_order_without_cache_control() {
    let cached = Part::Text { text: "two".into(), cache: Some(json!({"type": "ephemeral"})) };
    let turns = vec![turn(Role::System, vec![Part::text("one"), cached]), say(Role::User, "u")];
    assert_eq!(messages(turns, &local())[0], json!({"role": "system", "content": "one\n\ntwo"}));
}

#[test]
fn reasoning_words_and_calls_of_one_answer_are_one_message() {
    let thought = Part::Reasoning(Thought { text: "hm".into(), ..Thought::default() });
    let turns = || {
        vec![
            say(Role::User, "u"),
            turn(Role::Assistant, vec![thought.clone()]),
            say(Role::Assistant, "I look."),
            turn(Role::Assistant, vec![call("c1", "look", "{\"a\":1}")]),
            turn(Role::Assistant, vec![call("c2", "look", "")]),
            turn(Role::User, vec![result("c1", "r1")]),
            turn(Role::User, vec![result("c2", "r2")]),
        ]
    };
    let calls = json!([
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{\"a\":1}"}},
        {"id": "c2", "type": "function", "function": {"name": "look", "arguments": "{}"}},
    ]);
    let results = [
        json!({"role": "tool", "tool_call_id": "c1", "content": "r1"}),
        json!({"role": "tool", "tool_call_id": "c2", "content": "r2"}),
    ];
    let user = json!({"role": "user", "content": "u"});
    let said = json!({"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": calls});
    assert_eq!(messages(turns(), &local()), json!([user, said, results[0], results[1]]));
    // OpenAI itself knows no reasoning_content.
    let said = json!({"role": "assistant", "content": "I look.", "tool_calls": calls});
    assert_eq!(messages(turns(), &openai("gpt-5")), json!([user, said, results[0], results[1]]));
    assert_eq!(notes(&ask(turns()), &openai("gpt-5")), ["reasoning"]);
}

#[test]
fn thoughts_go_back_as_the_server_wants_them() {
    let thought = |opaque| Part::Reasoning(Thought { text: "hm".into(), summary: vec![], opaque });
    let turns = |opaque| {
        vec![say(Role::User, "u"), turn(Role::Assistant, vec![thought(opaque), Part::text("a")]), say(Role::User, "v")]
    };
    let tags = json!({"role": "assistant", "content": "<think>\nhm\n</think>\n\na"});
    let minimax = Upstream { provider: "minimax".into(), ..local() };
    assert_eq!(messages(turns(None), &minimax)[1], tags);
    let text = Upstream { compat: Compat { thinking_as_text: Some(true), ..Compat::default() }, ..local() };
    assert_eq!(messages(turns(None), &text)[1], tags);
    let must = Upstream { compat: Compat { reasoning_content: Some(true), ..Compat::default() }, ..local() };
    assert_eq!(messages(vec![say(Role::User, "u"), say(Role::Assistant, "a")], &must)[1]["reasoning_content"], "");
    let sealed = |provider: Option<&str>, value: &str| {
        let opaque =
            Opaque { provider: provider.map(Into::into), kind: OpaqueKind::Detail, value: value.into(), id: None };
        messages(turns(Some(opaque)), &local())[1].get("reasoning_details").cloned()
    };
    let encrypted = r#"{"type":"reasoning.encrypted","data":"x","index":1}"#;
    let signed = r#"{"type":"reasoning.text","signature":"x"}"#;
    assert_eq!(sealed(Some("own"), encrypted), Some(json!([{"type": "reasoning.encrypted", "data": "x", "index": 1}])));
    assert_eq!(sealed(Some("own"), signed), Some(json!([{"type": "reasoning.text", "signature": "x", "text": "hm"}])));
    assert_eq!(
        (sealed(Some("other"), encrypted), sealed(None, encrypted), sealed(Some("own"), "x")),
        (None, None, None)
    );
}

#[test]
fn a_signature_of_a_call_goes_back_to_who_wrote_it() {
    let signed = |provider: &str| {
        let opaque =
            Opaque { provider: Some(provider.into()), kind: OpaqueKind::ThoughtSignature, value: "s".into(), id: None };
        let call = ToolCall {
            id: "c".into(),
            name: "t".into(),
            arguments: "{}".into(),
            opaque: Some(opaque),
            ..ToolCall::default()
        };
        let calls = turn(Role::Assistant, vec![Part::ToolCall(call)]);
        messages(vec![calls], &local())[0]["tool_calls"][0].get("extra_content").cloned()
    };
    assert_eq!(signed("own"), Some(json!({"google": {"thought_signature": "s"}})));
    assert_eq!(signed("other"), None);
}

#[test]
fn a_summary_stands_for_thoughts_that_nobody_else_can_read() {
    let thought = Thought { text: String::new(), summary: vec!["one".into(), "two".into()], opaque: None };
    let turns = vec![turn(Role::Assistant, vec![Part::Reasoning(thought), call("c", "t", "{}")])];
    assert_eq!(messages(turns, &local())[0]["reasoning_content"], "one\n\ntwo");
}

#[test]
fn tool_messages_come_first_then_what_the_person_says() {
    let turns = vec![
        turn(Role::Assistant, vec![call("c", "t", "{}")]),
        turn(Role::User, vec![Part::text("and now?"), result("c", "r")]),
    ];
    let written = messages(turns, &local());
    assert_eq!(written[1], json!({"role": "tool", "tool_call_id": "c", "content": "r"}));
    assert_eq!(written[2], json!({"role": "user", "content": "and now?"}));
}

#[test]
fn pictures_of_a_tool_follow_in_a_message_of_the_person() {
    let turns = || {
        vec![
            turn(Role::Assistant, vec![call("c", "shot", "{}"), call("d", "t", "{}")]),
            turn(Role::User, vec![results("c", vec![picture()]), result("d", "r"), Part::text("look")]),
        ]
    };
    let written = messages(turns(), &local());
    let list = written.as_array().unwrap();
    assert_eq!(
        list.iter().map(|message| message["role"].as_str().unwrap()).collect::<Vec<_>>(),
        ["assistant", "tool", "tool", "user"]
    );
    assert_ne!(list[1]["content"], "");
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,/9j/4A==", "detail": "low"}});
    assert_eq!(
        list[3]["content"],
        json!([{"type": "text", "text": "From the result of shot:"}, image, {"type": "text", "text": "look"}])
    );
    let reads = Upstream { compat: Compat { assistant_after_tool_result: Some(true), ..Compat::default() }, ..local() };
    assert_eq!(messages(turns(), &reads)[3]["role"], "assistant");
}

#[test]
fn a_tool_that_failed_says_so() {
    let failed = |text: &str| {
        let content = if text.is_empty() { vec![] } else { vec![Part::text(text)] };
        let part = Part::ToolResult { call_id: "c".into(), content, is_error: true, custom: false, cache: None };
        let turns = vec![turn(Role::Assistant, vec![call("c", "t", "{}")]), turn(Role::User, vec![part])];
        messages(turns, &local())[1]["content"].clone()
    };
    assert_eq!(failed("no such file"), "Error: no such file");
    assert_eq!(failed("Error: gone"), "Error: gone");
    assert_eq!(failed(""), "Error: the tool failed and said nothing.");
}

#[test]
fn calls_and_results_find_each_other() {
    let turns = vec![
        turn(Role::Assistant, vec![call("a", "t", "{}"), call("b", "t", "{}")]),
        say(Role::User, "wait"),
        turn(Role::User, vec![result("zz", "nobody's"), result("b", "rb")]),
        turn(Role::Assistant, vec![call("b", "t", "{}")]),
        turn(Role::User, vec![result("b", "rb2")]),
    ];
    let written = messages(turns.clone(), &local());
    let short: Vec<_> = written
        .as_array()
        .unwrap()
        .iter()
        .map(|message| {
            let id = message["tool_call_id"].as_str().unwrap_or_default().chars().take(5).collect::<String>();
            (message["role"].as_str().unwrap(), id, message["content"].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(short[1], ("tool", "a".into(), "Error: This call was not answered."));
    assert_eq!(short[2], ("tool", "b".into(), "rb"));
    assert_eq!(short[3], ("user", String::new(), "wait\n\nThe result of an earlier tool call:\n\nnobody's"));
    // The second call of the same id has one of its own.
    assert_eq!(short[5], ("tool", "call_".into(), "rb2"));
    assert_eq!(written[5]["tool_call_id"], written[4]["tool_calls"][0]["id"]);
    assert_eq!(notes(&ask(turns), &local()), ["tool_call without its result", "tool_result without its call"]);
}

#[test]
fn ids_fit_the_server() {
    let id_for = |id: &str, upstream: &Upstream| {
        let turns = vec![turn(Role::Assistant, vec![call(id, "t", "{}")]), turn(Role::User, vec![result(id, "r")])];
        let written = messages(turns, upstream);
        assert_eq!(written[0]["tool_calls"][0]["id"], written[1]["tool_call_id"]);
        assert_eq!(written[1]["content"], "r");
        written[1]["tool_call_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(id_for("toolu_01D7FLrfh4GYq7yT1ULFeyMV", &local()), "toolu_01D7FLrfh4GYq7yT1ULFeyMV");
    assert_eq!(id_for("call_1~pl1.eyJwIjoi", &local()), "call_1");
    let long = id_for(&"x".repeat(64), &openai("gpt-5"));
    assert!(is_plain(&long, 40), "{long}");
    assert_eq!(long, id_for(&"x".repeat(64), &openai("gpt-5")), "the same in every request");
    let mistral = id_for("call_1", &Upstream { provider: "mistral".into(), ..local() });
    assert!(mistral.len() == 9 && mistral.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{mistral}");
}

#[test]
fn a_free_form_tool_is_a_function_of_one_text() {
    let patch = ToolCall {
        id: "c".into(),
        name: "apply_patch".into(),
        arguments: "*** Begin".into(),
        custom: true,
        ..ToolCall::default()
    };
    let grammar = json!({"type": "grammar", "syntax": "lark", "definition": "start: begin"});
    let prompt = Prompt {
        tools: vec![Tool { custom: Some(grammar), ..tool("apply_patch") }],
        ..ask(vec![turn(Role::Assistant, vec![Part::ToolCall(patch)]), turn(Role::User, vec![result("c", "ok")])])
    };
    let outgoing = write_request(&prompt, &local()).unwrap();
    let written = json_of(&outgoing);
    let input = &written["tools"][0]["function"]["parameters"]["properties"]["input"];
    assert!(input["description"].as_str().unwrap().contains("start: begin"), "{input}");
    assert_eq!(written["messages"][0]["tool_calls"][0]["function"]["arguments"], "{\"input\":\"*** Begin\"}");
    assert!(outgoing.names.of_upstream("apply_patch").custom);
}

#[test]
fn a_tool_of_a_namespace_is_flattened_in_list_choice_and_history() {
    let named = ToolCall {
        id: "c".into(),
        name: "read".into(),
        namespace: Some("files".into()),
        arguments: "{}".into(),
        ..ToolCall::default()
    };
    let prompt = Prompt {
        tools: vec![Tool { namespace: Some("files".into()), ..tool("read") }],
        tool_choice: Some(ToolChoice::Named { name: "read".into(), namespace: Some("files".into()) }),
        ..ask(vec![turn(Role::Assistant, vec![Part::ToolCall(named)]), turn(Role::User, vec![result("c", "r")])])
    };
    let written = body(&prompt, &openai("gpt-4.1"));
    assert_eq!(written["tools"][0]["function"]["name"], "files__read");
    assert_eq!(written["tool_choice"]["function"]["name"], "files__read");
    assert_eq!(written["messages"][0]["tool_calls"][0]["function"]["name"], "files__read");
}

#[test]
fn choices() {
    let choose = |choice, upstream: &Upstream| {
        let prompt = Prompt {
            tools: vec![tool("a"), tool("b")],
            tool_choice: Some(choice),
            parallel_tools: Some(false),
            ..ask(vec![say(Role::User, "u")])
        };
        let written = body(&prompt, upstream);
        assert_eq!(written["parallel_tool_calls"], false);
        let names: Vec<_> = list(&written, "tools").iter().map(|tool| tool["function"]["name"].clone()).collect();
        (json!(names), written["tool_choice"].clone())
    };
    let named = || ToolChoice::Named { name: "b".into(), namespace: None };
    let allowed = || ToolChoice::Allowed { names: vec!["b".into()], required: false };
    assert_eq!(choose(ToolChoice::Required, &local()), (json!(["a", "b"]), json!("required")));
    assert_eq!(choose(ToolChoice::None, &local()), (json!(["a", "b"]), json!("none")));
    assert_eq!(choose(named(), &local()), (json!(["b"]), json!("required")));
    assert_eq!(choose(allowed(), &local()), (json!(["b"]), json!("auto")));
    let function = json!({"type": "function", "function": {"name": "b"}});
    assert_eq!(choose(named(), &openai("gpt-5")), (json!(["a", "b"]), function.clone()));
    assert_eq!(
        choose(allowed(), &openai("gpt-5")).1,
        json!({"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [function]}})
    );
    let without = Prompt {
        tool_choice: Some(ToolChoice::Required),
        parallel_tools: Some(true),
        ..ask(vec![say(Role::User, "u")])
    };
    let written = body(&without, &local());
    assert_eq!((written.get("tool_choice"), written.get("parallel_tool_calls")), (None, None));
}

#[test]
fn how_much_to_think() {
    let ask_for = |effort: Option<&str>, budget, enabled, upstream: &Upstream| {
        let mut prompt = ask(vec![say(Role::User, "u")]);
        prompt.reasoning.effort = effort.map(Into::into);
        prompt.reasoning.budget = budget;
        prompt.reasoning.enabled = enabled;
        let written = body(&prompt, upstream);
        let keys = ["reasoning_effort", "reasoning", "thinking", "enable_thinking", "chat_template_kwargs"];
        let said: Vec<_> = keys.iter().filter_map(|key| Some(json!([key, written.get(key)?]))).collect();
        json!(said)
    };
    let format =
        |name: &str| Upstream { compat: Compat { thinking_format: Some(name.into()), ..Compat::default() }, ..local() };
    let provider = |name: &str| Upstream { provider: name.into(), ..local() };
    let nothing = json!([]);
    assert_eq!(ask_for(Some("max"), None, None, &openai("gpt-5.4")), json!([["reasoning_effort", "xhigh"]]));
    assert_eq!(ask_for(Some("none"), None, None, &openai("gpt-5")), json!([["reasoning_effort", "minimal"]]));
    assert_eq!(ask_for(Some("high"), None, None, &openai("gpt-4o")), nothing);
    assert_eq!(ask_for(None, Some(31_999), Some(true), &local()), json!([["reasoning_effort", "high"]]));
    assert_eq!(ask_for(Some("minimal"), None, None, &local()), json!([["reasoning_effort", "low"]]));
    assert_eq!(ask_for(Some("none"), None, None, &local()), nothing);
    assert_eq!(ask_for(None, None, Some(true), &local()), nothing);
    assert_eq!(ask_for(Some("low"), None, None, &provider("openrouter")), json!([["reasoning", {"effort": "low"}]]));
    assert_eq!(ask_for(None, Some(2000), None, &provider("openrouter")), json!([["reasoning", {"max_tokens": 2000}]]));
    assert_eq!(ask_for(None, None, Some(false), &format("qwen")), json!([["enable_thinking", false]]));
    assert_eq!(
        ask_for(Some("high"), None, None, &format("qwen-chat-template")),
        json!([["chat_template_kwargs", {"enable_thinking": true}]])
    );
    assert_eq!(ask_for(Some("none"), None, None, &provider("zai")), json!([["thinking", {"type": "disabled"}]]));
    let words = Compat::read(&json!({"reasoningEffortMap": {"high": "deep"}}), &json!({"low": null}));
    let words = Upstream { compat: words, ..local() };
    assert_eq!(ask_for(Some("high"), None, None, &words), json!([["reasoning_effort", "deep"]]));
    assert_eq!(ask_for(Some("low"), None, None, &words), nothing);
}

#[test]
fn what_models_that_reason_refuse_is_left_out() {
    let prompt = Prompt {
        sampling: Sampling {
            temperature: Some(0.5),
            top_p: Some(0.9),
            top_k: Some(5),
            seed: Some(7),
            stop: vec!["x".into()],
            ..Sampling::default()
        },
        ..ask(vec![say(Role::User, "u")])
    };
    let keys = |upstream: &Upstream| {
        let written = body(&prompt, upstream);
        ["temperature", "top_p", "top_k", "seed", "stop"]
            .into_iter()
            .filter(|key| written.get(*key).is_some())
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&local()), ["temperature", "top_p", "top_k", "seed", "stop"]);
    assert_eq!(keys(&openai("gpt-4.1")), ["temperature", "top_p", "seed", "stop"]);
    assert_eq!(keys(&openai("o3")), ["seed"]);
    assert_eq!(notes(&prompt, &openai("o3")), ["stop", "temperature", "top_k", "top_p"]);
    assert_eq!(keys(&Upstream { provider: "groq".into(), ..local() }), ["temperature", "top_p", "seed", "stop"]);
    let many = Prompt {
        sampling: Sampling { stop: ["a", "b", "c", "d", "e"].map(Into::into).into(), ..Sampling::default() },
        ..prompt
    };
    assert_eq!(list(&body(&many, &local()), "stop").len(), 4);
    assert_eq!(notes(&many, &local()), ["stop"]);
}

#[test]
fn a_schema_keeps_name_and_strictness_or_is_said_in_words() {
    let schema = json!({"type": "object", "properties": {"z": {}, "a": {}}});
    let form = Format::JsonSchema {
        name: Some("my form".into()),
        description: None,
        schema: schema.clone(),
        strict: Some(true),
    };
    let prompt = Prompt { format: form, ..ask(vec![say(Role::System, "s"), say(Role::User, "u")]) };
    assert_eq!(
        body(&prompt, &local())["response_format"],
        json!({"type": "json_schema", "json_schema": {"name": "my_form", "schema": schema, "strict": true}})
    );
    let cannot = Upstream { compat: Compat { json_schema: Some(false), ..Compat::default() }, ..local() };
    let written = body(&prompt, &cannot);
    assert_eq!(written["response_format"], json!({"type": "json_object"}));
    let system = written["messages"][0]["content"].as_str().unwrap();
    assert!(system.starts_with("s\n\n") && system.contains(&schema.to_string()), "{system}");
}

#[test]
fn a_picture_for_a_model_that_sees_none() {
    let blind = Upstream { images: Some(false), ..local() };
    let now = ask(vec![turn(Role::User, vec![Part::text("what is this?"), picture()])]);
    assert_eq!(error(&now, &blind).param.as_deref(), Some("model"));
    let mut looked = now.clone();
    looked.turns.push(turn(Role::Assistant, vec![call("c", "t", "{}")]));
    looked.turns.push(turn(Role::User, vec![result("c", "r")]));
    assert_eq!(error(&looked, &blind).param.as_deref(), Some("model"), "a tool was called in between");
    let mut before = now;
    before.turns.extend([say(Role::Assistant, "a cat"), say(Role::User, "thanks")]);
    let content = body(&before, &blind)["messages"][0]["content"].as_str().unwrap().to_owned();
    assert!(content.starts_with("what is this?\n\n[A picture was left out"), "{content}");
    assert_eq!(notes(&before, &blind), ["image"]);
}

#[test]
fn what_only_another_server_knows_is_refused() {
    let of = |part| ask(vec![turn(Role::User, vec![part])]);
    let uploaded = of(Part::Image { source: Source::Id("file-1".into()), detail: None });
    assert_eq!(error(&uploaded, &local()).code, "unsupported_content");
    let elsewhere = of(Part::File { source: Source::Url("https://example.com/a.pdf".into()), name: None });
    assert_eq!(error(&elsewhere, &local()).code, "unsupported_content");
    let text = of(Part::File { source: Source::Text("words".into()), name: Some("a.txt".into()) });
    assert_eq!(body(&text, &local())["messages"][0]["content"], "a.txt:\nwords");
    let earlier = Prompt { previous_response_id: Some("resp_1".into()), ..ask(vec![say(Role::User, "u")]) };
    assert_eq!(error(&earlier, &local()).code, "previous_response_not_found");
}

#[test]
fn openai_gets_what_only_it_takes() {
    let prompt = Prompt {
        user: Some("u".repeat(90)),
        cache_key: Some("k".into()),
        verbosity: Some("low".into()),
        metadata: Some(json!({"a": "b"})),
        service_tier: Some("standard_only".into()),
        ..ask(vec![say(Role::User, "u")])
    };
    let written = body(&prompt, &openai("gpt-5"));
    assert!(is_plain(written["safety_identifier"].as_str().unwrap(), 64));
    assert_eq!((&written["prompt_cache_key"], &written["verbosity"]), (&json!("k"), &json!("low")));
    assert_eq!(notes(&prompt, &openai("gpt-5")), ["metadata", "service_tier"]);
    let keys: Vec<_> = body(&prompt, &local()).as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["model", "messages", "stream"]);
}

#[test]
fn a_server_that_takes_no_tools_is_offered_none() {
    let without = Upstream { compat: Compat { tools: Some(false), ..Compat::default() }, ..local() };
    let prompt =
        Prompt { tools: vec![tool("t")], tool_choice: Some(ToolChoice::Auto), ..ask(vec![say(Role::User, "u")]) };
    assert_eq!(body(&prompt, &without).get("tools"), None);
    assert_eq!(notes(&prompt, &without), ["tools"]);
}

/// Chat's rules: a call's answers follow at once, each exactly once; ids and names are plain; no message is empty.
fn is_valid(written: &Value) {
    let mut waiting: Vec<&str> = Vec::new();
    let mut ids = HashSet::new();
    for message in list(written, "messages") {
        let role = message["role"].as_str().unwrap();
        if role == "tool" {
            assert_eq!(waiting.remove(0), message["tool_call_id"].as_str().unwrap());
            assert!(message["content"].is_string());
            continue;
        }
        assert!(waiting.is_empty(), "{waiting:?} is not answered: {written}");
        let calls = list(message, "tool_calls");
        for call in calls {
            let id = call["id"].as_str().unwrap();
            assert!(is_plain(id, 40) && ids.insert(id), "{id}");
            assert!(is_plain(call["function"]["name"].as_str().unwrap(), 64));
            let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
            assert!(arguments.is_object());
            waiting.push(id);
        }
        match &message["content"] {
            Value::String(text) => assert!(!text.is_empty()),
            Value::Array(parts) => assert!(!parts.is_empty()),
            Value::Null => assert!(role == "assistant" && !calls.is_empty()),
            other => panic!("{other}"),
        }
    }
    assert!(waiting.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_request_keeps_the_rules(prompt in prompts::prompt(), own: bool) {
        let upstream = if own { openai("gpt-5") } else { local() };
        let outgoing = write_request(&prompt, &upstream).unwrap();
        let written = json_of(&outgoing);
        is_valid(&written);
        all_words_are_there(&prompt, &written);
        let told: Vec<_> = list(&written, "tools").iter().map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect();
        names_lead_back(&prompt, &outgoing, &told);
    }
}
