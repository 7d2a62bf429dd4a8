//! Commented documents in many handwritings under random edits of every kind. `PILOTLIGHT_EDITS=100000` for a long run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod invariants;

use std::collections::BTreeMap;

use invariants::{Choose as _, Seeded, edited, has_duplicates, owners, some_edit};
use json5_edit::{Document, Edit, restore_comments};

fn documents() -> Vec<(String, Document)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let document = Document::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, document)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

fn count() -> usize {
    std::env::var("PILOTLIGHT_EDITS").ok().and_then(|edits| edits.parse().ok()).unwrap_or(2500)
}

#[test]
fn no_random_edit_changes_anything_but_what_it_says() {
    let documents = documents();
    assert!(documents.len() >= 20);
    let (mut made, mut refused) = (BTreeMap::<&str, usize>::new(), 0);
    let mut seed = 0;
    while made.values().sum::<usize>() < count() {
        seed += 1;
        let mut choice = Seeded(seed);
        let (_, start) = &documents[choice.choose(documents.len())];
        let mut document = start.clone();
        // A few in a row, so that what an edit leaves behind is edited too.
        for _ in 0..4 {
            let edit = some_edit(&document, &mut choice);
            match edited(&document, &edit) {
                Some(after) => {
                    *made.entry(kind(&edit)).or_default() += 1;
                    document = after;
                }
                None => refused += 1,
            }
        }
    }
    println!("{} documents, edits made: {made:?}; refused with a reason: {refused}", documents.len());
    assert_eq!(made.len(), 6);
}

fn kind(edit: &Edit) -> &'static str {
    match edit {
        Edit::Set { .. } => "set",
        Edit::Insert { .. } => "insert",
        Edit::Remove { .. } => "remove",
        Edit::Rename { .. } => "rename",
        Edit::Move { .. } => "move",
        Edit::Swap { .. } => "swap",
    }
}

#[test]
fn comments_that_another_program_dropped_are_put_back() {
    for (name, old) in documents() {
        if has_duplicates(old.root()) {
            continue;
        }
        for rewritten in [serde_json::to_string_pretty(old.value()).unwrap() + "\n", old.value().to_string()] {
            let new = Document::parse(&rewritten).unwrap();
            let (restored, lost) = restore_comments(&old, &new);
            assert_eq!(lost, [], "{name}");
            assert_eq!(restored.value(), new.value(), "{name}");
            assert_eq!(owners(&restored), owners(&old), "{name}\n{}", restored.text());
            // Once more changes nothing.
            let (again, _) = restore_comments(&old, &restored);
            assert_eq!(again.text(), restored.text(), "{name}");
        }
    }
}

#[test]
fn what_is_restored_looks_as_it_was() {
    let shown: Vec<String> = documents()
        .into_iter()
        .filter(|(name, _)| ["01", "03", "13", "14", "19", "22"].iter().any(|number| name.starts_with(number)))
        .map(|(name, old)| {
            let new = Document::parse(&(serde_json::to_string_pretty(old.value()).unwrap() + "\n")).unwrap();
            format!("==== {name}\n{}", restore_comments(&old, &new).0.text())
        })
        .collect();
    insta::assert_snapshot!(shown.join("\n"));
}
