//! Requests that clients send, read in their API and written in another: what agents need to come through, so that the
//! next turn of a conversation is not refused and no tool is called for ever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use pilotlight_wire::ClientApi::{self, Chat, Messages, Responses};
use pilotlight_wire::UpstreamApi::{
    self, AnthropicMessages, GoogleGenerativeAi, Ollama, OpenaiCompletions, OpenaiResponses,
};
use pilotlight_wire::translate::compat::Compat;
use pilotlight_wire::translate::{Opaque, OpaqueKind, Outgoing, Upstream, read_request, write_request};
use serde_json::{Value, json};

const UPSTREAMS: [UpstreamApi; 5] = [OpenaiResponses, OpenaiCompletions, AnthropicMessages, GoogleGenerativeAi, Ollama];

fn upstream(api: UpstreamApi) -> Upstream {
    Upstream {
        api,
        provider: "studio".to_owned(),
        model: "some-model".to_owned(),
        max_tokens: None,
        vendor: false,
        images: None,
        compat: Compat::default(),
    }
}

fn sent(api: ClientApi, body: &Value, to: &Upstream) -> Outgoing {
    let prompt = read_request(api, body.to_string().as_bytes()).unwrap_or_else(|error| panic!("{}", error.message));
    write_request(&prompt, to).unwrap_or_else(|error| panic!("{}", error.message))
}

fn through(api: ClientApi, body: &Value, to: UpstreamApi) -> Value {
    serde_json::from_slice(&sent(api, body, &upstream(to)).body).unwrap()
}

/// A turn with thoughts, words and two calls, and their results, as clients of each API give it back.
fn tool_turn(api: ClientApi) -> Value {
    match api {
        Responses => json!({"model": "m", "store": false, "input": [
            {"role": "user", "content": "go"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
            {"type": "message", "role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": "I look."}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{\"x\":1}"},
            {"type": "function_call", "id": "fc_2", "call_id": "c2", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "r1"},
            {"type": "function_call_output", "call_id": "c2", "output": "r2"},
        ]}),
        Messages => json!({"model": "m", "max_tokens": 99, "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "c1", "name": "f", "input": {"x": 1}},
                {"type": "tool_use", "id": "c2", "name": "f", "input": {}},
            ]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "r1"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "r2"},
            ]},
        ]}),
        _ => json!({"model": "m", "messages": [
            {"role": "user", "content": "go"},
            {"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
                {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            ]},
            {"role": "tool", "tool_call_id": "c1", "content": "r1"},
            {"role": "tool", "tool_call_id": "c2", "content": "r2"},
        ]}),
    }
}

