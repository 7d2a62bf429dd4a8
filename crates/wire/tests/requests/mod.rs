//! What holds of every request, whatever a client sends: for the property tests and for the fuzzer.

use pilotlight_wire::error::ErrorKind;
use pilotlight_wire::translate::compat::Compat;
use pilotlight_wire::translate::{
    Part, Prompt, Role, Upstream, count_tokens_body, estimate_tokens, read_request, sanitise,
};
use pilotlight_wire::{ClientApi, UpstreamApi};

/// Reads a body as a request of each API, and fails where what comes of it is not what the writers count on.
pub fn check(body: &[u8]) {
    for api in ClientApi::ALL {
        match read_request(api, body) {
            Ok(prompt) => check_prompt(&prompt),
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::InvalidRequest);
                assert!(!error.message.is_empty() && error.param.is_none_or(|param| !param.is_empty()));
            }
        }
        for vendor in [false, true] {
            check_sanitised(api, body, vendor);
        }
    }
    let _ = count_tokens_body(body);
}

fn check_prompt(prompt: &Prompt) {
    let _ = estimate_tokens(prompt);
    assert!(prompt.instructions <= prompt.turns.len());
    for turn in &prompt.turns {
        assert!(!turn.parts.is_empty(), "{turn:?}");
        for part in &turn.parts {
            match part {
                Part::Reasoning(_) | Part::Refusal(_) => assert_eq!(turn.role, Role::Assistant),
                Part::ToolCall(call) => {
                    assert_eq!(turn.role, Role::Assistant);
                    assert!(!call.id.is_empty() && !call.id.contains("~pl1."), "{call:?}");
                    assert!(call.custom || !call.arguments.is_empty(), "{call:?}");
                }
                Part::ToolResult { call_id, content, .. } => {
                    assert_eq!(turn.role, Role::User);
                    assert!(!call_id.is_empty() && !call_id.contains("~pl1."), "{call_id}");
                    let given = |part: &Part| {
                        matches!(part, Part::Text { .. } | Part::Image { .. } | Part::File { .. } | Part::Audio { .. })
                    };
                    assert!(content.iter().all(given), "{content:?}");
                }
                Part::Text { .. } | Part::Image { .. } | Part::File { .. } | Part::Audio { .. } => {}
            }
        }
    }
    for tool in &prompt.tools {
        assert!(!tool.name.is_empty() && tool.custom.is_some() != tool.parameters.is_some(), "{tool:?}");
    }
    for note in &prompt.notes {
        assert!(note.name().bytes().all(|byte| byte.is_ascii_graphic()), "{note:?} goes into a header");
    }
}

fn check_sanitised(api: ClientApi, body: &[u8], vendor: bool) {
    let to = Upstream {
        api: UpstreamApi::OpenaiResponses,
        provider: "p".to_owned(),
        model: "m".to_owned(),
        max_tokens: None,
        vendor,
        images: None,
        compat: Compat::default(),
    };
    let wrote = |value: &str| value.len().is_multiple_of(3).then(|| "q".to_owned());
    let Some(new) = sanitise(api, body, &to, &wrote) else { return };
    assert_ne!(new, body);
    // As they stand there: a number may be larger than any that we have.
    type Fields<'a> = std::collections::HashMap<String, &'a serde_json::value::RawValue>;
    let before: Fields<'_> = serde_json::from_slice(body).unwrap();
    let after: Fields<'_> = serde_json::from_slice(&new).unwrap();
    for (key, value) in before {
        if !["input", "messages", "thinking"].contains(&key.as_str()) {
            assert_eq!(after.get(&key).map(|value| value.get()), Some(value.get()));
        }
    }
}
