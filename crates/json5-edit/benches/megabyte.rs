//! Times on a commented file of one megabyte: ours, and `json5` alone on the same text. `cargo bench -p json5-edit`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use json5_edit::{Document, Path};
use serde_json::{Value, json};

const RUNS: usize = 41;

fn main() {
    let text = configuration(1 << 20);
    let alone = median(|| drop(black_box(json5::from_str::<Value>(black_box(&text)).unwrap())));
    println!("{} bytes, {} lines, median of {RUNS} runs", text.len(), text.lines().count());
    println!("json5 alone, into a value      {:>8.2} ms", ms(alone));
    let ignored = median(|| drop(black_box(json5::from_str::<serde::de::IgnoredAny>(black_box(&text)).unwrap())));
    println!("json5 alone, thrown away       {:>8.2} ms", ms(ignored));

    let document = Document::parse(&text).unwrap();
    let path: Path = "models.providers.p500.models[0].contextWindow".parse().unwrap();
    assert!(document.locate(&path).is_some());
    let report = |name: &str, time: Duration| {
        println!("{name:<30} {:>8.2} ms   {:.2} × json5 alone", ms(time), time.as_secs_f64() / alone.as_secs_f64());
    };
    report("parse and check", median(|| drop(black_box(Document::parse(black_box(&text)).unwrap()))));
    report("one edit, checked", median(|| drop(black_box(document.set(&path, &json!(4096)).unwrap()))));
    let whole = median(|| {
        let document = Document::parse(black_box(&text)).unwrap();
        drop(black_box(document.set(&path, &json!(4096)).unwrap()));
    });
    report("parse, check, edit, check", whole);
    println!("{}", if whole < Duration::from_millis(50) { "under 50 ms" } else { "NOT under 50 ms" });
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn median(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}

/// A configuration as people write it, grown to `size` bytes.
fn configuration(size: usize) -> String {
    let mut text = String::from("// Many machines.\n{\n  models: {\n    mode: \"merge\",\n    providers: {\n");
    let mut number = 0;
    while text.len() < size {
        write!(
            text,
            "      // the machine in room {number}\n      p{number}: {{\n        baseUrl: \"http://10.0.0.{}:1234/v1\", // loopback is elsewhere\n        \
             apiKey: '${{KEY_{number}}}',\n        api: \"openai-responses\",\n        models: [\n          {{\n            id: \"minimax-m2.1-gs32\", name: \"MiniMax \\u201cM2.1\\u201d\",\n            \
             reasoning: false, input: [\"text\", 'image'],\n            cost: {{ input: 0, output: .5, cacheRead: 0, cacheWrite: +1.25e0 }},\n            \
             contextWindow: 196_608, /* as loaded */\n            maxTokens: 0x2000,\n          }},\n        ],\n      }},\n\n",
            number % 250
        )
        .unwrap();
        number += 1;
    }
    text.push_str("    },\n  },\n}\n");
    text.replace("196_608", "196608")
}
