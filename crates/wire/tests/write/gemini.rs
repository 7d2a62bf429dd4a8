//! Google's Gemini API.

use pilotlight_wire::UpstreamApi::GoogleGenerativeAi;
use pilotlight_wire::translate::prompt::{Format, Reasoning, Sampling, Source, Thought, Tool, ToolCall, ToolChoice};
use pilotlight_wire::translate::{Opaque, OpaqueKind, Part, Prompt, Role, write_request};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn gemini(model: &str) -> Upstream {
    vendor(GoogleGenerativeAi, model)
}

fn signed(provider: &str) -> Option<Opaque> {
    Some(Opaque { provider: Some(provider.into()), kind: OpaqueKind::ThoughtSignature, value: "CrQB".into(), id: None })
}

#[test]
fn a_request_of_words() {
    let prompt = Prompt {
        max_output: Some(9),
        stream: true,
        sampling: Sampling {
            temperature: Some(0.5),
            top_k: Some(3),
            frequency_penalty: Some(0.1),
            stop: vec!["x".into()],
            ..Sampling::default()
        },
        ..ask(vec![say(Role::System, "s"), say(Role::User, "hi"), say(Role::User, "there")])
    };
    let outgoing = write_request(&prompt, &gemini("gemini-2.5-flash")).unwrap();
    assert_eq!(outgoing.path, "/models/gemini-2.5-flash:streamGenerateContent");
    assert_eq!(outgoing.query.as_deref(), Some("alt=sse"));
    assert_eq!(
        json_of(&outgoing),
        json!({
            "contents": [{"role": "user", "parts": [{"text": "hi"}, {"text": "there"}]}],
            "generationConfig": {"temperature": 0.5, "topK": 3, "stopSequences": ["x"], "maxOutputTokens": 9},
            "systemInstruction": {"parts": [{"text": "s"}]},
        })
    );
    assert_eq!(outgoing.notes.iter().map(|note| note.name()).collect::<Vec<_>>(), ["frequency_penalty"]);
    let whole = write_request(&Prompt { stream: false, ..prompt }, &gemini("models/a b")).unwrap();
    assert_eq!((whole.path.as_str(), whole.query), ("/models/a%20b:generateContent", None));
}

