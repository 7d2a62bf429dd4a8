//! Who is measured: each with the process it runs in, where it listens, and how it is asked.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Ask;
use crate::process::{Process, free_port};

/// One that is measured.
pub struct Contestant {
    /// As in the table.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// None for the upstream itself. Several names of ours share one process.
    pub process: Option<Rc<Process>>,
    prefix: &'static str,
    suffix: &'static str,
    headers: HeaderMap,
}

/// What the upstream is told to do, by its model's name.
#[derive(Clone, Copy)]
pub enum Load {
    /// A whole answer.
    Whole,
    /// A stream without pauses.
    Burst,
    /// A stream with pauses of [`crate::mock::PACE`].
    Paced,
    /// A stream with pauses of [`crate::mock::SLOW_PACE`].
    Slow,
}

impl Contestant {
    /// A Chat request of some 2 kB, as an agent sends in its second turn.
    pub fn ask(&self, load: Load) -> Ask {
        let (name, streams) = match load {
            Load::Whole => ("plain", false),
            Load::Burst => ("burst", true),
            Load::Paced => ("paced", true),
            Load::Slow => ("slow", true),
        };
        let system = "You are careful, and brief. ".repeat(40);
        let body = json!({
            "model": format!("{}{name}{}", self.prefix, self.suffix),
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": "What is a pilot light? Answer in two sentences."},
                {"role": "assistant", "content": "A small flame. It is always on."},
                {"role": "user", "content": "And why \"always\"? It costs gas, doesn't it? Say more, please."},
            ],
            "temperature": 0.2,
            "max_tokens": 400,
            "stream": streams,
        });
        let body = Bytes::from(body.to_string());
        Ask { path: "/v1/chat/completions", headers: self.headers.clone(), body, streams }
    }
}

/// Everybody who could be started, and why the others could not.
pub struct Field {
    /// The first is the upstream itself, asked directly.
    pub contestants: Vec<Contestant>,
    /// Who is missing, and why.
    pub skipped: Vec<String>,
    _folder: TempDir,
    _upstream: Process,
}

/// Where the other programs are.
pub struct Programs {
    /// `pilotlight`, built for release.
    pub pilotlight: PathBuf,
    /// `litellm`, in its virtual environment.
    pub litellm: Option<PathBuf>,
    /// Portkey's `build/start-server.js`.
    pub portkey: Option<PathBuf>,
}

/// Starts everybody. Each is given one core's worth of threads.
pub async fn start(programs: &Programs) -> Result<Field> {
    let folder = tempfile::tempdir()?;
    let own = std::env::current_exe()?;
    let (upstream, at) = Process::with_first_line(Command::new(&own).arg("mock"))?;
    let at: SocketAddr = at.trim().parse().context("the upstream's address")?;
    let mut contestants = vec![Contestant {
        name: "direct",
        address: at,
        process: None,
        prefix: "",
        suffix: "",
        headers: HeaderMap::new(),
    }];

    let (process, line) = Process::with_first_line(Command::new(&own).args(["bare", "--upstream", &at.to_string()]))?;
    contestants.push(Contestant {
        name: BARE,
        address: line.trim().parse().context("the bare proxy's address")?,
        process: Some(Rc::new(process)),
        prefix: "chat/",
        suffix: "",
        headers: HeaderMap::new(),
    });
    contestants.extend(pilotlight(&programs.pilotlight, folder.path(), at)?);
    let mut skipped = Vec::new();
    match nginx(folder.path(), at).await {
        Ok(nginx) => contestants.push(nginx),
        Err(error) => skipped.push(format!("nginx: {error:#}")),
    }
    match &programs.litellm {
        Some(program) => match litellm(program, folder.path(), at).await {
            Ok(litellm) => contestants.push(litellm),
            Err(error) => skipped.push(format!("LiteLLM: {error:#}")),
        },
        None => skipped.push("LiteLLM: not asked for (PEERS=1)".to_owned()),
    }
    match &programs.portkey {
        Some(program) => match portkey(program, at).await {
            Ok(portkey) => contestants.push(portkey),
            Err(error) => skipped.push(format!("Portkey: {error:#}")),
        },
        None => skipped.push("Portkey: not asked for (PEERS=1)".to_owned()),
    }
    Ok(Field { contestants, skipped, _folder: folder, _upstream: upstream })
}

/// The bare proxy's name.
pub const BARE: &str = "bare hyper";
/// Pilot Light's where both sides speak the same API.
pub const PASSING: &str = "pass-through";

