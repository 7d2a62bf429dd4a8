//! Messages: Anthropic's own, and the servers that speak it.

use pilotlight_wire::UpstreamApi::AnthropicMessages;
use pilotlight_wire::translate::prompt::{Format, Reasoning, Sampling, Source, Thought, Tool, ToolChoice};
use pilotlight_wire::translate::{Opaque, OpaqueKind, Part, Prompt, Role, Turn, write_request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn local() -> Upstream {
    server(AnthropicMessages)
}

fn claude(model: &str) -> Upstream {
    vendor(AnthropicMessages, model)
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn messages(turns: Vec<Turn>, upstream: &Upstream) -> Value {
    body(&ask(turns), upstream)["messages"].clone()
}

fn thought(words: &str, opaque: Option<Opaque>) -> Part {
    Part::Reasoning(Thought { text: words.into(), summary: vec![], opaque })
}

fn signed(provider: Option<&str>, kind: OpaqueKind) -> Option<Opaque> {
    Some(Opaque { provider: provider.map(Into::into), kind, value: "EqMB+/=".into(), id: None })
}

#[test]
fn a_request_of_words() {
    let prompt = Prompt {
        max_output: Some(99),
        stream: true,
        ..ask(vec![say(Role::System, "one"), say(Role::Developer, "two"), say(Role::User, "hi")])
    };
    let outgoing = write_request(&prompt, &local()).unwrap();
    assert_eq!(outgoing.path, "/v1/messages");
    assert_eq!(outgoing.headers, [("anthropic-version", "2023-06-01".to_owned())]);
    assert_eq!(
        json_of(&outgoing),
        json!({
            "model": "local-model", "max_tokens": 99, "system": [text("one"), text("two")],
            "messages": [{"role": "user", "content": [text("hi")]}], "stream": true,
        })
    );
}

#[test]
fn a_limit_is_always_said() {
    let prompt = ask(vec![say(Role::User, "hi")]);
    let limit = |prompt: &Prompt, upstream: &Upstream| body(prompt, upstream)["max_tokens"].clone();
    assert_eq!(limit(&prompt, &local()), 8192);
    assert_eq!(limit(&prompt, &claude("claude-sonnet-4-5")), 32_000);
    assert_eq!(limit(&prompt, &Upstream { max_tokens: Some(5), ..local() }), 5);
    let more = Prompt { max_output: Some(9), ..prompt };
    assert_eq!(limit(&more, &Upstream { max_tokens: Some(5), ..local() }), 5);
    assert_eq!(limit(&more, &local()), 9);
}

#[test]
fn roles_alternate_and_empty_words_go() {
    let turns = vec![
        say(Role::Assistant, "a"),
        say(Role::User, ""),
        say(Role::Assistant, "b"),
        say(Role::User, "u"),
        say(Role::User, " \n"),
        say(Role::Developer, "now in French"),
        say(Role::User, "v"),
    ];
    assert_eq!(
        messages(turns, &local()),
        json!([
            {"role": "user", "content": [text("(The conversation begins with the assistant.)")]},
            {"role": "assistant", "content": [text("a"), text("b")]},
            {"role": "user", "content": [text("u"), text("<system>\nnow in French\n</system>"), text("v")]},
        ])
    );
    let alone = messages(vec![say(Role::System, "s")], &local());
    assert_eq!(alone, json!([{"role": "user", "content": [text("Begin.")]}]));
}

#[test]
fn an_answer_that_is_begun_ends_in_no_white_space_or_not_at_all() {
    let turns = || vec![say(Role::User, "u"), say(Role::Assistant, "It is \n")];
    assert_eq!(messages(turns(), &local())[1]["content"], json!([text("It is")]));
    assert_eq!(messages(turns(), &claude("claude-sonnet-4-5"))[1]["content"], json!([text("It is")]));
    let ended = messages(turns(), &claude("claude-opus-4-6"));
    assert_eq!(ended[1]["content"], json!([text("It is \n")]));
    assert_eq!(ended[2], json!({"role": "user", "content": [text("Continue.")]}));
}

#[test]
fn results_come_first_in_the_turn_that_follows() {
    let turns = vec![
        say(Role::User, "u"),
        turn(Role::Assistant, vec![Part::text("I look."), call("a", "t", "{\"x\":1}"), call("b", "t", "")]),
        turn(Role::User, vec![Part::text("hurry"), result("b", "rb")]),
        turn(
            Role::User,
            vec![Part::ToolResult { call_id: "a".into(), content: vec![], is_error: true, custom: false, cache: None }],
        ),
    ];
    let written = messages(turns, &local());
    assert_eq!(
        written[1]["content"],
        json!([
            text("I look."),
            {"type": "tool_use", "id": "a", "name": "t", "input": {"x": 1}},
            {"type": "tool_use", "id": "b", "name": "t", "input": {}},
        ])
    );
    assert_eq!(
        written[2]["content"],
        json!([
            {"type": "tool_result", "tool_use_id": "a", "content": "The tool failed and said nothing.", "is_error": true},
            {"type": "tool_result", "tool_use_id": "b", "content": "rb"},
            text("hurry"),
        ])
    );
    assert_eq!(written.as_array().unwrap().len(), 3);
}

#[test]
fn pictures_and_documents_keep_their_bytes() {
    let image =
        || Part::Image { source: Source::Data { media_type: "image/webp".into(), data: "AA==".into() }, detail: None };
    let file = |source| Part::File { source, name: Some("n".into()) };
    let data = |media_type: &str| file(Source::Data { media_type: media_type.into(), data: "aGk=".into() });
    let block = |part| {
        let prompt = ask(vec![turn(Role::User, vec![part])]);
        write_request(&prompt, &claude("claude-opus-5"))
            .map(|outgoing| json_of(&outgoing)["messages"][0]["content"][0].clone())
    };
    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/webp", "data": "AA=="}});
    assert_eq!(block(image()).unwrap(), picture);
    let url = Part::Image { source: Source::Url("https://e.com/a.png".into()), detail: None };
    assert_eq!(block(url).unwrap()["source"], json!({"type": "url", "url": "https://e.com/a.png"}));
    let pdf = block(data("application/pdf")).unwrap();
    assert_eq!(pdf["source"], json!({"type": "base64", "media_type": "application/pdf", "data": "aGk="}));
    let plain =
        json!({"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "title": "n"});
    assert_eq!(block(data("text/markdown")).unwrap(), plain);
    assert_eq!(block(file(Source::Text("hi".into()))).unwrap(), plain);
    for lost in
        [data("application/zip"), file(Source::Id("f".into())), Part::Audio { format: "wav".into(), data: "A".into() }]
    {
        assert_eq!(block(lost.clone()).unwrap_err().code, "unsupported_content", "{lost:?}");
    }
    let turns = vec![
        turn(Role::Assistant, vec![call("a", "t", "{}")]),
        turn(Role::User, vec![results("a", vec![Part::text("see"), image()])]),
    ];
    assert_eq!(messages(turns, &local())[2]["content"][0]["content"], json!([text("see"), picture]));
}

#[test]
fn a_thought_goes_back_to_its_own_provider_and_no_other() {
    let block = |opaque, upstream: &Upstream| {
        let turns = vec![
            say(Role::User, "u"),
            turn(Role::Assistant, vec![thought("hm", opaque), Part::text("a")]),
            say(Role::User, "v"),
        ];
        messages(turns, upstream)[1]["content"][0].clone()
    };
    let own = claude("claude-opus-5");
    let thinking = |signature: &str| json!({"type": "thinking", "thinking": "hm", "signature": signature});
    assert_eq!(block(signed(Some("own"), OpaqueKind::Signature), &own), thinking("EqMB+/="));
    assert_eq!(block(signed(None, OpaqueKind::Signature), &own), thinking("EqMB+/="));
    let redacted = json!({"type": "redacted_thinking", "data": "EqMB+/="});
    assert_eq!(block(signed(Some("own"), OpaqueKind::Redacted), &own), redacted);
    for others in [None, signed(Some("other"), OpaqueKind::Signature), signed(Some("own"), OpaqueKind::Encrypted)] {
        assert_eq!(block(others.clone(), &own), text("a"), "{others:?}");
        assert_eq!(block(others, &local()), thinking(""), "servers of others need no signature");
    }
    let turns =
        vec![turn(Role::Assistant, vec![thought("", signed(Some("own"), OpaqueKind::Signature)), Part::text("a")])];
    let omitted = json!({"type": "thinking", "thinking": "", "signature": "EqMB+/="});
    assert_eq!(messages(turns, &own)[1]["content"][0], omitted);
}

#[test]
fn how_much_to_think() {
    let ask_for = |effort: Option<&str>, budget, enabled, max_output, model: &str| {
        let reasoning = Reasoning { effort: effort.map(Into::into), budget, enabled, summary: None };
        let prompt = Prompt { reasoning, max_output, ..ask(vec![say(Role::User, "u")]) };
        let written = body(&prompt, &Upstream { vendor: model.contains("claude"), ..vendor(AnthropicMessages, model) });
        json!([written.get("thinking"), written.get("output_config"), written["max_tokens"]])
    };
    let enabled = |budget: u64| json!({"type": "enabled", "budget_tokens": budget});
    let adaptive = json!({"type": "adaptive"});
    assert_eq!(ask_for(None, None, None, Some(9), "claude-opus-5"), json!([null, null, 9]));
    assert_eq!(ask_for(Some("high"), None, None, None, "claude-opus-5"), json!([adaptive, {"effort": "high"}, 32000]));
    assert_eq!(ask_for(Some("xhigh"), None, None, None, "claude-opus-4-6")[1], json!({"effort": "high"}));
    assert_eq!(ask_for(Some("xhigh"), None, None, None, "claude-opus-4-7")[1], json!({"effort": "xhigh"}));
    assert_eq!(ask_for(None, None, Some(true), None, "claude-opus-4-6"), json!([adaptive, null, 32000]));
    assert_eq!(ask_for(None, Some(2000), None, None, "claude-sonnet-4-5"), json!([enabled(2000), null, 32000]));
    assert_eq!(ask_for(Some("high"), None, None, Some(4000), "claude-sonnet-4-5"), json!([enabled(3000), null, 4000]));
    assert_eq!(ask_for(Some("high"), None, None, Some(1000), "claude-sonnet-4-5"), json!([null, null, 1000]));
    assert_eq!(ask_for(None, Some(40_000), None, None, "m2")[2], 44_096);
    assert_eq!(ask_for(Some("low"), None, None, Some(9000), "m2"), json!([enabled(4096), null, 9000]));
    assert_eq!(ask_for(Some("none"), None, None, None, "claude-opus-5")[0], json!({"type": "disabled"}));
    assert_eq!(ask_for(Some("none"), None, None, None, "claude-fable-5")[0], Value::Null);
    assert_eq!(ask_for(Some("high"), None, None, None, "claude-3-5-haiku-20241022")[0], Value::Null);
}

#[test]
fn thinking_stops_where_the_model_would_refuse_the_request() {
    let mut prompt = Prompt { tools: vec![tool("t")], ..ask(vec![say(Role::User, "u")]) };
    prompt.reasoning.budget = Some(2000);
    let thinks = |prompt: &Prompt, model: &str| body(prompt, &claude(model)).get("thinking").is_some();
    assert!(thinks(&prompt, "claude-sonnet-4-5"));
    let forced = Prompt { tool_choice: Some(ToolChoice::Required), ..prompt.clone() };
    assert!(!thinks(&forced, "claude-sonnet-4-5") && !thinks(&forced, "claude-opus-5"));
    assert_eq!(notes(&forced, &claude("claude-opus-5")), ["thinking"]);
    // In a loop of tools that another provider's model began.
    prompt.turns.push(turn(Role::Assistant, vec![thought("hm", None), call("a", "t", "{}")]));
    prompt.turns.push(turn(Role::User, vec![result("a", "r")]));
    assert!(!thinks(&prompt, "claude-sonnet-4-5") && thinks(&prompt, "claude-opus-5"));
    prompt.turns[1].parts[0] = thought("hm", signed(Some("own"), OpaqueKind::Signature));
    assert!(thinks(&prompt, "claude-sonnet-4-5"));
}

#[test]
fn choices() {
    let choose = |choice, parallel_tools| {
        let prompt = Prompt {
            tools: vec![tool("a"), tool("b")],
            tool_choice: choice,
            parallel_tools,
            ..ask(vec![say(Role::User, "u")])
        };
        let written = body(&prompt, &local());
        (list(&written, "tools").len(), written.get("tool_choice").cloned())
    };
    let some = |value| Some(value);
    assert_eq!(choose(None, None), (2, None));
    assert_eq!(choose(None, Some(false)), (2, some(json!({"type": "auto", "disable_parallel_tool_use": true}))));
    assert_eq!(choose(Some(ToolChoice::Required), Some(true)), (2, some(json!({"type": "any"}))));
    assert_eq!(choose(Some(ToolChoice::None), Some(false)), (2, some(json!({"type": "none"}))));
    let named = ToolChoice::Named { name: "b".into(), namespace: None };
    assert_eq!(choose(Some(named), None), (2, some(json!({"type": "tool", "name": "b"}))));
    let allowed = ToolChoice::Allowed { names: vec!["b".into()], required: true };
    assert_eq!(choose(Some(allowed), None), (1, some(json!({"type": "any"}))));
}

#[test]
fn a_conversation_with_calls_has_tools() {
    let turns = vec![turn(Role::Assistant, vec![call("a", "t.x", "{}")]), turn(Role::User, vec![result("a", "r")])];
    let outgoing = write_request(&ask(turns), &local()).unwrap();
    let written = json_of(&outgoing);
    assert_eq!(written["tool_choice"], json!({"type": "none"}));
    let name = written["tools"][0]["name"].as_str().unwrap();
    assert_eq!(
        (name, outgoing.names.of_upstream(name).name.as_str()),
        (written["messages"][1]["content"][0]["name"].as_str().unwrap(), "t.x")
    );
}

#[test]
fn tools_have_a_schema_that_is_an_object() {
    let any = json!({"anyOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]});
    let grammar = json!({"type": "text"});
    let prompt = Prompt {
        tools: vec![
            tool("none"),
            Tool { parameters: Some(any), ..tool("any") },
            Tool { custom: Some(grammar), ..tool("free") },
        ],
        ..ask(vec![say(Role::User, "u")])
    };
    let written = body(&prompt, &local());
    let schemas: Vec<_> = list(&written, "tools").iter().map(|tool| &tool["input_schema"]).collect();
    assert!(schemas.iter().all(|schema| schema["type"] == "object" && schema["properties"].is_object()), "{schemas:?}");
    assert_eq!(schemas[1]["properties"], json!({"a": {}, "b": {}}));
    assert_eq!(schemas[2]["required"], json!(["input"]));
    assert_eq!(notes(&prompt, &local()), ["tools.parameters.anyOf"]);
}

#[test]
fn how_words_are_picked() {
    let sampling = Sampling {
        temperature: Some(1.5),
        top_p: Some(0.9),
        top_k: Some(4),
        stop: vec!["x".into(), " ".into()],
        ..Sampling::default()
    };
    let keys = |sampling: &Sampling, effort: Option<&str>, upstream: &Upstream| {
        let mut prompt = Prompt { sampling: sampling.clone(), ..ask(vec![say(Role::User, "u")]) };
        prompt.reasoning.effort = effort.map(Into::into);
        let written = body(&prompt, upstream);
        json!([written.get("temperature"), written.get("top_p"), written.get("top_k"), written.get("stop_sequences")])
    };
    assert_eq!(keys(&sampling, None, &local()), json!([1.0, 0.9, 4, ["x"]]));
    assert_eq!(keys(&sampling, None, &claude("claude-sonnet-4-5")), json!([1.0, null, 4, ["x"]]));
    assert_eq!(keys(&sampling, None, &claude("claude-opus-4-7")), json!([null, null, null, ["x"]]));
    assert_eq!(keys(&sampling, Some("low"), &claude("claude-sonnet-4-5")), json!([null, null, null, ["x"]]));
    let openai = Sampling {
        seed: Some(1),
        frequency_penalty: Some(0.1),
        presence_penalty: Some(0.1),
        logprobs: Some(0),
        ..sampling
    };
    let prompt = Prompt { sampling: openai, ..ask(vec![say(Role::User, "u")]) };
    assert_eq!(
        notes(&prompt, &local()),
        ["frequency_penalty", "logprobs", "presence_penalty", "seed", "stop", "temperature above 1"]
    );
}

#[test]
fn a_form_is_held_to_where_it_can_be_and_said_where_not() {
    let closed = json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": false});
    let form =
        |schema: &Value| Format::JsonSchema { name: None, description: None, schema: schema.clone(), strict: None };
    let prompt = Prompt { format: form(&closed), ..ask(vec![say(Role::User, "u")]) };
    let written = body(&prompt, &claude("claude-opus-4-5"));
    assert_eq!(written["output_config"], json!({"format": {"type": "json_schema", "schema": closed}}));
    let open = json!({"type": "object"});
    for (schema, upstream) in
        [(&open, claude("claude-opus-4-5")), (&closed, claude("claude-opus-4-1")), (&closed, local())]
    {
        let prompt = Prompt { format: form(schema), ..prompt.clone() };
        let written = body(&prompt, &upstream);
        assert_eq!(written.get("output_config"), None);
        assert!(written["system"][0]["text"].as_str().unwrap().contains(&schema.to_string()), "{written}");
        assert_eq!(notes(&prompt, &upstream), ["response_format"]);
    }
}

#[test]
fn marks_of_the_cache() {
    let mark = || Some(json!({"type": "ephemeral"}));
    let marked = |text: &str| Part::Text { text: text.into(), cache: mark() };
    let count = |written: &Value| written.to_string().matches("cache_control").count();
    let prompt = Prompt {
        tools: vec![Tool { cache: mark(), ..tool("t") }],
        ..ask(vec![
            turn(Role::System, vec![marked("a"), marked("b"), marked("c")]),
            turn(Role::User, vec![marked("d")]),
        ])
    };
    let written = body(&prompt, &claude("claude-opus-5"));
    assert_eq!((count(&written), written["tools"][0].get("cache_control")), (4, None));
    assert_eq!(written["messages"][0]["content"][0]["cache_control"], json!({"type": "ephemeral"}));
    // An agent that cannot set any gets two; a question without tools gets none.
    let agent = Prompt { tools: vec![tool("t")], ..ask(vec![say(Role::System, "s"), say(Role::User, "u")]) };
    let written = body(&agent, &claude("claude-opus-5"));
    assert_eq!(count(&written), 2);
    assert!(
        written["system"][0].get("cache_control").is_some()
            && written["messages"][0]["content"][0].get("cache_control").is_some()
    );
    assert_eq!(count(&body(&agent, &local())), 0);
    assert_eq!(count(&body(&Prompt { tools: vec![], ..agent }, &claude("claude-opus-5"))), 0);
}

#[test]
fn who_asks_is_no_address() {
    let user = |user: &str| {
        let prompt = Prompt { user: Some(user.into()), ..ask(vec![say(Role::User, "u")]) };
        body(&prompt, &claude("claude-opus-5"))["metadata"]["user_id"].as_str().unwrap().to_owned()
    };
    assert_eq!(user("u-1"), "u-1");
    assert!(!user("ann@example.com").contains("ann"));
}

/// Anthropic's rules.
fn is_valid(written: &Value, thinks_alone: bool) {
    let messages = list(written, "messages");
    let mut ids = HashSet::new();
    for (at, message) in messages.iter().enumerate() {
        assert_eq!(message["role"], ["user", "assistant"][at % 2], "{written}");
        let content = list(message, "content");
        assert!(!content.is_empty());
        let calls = |content: &[Value], kind: &str, key: &str| -> Vec<String> {
            content
                .iter()
                .filter(|block| block["type"] == kind)
                .map(|block| block[key].as_str().unwrap().to_owned())
                .collect()
        };
        let used = calls(content, "tool_use", "id");
        for (id, block) in used.iter().zip(content.iter().filter(|block| block["type"] == "tool_use")) {
            assert!(is_plain(id, 64) && ids.insert(id.clone()), "{id}");
            assert!(is_plain(block["name"].as_str().unwrap(), 64) && block["input"].is_object());
        }
        if !used.is_empty() {
            let next = list(&messages[at + 1], "content");
            assert_eq!(calls(next, "tool_result", "tool_use_id"), used, "each call is answered at once");
            assert!(next[..used.len()].iter().all(|block| block["type"] == "tool_result"), "results come first");
        } else if let Some(next) = messages.get(at + 1) {
            assert!(calls(list(next, "content"), "tool_result", "tool_use_id").is_empty(), "a result without a call");
        }
        for block in content.iter().flat_map(|block| std::iter::once(block).chain(list(block, "content"))) {
            if let Some(text) = block["text"].as_str() {
                assert!(!text.trim().is_empty());
            }
            if block["type"] == "thinking" && thinks_alone {
                assert!(!block["signature"].as_str().unwrap().is_empty());
            }
        }
    }
    let last = &messages[messages.len() - 1];
    if last["role"] == "assistant" {
        let text = list(last, "content").last().unwrap()["text"].as_str().unwrap();
        assert_eq!(text, text.trim_end());
    }
    assert!(written.to_string().matches("\"cache_control\"").count() <= 4);
    let budget = written["thinking"]["budget_tokens"].as_u64();
    assert!(budget.is_none_or(|budget| budget >= 1024 && budget < written["max_tokens"].as_u64().unwrap()));
    if written["messages"].to_string().contains("\"tool_use\"") {
        assert!(!list(written, "tools").is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_request_keeps_the_rules(prompt in prompts::prompt(), model in prop_oneof![Just("m2"), Just("claude-sonnet-4-5"), Just("claude-opus-5")]) {
        let own = model != "m2";
        let upstream = Upstream { vendor: own, ..vendor(AnthropicMessages, model) };
        let outgoing = write_request(&prompt, &upstream).unwrap();
        let written = json_of(&outgoing);
        is_valid(&written, own);
        all_words_are_there(&prompt, &written);
        let told: Vec<_> = list(&written, "tools").iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
        names_lead_back(&prompt, &outgoing, &told);
    }
}
