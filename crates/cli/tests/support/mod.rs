//! What the end-to-end tests start: the real programs, each in a folder of its own, on ports that the kernel chooses.
//! Everything started here ends with its handle.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub const PILOTLIGHT: &str = env!("CARGO_BIN_EXE_pilotlight");

/// The key that the hosted provider asks for; the configuration names it by its variable.
pub const HOSTED_KEY: &str = "key-of-the-test";

/// A simulated server in a process of its own, so that it can be killed.
pub struct SimulatorProcess {
    child: Child,
    /// `http://127.0.0.1:PORT`
    pub address: String,
    /// `http://127.0.0.1:PORT`, where faults are switched.
    pub control: String,
}

impl SimulatorProcess {
    /// Starts `pilotlight-simulator` with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        let program =
            Path::new(PILOTLIGHT).with_file_name(format!("pilotlight-simulator{}", std::env::consts::EXE_SUFFIX));
        assert!(program.is_file(), "{} is missing: cargo build -p pilotlight-simulator", program.display());
        let mut child = Command::new(program)
            .args(arguments)
            .args(["--control", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let line = first_line(&mut child);
        let words: Vec<_> = line.split_whitespace().collect();
        let [_, _, address, "control", control] = words[..] else { panic!("unexpected first line: {line:?}") };
        Self { address: address.to_owned(), control: control.to_owned(), child }
    }

    /// Sends it a signal, such as `-STOP`.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// Ends it as `kill -9` does.
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it was ours");
    }
}

impl Drop for SimulatorProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder with a configuration and settings, and the commands run on it.
pub struct Setup {
    folder: TempDir,
}

impl Setup {
    /// Writes both files.
    pub fn new(config: &str, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let setup = Self { folder };
        fs::create_dir_all(setup.home()).expect("a folder");
        fs::write(setup.config(), config).expect("a file");
        fs::write(setup.home().join("settings.json5"), settings).expect("a file");
        setup
    }

    /// Pilot Light's folder.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// The user's home folder.
    pub fn user_home(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("openclaw.json")
    }

    /// `pilotlight`, in this folder's environment and no other.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PILOTLIGHT);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("PILOTLIGHT_HOME", self.home())
            .env("OPENCLAW_CONFIG_PATH", self.config())
            .env("HOSTED_KEY_OF_THE_TEST", HOSTED_KEY);
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("pilotlight runs")
    }

    /// Runs a command that must succeed, and reads the JSON it prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Starts `pilotlight serve` and waits for its line.
    pub fn serve(&self) -> Serving {
        let mut child = self
            .command(&["serve", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("pilotlight runs");
        let line = first_line(&mut child);
        let endpoint = line.split_whitespace().nth(2).unwrap_or_else(|| panic!("unexpected first line: {line:?}"));
        let token = String::from_utf8(self.run(&["token"]).stdout).expect("text").trim().to_owned();
        assert!(!token.is_empty(), "a token is made");
        Serving { endpoint: endpoint.to_owned(), token, child }
    }

    /// Waits until `pilotlight status --json` fits.
    pub fn wait_for(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + Duration::from_secs(30);
        loop {
            let state = self.json(&["status", "--json"]);
            if fits(&state) {
                return state;
            }
            assert!(Instant::now() < give_up, "waited in vain for {what}: {state:#}");
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }
}

/// A running `pilotlight serve`.
pub struct Serving {
    child: Child,
    /// The base URL that clients are given.
    pub endpoint: String,
    /// The token that clients send.
    pub token: String,
}

impl Serving {
    /// A streamed Responses request for a model.
    pub async fn stream(&self, client: &reqwest::Client, model: &str) -> reqwest::Response {
        client
            .post(format!("{}/responses", self.endpoint))
            .bearer_auth(&self.token)
            .json(&serde_json::json!({ "model": model, "stream": true, "input": "Who are you?" }))
            .send()
            .await
            .expect("an answer")
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and gives its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill runs");
        assert!(asked.success());
        self.child.wait().expect("it was ours").code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first line that a program prints.
fn first_line(child: &mut Child) -> String {
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
    line
}

/// The data of each event in a body, and how each line that is not data begins.
pub fn events(body: &str) -> Vec<Value> {
    body.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap_or_else(|_| Value::String(data.to_owned())))
        .collect()
}

/// The text that a Responses stream gave.
pub fn text(events: &[Value]) -> String {
    events
        .iter()
        .filter(|event| event["type"] == "response.output_text.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect()
}

/// A commented configuration: a local model on an LM Studio, and a hosted one behind it where there is one.
pub fn configuration(local: &str, hosted: Option<&str>) -> String {
    let fallbacks = if hosted.is_some() { r#"["hosted/sonnet"]"# } else { "[]" };
    let hosted = hosted.map_or_else(String::new, |address| {
        format!(
            r#"
      hosted: {{
        baseUrl: "{address}/v1", apiKey: "${{HOSTED_KEY_OF_THE_TEST}}", api: 'openai-responses',
        models: [{{ id: "sonnet", name: "Sonnet", contextWindow: 200000, maxTokens: 8192,
                   cost: {{ input: 3, output: 15, cacheRead: 0.3, cacheWrite: 3.75 }} }}],
      }},"#
        )
    });
    format!(
        r#"// our machines
{{
  agents: {{ defaults: {{
    model: {{
      primary: 'lmstudio/minimax-m2.1-gs32', // the big one
      fallbacks: {fallbacks}, /* paid */
    }},
    models: {{
      "lmstudio/minimax-m2.1-gs32": {{ alias: "MiniMax" }},
      "lmstudio/qwen3-8b": {{ alias: "Qwen" }},
    }},
  }} }},
  models: {{
    mode: "merge",
    providers: {{
      lmstudio: {{
        baseUrl: "{local}/v1", apiKey: "lmstudio", api: "openai-responses",
        models: [
          {{ id: "minimax-m2.1-gs32", name: "MiniMax M2.1 GS32", contextWindow: 196608, maxTokens: 8192 }},
          {{ id: "qwen3-8b", name: "Qwen3 8B", contextWindow: 40960, maxTokens: 8192 }}, // small
        ],
      }},{hosted}
    }},
  }},
}}
"#
    )
}

/// Settings under which the simulated hosted provider counts as hosted, and the simulated local one is asked often.
pub const SETTINGS: &str = r#"{ providers: { hosted: { location: "hosted" } }, keeper: { poll: "1s" } }"#;