/// Pilot Light as it is started by a person, with a token, and its three ways from a Chat client.
fn pilotlight(program: &Path, folder: &Path, upstream: SocketAddr) -> Result<Vec<Contestant>> {
    let home = folder.join("pilotlight");
    fs::create_dir_all(&home)?;
    // Models of the same name on several local servers would serve as one pool.
    let provider = |api: &str, base: String| {
        let models = ["plain", "burst", "paced", "slow"].map(|load| format!("{load}-{api}"));
        let models: Vec<Value> = models.iter().map(|id| json!({"id": id, "name": id})).collect();
        json!({"baseUrl": base, "api": api, "apiKey": "k", "models": models})
    };
    let config = json!({
        "models": {"providers": {
            "chat": provider("openai-completions", format!("http://{upstream}/v1")),
            "responses": provider("openai-responses", format!("http://{upstream}/v1")),
            "messages": provider("anthropic-messages", format!("http://{upstream}")),
        }},
        "agents": {"defaults": {"model": {"primary": "chat/plain-openai-completions", "fallbacks": ["messages/plain-anthropic-messages"]}}},
    });
    let config_file = folder.join("openclaw.json");
    fs::write(&config_file, config.to_string())?;
    fs::write(home.join("settings.json5"), "{ access: { maxRequests: 4096 } }")?;
    let command = |arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).env("HOME", folder).env("PILOTLIGHT_HOME", &home);
        command.env("OPENCLAW_CONFIG_PATH", &config_file);
        command
    };
    let (process, line) = Process::with_first_line(&mut command(&["serve", "--listen", "127.0.0.1:0"]))?;
    let process = Rc::new(process);
    let endpoint = line.split_whitespace().nth(2).context("the endpoint")?;
    let address = endpoint.trim_start_matches("http://").split('/').next().unwrap_or_default().parse()?;
    let token = String::from_utf8(command(&["token"]).output()?.stdout)?;
    let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.trim()))?;
    bearer.set_sensitive(true);
    let one = |name, prefix, suffix| Contestant {
        name,
        address,
        process: Some(process.clone()),
        prefix,
        suffix,
        headers: HeaderMap::from_iter([(http::header::AUTHORIZATION, bearer.clone())]),
    };
    Ok(vec![
        one(PASSING, "chat/", "-openai-completions"),
        one("to Responses", "responses/", "-openai-responses"),
        one("to Messages", "messages/", "-anthropic-messages"),
    ])
}

/// A plain reverse proxy that keeps its connections and buffers nothing.
async fn nginx(folder: &Path, upstream: SocketAddr) -> Result<Contestant> {
    let port = free_port()?;
    let folder = folder.join("nginx");
    fs::create_dir_all(&folder)?;
    let paths =
        ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {kind};")).join(" ");
    let text = format!(
        "daemon off; master_process off; pid nginx.pid; error_log error.log;
        events {{ worker_connections 16384; }}
        http {{
            access_log off; {paths}
            keepalive_requests 1000000; client_body_buffer_size 1m;
            upstream mock {{ server {upstream}; keepalive 256; keepalive_requests 1000000; }}
            server {{
                listen 127.0.0.1:{port} backlog=4096; tcp_nodelay on;
                location / {{
                    proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection \"\";
                    proxy_buffering off; proxy_read_timeout 600s;
                }}
            }}
        }}"
    );
    fs::write(folder.join("nginx.conf"), text)?;
    let mut command = Command::new("nginx");
    command.arg("-p").arg(&folder).args(["-c", "nginx.conf", "-e", "error.log"]).stderr(Stdio::null());
    listening("nginx", Process::start(&mut command)?, port, "").await
}

async fn litellm(program: &Path, folder: &Path, upstream: SocketAddr) -> Result<Contestant> {
    let port = free_port()?;
    let models: Vec<Value> = ["plain", "burst", "paced", "slow"]
        .map(|name| {
            let parameters =
                json!({"model": format!("openai/{name}"), "api_base": format!("http://{upstream}/v1"), "api_key": "k"});
            json!({"model_name": name, "litellm_params": parameters})
        })
        .to_vec();
    let file = folder.join("litellm.yaml");
    // YAML reads JSON.
    fs::write(&file, json!({"model_list": models}).to_string())?;
    let mut command = Command::new(program);
    command.arg("--config").arg(&file).args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    command.env("HOME", folder).env("LITELLM_LOCAL_MODEL_COST_MAP", "True").env("LITELLM_LOG", "ERROR");
    // Without a key of its own it does not start otherwise.
    command.env("LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY", "true");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    listening("LiteLLM", Process::start(&mut command)?, port, "").await
}

async fn portkey(program: &Path, upstream: SocketAddr) -> Result<Contestant> {
    let port = free_port()?;
    let mut command = Command::new("node");
    command.arg(program).arg(format!("--port={port}")).arg("--headless");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut portkey = listening("Portkey", Process::start(&mut command)?, port, "").await?;
    for (name, value) in [
        ("x-portkey-provider", "openai".to_owned()),
        ("x-portkey-custom-host", format!("http://{upstream}/v1")),
        ("authorization", "Bearer k".to_owned()),
    ] {
        portkey.headers.insert(HeaderName::from_static(name), value.parse()?);
    }
    Ok(portkey)
}

async fn listening(name: &'static str, mut process: Process, port: u16, prefix: &'static str) -> Result<Contestant> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    process.listens(address, Duration::from_secs(90)).await?;
    Ok(Contestant { name, address, process: Some(Rc::new(process)), prefix, suffix: "", headers: HeaderMap::new() })
}
