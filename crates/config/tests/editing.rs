//! Making a model the primary, in files as people write them: only the characters of the value change, or two values with
//! their comments change places.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use pilotlight_config::{Change, StoreError, set_primary};
use support::{Bench, fixture};

const MODELS: &str = r#"models: { providers: {
    a: { baseUrl: "http://a.local/v1", models: [{ id: "m", name: "M" }, { id: "n", name: "N" }, { id: "o", name: "O" }] },
    pilotlight: { baseUrl: "http://127.0.0.1:11235/v1", models: [{ id: "primary", name: "Pilot Light" }] } } }"#;

fn using(bench: &Bench, model: &str) -> Result<Change, StoreError> {
    set_primary(&bench.location, &bench.environment, &model.parse().unwrap(), pilotlight_config::Who::Editor)
}

fn head(bench: &Bench) -> String {
    let reading = bench.read();
    reading.result.unwrap_or_else(|| panic!("{}", bench.told())).chain()[0].to_string()
}

/// `chain` with `a/n` made primary becomes `expected`, and nothing else changes.
#[track_caller]
fn becomes(chain: &str, expected: &str) {
    let text = |chain: &str| format!("{{ {chain}{MODELS} }}\n");
    let bench = Bench::with(&text(chain));
    let change = using(&bench, "a/n").unwrap();
    assert_eq!(bench.text("openclaw.json"), text(expected));
    assert_eq!((head(&bench).as_str(), change.after.to_string().as_str()), ("a/n", "a/n"));
    // A second time there is nothing to do.
    assert_eq!(using(&bench, "a/n").unwrap().line, 0);
    assert_eq!(bench.text("openclaw.json"), text(expected));
}