#[test]
fn calls_are_answered_by_name_and_id() {
    let image =
        Part::Image { source: Source::Data { media_type: "image/png".into(), data: "AA==".into() }, detail: None };
    let turns = vec![
        say(Role::User, "u"),
        turn(Role::Assistant, vec![call("a", "t", "{\"x\":1}"), call("b", "t", "")]),
        turn(
            Role::User,
            vec![
                Part::text("and?"),
                results("b", vec![Part::text("rb"), image]),
                Part::ToolResult {
                    call_id: "a".into(),
                    content: vec![Part::text("ra")],
                    is_error: true,
                    custom: false,
                    cache: None,
                },
            ],
        ),
    ];
    let written = body(&ask(turns), &gemini("gemini-2.5-pro"));
    assert_eq!(
        written["contents"][1],
        json!({"role": "model", "parts": [
            {"functionCall": {"id": "a", "name": "t", "args": {"x": 1}}}, {"functionCall": {"id": "b", "name": "t", "args": {}}},
        ]})
    );
    assert_eq!(
        written["contents"][2],
        json!({"role": "user", "parts": [
            {"functionResponse": {"id": "a", "name": "t", "response": {"error": "ra"}}},
            {"functionResponse": {"id": "b", "name": "t", "response": {"output": "rb"}}},
            {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
            {"text": "and?"},
        ]})
    );
}

#[test]
fn signatures_stand_where_they_stood() {
    let call = |id: &str, opaque| {
        Part::ToolCall(ToolCall {
            id: id.into(),
            name: "t".into(),
            arguments: "{}".into(),
            opaque,
            ..ToolCall::default()
        })
    };
    let thought = |opaque| Part::Reasoning(Thought { text: "hm".into(), summary: vec![], opaque });
    let signatures = |parts: Vec<Part>, model: &str| {
        let ids: Vec<_> = parts
            .iter()
            .filter_map(|part| if let Part::ToolCall(call) = part { Some(call.id.clone()) } else { None })
            .collect();
        let answers = ids.iter().map(|id| result(id, "r")).collect();
        let turns =
            vec![say(Role::User, "u"), turn(Role::Assistant, parts), turn(Role::User, answers), say(Role::User, "v")];
        let written = body(&ask(turns), &gemini(model));
        list(&written["contents"][1], "parts")
            .iter()
            .map(|part| part.get("thoughtSignature").and_then(Value::as_str).unwrap_or("-").to_owned())
            .collect::<Vec<_>>()
    };
    let skip = "skip_thought_signature_validator";
    assert_eq!(signatures(vec![call("a", signed("own")), call("b", None)], "gemini-3-pro-preview"), ["CrQB", "-"]);
    assert_eq!(signatures(vec![call("a", None), call("b", None)], "gemini-3-pro-preview"), [skip, "-"]);
    assert_eq!(signatures(vec![call("a", signed("other"))], "gemini-3-pro-preview"), [skip]);
    assert_eq!(signatures(vec![call("a", None)], "gemini-2.5-pro"), ["-"]);
    assert_eq!(signatures(vec![thought(signed("own")), Part::text("a")], "gemini-3-pro-preview"), ["CrQB"]);
    assert_eq!(signatures(vec![Part::text("a"), thought(signed("own"))], "gemini-3-pro-preview"), ["-", "CrQB"]);
    assert_eq!(signatures(vec![thought(signed("other")), Part::text("a")], "gemini-3-pro-preview"), ["-"]);
}

#[test]
fn how_much_to_think() {
    let ask_for = |effort: Option<&str>, budget, enabled, model: &str| {
        let reasoning = Reasoning { effort: effort.map(Into::into), budget, enabled, summary: None };
        let written = body(&Prompt { reasoning, ..ask(vec![say(Role::User, "u")]) }, &gemini(model));
        written["generationConfig"]["thinkingConfig"].clone()
    };
    assert_eq!(ask_for(None, None, None, "gemini-3-pro-preview"), Value::Null);
    let level = |level: &str| json!({"thinkingLevel": level, "includeThoughts": true});
    assert_eq!(ask_for(Some("medium"), None, None, "gemini-3-pro-preview"), level("low"));
    assert_eq!(ask_for(Some("medium"), None, None, "gemini-3.1-pro-preview"), level("medium"));
    assert_eq!(ask_for(Some("max"), None, None, "gemini-3-flash-preview"), level("high"));
    assert_eq!(ask_for(Some("none"), None, None, "gemini-3-flash-preview"), json!({"thinkingLevel": "minimal"}));
    assert_eq!(ask_for(Some("none"), None, None, "gemini-2.5-flash"), json!({"thinkingBudget": 0}));
    assert_eq!(ask_for(Some("none"), None, None, "gemini-2.5-pro"), json!({"thinkingBudget": 128}));
    assert_eq!(
        ask_for(None, Some(99_999), None, "gemini-2.5-flash"),
        json!({"thinkingBudget": 24576, "includeThoughts": true})
    );
    assert_eq!(ask_for(None, None, Some(true), "gemini-2.5-pro"), json!({"includeThoughts": true}));
    assert_eq!(ask_for(Some("high"), None, None, "gemma-3-27b-it"), Value::Null);
}

#[test]
fn tools_choices_and_forms() {
    let schema = json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "$defs": {"a": {"type": ["string", "null"]}}});
    let format = Format::JsonSchema { name: None, description: None, schema: schema.clone(), strict: None };
    let prompt = Prompt {
        tools: vec![Tool { parameters: Some(schema.clone()), description: Some("d".into()), ..tool("9lives") }],
        tool_choice: Some(ToolChoice::Named { name: "9lives".into(), namespace: None }),
        format,
        ..ask(vec![say(Role::User, "u")])
    };
    let outgoing = write_request(&prompt, &gemini("gemini-2.5-pro")).unwrap();
    let written = json_of(&outgoing);
    let declared = &written["tools"][0]["functionDeclarations"][0];
    let name = declared["name"].as_str().unwrap();
    assert!(name.starts_with('_') && outgoing.names.of_upstream(name).name == "9lives", "{name}");
    assert_eq!((&declared["parametersJsonSchema"], declared.get("parameters")), (&schema, None));
    assert_eq!(
        written["toolConfig"],
        json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": [name]}})
    );
    assert!(written["systemInstruction"].to_string().contains("JSON Schema"), "no form beside tools before Gemini 3");
    let held = body(&prompt, &gemini("gemini-3-pro-preview"));
    assert_eq!(held["generationConfig"], json!({"responseMimeType": "application/json", "responseJsonSchema": schema}));
    let none = body(&Prompt { tool_choice: Some(ToolChoice::None), ..prompt }, &gemini("gemini-3-pro-preview"));
    assert_eq!(none["toolConfig"], json!({"functionCallingConfig": {"mode": "NONE"}}));
}

