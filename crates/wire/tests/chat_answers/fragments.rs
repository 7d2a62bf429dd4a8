//! Calls in fragments, cut and interleaved by chance.

use super::told::{asked, lines, read, stream};
use pilotlight_wire::UpstreamApi;
use proptest::prelude::*;
use serde_json::{Value, json};

/// How a server numbers its calls.
#[derive(Clone, Copy, Debug)]
enum Numbers {
    /// An index each, and the id once.
    Index,
    /// An index each, and no id.
    IndexAlone,
    /// The id with every fragment, and no index.
    Id,
    /// The id and the name with every fragment, and the index 0.
    IdAndZero,
}

fn fragment(numbers: Numbers, number: usize, first: bool, arguments: &str) -> Value {
    let (id, name) = (format!("id{number}"), format!("tool{number}"));
    match (numbers, first) {
        (Numbers::Index, true) => {
            json!({"index": number, "id": id, "function": {"name": name, "arguments": arguments}})
        }
        (Numbers::IndexAlone, true) => json!({"index": number, "function": {"name": name, "arguments": arguments}}),
        (Numbers::Index | Numbers::IndexAlone, false) => {
            json!({"index": number, "function": {"name": "", "arguments": arguments}})
        }
        (Numbers::Id, true) => json!({"id": id, "function": {"name": name, "arguments": arguments}}),
        (Numbers::Id, false) => json!({"id": id, "function": {"arguments": arguments}}),
        (Numbers::IdAndZero, _) => json!({"index": 0, "id": id, "function": {"name": name, "arguments": arguments}}),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn every_call_comes_out_whole(
        numbers in prop::sample::select(vec![Numbers::Index, Numbers::IndexAlone, Numbers::Id, Numbers::IdAndZero]),
        texts in prop::collection::vec("[a-z{}\"\\\\\\[ é]{0,9}", 1..4),
        order in prop::collection::vec((0usize..4, 1usize..5), 0..24),
        together in any::<bool>(),
    ) {
        let whole: Vec<String> = texts.iter().map(|text| json!({"x": text}).to_string()).collect();
        let mut rest: Vec<Vec<char>> = whole.iter().map(|text| text.chars().rev().collect()).collect();
        let mut begun: Vec<usize> = Vec::new();
        let mut fragments = Vec::new();
        // In an order by chance, and then what is left of each.
        for (which, length) in order.into_iter().map(|(which, length)| (which % texts.len(), length)).chain((0..texts.len()).map(|which| (which, 999))) {
            let first = !begun.contains(&which);
            let left = &mut rest[which];
            let piece: String = (0..length).map_while(|_| left.pop()).collect();
            if first || !piece.is_empty() {
                fragments.push(fragment(numbers, which, first, &piece));
            }
            if first {
                begun.push(which);
            }
        }
        let lists: Vec<Value> = if together { vec![json!(fragments)] } else { fragments.into_iter().map(|one| json!([one])).collect() };
        let chunks: Vec<Value> = lists.into_iter().map(|list| json!({"id": "c", "choices": [{"delta": {"tool_calls": list}}]})).collect();
        let bytes = [stream(&chunks), b"data: [DONE]\n\n".to_vec()].concat();
        let mut told = lines(&read(&asked(UpstreamApi::OpenaiCompletions), &bytes, 64));
        prop_assert_eq!(told.pop().unwrap(), "finish ToolCalls");
        let expected: Vec<String> = begun.iter().map(|which| {
            let id = if matches!(numbers, Numbers::IndexAlone) { "made".to_owned() } else { format!("id{which}") };
            format!("call {id} tool{which} {}", whole[*which])
        }).collect();
        prop_assert_eq!(told, expected);
    }
}