/// DeepSeek and Kimi refuse a turn of tools whose thoughts do not come back, and an answer in pieces is an endless loop.
#[test]
fn the_thoughts_of_a_tool_turn_come_back_to_a_chat_server_in_one_message() {
    for api in [Responses, Messages, Chat] {
        assert_eq!(
            through(api, &tool_turn(api), OpenaiCompletions)["messages"],
            json!([
                {"role": "user", "content": "go"},
                {"role": "assistant", "content": "I look.", "reasoning_content": "hm", "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
                    {"id": "c2", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "c1", "content": "r1"},
                {"role": "tool", "tool_call_id": "c2", "content": "r2"},
            ]),
            "{api:?}"
        );
    }
}

#[test]
fn the_thoughts_of_a_tool_turn_come_back_to_servers_of_the_other_apis() {
    for api in [Responses, Messages, Chat] {
        let items = through(api, &tool_turn(api), OpenaiResponses)["input"].clone();
        let kinds: Vec<_> = items.as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect();
        let expected = [
            "message",
            "reasoning",
            "message",
            "function_call",
            "function_call",
            "function_call_output",
            "function_call_output",
        ];
        assert_eq!(kinds, expected, "{api:?}");
        assert_eq!(items[1]["content"], json!([{"type": "reasoning_text", "text": "hm"}]), "{api:?}");
        let blocks = through(api, &tool_turn(api), AnthropicMessages)["messages"][1]["content"].clone();
        assert_eq!(blocks[0], json!({"type": "thinking", "thinking": "hm", "signature": ""}), "{api:?}");
        let message = through(api, &tool_turn(api), Ollama)["messages"][1].clone();
        assert_eq!(
            (&message["thinking"], message["tool_calls"].as_array().unwrap().len()),
            (&json!("hm"), 2),
            "{api:?}"
        );
    }
}

/// What a chat server thought has no proof: a Messages client gives it back with ours or none, and Anthropic never sees it.
#[test]
fn thoughts_of_another_provider_are_not_given_to_anthropic() {
    let seal = |provider: &str| {
        let kind = OpaqueKind::Signature;
        Opaque { provider: Some(provider.to_owned()), kind, value: "EqMB".to_owned(), id: None }.seal()
    };
    let anthropic = Upstream {
        vendor: true,
        provider: "anthropic".to_owned(),
        model: "claude-opus-5".to_owned(),
        ..upstream(AnthropicMessages)
    };
    for (signature, given) in [(String::new(), 0), (seal("studio"), 0), (seal("anthropic"), 1)] {
        let mut body = tool_turn(Responses);
        body["input"][1]["encrypted_content"] = json!(signature);
        let sent: Value = serde_json::from_slice(&sent(Responses, &body, &anthropic).body).unwrap();
        assert_eq!(sent.to_string().matches("\"thinking\":\"hm\"").count(), given, "{signature}: {sent}");
    }
}

/// As Claude Code 2.1 asks: none of it may reach a server that knows nothing of it.
#[test]
fn what_only_anthropic_knows_stays_away_from_others() {
    let body = json!({"model": "m", "max_tokens": 32000, "stream": true,
        "thinking": {"type": "adaptive"}, "output_config": {"effort": "high"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "metadata": {"user_id": "user_1"},
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1"},
            {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
        ],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}]});
    for api in UPSTREAMS {
        let outgoing = sent(Messages, &body, &upstream(api.clone()));
        let text = String::from_utf8(outgoing.body.to_vec()).unwrap();
        let written: Value = serde_json::from_str(&text).unwrap();
        assert!(!text.contains("context_management") && !text.contains("adaptive"), "{api:?}: {text}");
        assert_eq!(text.contains("cache_control"), api == AnthropicMessages, "{api:?}: {text}");
        let (billing, words) = (text.find("billing-header").unwrap(), text.find("You are Claude Code.").unwrap());
        assert!(billing < words, "{api:?}: the operator's blocks in their order: {text}");
        let noted = outgoing.notes.iter().any(|note| note.name() == "context_management");
        assert!(noted || api == AnthropicMessages, "{api:?}: {:?}", outgoing.notes);
        match api {
            OpenaiCompletions => assert_eq!(written["reasoning_effort"], "high"),
            OpenaiResponses => assert_eq!(written["reasoning"]["effort"], "high"),
            _ => {}
        }
    }
}

#[test]
fn a_choice_among_no_tools_is_left_out() {
    let choices = [
        (Responses, json!({"model": "m", "input": "hi", "tool_choice": "auto", "parallel_tool_calls": false})),
        (Responses, json!({"model": "m", "input": "hi", "tools": [], "tool_choice": "required"})),
        (
            Chat,
            json!({"model": "m", "messages": [{"role": "user", "content": "hi"}], "tool_choice": "none", "parallel_tool_calls": true}),
        ),
        (
            Messages,
            json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "tool_choice": {"type": "any", "disable_parallel_tool_use": true}}),
        ),
    ];
    for (client, body) in choices {
        for api in UPSTREAMS {
            let written = through(client, &body, api.clone());
            for key in ["tools", "tool_choice", "toolConfig", "parallel_tool_calls"] {
                assert_eq!(written.get(key), None, "{client:?} to {api:?}: {written}");
            }
        }
    }
}

/// A picture that a tool made, a failure, and nothing at all.
#[test]
fn results_with_pictures_failures_and_nothing_reach_every_server() {
    let data = "iVBORw0KGgo+/w==";
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}});
    let calls: Vec<_> =
        ["a", "b", "c"].map(|id| json!({"type": "tool_use", "id": id, "name": "f", "input": {}})).into();
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "go"}, {"role": "assistant", "content": calls},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "see"}, image]},
            {"type": "tool_result", "tool_use_id": "b", "is_error": true, "content": "no such file"},
            {"type": "tool_result", "tool_use_id": "c"},
            {"type": "text", "text": "and now?"},
        ]},
    ]});
    for api in UPSTREAMS {
        let written = through(Messages, &body, api.clone()).to_string();
        for words in [data, "see", "no such file", "and now?"] {
            assert_eq!(written.matches(words).count(), 1, "{words} to {api:?}: {written}");
        }
        let said = if api == AnthropicMessages { "\"is_error\":true" } else { "rror" };
        assert!(written.contains(said), "{api:?} is told that it failed: {written}");
        assert!(written.find("no such file") < written.find("and now?"), "{api:?}: results come first");
    }
}
