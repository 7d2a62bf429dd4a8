//! `pilotlight-simulator`: one simulated server as a process, for a person to play with and for tests that kill it.

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use pilotlight_simulator::{
    Die, Kind, LmStudioOptions, Model, OllamaOptions, Options, Reasoning, ReasoningForm, Rule, Simulator,
};
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

const EXAMPLES: &str = r#"When it is ready it prints exactly one line, such as
  pilotlight-simulator lmstudio http://127.0.0.1:40001 control http://127.0.0.1:40002

Ask it something (BASE and CONTROL are the two addresses of that line):
  curl BASE/v1/responses -d '{"model":"minimax-m2.1-gs32","input":"hello","stream":true}' -N

Make it fail while it runs:
  curl CONTROL/_sim/state
  curl CONTROL/_sim/faults -d '{"fault":"status","status":503,"headers":{"retry-after":"2"},"times":2}'
  curl CONTROL/_sim/faults -X DELETE
  curl CONTROL/_sim/unload -d '{"model":"minimax-m2.1-gs32","cause":"crash"}'
  curl CONTROL/_sim/load -d '{"model":"minimax-m2.1-gs32"}'
  curl CONTROL/_sim/requests

Faults, each with "times": N, "for_ms": N, "path": "/v1/responses" (or "*"), "model": "KEY" if you like.
Without a path they concern requests for an answer, not listings. "after" is "request", "headers" or a number of
content events (0: before the first).
  {"fault":"refuse"}                        connections are refused (until cleared, or for for_ms)
  {"fault":"hang"}                          reads the request, never answers; "after":"headers" for later
  {"fault":"status","status":429}           at once; "headers" and "body" if you like
  {"fault":"slow-first-byte","ms":3000}     not a byte for so long
  {"fault":"cut","after":3}                 the connection breaks; "reset":true for a TCP reset
  {"fault":"error-event","after":0}         an error in this API's form; "message" and "code" if you like
  {"fault":"end","after":3}                 the stream ends early without its last event
  {"fault":"malformed","form":"html"}       or "empty", "bad-json", "unframed"
  {"fault":"unload","after":3,"cause":"crash"}      or "ttl", "evicted", "ejected" (lmstudio, ollama)
  {"fault":"load-takes","ms":30000}         loads take so long (lmstudio, ollama)
  {"fault":"load-fails"}                    loads fail; "message" if you like (lmstudio, ollama)
  {"fault":"die","after":3}                 the process ends at once

A request with tools whose last user text has the word TOOL in it is answered with a call of the first tool."#;

#[derive(Parser)]
#[command(
    version,
    about = "A simulated LM Studio, Ollama, OpenAI, Anthropic or Google that can be made to fail while it runs",
    after_long_help = EXAMPLES
)]
struct Arguments {
    #[command(subcommand)]
    server: Server,
}

