//! Times on a commented configuration of one megabyte with thousands of models: each step that an edit takes, and `json5`
//! alone on the same text in the same run. `cargo bench -p pilotlight-config`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use json5_edit::{Document, Edit, Expected, Path};
use pilotlight_config::{ConfigLocation, Environment, Severity, plan, read};
use serde_json::Value;

/// The programs' own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const RUNS: usize = 15;

/// What the whole of it may take.
const LIMIT: Duration = Duration::from_millis(50);

fn main() {
    let text = configuration(1 << 20);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openclaw.json");
    std::fs::write(&path, &text).unwrap();
    let location = ConfigLocation { path, openclaw: true, read_only: false };
    let environment = Environment::isolated(folder.path(), &[]);
    let reading = read(&location, &environment);
    let models = reading.result.as_ref().unwrap().upstreams().count();
    assert!(reading.diagnostics.iter().all(|one| one.severity < Severity::Error), "{:?}", reading.diagnostics.first());
    println!(
        "{} bytes, {} lines, {models} models, {} diagnostics; {RUNS} runs: processor's time, clock's median and best",
        text.len(),
        text.lines().count(),
        reading.diagnostics.len()
    );

    let alone = times(|| json5::from_str::<Value>(black_box(&text)).unwrap());
    let report = |name: &str, times: Times| {
        let ratio = times.of_processor.as_secs_f64() / alone.of_processor.as_secs_f64();
        println!(
            "{name:<44} {:>7.2} ms {:>7.2} ms {:>7.2} ms   {ratio:.2} × json5 alone",
            ms(times.of_processor),
            ms(times.median),
            ms(times.best)
        );
    };
    report("json5 alone, into a value", alone);
    let document = Document::parse(&text).unwrap();
    let at: Path = "models.providers.p50.models[0].contextWindow".parse().unwrap();
    report("parse (json5-edit)", times(|| Document::parse(black_box(&text)).unwrap()));
    report("edit: set a number", times(|| document.set(&at, &Value::from(4096)).unwrap()));
    report("read: parse, schemas, rules", times(|| read(&location, &environment)));
    let whole = times(|| {
        let reading = read(&location, &environment);
        (reading, document.set(&at, &Value::from(4096)).unwrap())
    });
    report("read, then edit", whole);
    // The editor's own way: read, find the place, edit, and read what came of it.
    let edit = Edit::Set { path: at, value: Value::from(4096), expected: Expected::Anything };
    report(
        "plan: read, edit, read the result",
        times(|| plan::plan(&location, &environment, std::slice::from_ref(&edit)).unwrap()),
    );

    // Where every row has something wrong, what is found is as long as the file.
    let wrong = text.replace("contextWindow", "contextwindow");
    std::fs::write(&location.path, &wrong).unwrap();
    let found = read(&location, &environment).diagnostics.len();
    report(&format!("read, with {found} mistakes"), times(|| read(&location, &environment)));
    println!("{}", if whole.of_processor < LIMIT { "under 50 ms" } else { "NOT under 50 ms" });
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

/// The time that this thread had on a processor, where Linux tells it.
fn processor() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    told.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// A configuration as people write it, grown to `size` bytes: providers of a hundred models, some with an alias.
fn configuration(size: usize) -> String {
    const ROWS: usize = 100;
    let mut text = String::from("// Many models.\n{\n  models: {\n    mode: \"merge\",\n    providers: {\n");
    let mut providers = 0;
    while text.len() < size - size / 20 {
        write!(
            text,
            "      // the machine in room {providers}\n      p{providers}: {{\n        baseUrl: \"http://10.0.0.{}:1234/v1\",\n        \
             apiKey: 'lmstudio',\n        api: \"openai-responses\",\n        models: [\n",
            providers % 250
        )
        .unwrap();
        for row in 0..ROWS {
            writeln!(
                text,
                "          {{ id: \"minimax-m{row}\", name: 'MiniMax {row}', input: [\"text\"], contextWindow: 196608, \
                 maxTokens: 0x2000 }}, // {row} of room {providers}"
            )
            .unwrap();
        }
        text.push_str("        ],\n      },\n\n");
        providers += 1;
    }
    text.push_str("    },\n  },\n  agents: { defaults: {\n    model: { primary: \"p0/minimax-m0\", fallbacks: [\"p1/minimax-m1\"] },\n    models: {\n");
    let mut row = 0;
    while text.len() < size {
        writeln!(text, "      \"p{}/minimax-m{}\": {{ alias: \"room {row}\" }},", row % providers, row / providers)
            .unwrap();
        row += 1;
    }
    text.push_str("    },\n  } },\n}\n");
    text
}
