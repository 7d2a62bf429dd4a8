//! What JSON5 is, case by case: what is accepted, with its value, and what is refused. Every accepted text is edited too.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod invariants;

use invariants::{Seeded, edited, some_edit};
use json5_edit::Document;
use serde_json::{Value, json};

#[test]
fn what_is_json5_is_read_and_can_be_edited() {
    let cases: Vec<(&str, Value)> = vec![
        // Objects and their keys.
        ("{}", json!({})),
        ("{\n}", json!({})),
        ("{a:1,}", json!({ "a": 1 })),
        ("{a:1,b:{}}", json!({ "a": 1, "b": {} })),
        (
            "{while:true,null:1,true:2,Infinity:3,NaN:4}",
            json!({ "while": true, "null": 1, "true": 2, "Infinity": 3, "NaN": 4 }),
        ),
        ("{$_:1,_$:2,a\u{200c}b:3}", json!({ "$_": 1, "_$": 2, "a\u{200c}b": 3 })),
        (
            "{ümlåût:'that\\'s not really an ümlaut, but this is'}",
            json!({ "ümlåût": "that's not really an ümlaut, but this is" }),
        ),
        ("{sig\\u03A3ma:1}", json!({ "sigΣma": 1 })),
        ("{'':1,\"\\n\":2}", json!({ "": 1, "\n": 2 })),
        ("{__proto__:1}", json!({ "__proto__": 1 })),
        // Arrays.
        ("[]", json!([])),
        ("[1,]", json!([1])),
        ("[[],{},[ ] ,]", json!([[], {}, []])),
        // Strings.
        (r#""a'b""#, json!("a'b")),
        (r#"'a"b'"#, json!("a\"b")),
        ("'\\b\\f\\n\\r\\t\\v\\0\\x0f\\u01fF'", json!("\u{8}\u{c}\n\r\t\u{b}\0\u{f}\u{1ff}")),
        ("'\\a\\'\\\"\\/\\\\'", json!("a'\"/\\")),
        ("'\\ud83d\\ude00'", json!("😀")),
        ("'a\\\nb\\\r\nc\\\rd\\\u{2028}e\\\u{2029}f'", json!("abcdef")),
        ("'\u{2028}\u{2029}\u{1}\t'", json!("\u{2028}\u{2029}\u{1}\t")),
        // Numbers.
        ("[0,-0,+0,0.,.0,-.5,+5.,1e2,1E+2,1e-2,0e23]", json!([0, 0, 0, 0.0, 0.0, -0.5, 5.0, 100.0, 100.0, 0.01, 0.0])),
        ("[0xC8,0XdecaF,-0x1,+0x0]", json!([200, 912_559, -1, 0])),
        ("[Infinity,-Infinity,+Infinity,NaN,-NaN,1e999]", json!([null, null, null, null, null, null])),
        ("18446744073709551615", json!(u64::MAX)),
        ("18446744073709551616", json!(18_446_744_073_709_551_616.0)),
        // White space and comments.
        ("\u{feff}\t\u{b}\u{c} \u{a0}\u{2028}\u{2029}\u{2003}null\u{feff}", json!(null)),
        ("//\n1//", json!(1)),
        ("/**/1/***/", json!(1)),
        ("// a\r[/* // */true // */\n]", json!([true])),
        ("// a\u{2028}1", json!(1)),
    ];
    for (text, value) in cases {
        let document = Document::parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(document.text(), text);
        assert_eq!(document.value(), &value, "{text:?}");
        for seed in 0..20 {
            let mut choice = Seeded(seed);
            let edit = some_edit(&document, &mut choice);
            edited(&document, &edit);
        }
    }
}

#[test]
fn what_is_not_json5_is_refused() {
    for text in [
        "",
        " ",
        "//",
        "/*",
        "/* a",
        "/",
        "1 2",
        "1,",
        ",",
        "[,]",
        "[1,,]",
        "[1 2]",
        "[",
        "]",
        "[1}",
        "{",
        "}",
        "{,}",
        "{a}",
        "{a:}",
        "{a:1,,}",
        "{a:1 b:2}",
        "{1:2}",
        "{10twenty:1}",
        "{multi-word:1}",
        "{a b:1}",
        "{\\u0031:1}",
        "{\\x61:1}",
        "'",
        "\"",
        "'a\n'",
        "'\\x1'",
        "'\\u12'",
        "'\\01'",
        "'\\1'",
        "'\\ud83d'",
        "01",
        "0x",
        "00",
        "+-1",
        "++1",
        "1e",
        "1e+",
        ".",
        "+",
        "-",
        "0x1.2",
        "0x-1",
        "1_000",
        "infinity",
        "nan",
        "None",
        "True",
        "undefined",
        "\u{180e}1",
        "a",
        "(1)",
        "[1]]",
        "{a:1}}",
        "`a`",
    ] {
        let error = Document::parse(text).expect_err(text);
        assert!(error.offset <= text.len() && text.is_char_boundary(error.offset), "{text:?}: {error:?}");
        assert!(error.line > 0 && error.column > 0 && !error.message.is_empty());
    }
}
