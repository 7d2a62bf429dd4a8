//! The chain in an order of one's own: what a person wrote beside a model stays beside it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use pilotlight_config::intents;
use pilotlight_config::plan::{Loaded, load, plan};
use pilotlight_wire::ModelRef;
use support::Bench;

const MODELS: &str = "models: { providers: { a: { baseUrl: 'http://a.local/v1', models: [{ id: 'm', name: 'M' }, \
                      { id: 'n', name: 'N' }, { id: 'o', name: 'O' }, { id: 'p', name: 'P' }] } } }";

fn models(names: &str) -> Vec<ModelRef> {
    names.chars().map(|name| format!("a/{name}").parse().unwrap()).collect()
}

/// `chain` as the text of `agents.defaults.model`, set to models named by a letter each.
fn set(chain: &str, wanted: &str) -> String {
    let text = |chain: &str| format!("{{\n  agents: {{ defaults: {{\n    model: {chain},\n  }} }},\n  {MODELS},\n}}\n");
    let bench = Bench::with(&text(chain));
    let loaded: Loaded = load(&bench.location, &bench.environment);
    let configuration = loaded.configuration.unwrap();
    let edits = intents::set_chain(&configuration, &loaded.value.unwrap(), &models(wanted)).unwrap();
    let planned = plan(&bench.location, &bench.environment, &edits).unwrap();
    assert_eq!(planned.after.configuration.as_ref().unwrap().chain(), models(wanted), "{chain} set to {wanted}");
    let after = planned.changes.first().map_or_else(|| text(chain), |change| change.after.clone());
    let again = intents::set_chain(
        planned.after.configuration.as_ref().unwrap(),
        planned.after.value.as_ref().unwrap(),
        &models(wanted),
    );
    assert_eq!(again.unwrap(), [], "{chain} set to {wanted} twice");
    let (before, behind) = text("@").split_once('@').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    after.strip_prefix(&before).unwrap().strip_suffix(&behind).unwrap().to_owned()
}

const COMMENTED: &str = "{\n      primary: 'a/m', // dear\n      fallbacks: [\n        // in the studio\n        'a/n', \
                         // cheap\n        'a/o', // slow\n      ],\n    }";

#[test]
fn each_model_keeps_what_is_said_of_it() {
    assert_eq!(
        set(COMMENTED, "nmo"),
        "{\n      // in the studio\n      primary: 'a/n', // cheap\n      fallbacks: [\n        'a/m', // dear\n        \
         'a/o', // slow\n      ],\n    }"
    );
    assert_eq!(
        set(COMMENTED, "omn"),
        "{\n      primary: 'a/o', // slow\n      fallbacks: [\n        'a/m', // dear\n        // in the studio\n        \
         'a/n', // cheap\n      ],\n    }"
    );
    assert_eq!(
        set(COMMENTED, "pmno"),
        "{\n      primary: 'a/p',\n      fallbacks: [\n        'a/m', // dear\n        // in the studio\n        'a/n', \
         // cheap\n        'a/o', // slow\n      ],\n    }"
    );
    // Out of the chain, it takes with it what was said of it.
    assert_eq!(
        set(COMMENTED, "on"),
        "{\n      primary: 'a/o', // slow\n      fallbacks: [\n        // in the studio\n        'a/n', // cheap\n      \
         ],\n    }"
    );
}

#[test]
fn lists_on_one_line_and_none_at_all() {
    assert_eq!(
        set("{ primary: 'a/m', fallbacks: ['a/n', 'a/o'] }", "onm"),
        "{ primary: 'a/o', fallbacks: ['a/n', 'a/m'] }"
    );
    assert_eq!(
        set("{\n      primary: \"a/m\", // dear\n      fallbacks: [\"a/n\", \"a/o\"], // at home\n    }", "nmo"),
        "{\n      primary: \"a/n\",\n      fallbacks: [\n        \"a/m\", // dear\n        \"a/o\",\n      ], // at home\n    }"
    );
    assert_eq!(
        set("{\n      primary: \"a/m\", // dear\n    }", "nmo"),
        "{\n      primary: \"a/n\",\n      fallbacks: [\n        \"a/m\", // dear\n        \"a/o\",\n      ],\n    }"
    );
    assert_eq!(set("'a/m'", "nm"), "{\n      primary: 'a/n',\n      fallbacks: ['a/m'],\n    }");
}

#[test]
fn any_chain_becomes_any_other() {
    let orders = ["m", "mn", "nm", "mno", "onm", "nom", "pm", "opnm", "mnop", "p"];
    for from in orders {
        let mut items = from.chars().map(|name| format!("\"a/{name}\", // of {name}\n"));
        let primary = items.next().unwrap();
        let rest: String = items.collect();
        for chain in [
            format!("{{ primary: {primary} fallbacks: [ {rest} ] }}"),
            format!("{{ fallbacks: [\n{rest}], primary: {} // of it\n }}", primary.split(',').next().unwrap()),
        ] {
            for to in orders {
                let after = set(&chain, to);
                // No comment of a model that stays is lost, and it stands behind its model.
                for name in to.chars().skip(1).filter(|name| from[1..].contains(*name)) {
                    let line = after.lines().find(|line| line.contains(&format!("of {name}"))).unwrap();
                    assert!(line.contains(&format!("a/{name}")), "{chain} set to {to}: {after}");
                }
            }
        }
    }
}
