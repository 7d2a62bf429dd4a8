//! Two values change places, and what a person wrote beside each of them goes along.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use json5_edit::{Document, Edit, EditError, Expected, Path};

fn swapped(before: &str, path: &str, other: &str, after: &str) {
    let document = Document::parse(before).unwrap();
    let (path, other): (Path, Path) = (path.parse().unwrap(), other.parse().unwrap());
    let there = document.swap(&path, &other).unwrap();
    assert_eq!(there.text(), after);
    // Whichever is named first.
    assert_eq!(document.swap(&other, &path).unwrap().text(), after);
    let back = there.swap(&path, &other).unwrap();
    assert_eq!(back.value(), document.value());
}

#[test]
fn each_takes_along_what_stands_above_and_behind_it() {
    swapped(
        "{\n  primary: 'a/b', // dear\n  fallbacks: [\n    // in the studio\n    \"c/d\", // cheap\n    \"e/f\" // last\n  ],\n}\n",
        "primary",
        "fallbacks[0]",
        "{\n  // in the studio\n  primary: \"c/d\", // cheap\n  fallbacks: [\n    'a/b', // dear\n    \"e/f\" // last\n  ],\n}\n",
    );
    swapped(
        "{\r\n  fallbacks: [\r\n    'c/d',\r\n    'e/f' // last\r\n  ],\r\n  // the clever one\r\n  primary: 'a/b' /* dear */\r\n}",
        "primary",
        "fallbacks[1]",
        "{\r\n  fallbacks: [\r\n    'c/d',\r\n    // the clever one\r\n    'a/b' /* dear */\r\n  ],\r\n  primary: 'e/f' // last\r\n}",
    );
}

#[test]
fn what_is_about_the_key_stays_with_the_key() {
    swapped(
        "{\n  // primary: 'x/y',\n  // the clever one\n  primary: /* now */ 'a/b',\n  fallbacks: ['c/d'],\n}",
        "primary",
        "fallbacks[0]",
        "{\n  // primary: 'x/y',\n  primary: /* now */ 'c/d',\n  fallbacks: [\n    // the clever one\n    'a/b',\n  ],\n}",
    );
    swapped("{ a: 1, /* of b */ b: [2] }", "a", "b", "{ /* of b */ a: [2], b: 1 }");
    // On one line with others it would be taken for theirs.
    swapped(
        "{ a:\n  // x\n 1,\n  /* c */ d: 4, /* b: 2 */ b: 3 }",
        "d",
        "b",
        "{ a:\n  // x\n 1,\n  /* b: 2 */ d: 3, \n  /* c */ b: 4 }",
    );
}

#[test]
fn a_list_on_one_line_stays_so_unless_a_comment_needs_its_line() {
    swapped(
        "{ primary: 'a/b' /* dear */, fallbacks: ['c/d', 'e/f' /* cheap */] } // all",
        "primary",
        "fallbacks[1]",
        "{ primary: 'e/f' /* cheap */, fallbacks: ['c/d', 'a/b' /* dear */] } // all",
    );
    swapped(
        "{\n\tprimary: 'a/b', // dear\n\tfallbacks: ['c/d', 'e/f'] // local\n}",
        "primary",
        "fallbacks[0]",
        "{\n\tprimary: 'c/d',\n\tfallbacks: [\n\t\t'a/b', // dear\n\t\t'e/f'\n\t] // local\n}",
    );
    swapped(
        "{\n  m: { primary: 'a/b', fallbacks: [\n    'c/d', // cheap\n  ] },\n}",
        "m.primary",
        "m.fallbacks[0]",
        "{\n  m: { primary: 'c/d', // cheap\n    fallbacks: [\n    'a/b',\n  ] },\n}",
    );
}

#[test]
fn within_one_list_they_pass_each_other() {
    swapped(
        "[\n  1, // one\n  2,\n  // three\n  3 // 3\n]",
        "[0]",
        "[2]",
        "[\n  // three\n  3, // 3\n  2,\n  1 // one\n]",
    );
    swapped("{ a: 1, b: 2, c: [3] }", "a", "c", "{ a: [3], b: 2, c: 1 }");
}

#[test]
fn what_cannot_change_places_is_refused() {
    let document = Document::parse("{ a: { b: 1 }, c: 2 }").unwrap();
    let swap = |path: &str, other: &str| document.swap(&path.parse().unwrap(), &other.parse().unwrap());
    assert!(matches!(swap("a", "a.b"), Err(EditError::Within { .. })));
    assert!(matches!(swap("a.b", "a"), Err(EditError::Within { .. })));
    assert!(matches!(swap("a", ""), Err(EditError::Root)));
    assert!(matches!(swap("a", "d"), Err(EditError::Missing { .. })));
    assert_eq!(swap("a", "a").unwrap().text(), document.text());
    let edit = Edit::Swap {
        path: "a".parse().unwrap(),
        other: "c".parse().unwrap(),
        expected: Expected::Anything,
        expected_other: Expected::Anything,
    }
    .against(&document);
    let elsewhere = Document::parse("{ a: { b: 1 }, c: 3 }").unwrap();
    assert!(matches!(elsewhere.apply(&[edit]), Err(EditError::Conflict(_))));
    let deep =
        format!("{{ a: {}1{}, b: [0] }}", "[".repeat(Document::MAX_DEPTH - 1), "]".repeat(Document::MAX_DEPTH - 1));
    let deep = Document::parse(&deep).unwrap();
    assert!(matches!(deep.swap(&"a".parse().unwrap(), &"b[0]".parse().unwrap()), Err(EditError::TooDeep { .. })));
}
