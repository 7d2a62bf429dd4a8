//! Edits, each shown as the text before and after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use json5_edit::{Document, Edit, EditError, Expected, Path, Position, Step, TextChange};
use serde_json::{Value, json};

#[track_caller]
fn set(before: &str, path: &str, value: Value, after: &str) {
    let edited = Document::parse(before).unwrap().set(&path.parse().unwrap(), &value);
    assert_eq!(edited.unwrap().text(), after, "{path} = {value}");
}

#[track_caller]
fn refused(before: &str, path: &str, value: Value) -> EditError {
    Document::parse(before).unwrap().set(&path.parse().unwrap(), &value).unwrap_err()
}

#[test]
fn a_replaced_string_keeps_its_quotes_and_nothing_else_changes() {
    for quote in ['"', '\''] {
        let before = format!("\u{feff}{{\r\n\ta :{quote}x{quote}/* why */ , // because\r\n\t'b':0xFF,\r\n}}\r\n");
        set(
            &before,
            "a",
            json!("y\"'z"),
            &before.replace(
                &format!("{quote}x{quote}"),
                &if quote == '"' { "\"y\\\"'z\"".to_owned() } else { "'y\"\\'z'".to_owned() },
            ),
        );
    }
    set("{a:1,b:[1,2,],}", "b[1]", json!(null), "{a:1,b:[1,null,],}");
    set("{ \\u0061: 1 }", "a", json!(2), "{ \\u0061: 2 }");
    set("[1]", "", json!({ "a": [] }), "{ \"a\": [] }");
}

#[test]
fn the_value_that_is_there_already_changes_no_byte() {
    set("{ a: +0x10 }", "a", json!(16), "{ a: +0x10 }");
    set("{ a: { b: 1, b: 2 } }", "a", json!({ "b": 2 }), "{ a: { b: 2 } }");
}

#[test]
fn a_member_is_added_as_the_others_are_written() {
    set("{ a: 1 }", "b", json!("x"), "{ a: 1, b: \"x\" }");
    set("{a:1,}", "b", json!("x"), "{a:1, b:\"x\",}");
    set("{'a': 'y'}", "b", json!("x"), "{'a': 'y', 'b': 'x'}");
    set("{\n  \"a\": 1\n}\n", "b", json!(2), "{\n  \"a\": 1,\n  \"b\": 2\n}\n");
    set("{\n    a: 1, // one\n}", "b", json!(2), "{\n    a: 1, // one\n    b: 2,\n}");
    set("{\n\ta: 1 // one\n}", "b-c", json!(2), "{\n\ta: 1, // one\n\t\"b-c\": 2\n}");
    set(
        "{\r\n  a: 1 /* 1 */\r\n}",
        "b",
        json!({ "c": [1, 2] }),
        "{\r\n  a: 1, /* 1 */\r\n  b: {\r\n    c: [1, 2]\r\n  }\r\n}",
    );
    set("{ a: 1 // one\n}", "b", json!(2), "{ a: 1, // one\n  b: 2\n}");
}

#[test]
fn missing_parents_are_made() {
    set("{}", "a.b[0].c", json!(1), "{\n  \"a\": {\n    \"b\": [\n      {\n        \"c\": 1\n      }\n    ]\n  }\n}");
    set("{ x: 1 }", "a.b", json!(1), "{ x: 1, a: { b: 1 } }");
    set(
        "{\n  agents: {\n    // none yet\n  },\n}",
        "agents.defaults",
        json!({ "model": "m" }),
        "{\n  agents: {\n    // none yet\n\n    defaults: {\n      model: \"m\",\n    },\n  },\n}",
    );
    set("{\n  agents: {},\n}", "agents.a", json!(1), "{\n  agents: { a: 1 },\n}");
    set("{ a: [] }", "a[0]", json!("x"), "{ a: [\"x\"] }");
    set("{ a: [1] }", "a[1]", json!("x"), "{ a: [1, \"x\"] }");
    set("{ a: { /* none */ } }", "a.b", json!(1), "{ a: { /* none */\n  b: 1\n} }");
}

#[test]
fn what_cannot_be_edited_is_refused_with_a_reason() {
    assert_eq!(
        refused("{ a: 1,\n 'a': 2 }", "a", json!(3)).to_string(),
        "a stands more than once (lines 1, 2): remove all but one"
    );
    assert!(matches!(refused("{ a: {b: 1}, a: {b: 2} }", "a.b", json!(3)), EditError::DuplicateKey { .. }));
    assert_eq!(
        refused("{\n a: 'x' }", "a.b", json!(3)).to_string(),
        "line 2: a is a string, so nothing can stand below it"
    );
    assert_eq!(refused("{ a: [1] }", "a[2]", json!(3)).to_string(), "a has 1 items, so there is no place 2");
    assert!(matches!(refused("{}", "a[1]", json!(3)), EditError::NoSuchItem { .. }));
}

