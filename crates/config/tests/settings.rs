//! Our settings: defaults, every key, every mistake; the token.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::fmt::Write as _;
use std::time::Duration;

use pilotlight_config::settings::{Cold, KeepWarm, Named, Runtime, Settings, TokenSetting};
use pilotlight_config::settings_store::read;
use pilotlight_config::{Environment, Home, SettingsState, token};
use pilotlight_wire::Location;
use support::{Bench, fixture};

fn reading(text: &str) -> SettingsState {
    let bench = Bench::empty();
    bench.write("settings.json5", text);
    let environment = Environment::isolated(bench.folder.path(), &[("PL_TOKEN", "pl-from-variable")]);
    read(&bench.path("settings.json5"), &environment)
}

#[test]
fn without_a_file_and_with_an_empty_one_every_key_has_its_default() {
    let bench = Bench::empty();
    let missing = read(&bench.path("settings.json5"), &bench.environment);
    assert_eq!((&*missing.settings, missing.stale), (&Settings::default(), false));
    let empty = reading("{}");
    assert_eq!(*empty.settings, Settings::default());
    assert_eq!(empty.diagnostics, []);
    let settings = Settings::default();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:11235");
    assert_eq!((settings.token, settings.cold, settings.named), (TokenSetting::Made, Cold::Bridge, Named::Strict));
    assert!(settings.map.is_empty() && !settings.privacy.local_only && settings.notifications.unloaded);
    assert_eq!((settings.keeper.poll, settings.ledger.keep_days), (Duration::from_secs(5), 90));
}

#[test]
fn every_key_is_read() {
    let state = reading(&fixture("settings.json5"));
    assert_eq!(state.diagnostics, []);
    let settings = &state.settings;
    assert_eq!(settings.listen.to_string(), "127.0.0.1:4000");
    assert_eq!((settings.cold, settings.named), (Cold::Wait, Named::Failover));
    assert_eq!(settings.map.get("claude-*").map(String::as_str), Some("primary"));
    assert!(settings.privacy.local_only);
    assert_eq!(settings.privacy.regions.as_deref(), Some(&["eu".to_owned(), "us".to_owned()][..]));
    let openrouter = settings.provider("OpenRouter");
    assert_eq!((openrouter.location, openrouter.region.as_deref()), (Some(Location::Hosted), Some("us")));
    let studio = settings.provider("studio");
    assert_eq!((studio.location, studio.runtime), (Some(Location::Local), Some(Runtime::LmStudio)));
    assert_eq!(settings.provider("other").location, None);
    let model = settings.model(&"lmstudio/minimax-m2.1-gs32".parse().unwrap());
    assert_eq!((model.keep_warm, model.first_token), (KeepWarm::Always, Some(Duration::from_secs(120))));
    assert_eq!(settings.model(&"a/b".parse().unwrap()).keep_warm, KeepWarm::Chain);
    assert_eq!((settings.keeper.poll, settings.ledger.keep_days), (Duration::from_millis(2500), 7));
    assert!(!settings.notifications.back && settings.notifications.hosted);
}

#[test]
fn each_kind_of_notification_has_a_key_and_the_former_one_for_problems_holds_where_they_do_not_say() {
    let shown = |text: &str| {
        let state = reading(&format!("{{ notifications: {text} }}"));
        assert_eq!(state.diagnostics, [], "{text}");
        let told = state.settings.notifications.clone();
        [told.unloaded, told.back, told.hosted, told.load_failed, told.configuration, told.key_refused, told.cut]
    };
    assert_eq!(shown("{}"), [true; 7]);
    for (at, key) in
        ["unloaded", "back", "hosted", "loadFailed", "configuration", "keyRefused", "cut"].iter().enumerate()
    {
        let mut all = [true; 7];
        all[at] = false;
        assert_eq!(shown(&format!("{{ {key}: false }}")), all, "{key}");
    }
    assert_eq!(shown("{ problems: false }"), [true, true, true, false, false, false, false]);
    assert_eq!(shown("{ problems: false, keyRefused: true }"), [true, true, true, false, false, true, false]);
}

#[test]
fn a_schedule_is_a_window_or_several_and_limits_have_units() {
    let text = "{ models: {
        'a/b': { keepWarm: { days: ['Fri', 'mon'], from: '8:00', to: '18:30', timeZone: 'Europe/Berlin' } },
        'a/c': { keepWarm: [{ from: '22:00', to: '6:00' }, { days: ['sun'], from: '00:00', to: '24:00' }] },
    }, keeper: { maxModels: 2, maxMemory: '48GB' } }";
    let state = reading(text);
    assert_eq!(state.diagnostics, []);
    let kept = |model: &str| match state.settings.model(&model.parse().unwrap()).keep_warm {
        KeepWarm::Schedule(schedule) => schedule.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kept("a/b"), "mon, fri 08:00 to 18:30 Europe/Berlin");
    assert_eq!(kept("a/c"), "22:00 to 06:00; sun 00:00 to 24:00");
    assert_eq!((state.settings.keeper.max_models, state.settings.keeper.max_memory), (Some(2), Some(48_000_000_000)));
}