#[derive(Subcommand)]
enum Server {
    /// LM Studio: loads and unloads models, with its own ways of failing
    #[command(name = "lmstudio", after_long_help = EXAMPLES)]
    LmStudio {
        #[command(flatten)]
        common: Common,
        /// Loading just in time is off: a request for a model that is not loaded fails
        #[arg(long)]
        no_jit: bool,
        /// Idle TTL of models loaded just in time, such as 60m; 0 for none
        #[arg(long, value_name = "TIME", default_value = "60m", value_parser = duration)]
        ttl: Duration,
        /// Loading one model just in time leaves the others loaded
        #[arg(long)]
        no_evict: bool,
        /// LM Studio 0.3: neither /api/v1 nor /v1/messages
        #[arg(long)]
        v0_only: bool,
        /// Without the WebSocket: idle timers, last use and activity are not told
        #[arg(long)]
        no_websocket: bool,
        /// Load this model at the start, explicitly (repeatable)
        #[arg(long, value_name = "KEY")]
        loaded: Vec<String>,
    },
    /// Ollama: /api/chat, /api/generate, /api/embed, /api/tags, /api/ps, /api/show, and /v1
    #[command(name = "ollama", after_long_help = EXAMPLES)]
    Ollama {
        #[command(flatten)]
        common: Common,
        /// How long a model stays after a request that does not say, such as 5m; 0 for ever
        #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
        keep_alive: Duration,
        /// The context that models are loaded with where the request does not say
        #[arg(long, value_name = "TOKENS")]
        context: Option<u64>,
        /// Load this model at the start, to stay (repeatable)
        #[arg(long, value_name = "KEY")]
        loaded: Vec<String>,
    },
    /// OpenAI: /v1/responses, /v1/chat/completions, /v1/completions, /v1/embeddings
    #[command(name = "openai", after_long_help = EXAMPLES)]
    OpenAi {
        #[command(flatten)]
        common: Common,
    },
    /// Anthropic: /v1/messages, /v1/messages/count_tokens
    #[command(name = "anthropic", after_long_help = EXAMPLES)]
    Anthropic {
        #[command(flatten)]
        common: Common,
    },
    /// Google: /v1beta/models/MODEL:generateContent, :streamGenerateContent, :countTokens
    #[command(name = "google", after_long_help = EXAMPLES)]
    Google {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(clap::Args)]
struct Common {
    /// Where the API listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where the control server listens, which answers even while the API refuses connections
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    control: SocketAddr,
    /// A model, and for lmstudio and ollama how many milliseconds it takes to load (repeatable). Hosted: without any, every name
    /// is answered
    #[arg(long = "model", value_name = "KEY[:LOAD_MS]", value_parser = model)]
    models: Vec<Model>,
    /// What a model of lmstudio or ollama takes on disk, in GB (repeatable) [default: 138]
    #[arg(long = "size", value_name = "KEY=GB", value_parser = size)]
    sizes: Vec<(String, u64)>,
    /// How long each word of an answer takes
    #[arg(long, value_name = "TIME", default_value = "30ms", value_parser = duration)]
    word_delay: Duration,
    /// How long the prompt is read before the first byte
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = duration)]
    prompt_delay: Duration,
    /// Ask for this key, as bearer or x-api-key (google: x-goog-api-key or ?key=)
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Answer this instead of naming who answers
    #[arg(long, value_name = "TEXT")]
    reply: Option<String>,
    /// Think this before the answer
    #[arg(long, value_name = "TEXT")]
    reasoning: Option<String>,
    /// How reasoning is sent
    #[arg(long, value_name = "FORM", default_value = "deltas", value_parser = ["deltas", "one-shot", "in-text"])]
    reasoning_form: String,
    /// A fault from the start, as JSON (repeatable)
    #[arg(long = "fault", value_name = "JSON", value_parser = rule)]
    faults: Vec<Rule>,
    /// End when standard input closes, that is with the process that started this one
    #[arg(long)]
    exit_with_parent: bool,
}

impl Common {
    fn options(&self) -> Options {
        let form = match self.reasoning_form.as_str() {
            "one-shot" => ReasoningForm::OneShot,
            "in-text" => ReasoningForm::InText,
            _ => ReasoningForm::Deltas,
        };
        let mut models = self.models.clone();
        for model in &mut models {
            let size = self.sizes.iter().rev().find(|(key, _)| *key == model.key);
            model.size_bytes = size.map_or(model.size_bytes, |(_, bytes)| *bytes);
        }
        Options {
            listen: self.listen,
            control: Some(self.control),
            models,
            key: self.key.clone(),
            word_delay: self.word_delay,
            prompt_delay: self.prompt_delay,
            reply: self.reply.clone(),
            reasoning: self.reasoning.clone().map(|text| Reasoning { text, form }),
            lm_studio: LmStudioOptions::default(),
            ollama: OllamaOptions::default(),
            die: Die::ExitProcess,
        }
    }
}

/// A number without a unit is milliseconds.
fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "" | "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("\"{unit}\" is no unit: write 30ms, 2s, 60m or 1h")),
    };
    let number: f64 = number.parse().map_err(|_| "write a number and a unit, such as 30ms".to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|e| e.to_string())
}