#[test]
fn in_every_shape_the_chain_can_have() {
    becomes("agents: { defaults: { model: 'a/m' } }, ", "agents: { defaults: { model: 'a/n' } }, ");
    becomes(
        r#"agents: { defaults: { model: { primary: "a/m" } } }, "#,
        r#"agents: { defaults: { model: { primary: "a/n" } } }, "#,
    );
    becomes(
        "agents: { defaults: { model: { primary: 'a/m', fallbacks: ['a/n', 'a/o'] } } }, ",
        "agents: { defaults: { model: { primary: 'a/n', fallbacks: ['a/m', 'a/o'] } } }, ",
    );
    becomes(
        "agents: { defaults: { model: { fallbacks: [] } } }, ",
        r#"agents: { defaults: { model: { fallbacks: [], primary: "a/n" } } }, "#,
    );
    becomes("agents: { defaults: { model: {} } }, ", r#"agents: { defaults: { model: { primary: "a/n" } } }, "#);
    becomes("agents: { defaults: { model: null } }, ", "agents: { defaults: { model: { primary: \"a/n\" } } }, ");
    becomes(
        "agents: { defaults: { workspace: '~' } }, ",
        "agents: { defaults: { workspace: '~', model: { primary: 'a/n' } } }, ",
    );
    becomes("agents: { list: [] }, ", "agents: { list: [], defaults: { model: { primary: \"a/n\" } } }, ");
}

#[test]
fn where_agents_is_missing_it_is_made() {
    let bench = Bench::with(&format!("{{\n  // models only\n  {MODELS},\n}}\n"));
    let change = using(&bench, "a/n").unwrap();
    assert_eq!(
        bench.text("openclaw.json"),
        format!(
            "{{\n  // models only\n  {MODELS},\n  agents: {{\n    defaults: {{\n      model: {{\n        primary: \"a/n\",\n      }},\n    }},\n  }},\n}}\n"
        )
    );
    assert_eq!((change.before, change.key.as_str(), change.line), (None, "agents", 6));
}

#[test]
fn connected_through_us_the_first_fallback_is_the_one_that_changes() {
    let chain = |fallbacks: &str| {
        format!("agents: {{ defaults: {{ model: {{ primary: 'pilotlight/primary', {fallbacks} }} }} }}, ")
    };
    becomes(&chain("fallbacks: ['a/m', 'a/n']"), &chain("fallbacks: ['a/n', 'a/m']"));
    becomes(
        &chain("fallbacks: ['a/m' , \"a/o\",/* ! */ 'a/n',]"),
        &chain("fallbacks: ['a/n' , 'a/m',/* ! */ \"a/o\",]")
            .replace("'a/n' , 'a/m',/* ! */ \"a/o\"", "/* ! */ 'a/n', 'a/m' ,\"a/o\""),
    );
    becomes(&chain("fallbacks: ['pilotlight/x', 'a/m']"), &chain("fallbacks: ['pilotlight/x', 'a/n', 'a/m']"));
    becomes(&chain("fallbacks: ['a/m']"), &chain("fallbacks: ['a/n', 'a/m']"));
    becomes(&chain("fallbacks: []"), &chain("fallbacks: ['a/n']").replace("'a/n'", "\"a/n\""));
    becomes(
        "agents: { defaults: { model: 'pilotlight/primary' } }, ",
        "agents: { defaults: { model: { primary: 'pilotlight/primary', fallbacks: ['a/n'] } } }, ",
    );
    let bench = Bench::with(&format!("{{ {} {MODELS} }}", chain("fallbacks: ['a/m', 'a/n']")));
    let change = using(&bench, "a/n").unwrap();
    assert_eq!(
        (change.key.as_str(), change.before.unwrap().to_string().as_str()),
        ("agents.defaults.model.fallbacks", "a/m")
    );
}

#[test]
fn in_a_heavily_commented_file_each_comment_stays_with_its_model() {
    for (from, to) in [("\n", "\n"), ("\n", "\r\n")] {
        for bom in ["", "\u{feff}"] {
            let text = format!("{bom}{}", fixture("commented.json5")).replace(from, to);
            let bench = Bench::with(&text);
            let change = using(&bench, "lmstudio/minimax-m2.1-gs32").unwrap();
            // They change places, each with what is said of it; the primaries that were stay above theirs.
            let expected = text
                .replacen("primary : 'anthropic/claude-sonnet-4-5' /* the clever one */ , // costs money!", "@", 1)
                .replacen("// tried in this order\n", "", 1)
                .replacen("// tried in this order\r\n", "", 1)
                .replacen("          \"lmstudio/minimax-m2.1-gs32\", // free", "£", 1)
                .replacen(
                    "          £",
                    "          'anthropic/claude-sonnet-4-5' /* the clever one */ , // costs money!",
                    1,
                )
                .replacen(
                    '@',
                    &format!("// tried in this order{to}        primary : \"lmstudio/minimax-m2.1-gs32\", // free"),
                    1,
                );
            assert_ne!(expected, text);
            assert_eq!(bench.text("openclaw.json"), expected);
            assert_eq!(change.line, 13);
            // And back again.
            using(&bench, "anthropic/claude-sonnet-4-5").unwrap();
            assert_eq!(bench.read().result.unwrap().chain().len(), 3);
            assert_eq!(bench.text("openclaw.json"), text);
            assert!(expected.contains("${OPENROUTER_API_KEY}"), "a variable is never written out");
        }
    }
}

#[test]
fn in_an_included_file_it_is_edited_there() {
    let bench = Bench::with("{ // main\n  agents: { $include: 'agents.json5' },\n  $include: 'models.json5',\n}");
    bench.write("models.json5", &format!("{{ {MODELS} }}"));
    bench.write("agents.json5", "// agents\n{ defaults: {\n  model: 'a/m', // the one\n} }");
    let main = bench.text("openclaw.json");
    let change = using(&bench, "a/n").unwrap();
    assert_eq!(bench.text("agents.json5"), "// agents\n{ defaults: {\n  model: 'a/n', // the one\n} }");
    assert_eq!(bench.text("openclaw.json"), main);
    assert_eq!(
        (change.path, change.line, change.key.as_str()),
        (bench.path("agents.json5"), 3, "agents.defaults.model")
    );
    // Missing there, it is added there.
    bench.write("agents.json5", "{ defaults: { } }");
    using(&bench, "a/n").unwrap();
    assert_eq!(bench.text("agents.json5"), "{ defaults: { model: { primary: \"a/n\" } } }");
}

#[test]
fn fallbacks_that_are_joined_from_two_files_are_left_to_a_person() {
    let bench = Bench::with(&format!(
        "{{ $include: 'f.json5', agents: {{ defaults: {{ model: {{ fallbacks: ['a/n'] }} }} }}, {MODELS} }}"
    ));
    bench
        .write("f.json5", "{ agents: { defaults: { model: { primary: 'pilotlight/primary', fallbacks: ['a/m'] } } } }");
    let error = using(&bench, "a/n").unwrap_err();
    assert!(matches!(error, StoreError::Spread { .. }), "{error}");
}

#[test]
fn what_cannot_be_done_is_refused_and_the_file_left_alone() {
    let untouched = |bench: &Bench, model: &str| {
        let before = bench.text("openclaw.json");
        let error = using(bench, model).unwrap_err();
        assert_eq!(bench.text("openclaw.json"), before);
        assert!(!error.may_be_retried());
        error
    };
    let good = format!("{{ agents: {{ defaults: {{ model: 'a/m' }} }}, {MODELS} }}");
    let mut bench = Bench::with(&good);
    assert!(matches!(untouched(&bench, "a/unknown"), StoreError::NotEffective { .. }));
    bench.location.read_only = true;
    assert!(matches!(untouched(&bench, "a/n"), StoreError::ReadOnly { .. }));
    let bench = Bench::with(&good.replace("'a/m' }", "'a/m', model: 'a/o' }"));
    assert!(matches!(untouched(&bench, "a/n"), StoreError::Edit { .. }));
    let bench = Bench::with("{ agents: { defaults: { model: 'a/m' } }\n models: {} }");
    let error = untouched(&bench, "a/n");
    assert!(matches!(&error, StoreError::Broken(diagnostic) if diagnostic.code == "syntax"), "{error}");
    let bench = Bench::with(&format!("{{ agents: 'x', {MODELS} }}"));
    assert!(matches!(untouched(&bench, "a/n"), StoreError::Edit { .. }));
    assert!(matches!(using(&Bench::empty(), "a/n").unwrap_err(), StoreError::Broken(_)));
}

#[test]
fn an_unknown_primary_is_mended_by_using_another() {
    let bench = Bench::with(&format!("{{ agents: {{ defaults: {{ model: 'a/gone' }} }}, {MODELS} }}"));
    assert!(bench.read().result.is_none());
    using(&bench, "a/n").unwrap();
    assert_eq!(head(&bench), "a/n");
    // One of a hosted provider needs no row.
    using(&bench, "openai/gpt-5.2").unwrap();
    assert_eq!(head(&bench), "openai/gpt-5.2");
}

#[cfg(unix)]
mod on_unix {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn mode_owner_and_link_are_kept() {
        for mode in [0o600, 0o644, 0o640] {
            let bench = Bench::with(&format!("{{ agents: {{ defaults: {{ model: 'a/m' }} }}, {MODELS} }}"));
            bench.write("elsewhere/real.json5", &bench.text("openclaw.json"));
            std::fs::remove_file(bench.path("openclaw.json")).unwrap();
            std::os::unix::fs::symlink("elsewhere/real.json5", bench.path("openclaw.json")).unwrap();
            let real = bench.path("elsewhere/real.json5");
            std::fs::set_permissions(&real, std::fs::Permissions::from_mode(mode)).unwrap();
            let before = std::fs::metadata(&real).unwrap();
            using(&bench, "a/n").unwrap();
            let after = std::fs::metadata(&real).unwrap();
            assert_eq!(after.mode() & 0o777, mode);
            assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
            assert!(std::fs::symlink_metadata(bench.path("openclaw.json")).unwrap().is_symlink());
            assert!(std::fs::read_to_string(&real).unwrap().contains("'a/n'"));
            let left: Vec<_> =
                std::fs::read_dir(bench.path("elsewhere")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(left, ["real.json5"], "no temporary file is left");
        }
    }

    #[test]
    fn a_reader_sees_the_old_bytes_or_the_new_and_never_a_part() {
        let text = |model: &str| {
            format!("{{ agents: {{ defaults: {{ model: '{model}' }} }}, {MODELS}, pad: '{}' }}", "x".repeat(100_000))
        };
        let bench = Bench::with(&text("a/m"));
        let (path, done) = (bench.path("openclaw.json"), Arc::new(AtomicBool::new(false)));
        let whole = [text("a/m"), text("a/n")];
        let reader = std::thread::spawn({
            let done = Arc::clone(&done);
            move || {
                let mut reads = 0;
                while !done.load(Ordering::Relaxed) || reads == 0 {
                    let seen = std::fs::read_to_string(&path).unwrap();
                    assert!(whole.contains(&seen), "{} bytes", seen.len());
                    reads += 1;
                }
            }
        });
        for round in 0..20 {
            using(&bench, if round % 2 == 0 { "a/n" } else { "a/m" }).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    }

    #[test]
    fn a_change_by_somebody_else_is_not_lost() {
        let bench = Bench::with(&format!("{{ agents: {{ defaults: {{ model: 'a/m' }} }}, {MODELS} }}\n"));
        let path = bench.path("openclaw.json");
        // Somebody appends to the file, by rename, as fast as it can, while we edit it.
        let other = std::thread::spawn(move || {
            for line in 0..60 {
                let temporary = path.with_extension("other");
                let text = std::fs::read_to_string(&path).unwrap() + &format!("// {line}\n");
                std::fs::write(&temporary, text).unwrap();
                std::fs::rename(&temporary, &path).unwrap();
            }
        });
        let mut used = "a/m";
        for round in 0..30 {
            let next = if round % 2 == 0 { "a/n" } else { "a/o" };
            match using(&bench, next) {
                Ok(_) => used = next,
                Err(error) => assert!(error.may_be_retried(), "{error}"),
            }
        }
        other.join().unwrap();
        let text = bench.text("openclaw.json");
        assert!(text.lines().skip(4).all(|line| line.starts_with("// ")), "{text}");
        assert_eq!(bench.read().result.unwrap().chain().len(), 1, "{used}");
    }
}