#[test]
fn an_object_is_added_on_one_line_where_its_neighbours_are() {
    let models = "{\n  models: {\n    'a/b': { alias: 'B' }, // dear\n  },\n}\n";
    let before = "'a/b': { alias: 'B' }, // dear\n";
    let added = |new: &str| models.replace(before, &format!("{before}    'c/d': {new},\n"));
    set(models, "models['c/d']", json!({ "alias": "D" }), &added("{ alias: 'D' }"));
    let long = "D".repeat(100);
    let lines = format!("{{\n      alias: '{long}',\n    }}");
    set(models, "models['c/d']", json!({ "alias": long }), &added(&lines));
    let nested = "{\n      alias: {\n        is: 'D',\n      },\n    }";
    set(models, "models['c/d']", json!({ "alias": { "is": "D" } }), &added(nested));
    // One that is on several lines is followed.
    let mixed = "[\n  { a: 1 },\n  {\n    a: 2\n  }\n]";
    set(mixed, "[2]", json!({ "a": 3 }), &mixed.replace("2\n  }\n", "2\n  },\n  {\n    a: 3\n  }\n"));
    let items = "[\n  { a: 1 },\n]";
    set(items, "[1]", json!({ "a": 3 }), "[\n  { a: 1 },\n  { a: 3 },\n]");
}

#[test]
fn an_item_is_inserted_and_moved_with_its_comments() {
    let lines = "{\n  f: [ // in this order\n    'a', // cheap\n    // the good one\n    'b', // costs\n    'c'  // slow\n  ],\n}";
    let document = Document::parse(lines).unwrap();
    let path: Path = "f".parse().unwrap();
    let text = |edited: Result<Document, EditError>| edited.unwrap().text().to_owned();
    assert_eq!(text(document.insert_item(&path, 0, &json!("n"))), lines.replace("    'a'", "    'n',\n    'a'"));
    assert_eq!(
        text(document.move_item(&path, 2, 0)),
        "{\n  f: [ // in this order\n    'c',  // slow\n    'a', // cheap\n    // the good one\n    'b' // costs\n  ],\n}"
    );
    assert_eq!(
        text(document.move_item(&path, 1, 0)),
        "{\n  f: [ // in this order\n    // the good one\n    'b', // costs\n    'a', // cheap\n    'c'  // slow\n  ],\n}"
    );
    let inline = Document::parse("{f:[ 'a' ,'b'/* b */,\"c\"]}").unwrap();
    assert_eq!(text(inline.move_item(&path, 2, 0)), "{f:[ \"c\",'a' ,'b'/* b */]}");
    assert_eq!(text(inline.insert_item(&path, 0, &json!("n"))), "{f:[ 'n', 'a' ,'b'/* b */,\"c\"]}");
    // A line comment must not swallow the bracket that now follows it.
    let swallow = Document::parse("{f: ['a', // a\n'b']}").unwrap();
    assert_eq!(text(swallow.move_item(&path, 1, 0)), "{f: ['b',\n'a' // a\n]}");
}

#[track_caller]
fn removed(before: &str, path: &str, after: &str) {
    let edited = Document::parse(before).unwrap().remove(&path.parse().unwrap());
    assert_eq!(edited.unwrap().text(), after, "without {path}");
}