#[test]
fn files_by_data_and_address() {
    let of = |part| ask(vec![turn(Role::User, vec![part])]);
    let part = |part| body(&of(part), &gemini("gemini-2.5-pro"))["contents"][0]["parts"][0].clone();
    let pdf =
        Part::File { source: Source::Data { media_type: "application/pdf".into(), data: "AA==".into() }, name: None };
    assert_eq!(part(pdf), json!({"inlineData": {"mimeType": "application/pdf", "data": "AA=="}}));
    let url = "https://e.com/a.PNG?x";
    let image = Part::Image { source: Source::Url(url.into()), detail: None };
    assert_eq!(part(image), json!({"fileData": {"mimeType": "image/png", "fileUri": url}}));
    let sound = Part::Audio { format: "wav".into(), data: "AA==".into() };
    assert_eq!(part(sound), json!({"inlineData": {"mimeType": "audio/wav", "data": "AA=="}}));
    let uploaded = Part::File { source: Source::Id("f".into()), name: None };
    assert_eq!(error(&of(uploaded), &gemini("gemini-2.5-pro")).code, "unsupported_content");
}

fn is_valid(written: &Value) {
    let contents = list(written, "contents");
    let calls = |content: &Value, kind: &str| -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        list(content, "parts")
            .iter()
            .filter_map(|part| part.get(kind))
            .map(|call| (text(&call["id"]), text(&call["name"])))
            .collect()
    };
    for (at, content) in contents.iter().enumerate() {
        assert_eq!(content["role"], ["user", "model"][at % 2]);
        assert!(!list(content, "parts").is_empty());
        let answered = calls(content, "functionResponse");
        if at > 0 && content["role"] == "user" {
            assert_eq!(answered, calls(&contents[at - 1], "functionCall"));
            assert!(
                list(content, "parts").iter().take(answered.len()).all(|part| part.get("functionResponse").is_some())
            );
        } else {
            assert!(answered.is_empty());
        }
        for part in list(content, "parts") {
            assert!(part["text"] != "" || part.get("thoughtSignature").is_some());
            assert!(part.get("functionCall").is_none_or(|call| call["args"].is_object()));
        }
    }
    assert_eq!(contents.last().unwrap()["role"], "user");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn any_request_keeps_the_rules(prompt in prompts::prompt(), model in prop_oneof![Just("gemini-2.5-pro"), Just("gemini-3-pro-preview")]) {
        let outgoing = write_request(&prompt, &gemini(model)).unwrap();
        let written = json_of(&outgoing);
        is_valid(&written);
        all_words_are_there(&prompt, &written);
        let told: Vec<_> = list(&written["tools"][0], "functionDeclarations").iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
        names_lead_back(&prompt, &outgoing, &told);
        prop_assert!(told.iter().all(|name| name.starts_with(|first: char| first == '_' || first.is_ascii_alphabetic())));
    }
}
