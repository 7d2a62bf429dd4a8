//! Real servers for tests: processes on loopback that end with the test, and a keeper over one of them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, dead_code)]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pilotlight_runtime::{
    KeepWarm, Keeper, KeeperOptions, LocalModel, Occurrence, Plan, RuntimeStatus, Warmth, WatchedModel, WatchedProvider,
};
use pilotlight_wire::{ModelRef, Secret};
use tokio::sync::{broadcast, watch};
use tokio::time::{sleep, timeout};

/// The most that a person waits for the truth.
pub const SEEN: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(120);

/// What `make test-runtimes` found; where it found nothing, the test says so and ends.
pub fn given(name: &str, what: &str) -> Option<PathBuf> {
    let found = std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if found.is_none() {
        eprintln!("skipped: no {what} here ({name} is not set; `make test-runtimes` sets it)");
    }
    found
}

/// A process that ends with the test, with its children.
pub struct Server {
    child: Child,
    pub port: u16,
    log: PathBuf,
}

impl Server {
    /// Starts `program`; `{port}` in an argument is a free port.
    pub fn start(program: &PathBuf, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_on(free_port(), program, arguments, environment)
    }

    pub fn start_on(port: u16, program: &PathBuf, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let log = std::env::temp_dir().join(format!("pilotlight-{}-{port}.log", std::process::id()));
        let output = std::fs::File::create(&log).unwrap();
        let child = Command::new(program)
            .args(arguments.iter().map(|argument| argument.replace("{port}", &port.to_string())))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        Self { child, port, log }
    }

    pub fn root(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The processes that it started.
    pub fn children(&self) -> Vec<String> {
        let listed = Command::new("pgrep").args(["-P", &self.child.id().to_string()]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
    }

    /// Whether its output holds this.
    pub fn said(&self, text: &str) -> bool {
        std::fs::read_to_string(&self.log).unwrap_or_default().contains(text)
    }

    pub async fn get(&self, path: &str) -> serde_json::Value {
        let answer = client().get(format!("{}/{path}", self.root())).send().await;
        match answer {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => serde_json::Value::Null,
        }
    }

    pub async fn post(&self, path: &str, body: serde_json::Value) -> (u16, serde_json::Value) {
        let answer = client().post(format!("{}/{path}", self.root())).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Asked to end, it ends its children too.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        }
        for _ in 0..100 {
            if self.child.try_wait().is_ok_and(|ended| ended.is_some()) {
                break;
            }
            #[expect(clippy::disallowed_methods, reason = "a drop cannot wait otherwise")]
            std::thread::sleep(Duration::from_millis(50));
        }
        self.kill();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(&self.log).unwrap_or_default();
            let last: Vec<_> = log.lines().rev().take(15).collect();
            eprintln!("the server's last words:\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        let _ = std::fs::remove_file(&self.log);
    }
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn signal(pid: &str, signal: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
}

/// A keeper over one model of one server.
pub struct Scene {
    pub keeper: Keeper,
    pub heard: broadcast::Receiver<Occurrence>,
    plan: watch::Sender<Arc<Plan>>,
}

pub fn name() -> ModelRef {
    "real/m".parse().unwrap()
}

fn plan(root: &str, id: &str, keep_warm: bool, key: Option<&str>) -> Arc<Plan> {
    let keep_warm = if keep_warm { KeepWarm::Always } else { KeepWarm::No };
    let watched =
        WatchedModel { model: name(), upstream_id: id.into(), context: None, keep_warm, title: "the model".into() };
    let provider = WatchedProvider {
        id: "real".into(),
        root: root.parse().unwrap(),
        key: key.map(Secret::new),
        runtime: None,
        models: vec![watched],
    };
    Arc::new(Plan { providers: vec![provider], ..Plan::default() })
}

impl Scene {
    pub fn new(root: &str, id: &str, keep_warm: bool, key: Option<&str>) -> Self {
        let (sender, plans) = watch::channel(plan(root, id, keep_warm, key));
        let keeper = Keeper::spawn_with(plans, KeeperOptions::default());
        Self { heard: keeper.occurrences(), keeper, plan: sender }
    }

    pub fn keep_warm(&self, root: &str, id: &str, keep_warm: bool) {
        self.plan.send_replace(plan(root, id, keep_warm, None));
    }

    pub fn model(&self) -> LocalModel {
        self.keeper.state().borrow().models[&name()].clone()
    }

    pub fn runtime(&self) -> RuntimeStatus {
        self.keeper.state().borrow().runtimes["real"].clone()
    }

    /// Waits, and says how long it took.
    pub async fn until(&self, what: &str, is: impl Fn(&LocalModel) -> bool) -> Duration {
        let began = Instant::now();
        let mut state = self.keeper.state();
        let seen = timeout(PATIENCE, state.wait_for(|state| is(&state.models[&name()]))).await;
        assert!(seen.is_ok(), "never {what}: {:?}", self.model());
        eprintln!("  {what} after {:.2} s", began.elapsed().as_secs_f64());
        began.elapsed()
    }

    pub async fn warm(&self) -> Duration {
        self.until("warm", |model| matches!(model.state, Warmth::Warm { .. })).await
    }

    pub async fn next(&mut self) -> Occurrence {
        let said = timeout(PATIENCE, self.heard.recv()).await.expect("something is said").unwrap();
        eprintln!("  said: {said:?}");
        said
    }

    /// Everything that was said is past.
    pub fn forget(&mut self) {
        self.heard = self.keeper.occurrences();
    }

    /// The same, with what is said of a load that is over.
    pub async fn forget_until_loaded(&mut self) {
        while !matches!(self.next().await, Occurrence::Loaded { .. }) {}
        self.forget();
    }

    pub async fn until_reachable(&self) -> RuntimeStatus {
        let mut state = self.keeper.state();
        let up = state.wait_for(|state| state.runtimes["real"].reachable);
        timeout(PATIENCE, up).await.expect("it answers").unwrap().runtimes["real"].clone()
    }
}

/// Waits until a question has this answer, and says when that was.
pub async fn when<T: PartialEq>(ask: impl AsyncFn() -> T, answer: T) -> Instant {
    let began = Instant::now();
    while ask().await != answer {
        assert!(began.elapsed() < PATIENCE, "never answered so");
        sleep(Duration::from_millis(20)).await;
    }
    Instant::now()
}