#[test]
fn a_token_is_made_given_or_not_asked_for() {
    let token = |text: &str| {
        let state = reading(text);
        assert_eq!(state.diagnostics, [], "{text}");
        let shown = format!("{state:?}");
        assert!(!shown.contains("pl-from-variable") && !shown.contains("pl-literal"), "{shown}");
        state.settings.token.clone()
    };
    assert_eq!(token("{}"), TokenSetting::Made);
    assert_eq!(token("{ token: null }"), TokenSetting::None);
    assert_eq!(token("{ token: null, listen: '[::1]:0' }"), TokenSetting::None);
    assert_eq!(token("{ token: 'pl-literal' }").secret().unwrap().expose(), "pl-literal");
    for text in ["{ token: '${PL_TOKEN}' }", "{ token: { source: 'env', id: 'PL_TOKEN' } }"] {
        assert_eq!(token(text).secret().unwrap().expose(), "pl-from-variable", "{text}");
    }
}

#[test]
fn every_mistake_is_told_and_takes_a_safe_value() {
    let mut all = String::new();
    for text in [
        "{ listen: '127.0.0.1:11235' ",
        "[]",
        "{ Listen: 'x', namd: 'strict', nonsense: 1 }",
        "{ listen: 'studio' }",
        "{ listen: 11235 }",
        "{ listen: '0.0.0.0:11235', token: null }",
        "{ cold: 'warm', named: true }",
        "{ token: 5 }",
        "{ token: '' }",
        "{ token: '${NOT_SET}' }",
        "{ token: { source: 'exec', id: 'x' } }",
        "{ map: { a: 1 } }",
        "{ privacy: { localOnly: 'yes' } }",
        "{ privacy: { regions: 'eu' } }",
        "{ privacy: { local_only: true } }",
        "{ privcy: { localOnly: true } }",
        "{ providers: { a: { location: 'cloud', runtime: 'lemonade' } } }",
        "{ models: { opus: {} } }",
        "{ models: { 'a/b': { keepWarm: { from: '9:00' }, firstToken: '2 minutes' } } }",
        "{ models: { 'a/b': { keepWarm: [{ days: ['monday'], from: '25:00', to: '18:00', timeZone: 'Berlin' }] } } }",
        "{ keeper: { poll: '1ms', maxModels: 0, maxMemory: '48' } }",
        "{ budgets: { daily: 5 } }",
        "{ ledger: { keepDays: -1 } }",
    ] {
        let state = reading(text);
        writeln!(all, "{text}").unwrap();
        for diagnostic in &state.diagnostics {
            let told = diagnostic.to_string();
            writeln!(all, "  {}", &told[told.find("settings.json5").unwrap()..]).unwrap();
        }
        assert_eq!(state.stale, state.diagnostics.iter().any(|it| it.severity.name() == "error"), "{text}");
        assert!(state.settings.listen.ip().is_loopback(), "{text}");
        if text.contains("priv") || text.starts_with('[') || !text.ends_with('}') {
            assert!(state.settings.privacy.local_only, "{text}: what cannot be read may have forbidden it");
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_token_is_made_once_and_is_for_its_owner_alone() {
    let bench = Bench::empty();
    let home = Home::at(bench.path("new/home"));
    let made = token::read_or_make(&home).unwrap();
    let (prefix, bytes) = made.expose().split_at(3);
    assert_eq!((prefix, bytes.len()), ("pl-", 64));
    assert!(bytes.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_eq!(token::read_or_make(&home).unwrap(), made);
    assert_ne!(token::read_or_make(&Home::at(bench.path("other"))).unwrap(), made);
    std::fs::write(home.token_file(), "mine\n").unwrap();
    assert_eq!(token::read_or_make(&home).unwrap().expose(), "mine");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let fresh = Home::at(bench.path("fresh"));
        token::read_or_make(&fresh).unwrap();
        assert_eq!((mode(&fresh.token_file()), mode(fresh.folder())), (0o600, 0o700));
        std::fs::set_permissions(fresh.token_file(), std::fs::Permissions::from_mode(0o644)).unwrap();
        token::read_or_make(&fresh).unwrap();
        assert_eq!(mode(&fresh.token_file()), 0o600);
    }
    for bad in ["", " \n", "two words"] {
        std::fs::write(home.token_file(), bad).unwrap();
        let error = token::read_or_make(&home).unwrap_err();
        assert!(error.to_string().contains("delete it"), "{error}");
        assert_eq!(std::fs::read_to_string(home.token_file()).unwrap(), bad, "never overwritten");
    }
}