#[test]
fn what_is_removed_takes_its_comments_its_comma_and_its_lines() {
    let lines = "{\n  // the chain\n\n  // local\n  a: 1, // one\n  // hosted,\n  // and dear\n  b: 2, /* two */ // 2\n\n  c: 3 // three\n  // the end\n}";
    removed(
        lines,
        "a",
        "{\n  // the chain\n\n  // hosted,\n  // and dear\n  b: 2, /* two */ // 2\n\n  c: 3 // three\n  // the end\n}",
    );
    removed(lines, "b", "{\n  // the chain\n\n  // local\n  a: 1, // one\n\n  c: 3 // three\n  // the end\n}");
    // The new last one has no comma, as the old one had none.
    removed(
        lines,
        "c",
        "{\n  // the chain\n\n  // local\n  a: 1, // one\n  // hosted,\n  // and dear\n  b: 2 /* two */ // 2\n\n  // the end\n}",
    );
    removed("{\n  a: 1,\n\n  b: 2,\n\n  c: 3,\n}\n", "b", "{\n  a: 1,\n\n  c: 3,\n}\n");
    removed("{\r\n\ta: 1,\r\n\tb: 2,\r\n}\r\n", "b", "{\r\n\ta: 1,\r\n}\r\n");
    for (before, path, after) in [
        ("{ a: 1, b: 2, c: 3 }", "a", "{ b: 2, c: 3 }"),
        ("{ a: 1, b: 2, c: 3 }", "b", "{ a: 1, c: 3 }"),
        ("{ a: 1, b: 2, c: 3 }", "c", "{ a: 1, b: 2 }"),
        ("{a:1,/* of b */b:2/* too */,c:3,}", "b", "{a:1,c:3,}"),
        ("{a:1,/* of b */b:2,}", "a", "{/* of b */b:2,}"),
        ("[1,2]", "[1]", "[1]"),
        ("[ 1 ]", "[0]", "[]"),
        ("{\n  a: [\n    1, // one\n  ],\n}", "a[0]", "{\n  a: [],\n}"),
        ("{ a: [ // empty soon\n    1 ] }", "a[0]", "{ a: [ // empty soon\n ] }"),
        ("{ a: [ // ends in spaces  \n 1/* one */], }", "a[0]", "{ a: [ // ends in spaces  \n], }"),
        ("{ a: 1, // one\n  b: 2 }", "b", "{ a: 1 // one\n }"),
        ("[ 1\n, 2\n, 3\n]", "[1]", "[ 1\n, 3\n]"),
        ("[ 1\n, 2\n, 3\n]", "[2]", "[ 1\n, 2\n]"),
    ] {
        removed(before, path, after);
    }
}

#[test]
fn a_renamed_key_keeps_its_quotes() {
    let renamed = |before: &str, path: &str, key: &str| {
        Document::parse(before).unwrap().rename(&path.parse().unwrap(), key).map(|edited| edited.text().to_owned())
    };
    assert_eq!(renamed("{ a /* k */ : 1 }", "a", "b").unwrap(), "{ b /* k */ : 1 }");
    assert_eq!(renamed("{ 'a': 1, c: 2 }", "a", "it's").unwrap(), "{ 'it\\'s': 1, c: 2 }");
    assert_eq!(renamed("{ \"x/y\": 1 }", "[\"x/y\"]", "z").unwrap(), "{ \"z\": 1 }");
    assert_eq!(renamed("{ a: 1, 'b': 2 }", "a", "x/y").unwrap(), "{ 'x/y': 1, 'b': 2 }");
    assert_eq!(renamed("{ \\u0061: 1 }", "a", "a").unwrap(), "{ \\u0061: 1 }");
    assert_eq!(
        renamed("{ a: 1,\n b: 2 }", "a", "b").unwrap_err().to_string(),
        "line 2: b is there already: choose another key, or change that one"
    );
    assert_eq!(renamed("[1]", "[0]", "b").unwrap_err().to_string(), "the document is an array: its items have no keys");
    assert_eq!(renamed("{}", "a", "b").unwrap_err(), EditError::Missing { path: Path::of(&["a"]) });
    assert_eq!(renamed("{}", "", "b").unwrap_err(), EditError::Root);
}

#[test]
fn a_member_is_inserted_and_moved_where_it_is_wanted() {
    let lines = Document::parse("{\n  a: 1, // one\n\n  // two\n  b: 2\n}").unwrap();
    let root = Path::root();
    let insert =
        |position| lines.insert(&root, Some("n"), position, &json!([])).map(|edited| edited.text().to_owned()).unwrap();
    assert_eq!(insert(Position::Start), "{\n  n: [],\n  a: 1, // one\n\n  // two\n  b: 2\n}");
    assert_eq!(insert(Position::After("a".into())), "{\n  a: 1, // one\n  n: [],\n\n  // two\n  b: 2\n}");
    assert_eq!(insert(Position::Before("b".into())), "{\n  a: 1, // one\n\n  n: [],\n  // two\n  b: 2\n}");
    assert_eq!(insert(Position::End), "{\n  a: 1, // one\n\n  // two\n  b: 2,\n  n: []\n}");
    let moved = lines.relocate(&root, "b", Position::Start).unwrap();
    assert_eq!(moved.text(), "{\n  // two\n  b: 2,\n\n  a: 1 // one\n}");
    assert_eq!(moved.relocate(&root, 0, Position::After("a".into())).unwrap().text(), lines.text());
    assert!(matches!(
        lines.insert(&root, Some("a"), Position::End, &json!(1)),
        Err(EditError::KeyExists { line: 2, .. })
    ));
    assert!(matches!(lines.insert(&root, None, Position::End, &json!(1)), Err(EditError::WrongKey { .. })));
    assert!(matches!(lines.relocate(&root, "c", Position::End), Err(EditError::Missing { .. })));
    // A comment behind an item would be one of the next item's on the same line.
    let inline = Document::parse("[1, 2, /* two */\n 3]").unwrap();
    assert_eq!(inline.move_item(&root, 1, 0).unwrap().text(), "[2 /* two */, 1,\n 3]");
}