/// A key may have colons itself: only digits after the last one are a load time.
fn model(text: &str) -> Result<Model, String> {
    let (key, time) = match text.rsplit_once(':') {
        Some((key, ms)) if !ms.is_empty() && ms.bytes().all(|b| b.is_ascii_digit()) => {
            (key, Duration::from_millis(ms.parse().map_err(|_| format!("{ms} milliseconds are too many"))?))
        }
        _ => (text, Duration::ZERO),
    };
    if key.is_empty() {
        return Err("a model needs a key, such as minimax-m2.1-gs32:30000".into());
    }
    Ok(Model::new(key).load_time(time))
}

fn size(text: &str) -> Result<(String, u64), String> {
    let (key, gigabytes) = text.rsplit_once('=').ok_or("write it like minimax-m2.1-gs32=138")?;
    let gigabytes: u64 = gigabytes.parse().map_err(|_| format!("{gigabytes} is no whole number of GB"))?;
    Ok((key.to_owned(), gigabytes.saturating_mul(1_000_000_000)))
}

fn rule(text: &str) -> Result<Rule, String> {
    let json = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Rule::from_json(json).map_err(|e| e.to_string())
}

fn load_at_start(options: &mut Options, keys: Vec<String>) {
    for key in keys {
        match options.models.iter_mut().find(|m| m.key == key) {
            Some(model) => *model = model.clone().loaded(),
            None => options.models.push(Model::new(key).loaded()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let (kind, options, common) = match Arguments::parse().server {
        Server::LmStudio { common, no_jit, ttl, no_evict, v0_only, no_websocket, loaded } => {
            let mut options = common.options();
            options.lm_studio = LmStudioOptions {
                jit: !no_jit,
                jit_ttl: (!ttl.is_zero()).then_some(ttl),
                auto_evict: !no_evict,
                v0_only,
                websocket: !no_websocket,
                ..LmStudioOptions::default()
            };
            load_at_start(&mut options, loaded);
            (Kind::LmStudio, options, common)
        }
        Server::Ollama { common, keep_alive, context, loaded } => {
            let mut options = common.options();
            options.ollama = OllamaOptions { keep_alive: (!keep_alive.is_zero()).then_some(keep_alive), context };
            load_at_start(&mut options, loaded);
            (Kind::Ollama, options, common)
        }
        Server::Google { common } => (Kind::Google, common.options(), common),
        Server::OpenAi { common } => (Kind::OpenAi, common.options(), common),
        Server::Anthropic { common } => (Kind::Anthropic, common.options(), common),
    };
    // Before the line is printed, or a signal that comes at once would end the process in the wrong way.
    let told_to_end = signals();
    let simulator = Simulator::start(kind, options).await?;
    for rule in common.faults {
        simulator.control().fault(rule);
    }
    let control = simulator.control_address().context("the control server has no address")?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "pilotlight-simulator {} http://{} control http://{control}", kind.name(), simulator.address())?;
    out.flush()?;
    drop(out);
    tokio::select! {
        () = told_to_end => {}
        () = parent_gone(), if common.exit_with_parent => {}
    }
    simulator.stop().await;
    Ok(())
}

/// Listens for signals from now on; ready when one has come.
#[cfg(unix)]
fn signals() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    // Where no handler can be set, the default action ends the process, which is what is wanted.
    let listen = |kind| signal(kind).ok();
    let mut signals = [listen(SignalKind::terminate()), listen(SignalKind::interrupt())];
    async fn next(signal: &mut Option<Signal>) {
        match signal {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
    async move {
        let [terminate, interrupt] = &mut signals;
        tokio::select! {
            () = next(terminate) => {}
            () = next(interrupt) => {}
        }
    }
}

/// Ready when ctrl-c was pressed.
#[cfg(not(unix))]
fn signals() -> impl Future<Output = ()> {
    async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}

async fn parent_gone() {
    let (gone, is_gone) = tokio::sync::oneshot::channel();
    // A thread of its own: a read of standard input cannot be called off, and must not hold up the end.
    std::thread::spawn(move || {
        // What is written to it does not matter; its end or an error does.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = gone.send(());
    });
    let _ = is_gone.await;
}
