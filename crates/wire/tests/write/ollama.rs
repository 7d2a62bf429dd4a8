//! Ollama's own API.

use pilotlight_wire::UpstreamApi::Ollama;
use pilotlight_wire::translate::prompt::{Format, Sampling, Source, Thought, ToolChoice};
use pilotlight_wire::translate::{Part, Prompt, Role, write_request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn ollama(model: &str) -> Upstream {
    Upstream { model: model.into(), ..server(Ollama) }
}

#[test]
fn a_request_of_words() {
    let prompt = Prompt {
        max_output: Some(9),
        sampling: Sampling {
            temperature: Some(0.5),
            top_k: Some(3),
            seed: Some(7),
            stop: vec!["x".into()],
            ..Sampling::default()
        },
        ..ask(vec![say(Role::Developer, "d"), say(Role::User, "hi")])
    };
    let outgoing = write_request(&prompt, &ollama("qwen3")).unwrap();
    assert_eq!((outgoing.path.as_str(), outgoing.notes.len()), ("/api/chat", 0));
    assert_eq!(
        json_of(&outgoing),
        json!({
            "model": "qwen3", "stream": false,
            "messages": [{"role": "system", "content": "d"}, {"role": "user", "content": "hi"}],
            "options": {"num_predict": 9, "temperature": 0.5, "top_k": 3, "seed": 7, "stop": ["x"]},
        })
    );
}

#[test]
fn calls_hold_objects_and_pictures_stand_apart() {
    let image =
        || Part::Image { source: Source::Data { media_type: "image/png".into(), data: "AA==".into() }, detail: None };
    let thought = Part::Reasoning(Thought { text: "hm".into(), ..Thought::default() });
    let turns = vec![
        turn(Role::User, vec![Part::text("u"), image()]),
        turn(Role::Assistant, vec![thought, call("a", "t", "{\"x\":1}"), call("b", "t", "{\"x\"")]),
        turn(Role::User, vec![results("a", vec![image()]), result("b", "rb")]),
    ];
    assert_eq!(
        body(&ask(turns), &ollama("qwen3"))["messages"],
        json!([
            {"role": "user", "content": "u", "images": ["AA=="]},
            {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                {"id": "a", "function": {"name": "t", "arguments": {"x": 1}}},
                {"id": "b", "function": {"name": "t", "arguments": {"input": "{\"x\""}}},
            ]},
            {"role": "tool", "tool_name": "t", "tool_call_id": "a", "content": ""},
            {"role": "tool", "tool_name": "t", "tool_call_id": "b", "content": "rb"},
            {"role": "user", "content": "From the results of the tools.", "images": ["AA=="]},
        ])
    );
    let url = ask(vec![turn(
        Role::User,
        vec![Part::Image { source: Source::Url("https://e.com/a.png".into()), detail: None }],
    )]);
    assert_eq!(error(&url, &ollama("qwen3")).code, "unsupported_content");
}

#[test]
fn thinking_is_only_turned_off() {
    let think = |effort: &str, model: &str| {
        let mut prompt = ask(vec![say(Role::User, "u")]);
        prompt.reasoning.effort = Some(effort.into());
        (body(&prompt, &ollama(model)).get("think").cloned(), notes(&prompt, &ollama(model)).len())
    };
    assert_eq!(think("high", "llama3.2"), (None, 1));
    assert_eq!(think("none", "qwen3"), (Some(json!(false)), 0));
    assert_eq!(think("xhigh", "gpt-oss:20b"), (Some(json!("high")), 0));
    assert_eq!(think("none", "gpt-oss:20b"), (Some(json!("low")), 0));
}

#[test]
fn choices_and_forms() {
    let prompt = |choice| Prompt {
        tools: vec![tool("a"), tool("b")],
        tool_choice: Some(choice),
        ..ask(vec![say(Role::User, "u")])
    };
    let tools = |choice| list(&body(&prompt(choice), &ollama("qwen3")), "tools").len();
    assert_eq!((tools(ToolChoice::Auto), tools(ToolChoice::None)), (2, 0));
    let named = || ToolChoice::Named { name: "b".into(), namespace: None };
    assert_eq!(tools(named()), 1);
    assert_eq!(notes(&prompt(named()), &ollama("qwen3")), ["tool_choice"]);
    assert_eq!(notes(&prompt(ToolChoice::Required), &ollama("qwen3")), ["tool_choice"]);
    let schema = json!({"type": "object"});
    let form = Format::JsonSchema { name: None, description: None, schema: schema.clone(), strict: None };
    assert_eq!(body(&Prompt { format: form, ..prompt(ToolChoice::Auto) }, &ollama("qwen3"))["format"], schema);
    let json = Prompt { format: Format::JsonObject, ..prompt(ToolChoice::Auto) };
    assert_eq!(body(&json, &ollama("qwen3"))["format"], "json");
}

fn is_valid(written: &Value) {
    let mut waiting: Vec<(&Value, &Value)> = Vec::new();
    for message in list(written, "messages") {
        assert!(message["content"].is_string());
        if message["role"] == "tool" {
            assert_eq!(waiting.remove(0), (&message["tool_call_id"], &message["tool_name"]));
            continue;
        }
        assert!(waiting.is_empty());
        for call in list(message, "tool_calls") {
            assert!(call["function"]["arguments"].is_object());
            waiting.push((&call["id"], &call["function"]["name"]));
        }
    }
    assert!(waiting.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_request_keeps_the_rules(prompt in prompts::prompt()) {
        let outgoing = write_request(&prompt, &ollama("qwen3")).unwrap();
        let written = json_of(&outgoing);
        is_valid(&written);
        all_words_are_there(&prompt, &written);
        let told: Vec<_> = list(&written, "tools").iter().map(|tool| tool["function"]["name"].as_str().unwrap().to_owned()).collect();
        names_lead_back(&prompt, &outgoing, &told);
    }
}