#[test]
fn several_edits_are_made_together_or_not_at_all() {
    let before = Document::parse("{ a: 1, b: ['x'] } // all").unwrap();
    let edit = |text: &str| serde_json::from_str::<Edit>(text).unwrap();
    let mut edits = vec![
        edit(r#"{ "edit": "set", "path": "c.d[0]", "value": true }"#),
        edit(r#"{ "edit": "insert", "path": "b", "position": { "before": 0 }, "value": "y" }"#),
        edit(r#"{ "edit": "move", "path": "", "entry": "c", "position": "start" }"#),
        edit(r#"{ "edit": "rename", "path": "a", "key": "z" }"#),
        edit(r#"{ "edit": "remove", "path": "b[1]", "expected": { "value": "x" } }"#),
    ];
    assert_eq!(before.apply(&edits).unwrap().text(), "{ c: { d: [true] }, z: 1, b: ['y'] } // all");
    edits.push(edit(r#"{ "edit": "remove", "path": "a" }"#));
    assert_eq!(before.apply(&edits).unwrap_err().to_string(), "there is no a");
}

#[test]
fn an_edit_made_for_another_text_is_a_conflict_only_where_they_differ() {
    let old = Document::parse("{ a: 1, list: ['x', 'y'] }").unwrap();
    let path = |text: &str| text.parse::<Path>().unwrap();
    let set = Edit::Set { path: path("a"), value: json!(2), expected: Expected::Anything }.against(&old);
    let add = Edit::Set { path: path("b"), value: json!(2), expected: Expected::Anything }.against(&old);
    let drop = Edit::Remove { path: path("list[1]"), expected: Expected::Anything }.against(&old);
    let insert = Edit::Insert {
        path: path("list"),
        key: None,
        position: Position::Before(1.into()),
        value: json!("n"),
        expected: Expected::Anything,
    }
    .against(&old);
    let elsewhere = Document::parse("// new\n{ list: [\n  'x', 'y' ], a: 1.0e0, c: 3 }").unwrap();
    for edit in [&add, &drop, &insert] {
        assert!(elsewhere.apply(std::slice::from_ref(edit)).is_ok(), "{edit:?}");
    }
    let here = Document::parse("{ a: 5, b: 6, list: ['n', 'x', 'y'] }").unwrap();
    for (edit, place, found) in
        [(set, "a", json!(5)), (add, "b", json!(6)), (drop, "list[1]", json!("x")), (insert, "list[1]", json!("x"))]
    {
        match here.apply(std::slice::from_ref(&edit)) {
            Err(EditError::Conflict(conflict)) => {
                assert_eq!((conflict.path.to_string().as_str(), conflict.found), (place, Some(found)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_is_made_too_deep_to_be_read_again() {
    let document = Document::parse("{}").unwrap();
    let deep = (0..Document::MAX_DEPTH).fold(json!(1), |value, _| json!([value]));
    assert!(matches!(document.set(&Path::of(&["a"]), &deep), Err(EditError::TooDeep { .. })));
    assert!(document.set(&Path::root(), &deep).is_ok());
    let path: Path = (0..1000).map(|_| Step::from("a")).collect();
    assert!(matches!(document.set(&path, &json!(1)), Err(EditError::TooDeep { .. })));
}

#[test]
fn a_difference_is_told_in_lines_and_in_the_fewest_bytes() {
    let before = Document::parse("{\n  a: 'one', // 1\n  b: 2,\n  c: 3,\n  d: 4,\n  e: 5,\n}\n").unwrap();
    let after = before.set(&"a".parse().unwrap(), &json!("once")).unwrap();
    assert_eq!(
        before.diff_to(&after, "openclaw.json"),
        "--- openclaw.json\n+++ openclaw.json\n@@ -1,5 +1,5 @@\n {\n-  a: 'one', // 1\n+  a: 'once', // 1\n   b: 2,\n   c: 3,\n   d: 4,\n"
    );
    let changes = before.changes_to(&after);
    assert_eq!(changes, [TextChange { range: 10..10, replacement: "c".to_owned() }]);
    let changed = TextChange::apply(before.text(), &changes).unwrap();
    assert_eq!(changed, after.text());
    let wide = TextChange { range: 7..12, replacement: String::new() };
    assert_eq!(wide.utf16_range("// 🙂ä é…"), Some(5..8));
    assert_eq!(wide.utf16_range("// 🙂é"), None);
}
