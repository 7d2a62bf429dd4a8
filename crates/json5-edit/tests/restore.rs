//! Comments put back into a text that lost them, where the text says something else meanwhile.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use json5_edit::{CommentPlace, Document, restore_comments};

fn restored(old: &str, new: &str) -> (String, Vec<(String, String, u32)>) {
    let (old, new) = (Document::parse(old).unwrap(), Document::parse(new).unwrap());
    let (document, lost) = restore_comments(&old, &new);
    assert_eq!(document.value(), new.value());
    (document.text().to_owned(), lost.into_iter().map(|lost| (lost.text, lost.path.to_string(), lost.line)).collect())
}

#[test]
fn the_places_that_still_exist_get_their_comments_and_the_others_are_told() {
    let old = "// mine\n{\n  // the server\n  a: { port: 1, /* default */ host: 'x' /* loopback */ },\r\n\n  // chain\n  list: [\n    'x', // cheap\n    'y', // dear\n    // the last resort\n    'z',\n  ],\n  gone: {\n    // never seen again\n    b: 1, // nor this\n  },\n}\n// end\n";
    let new = "{\n  \"a\": {\n    \"host\": \"y\",\n    \"port\": 2\n  },\n  \"list\": [\n    \"w\",\n    \"z\",\n    \"x\",\n    \"y\"\n  ],\n  \"gone\": null\n}\n";
    let (text, lost) = restored(old, new);
    assert_eq!(
        text,
        "// mine\n{\n  // the server\n  \"a\": {\n    /* default */ \"host\": \"y\", /* loopback */\n    \"port\": 2\n  },\n\n  // chain\n  \"list\": [\n    \"w\",\n    // the last resort\n    \"z\",\n    \"x\", // cheap\n    \"y\" // dear\n  ],\n  \"gone\": null\n}\n// end\n"
    );
    assert_eq!(
        lost,
        [
            ("// never seen again".to_owned(), "gone.b".to_owned(), 14),
            ("// nor this".to_owned(), "gone.b".to_owned(), 15),
        ]
    );
}

#[test]
fn what_is_there_already_is_not_repeated_and_the_writing_stays() {
    let old = "{ // own\n  'a': 0x10, // sixteen\n  // two\n  b: 2,\n}";
    let new = "{ \"a\": 16, // sixteen\n  \"b\": +2 }";
    let (text, lost) = restored(old, new);
    assert_eq!(text, "{ // own\n  \"a\": 16, // sixteen\n  // two\n  \"b\": +2 }");
    assert_eq!(lost, []);
    assert_eq!(restored(old, &text).0, text);
    assert_eq!(restored(old, old).0, old);
}

#[test]
fn every_place_is_told_apart() {
    let document = Document::parse(
        "/*1*/ [ // 2\n  // 3\n\n  // 4\n  { a /*5*/ : /*6*/ 1 /*7*/ }, // 8\n  2 /*9*/,\n  // 10\n] // 11",
    )
    .unwrap();
    use CommentPlace as At;
    let expected = [
        ("", At::Head),
        ("", At::Opening),
        ("", At::Between),
        ("[0]", At::Above),
        ("[0].a", At::Inside),
        ("[0].a", At::Inside),
        ("[0].a", At::Behind),
        ("[0]", At::Behind),
        ("[1]", At::Behind),
        ("", At::Closing),
        ("", At::Tail),
    ];
    let found: Vec<_> =
        document.comments().into_iter().map(|comment| (comment.path.to_string(), comment.place)).collect();
    assert_eq!(found, expected.map(|(path, place)| (path.to_owned(), place)));
}
