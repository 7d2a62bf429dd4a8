//! Responses: OpenAI's own, and the servers that speak it.

use pilotlight_wire::UpstreamApi::OpenaiResponses;
use pilotlight_wire::translate::prompt::{Format, Sampling, Source, Thought, Tool, ToolCall, ToolChoice};
use pilotlight_wire::translate::{Opaque, OpaqueKind, Part, Prompt, Role, Turn, write_request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn local() -> Upstream {
    server(OpenaiResponses)
}

fn openai(model: &str) -> Upstream {
    vendor(OpenaiResponses, model)
}

fn input(turns: Vec<Turn>, upstream: &Upstream) -> Value {
    body(&ask(turns), upstream)["input"].clone()
}

fn message(role: &str, kind: &str, text: &str) -> Value {
    json!({"type": "message", "role": role, "content": [{"type": kind, "text": text}]})
}

#[test]
fn a_request_of_words() {
    let prompt = Prompt {
        max_output: Some(1),
        stream: true,
        ..ask(vec![say(Role::System, "s"), say(Role::Developer, "d"), say(Role::User, "hi")])
    };
    let outgoing = write_request(&prompt, &local()).unwrap();
    assert_eq!(outgoing.path, "/responses");
    assert_eq!(
        json_of(&outgoing),
        json!({
            "model": "local-model", "stream": true, "store": false, "max_output_tokens": 16,
            "input": [message("system", "input_text", "s"), message("system", "input_text", "d"), message("user", "input_text", "hi")],
        })
    );
    assert_eq!(body(&prompt, &openai("gpt-5"))["input"][1]["role"], "developer");
}

#[test]
fn an_answer_is_items_in_their_order() {
    let turns = vec![
        say(Role::User, "u"),
        turn(Role::Assistant, vec![Part::text("I look."), call("a", "t", "{\"x\":1}"), call("b", "t", "")]),
        turn(Role::User, vec![result("b", "rb"), result("a", "ra"), Part::text("and?")]),
    ];
    assert_eq!(
        input(turns, &local()),
        json!([
            message("user", "input_text", "u"),
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look.", "annotations": []}]},
            {"type": "function_call", "call_id": "a", "name": "t", "arguments": "{\"x\":1}"},
            {"type": "function_call", "call_id": "b", "name": "t", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "a", "output": "ra"},
            {"type": "function_call_output", "call_id": "b", "output": "rb"},
            message("user", "input_text", "and?"),
        ])
    );
}

#[test]
fn a_thought_goes_back_to_its_own_provider_with_what_it_led_to() {
    let opaque = |provider: &str| Opaque {
        provider: Some(provider.into()),
        kind: OpaqueKind::Encrypted,
        value: "gAAA".into(),
        id: Some("rs_1".into()),
    };
    let thought = |opaque| Part::Reasoning(Thought { text: "hm".into(), summary: vec!["s".into()], opaque });
    let items = |opaque, upstream: &Upstream| {
        input(vec![turn(Role::Assistant, vec![thought(opaque), Part::text("a")])], upstream).as_array().unwrap().clone()
    };
    let summary = json!([{"type": "summary_text", "text": "s"}]);
    let own = items(Some(opaque("own")), &openai("gpt-5"));
    assert_eq!(own[0], json!({"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "gAAA"}));
    assert_eq!(items(Some(opaque("other")), &openai("gpt-5")).len(), 1);
    let elsewhere = items(Some(opaque("other")), &local());
    assert_eq!(elsewhere[0]["content"], json!([{"type": "reasoning_text", "text": "hm"}]));
    assert_eq!(elsewhere[0].get("encrypted_content"), None);
    let alone = vec![turn(Role::Assistant, vec![Part::text("a"), thought(Some(opaque("own")))]), say(Role::User, "u")];
    assert_eq!(input(alone, &openai("gpt-5")).as_array().unwrap().len(), 2, "nothing follows the thought");
}

#[test]
fn sealed_thoughts_are_asked_for_and_nothing_is_stored() {
    let mut prompt = ask(vec![say(Role::User, "u")]);
    let said = |prompt: &Prompt, upstream: &Upstream| {
        let written = body(prompt, upstream);
        json!([written.get("include"), written.get("reasoning"), written.get("store")])
    };
    let include = json!(["reasoning.encrypted_content"]);
    assert_eq!(said(&prompt, &openai("gpt-5")), json!([include, null, false]));
    assert_eq!(said(&prompt, &openai("gpt-4.1")), json!([null, null, false]));
    assert_eq!(said(&prompt, &local()), json!([null, null, false]));
    prompt.reasoning.effort = Some("max".into());
    assert_eq!(said(&prompt, &openai("gpt-5")), json!([include, {"effort": "high", "summary": "auto"}, false]));
    assert_eq!(said(&prompt, &openai("gpt-4.1")), json!([null, null, false]));
    assert_eq!(notes(&prompt, &openai("gpt-4.1")), ["reasoning.effort"]);
    assert_eq!(said(&prompt, &local()), json!([include, {"effort": "high", "summary": "auto"}, false]));
    prompt.store = Some(true);
    assert_eq!(body(&prompt, &openai("gpt-5"))["store"], true);
    let forgets = Upstream { compat: Compat { store: Some(false), ..Compat::default() }, ..local() };
    assert_eq!(body(&prompt, &forgets).get("store"), None);
}

#[test]
fn tools_are_not_strict_unless_said() {
    let prompt = Prompt {
        tools: vec![tool("a"), Tool { strict: Some(true), ..tool("b") }],
        tool_choice: Some(ToolChoice::Named { name: "b".into(), namespace: None }),
        parallel_tools: Some(false),
        ..ask(vec![say(Role::User, "u")])
    };
    let written = body(&prompt, &openai("gpt-5"));
    let strict: Vec<_> = list(&written, "tools").iter().map(|tool| tool["strict"].clone()).collect();
    assert_eq!(strict, [false, true]);
    assert_eq!(written["tools"][0]["parameters"], json!({"type": "object", "properties": {}}));
    assert_eq!(
        (&written["tool_choice"], &written["parallel_tool_calls"]),
        (&json!({"type": "function", "name": "b"}), &json!(false))
    );
    let elsewhere = body(&prompt, &local());
    assert_eq!((list(&elsewhere, "tools").len(), &elsewhere["tool_choice"]), (1, &json!("required")));
}

#[test]
fn free_form_tools_stay_so_for_openai_alone() {
    let grammar = json!({"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: A"}});
    let patch = ToolCall {
        id: "c".into(),
        name: "patch".into(),
        arguments: "*** A".into(),
        custom: true,
        ..ToolCall::default()
    };
    let prompt = Prompt {
        tools: vec![Tool { custom: Some(grammar), ..tool("patch") }],
        ..ask(vec![turn(Role::Assistant, vec![Part::ToolCall(patch)]), turn(Role::User, vec![result("c", "ok")])])
    };
    let written = body(&prompt, &openai("gpt-5"));
    let format = json!({"type": "grammar", "syntax": "lark", "definition": "start: A"});
    assert_eq!(written["tools"], json!([{"type": "custom", "name": "patch", "format": format}]));
    assert_eq!(
        written["input"][0],
        json!({"type": "custom_tool_call", "call_id": "c", "name": "patch", "input": "*** A"})
    );
    assert_eq!(written["input"][1]["type"], "custom_tool_call_output");
    for upstream in [local(), openai("gpt-4.1")] {
        let written = body(&prompt, &upstream);
        assert_eq!(
            (&written["tools"][0]["type"], &written["input"][1]["type"]),
            (&json!("function"), &json!("function_call_output"))
        );
        assert_eq!(written["input"][0]["arguments"], "{\"input\":\"*** A\"}");
        assert!(write_request(&prompt, &upstream).unwrap().names.of_upstream("patch").custom);
    }
}

#[test]
fn pictures_files_and_results_keep_their_bytes() {
    let image =
        || Part::Image { source: Source::Data { media_type: "image/gif".into(), data: "AA==".into() }, detail: None };
    let picture = json!({"type": "input_image", "detail": "auto", "image_url": "data:image/gif;base64,AA=="});
    let file = Part::File { source: Source::Url("https://e.com/a.pdf".into()), name: None };
    let turns = vec![
        turn(Role::User, vec![image(), file, Part::text("look")]),
        turn(Role::Assistant, vec![call("a", "t", "{}")]),
        turn(Role::User, vec![results("a", vec![Part::text("see"), image()])]),
    ];
    let written = input(turns, &local());
    assert_eq!(
        written[0]["content"],
        json!([picture, {"type": "input_file", "file_url": "https://e.com/a.pdf"}, {"type": "input_text", "text": "look"}])
    );
    assert_eq!(written[2]["output"], json!([{"type": "input_text", "text": "see"}, picture]));
    let uploaded = ask(vec![turn(Role::User, vec![Part::Image { source: Source::Id("file-1".into()), detail: None }])]);
    assert_eq!(body(&uploaded, &openai("gpt-5"))["input"][0]["content"][0]["file_id"], "file-1");
    assert_eq!(error(&uploaded, &local()).code, "unsupported_content");
}

#[test]
fn forms_and_what_has_no_place() {
    let schema = json!({"type": "object"});
    let format =
        Format::JsonSchema { name: None, description: Some("d".into()), schema: schema.clone(), strict: Some(true) };
    let sampling = Sampling {
        temperature: Some(0.5),
        stop: vec!["x".into()],
        seed: Some(1),
        top_k: Some(1),
        ..Sampling::default()
    };
    let prompt = Prompt { format, sampling, verbosity: Some("low".into()), ..ask(vec![say(Role::User, "u")]) };
    let written = body(&prompt, &openai("gpt-5"));
    assert_eq!(
        written["text"],
        json!({"format": {"type": "json_schema", "name": "answer", "description": "d", "schema": schema, "strict": true}, "verbosity": "low"})
    );
    assert_eq!(notes(&prompt, &openai("gpt-5")), ["seed", "stop", "temperature", "top_k"]);
    assert_eq!(body(&prompt, &local())["temperature"], 0.5);
    let earlier = Prompt { previous_response_id: Some("resp_1".into()), ..prompt };
    assert_eq!(body(&earlier, &openai("gpt-5"))["previous_response_id"], "resp_1");
}

fn is_valid(written: &Value, own: bool) {
    let (mut called, mut answered) = (Vec::new(), Vec::new());
    let items = list(written, "input");
    for (at, item) in items.iter().enumerate() {
        match item["type"].as_str().unwrap() {
            "message" => assert!(!list(item, "content").is_empty()),
            "function_call" | "custom_tool_call" => {
                let id = item["call_id"].as_str().unwrap();
                assert!(is_plain(id, 64) && is_plain(item["name"].as_str().unwrap(), 64) && !called.contains(&id));
                called.push(id);
            }
            "function_call_output" | "custom_tool_call_output" => {
                let id = item["call_id"].as_str().unwrap();
                let call = items.iter().find(|item| item["call_id"] == id).unwrap();
                assert_eq!(format!("{}_output", call["type"].as_str().unwrap()), item["type"].as_str().unwrap());
                assert!(called.contains(&id));
                answered.push(id);
            }
            "reasoning" => {
                let next = &items[at + 1];
                let kind = next["type"].as_str().unwrap();
                assert!(next["role"] == "assistant" || kind.ends_with("_call") || kind == "reasoning", "{next}");
                assert!(!own || item["encrypted_content"].is_string());
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(called, answered);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_request_keeps_the_rules(prompt in prompts::prompt(), own: bool) {
        let upstream = if own { openai("gpt-5") } else { local() };
        let outgoing = write_request(&prompt, &upstream).unwrap();
        let written = json_of(&outgoing);
        is_valid(&written, own);
        all_words_are_there(&prompt, &written);
        let told: Vec<_> = list(&written, "tools").iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
        names_lead_back(&prompt, &outgoing, &told);
    }
}
