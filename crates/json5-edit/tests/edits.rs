//! Edits, each shown as the text before and after.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use json5_edit::{Document, EditError, Path};
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
