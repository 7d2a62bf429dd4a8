//! Requests for property tests: conversations as untidy as clients send them. Results stand late, twice or without their
//! call, ids repeat, names are long or strange, words are empty, thoughts are somebody else's.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use pilotlight_wire::translate::prompt::{Source, Thought, Tool, ToolCall, ToolChoice};
use pilotlight_wire::translate::{Opaque, OpaqueKind, Part, Prompt, Role, Turn};
use proptest::option;
use proptest::prelude::*;
use serde_json::json;

/// The provider whose opaque values some thoughts carry.
pub const PROVIDER: &str = "own";

/// Names of tools: plain, of a server, too long, with characters that APIs refuse.
pub fn tool_name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z]{1,3}", 1 => "[a-z./ é]{1,4}", 1 => "[0-9-][a-z]{1,2}", 1 => "[a-z]{65,70}"]
}

fn call_id() -> impl Strategy<Value = String> {
    prop_oneof![4 => "c[0-3]", 1 => Just(String::new()), 1 => "[a-z|:.]{1,4}", 1 => "[a-z]{41,66}"]
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![6 => "[A-Za-z]{3,9}[ \n]?", 1 => Just(String::new()), 1 => Just(" \n".to_owned()), 1 => "\\PC{0,9}"]
}

fn text() -> impl Strategy<Value = Part> {
    (words(), option::weighted(0.1, Just(json!({"type": "ephemeral"}))))
        .prop_map(|(text, cache)| Part::Text { text, cache })
}

/// A picture as data.
pub fn image() -> impl Strategy<Value = Part> {
    "[A-Za-z0-9]{4}"
        .prop_map(|data| Part::Image { source: Source::Data { media_type: "image/png".into(), data }, detail: None })
}

fn opaque() -> impl Strategy<Value = Opaque> {
    use OpaqueKind::{Detail, Encrypted, Redacted, Signature, ThoughtSignature};
    let provider = option::of(prop_oneof![Just(PROVIDER.to_owned()), Just("other".to_owned())]);
    let kind = prop_oneof![Just(Detail), Just(Encrypted), Just(Signature), Just(Redacted), Just(ThoughtSignature)];
    (provider, kind, "[A-Za-z0-9+/=]{4,9}", option::of("rs_[a-z]{4}")).prop_map(|(provider, kind, value, id)| Opaque {
        provider,
        kind,
        value,
        id,
    })
}

fn thought() -> impl Strategy<Value = Part> {
    (words(), prop::collection::vec(words(), 0..2), option::of(opaque()))
        .prop_map(|(text, summary, opaque)| Part::Reasoning(Thought { text, summary, opaque }))
}

fn call() -> impl Strategy<Value = Part> {
    let arguments = prop_oneof![Just("{}"), Just("{\"a\":1}"), Just("{\"a\":"), Just("[1]")];
    let namespace = option::weighted(0.2, Just("ns".to_owned()));
    (call_id(), tool_name(), namespace, arguments, any::<bool>(), option::weighted(0.2, opaque())).prop_map(
        |(id, name, namespace, arguments, custom, opaque)| {
            Part::ToolCall(ToolCall { id, name, namespace, arguments: arguments.into(), custom, opaque })
        },
    )
}

fn result() -> impl Strategy<Value = Part> {
    let content = prop::collection::vec(prop_oneof![4 => text(), 1 => image()], 0..3);
    (call_id(), content, any::<bool>(), any::<bool>()).prop_map(|(call_id, content, is_error, custom)| {
        Part::ToolResult { call_id, content, is_error, custom, cache: None }
    })
}

fn turn() -> impl Strategy<Value = Turn> {
    let operator = prop_oneof![Just(Role::System), Just(Role::Developer)];
    let of = |role, parts: BoxedStrategy<Part>| {
        prop::collection::vec(parts, 0..4).prop_map(move |parts| Turn { role, parts }).boxed()
    };
    prop_oneof![
        1 => (operator, prop::collection::vec(text(), 0..3)).prop_map(|(role, parts)| Turn { role, parts }),
        4 => of(Role::User, prop_oneof![3 => text(), 1 => image(), 3 => result()].boxed()),
        4 => of(Role::Assistant, prop_oneof![3 => text(), 2 => thought(), 3 => call(), 1 => words().prop_map(Part::Refusal)].boxed()),
    ]
}

fn tool() -> impl Strategy<Value = Tool> {
    let custom = option::weighted(0.2, Just(json!({"type": "grammar", "syntax": "lark", "definition": "start: A"})));
    (tool_name(), option::weighted(0.2, Just("ns".to_owned())), custom).prop_map(|(name, namespace, custom)| Tool {
        name,
        namespace,
        parameters: custom.is_none().then(|| json!({"type": "object", "properties": {"a": {}}})),
        custom,
        ..Tool::default()
    })
}

/// A request: up to nine turns in any order, up to four tools, of which one may be chosen. No two tools are alike.
pub fn prompt() -> impl Strategy<Value = Prompt> {
    let tools = prop::collection::vec(tool(), 0..4).prop_map(|mut tools| {
        tools.sort_by(|one, other| one.name.cmp(&other.name));
        tools.dedup_by(|one, other| one.name == other.name);
        tools
    });
    let choice = prop_oneof![Just(None), Just(Some(0)), Just(Some(1)), Just(Some(2)), Just(Some(3))];
    let settings = (any::<bool>(), option::of(1_u64..40_000), option::of(0_u64..40_000), option::of(any::<bool>()));
    (prop::collection::vec(turn(), 1..9), tools, choice, settings).prop_map(
        |(turns, tools, choice, (stream, max_output, budget, parallel_tools))| {
            let first = tools.first().cloned().unwrap_or_default();
            let tool_choice = choice.map(|choice| match choice {
                0 => ToolChoice::Auto,
                1 => ToolChoice::None,
                2 => ToolChoice::Required,
                _ => ToolChoice::Named { name: first.name.clone(), namespace: first.namespace.clone() },
            });
            let mut prompt =
                Prompt { turns, tools, tool_choice, stream, max_output, parallel_tools, ..Prompt::default() };
            prompt.reasoning.budget = budget;
            prompt
        },
    )
}
