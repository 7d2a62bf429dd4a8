//! A local machine that cannot be reached for a while, and a server that comes back elsewhere, with the real programs:
//! each is served again by itself.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{HOSTED_KEY, SETTINGS, Setup, SimulatorProcess, configuration};

const LOCAL: &str = "lmstudio/minimax-m2.1-gs32";

fn kind(state: &Value) -> &str {
    state["models"][0]["state"]["kind"].as_str().unwrap_or_default()
}

fn studio() -> SimulatorProcess {
    SimulatorProcess::start(&["lmstudio", "--model", "minimax-m2.1-gs32:300"])
}

/// Who answers a request for `primary`, and after how long.
async fn answers(serving: &support::Serving) -> (String, Duration) {
    let began = Instant::now();
    let answer = serving.stream(&reqwest::Client::new(), "primary").await;
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    let who = answer.headers()["x-pilotlight-model"].to_str().unwrap().to_owned();
    let text = support::text(&support::events(&answer.text().await.unwrap()));
    assert!(!text.is_empty());
    (who, began.elapsed())
}

fn told(state: &Value, kind: &str) -> usize {
    state["notices"].as_array().unwrap().iter().filter(|notice| notice["kind"] == kind).count()
}

/// As the port of its server stands in LM Studio's own files.
fn note_port(home: &Path, address: &str) {
    let folder = home.join(".lmstudio/.internal");
    std::fs::create_dir_all(&folder).unwrap();
    let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let noted = json!({ "port": port, "networkInterface": "127.0.0.1" });
    std::fs::write(folder.join("http-server-config.json"), noted.to_string()).unwrap();
}

#[tokio::test]
async fn a_machine_whose_network_drops_is_stood_in_for_and_serves_again_by_itself() {
    let local = studio();
    let hosted = SimulatorProcess::start(&["openai", "--key", HOSTED_KEY]);
    let setup = Setup::new(&configuration(&local.address, Some(&hosted.address)), SETTINGS);
    let serving = setup.serve();
    setup.wait_for("the load", |state| kind(state) == "warm");
    assert_eq!(answers(&serving).await.0, LOCAL);

    // Nothing comes back from it, not even that a connection is refused.
    local.signal("-STOP");
    let state = setup.wait_for("its absence", |state| kind(state) == "unreachable");
    assert_eq!(state["light"], "hosted", "{}", state["status"]);
    let (who, after) = answers(&serving).await;
    assert_eq!(who, "hosted/sonnet");
    // Asked in spite of what is known, the one that is away would be waited for over a minute.
    assert!(after < Duration::from_secs(10), "{after:?}");

    local.signal("-CONT");
    let state = setup.wait_for("its return", |state| kind(state) == "warm");
    assert_eq!((told(&state, "unloaded"), told(&state, "back")), (1, 1), "{}", state["notices"]);
    assert_eq!(answers(&serving).await.0, LOCAL);
    let seen: Value = reqwest::get(format!("{}/_sim/state", local.control)).await.unwrap().json().await.unwrap();
    assert_eq!(seen["models"][0]["loads"], 1, "it was in memory all the time");
}

#[tokio::test]
async fn an_lm_studio_that_comes_back_on_another_port_is_found_and_asked_there() {
    let mut first = studio();
    let setup = Setup::new(&configuration(&first.address, None), SETTINGS);
    note_port(setup.user_home(), &first.address);
    let serving = setup.serve();
    setup.wait_for("the load", |state| kind(state) == "warm");
    assert_eq!(answers(&serving).await.0, LOCAL);

    first.kill();
    setup.wait_for("its absence", |state| kind(state) == "unreachable");
    let second = studio();
    assert_ne!(first.address, second.address);
    note_port(setup.user_home(), &second.address);
    let state = setup.wait_for("its return", |state| kind(state) == "warm");
    assert_eq!(state["runtimes"][0]["address"], format!("{}/", second.address));
    assert_eq!(answers(&serving).await.0, LOCAL, "the request went to the new port");
    let listed = String::from_utf8(setup.run(&["runtime", "list"]).stdout).unwrap();
    assert!(listed.contains(&second.address), "{listed}");
    // The server is back, and then the model, which it had to load.
    assert_eq!((told(&state, "unloaded"), told(&state, "back")), (1, 2), "{}", state["notices"]);
}
