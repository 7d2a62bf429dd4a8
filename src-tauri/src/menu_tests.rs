//! The tray's menu in the states a person meets, drawn as text.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::samples::{self, local};
use pilotlight_engine::state::{CooldownSummary, ModelState, Problem};

/// A menu as text: `( )` and `(•)` before a choice, `[ ]` around a command, the rest is only to be read.
fn drawn(menu: &Menu) -> String {
    fn draw(entries: &[Entry], indent: usize, out: &mut String) {
        for entry in entries {
            out.push_str(&" ".repeat(indent));
            match entry {
                Entry::Text(text) => out.push_str(text),
                Entry::Choice { label, chosen, action } => {
                    out.push_str(&format!("({}) {label}  <{action}>", if *chosen { "•" } else { " " }));
                }
                Entry::Command { label, action } => out.push_str(&format!("[{label}]  <{action}>")),
                Entry::Submenu { label, .. } => out.push_str(&format!("{label} >")),
                Entry::Separator => out.push_str("---"),
            }
            out.push('\n');
            if let Entry::Submenu { entries, .. } = entry {
                draw(entries, indent + 4, out);
            }
        }
    }
    let mut out = String::new();
    draw(&menu.entries, 0, &mut out);
    out
}

#[test]
fn local_and_warm() {
    insta::assert_snapshot!(drawn(&Menu::of(&samples::warm(), true)), @r"
    MiniMax · warm · 196k context
    ---
    Primary
    (•) MiniMax · warm  <use:lmstudio/minimax-m2.1-gs32>
    ( ) Opus · hosted · fallback 1  <use:anthropic/claude-opus-4-6>
    ( ) Qwen3 8B · cold  <use:lmstudio/qwen3-8b>
    ---
    [Eject MiniMax]  <unload:lmstudio/minimax-m2.1-gs32>
    ---
    [Open Pilot Light]  <open>
    [Copy endpoint]  <copy-endpoint>
    [Copy token]  <copy-token>
    ---
    [Quit]  <quit>
    ");
}

#[test]
fn cold_while_hosted_answers() {
    let mut state = samples::warm();
    state.status = "Opus answers · MiniMax is cold".to_owned();
    state.models[0].state = ModelState::Cold { reason: Some("likely evicted".to_owned()) };
    insta::assert_snapshot!(drawn(&Menu::of(&state, false)), @r"
    Opus answers · MiniMax is cold
    ---
    Primary
    (•) MiniMax · cold  <use:lmstudio/minimax-m2.1-gs32>
    ( ) Opus · hosted · fallback 1  <use:anthropic/claude-opus-4-6>
    ( ) Qwen3 8B · cold  <use:lmstudio/qwen3-8b>
    ---
    [Load MiniMax]  <load:lmstudio/minimax-m2.1-gs32>
    ---
    [Open Pilot Light]  <open>
    [Copy endpoint]  <copy-endpoint>
    ---
    [Quit]  <quit>
    ");
}

#[test]
fn what_cools_down_can_be_asked_again() {
    let mut state = samples::warm();
    state.cooldowns = vec![CooldownSummary {
        provider: "anthropic".to_owned(),
        model: None,
        cause: "unauthorized".to_owned(),
        detail: "401: invalid x-api-key".to_owned(),
        since: 1,
        until: 2,
        half_open: false,
    }];
    let text = drawn(&Menu::of(&state, false));
    assert!(text.contains("( ) Opus · cooling down · fallback 1  <use:"), "{text}");
    assert!(text.contains("[Ask anthropic again]  <retry>"), "{text}");
    let mut second = state.cooldowns[0].clone();
    second.model = Some(state.models[0].model.clone());
    state.cooldowns[0].half_open = true;
    state.cooldowns.push(second.clone());
    let text = drawn(&Menu::of(&state, false));
    assert!(text.contains("(•) MiniMax · cooling down  <use:"), "{text}");
    assert!(text.contains("( ) Opus · hosted · fallback 1  <use:"), "half-open, it is asked next: {text}");
    assert!(text.contains("[Ask MiniMax again]  <retry>"), "{text}");
    state.cooldowns[0].half_open = false;
    assert!(drawn(&Menu::of(&state, false)).contains("[Ask all again that cool down]  <retry>"));
    assert_eq!("retry".parse(), Ok(Action::Retry));
}

#[test]
fn loading_offers_neither_load_nor_eject() {
    let mut state = samples::warm();
    state.models[0].state = ModelState::Loading { since: 0, expected: Some(30_000) };
    let text = drawn(&Menu::of(&state, false));
    assert!(text.contains("(•) MiniMax · loading"), "{text}");
    assert!(!text.contains("Load MiniMax") && !text.contains("Eject"), "{text}");
}

#[test]
fn a_file_with_a_mistake_and_nothing_listening() {
    let mut state = samples::warm();
    state.endpoint = None;
    state.status = "Stopped".to_owned();
    state.models.clear();
    state.config.stale = true;
    state.config.problems = vec![Problem {
        severity: "error".to_owned(),
        code: "syntax".to_owned(),
        file: "/home/ada/.openclaw/openclaw.json".to_owned(),
        path: String::new(),
        line: 12,
        column: 3,
        message: "a comma is missing".to_owned(),
    }];
    insta::assert_snapshot!(drawn(&Menu::of(&state, true)), @r"
    Stopped
    Mistake in openclaw.json, line 12; the last good one is in force
    ---
    [Open Pilot Light]  <open>
    ---
    [Quit]  <quit>
    ");
}

#[test]
fn a_hosted_model_that_may_not_be_asked_says_so() {
    let mut state = samples::warm();
    state.models[1].barred = Some("only local models are allowed".to_owned());
    let text = drawn(&Menu::of(&state, false));
    assert!(text.contains("( ) Opus · not allowed by the settings · fallback 1"), "{text}");
}

#[test]
fn two_models_of_one_name_are_told_apart() {
    let mut state = samples::warm();
    state.models.push(local("studio", "qwen3-8b", "Qwen3 8B"));
    state.models[3].state = ModelState::Unreachable { reason: "refused".to_owned() };
    let text = drawn(&Menu::of(&state, false));
    assert!(text.contains("( ) Qwen3 8B (lmstudio) · cold"), "{text}");
    assert!(text.contains("( ) Qwen3 8B (studio) · server not reachable"), "{text}");
}

#[test]
fn a_long_catalogue_keeps_the_chain_and_the_aliases_in_sight() {
    let mut state = samples::warm();
    for n in 0..20 {
        state.models.push(local("studio", &format!("model-{n}"), &format!("Model {n}")));
    }
    let menu = Menu::of(&state, false);
    let text = drawn(&menu);
    assert!(text.contains("\n(•) MiniMax") && text.contains("\n( ) Opus"), "{text}");
    assert!(text.contains("\nMore models >\n    ( ) Qwen3 8B"), "{text}");
    assert!(text.contains("\n    ( ) Model 19"), "{text}");
}

#[test]
fn one_model_at_most_is_ticked() {
    for mut state in [samples::warm(), samples::without_primary()] {
        state.models.push(local("studio", "qwen3-8b", "Qwen3 8B"));
        let menu = Menu::of(&state, true);
        let ticked = menu.entries.iter().filter(|entry| matches!(entry, Entry::Choice { chosen: true, .. })).count();
        assert_eq!(ticked, usize::from(state.models.iter().any(|model| model.place == Some(0))));
    }
}

#[test]
fn an_action_survives_its_way_through_an_items_id() {
    let model: ModelRef = "openrouter/minimax/minimax-m2.1:free".parse().unwrap();
    for action in [
        Action::Use(model.clone()),
        Action::Load(model.clone()),
        Action::Unload(model),
        Action::Open,
        Action::CopyEndpoint,
        Action::CopyToken,
        Action::Quit,
    ] {
        assert_eq!(action.to_string().parse(), Ok(action));
    }
    for id in ["", "use", "use:", "use:opus", "drop:a/b"] {
        assert!(id.parse::<Action>().is_err(), "{id:?}");
    }
}

#[test]
fn a_new_label_keeps_the_shape_and_a_new_item_does_not() {
    let before = samples::warm();
    let mut after = before.clone();
    after.status = "MiniMax · loading".to_owned();
    after.models[2].state = ModelState::Missing;
    assert!(Menu::of(&before, true).same_shape(&Menu::of(&after, true)));
    after.models[0].state = ModelState::Cold { reason: None };
    assert!(!Menu::of(&before, true).same_shape(&Menu::of(&after, true)), "Eject became Load");
    after.models.pop();
    assert!(!Menu::of(&before, true).same_shape(&Menu::of(&after, true)), "a model went");
}
