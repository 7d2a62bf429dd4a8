//! Times on a commented file of one megabyte: ours, and `json5` alone on the same text. `cargo bench -p json5-edit`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use json5_edit::{Document, Path};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

const RUNS: usize = 41;

fn main() {
    let text = configuration(1 << 20);
    println!(
        "{} bytes, {} lines; {RUNS} runs: processor's time, clock's median and best",
        text.len(),
        text.lines().count()
    );
    let alone = times(|| json5::from_str::<Value>(black_box(&text)).unwrap());
    let report = |name: &str, times: Times| {
        let ratio = times.of_processor.as_secs_f64() / alone.of_processor.as_secs_f64();
        println!(
            "{name:<28} {:>7.2} ms {:>7.2} ms {:>7.2} ms   {ratio:.2} × json5 alone",
            ms(times.of_processor),
            ms(times.median),
            ms(times.best)
        );
    };
    report("json5 alone, into a value", alone);
    report("json5 alone, thrown away", times(|| json5::from_str::<IgnoredAny>(black_box(&text)).unwrap()));

    let document = Document::parse(&text).unwrap();
    let path: Path = "models.providers.p500.models[0].contextWindow".parse().unwrap();
    assert!(document.locate(&path).is_some());
    let added: Path = "models.providers.p500.models[1]".parse().unwrap();
    let model = json!({ "id": "glm-4.7", "name": "GLM", "input": ["text"] });
    report("parse and check", times(|| Document::parse(black_box(&text)).unwrap()));
    report("set a number, check", times(|| document.set(&path, &json!(4096)).unwrap()));
    report("add a model, check", times(|| document.set(&added, &model).unwrap()));
    report("remove a provider, check", times(|| document.remove(&Path::of(&["models", "providers", "p7"])).unwrap()));
    let edited = document.set(&added, &model).unwrap();
    report("differences", times(|| document.changes_to(&edited)));
    report("all comments", times(|| document.comments()));
    let whole = times(|| {
        let document = Document::parse(black_box(&text)).unwrap();
        let edited = document.set(&path, &json!(4096)).unwrap();
        (document, edited)
    });
    report("parse, check, edit, check", whole);
    println!("{}", if whole.of_processor < Duration::from_millis(50) { "under 50 ms" } else { "NOT under 50 ms" });
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[derive(Clone, Copy)]
struct Times {
    /// The mean of the time on the processor, which does not count what else the machine does; the median where the
    /// system does not tell it.
    of_processor: Duration,
    median: Duration,
    best: Duration,
}

/// The time until the result is there; what it takes to drop it is not counted.
fn times<T>(mut run: impl FnMut() -> T) -> Times {
    let mut on_processor = Some(Duration::ZERO);
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let (start, before) = (Instant::now(), processor());
            let result = black_box(run());
            let (time, after) = (start.elapsed(), processor());
            on_processor = on_processor.zip(before).zip(after).map(|((sum, before), after)| sum + (after - before));
            drop(result);
            time
        })
        .collect();
    times.sort_unstable();
    let median = times[RUNS / 2];
    Times { of_processor: on_processor.map_or(median, |sum| sum / RUNS as u32), median, best: times[0] }
}

/// The time that this process had on a processor, where Linux tells it.
fn processor() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok().map(Duration::from_nanos)
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
