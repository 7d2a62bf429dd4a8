//! The configuration and the settings of the demonstration.

use std::fs;
use std::io;
use std::path::Path;

use pilotlight_config::Home;

use crate::output::Failure;

/// Writes both.
pub(crate) fn write(home: &Home, config: &Path, local: &str, hosted: &str) -> Result<(), Failure> {
    fs::create_dir_all(home.folder()).map_err(failed("the demonstration's folder"))?;
    fs::write(config, configuration(local, hosted)).map_err(failed("the demonstration's configuration"))?;
    fs::write(home.settings_file(), settings()).map_err(failed("the demonstration's settings"))
}

/// An error of making `what`.
pub(crate) fn failed(what: &str) -> impl Fn(io::Error) -> Failure {
    let what = what.to_owned();
    move |error| Failure::new("demo", format!("{what} could not be made: {error}"))
}

fn configuration(local: &str, hosted: &str) -> String {
    format!(
        r#"// The demonstration's configuration, of the same shape as OpenClaw's.
{{
  agents: {{
    defaults: {{
      model: {{
        primary: "lmstudio/minimax-m2.1-gs32", // on this machine
        fallbacks: ["hosted/sonnet-simulated"], // answers while that one loads
      }},
      models: {{
        "lmstudio/minimax-m2.1-gs32": {{ alias: "MiniMax" }},
        "lmstudio/qwen3-8b": {{ alias: "Qwen" }},
        "hosted/sonnet-simulated": {{ alias: "Sonnet" }},
      }},
    }},
  }},
  models: {{
    mode: "merge",
    providers: {{
      lmstudio: {{
        baseUrl: "{local}",
        apiKey: "lmstudio",
        api: "openai-responses",
        models: [
          {{
            id: "minimax-m2.1-gs32",
            name: "MiniMax M2.1 GS32",
            reasoning: false,
            input: ["text"],
            cost: {{ input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }},
            contextWindow: 196608,
            maxTokens: 8192,
          }},
          {{
            id: "qwen3-8b",
            name: "Qwen3 8B",
            reasoning: false,
            input: ["text"],
            cost: {{ input: 0, output: 0, cacheRead: 0, cacheWrite: 0 }},
            contextWindow: 40960,
            maxTokens: 8192,
          }},
        ],
      }},
      hosted: {{
        baseUrl: "{hosted}",
        apiKey: "not-a-key",
        api: "openai-responses",
        models: [
          {{
            id: "sonnet-simulated",
            name: "Sonnet (simulated)",
            reasoning: false,
            input: ["text"],
            cost: {{ input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 }},
            contextWindow: 200000,
            maxTokens: 8192,
          }},
        ],
      }},
    }},
  }},
}}
"#
    )
}

fn settings() -> String {
    r#"// The demonstration's settings. The hosted provider is simulated on this machine, so its address would tell
// the wrong thing; and any free port will do.
{
  listen: "127.0.0.1:0",
  providers: { hosted: { location: "hosted", region: "us" } },
  keeper: { poll: "1s" }, // the simulator keeps no log that this would fill
}
"#
    .to_owned()
}
