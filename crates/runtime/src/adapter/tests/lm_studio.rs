//! LM Studio: its WebSocket, as the SDK speaks it, and its server on another port.

use std::path::PathBuf;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use pilotlight_simulator::{Kind, Model, Options, Simulator};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

use super::*;
use crate::adapter::{LoadFailureKind, News};
use crate::{Activity, Doing, KeepingWarm, Untold};

/// What the WebSocket answers.
#[derive(Clone, Default)]
struct Socket {
    loaded: Value,
    state: Option<Value>,
    /// Every message received.
    heard: Vec<Value>,
    /// Whether it closes on the next question.
    closes: bool,
    /// Whether it closes when it is asked for a load.
    mute: bool,
}

type Shared = Arc<Mutex<Socket>>;

/// A simulated LM Studio, with a WebSocket at the same address.
async fn lm_studio(simulator: &Simulator, socket: Shared) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let root = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let rest = simulator.address();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let socket = socket.clone();
            tokio::spawn(async move {
                let mut start = [0; 8];
                client.peek(&mut start).await.unwrap();
                if start.starts_with(b"GET /llm") || start.starts_with(b"GET /sys") {
                    speak(client, socket).await;
                } else {
                    let mut server = TcpStream::connect(rest).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    root
}

async fn speak(client: TcpStream, socket: Shared) {
    let mut stream = accept_async(client).await.unwrap();
    while let Some(Ok(Message::Text(text))) = stream.next().await {
        let message: Value = serde_json::from_str(&text).unwrap();
        let answer = {
            let mut socket = socket.lock().unwrap();
            socket.heard.push(message.clone());
            if socket.closes {
                return;
            }
            let result = |value: Value| json!({ "type": "rpcResult", "callId": message["callId"], "result": value });
            match message["endpoint"].as_str() {
                None => json!({ "success": true }),
                Some("version") => result(json!({ "version": "0.4.2", "build": 2 })),
                Some("listLoaded") => result(socket.loaded.clone()),
                Some("getInstanceProcessingState") => match &socket.state {
                    Some(state) => result(state.clone()),
                    None => {
                        json!({ "type": "rpcError", "callId": message["callId"], "error": { "title": "not found" } })
                    }
                },
                Some("loadModel") if socket.mute => return,
                Some("loadModel") => {
                    json!({ "type": "channelError", "channelId": message["channelId"], "error": { "title": "unknown" } })
                }
                Some(other) => panic!("{other}"),
            }
        };
        // Whatever else it may say is passed over.
        let aside = json!({ "type": "communicationWarning", "warning": "x" });
        if answer["type"] == "rpcResult" {
            stream.send(Message::text(aside.to_string())).await.unwrap();
        }
        stream.send(Message::text(answer.to_string())).await.unwrap();
    }
}

fn instance(ttl: Value) -> Value {
    let used = chrono::Utc::now().timestamp_millis() - 20_000;
    json!([{ "type": "llm", "identifier": "m", "modelKey": "m", "instanceReference": "r1", "ttlMs": ttl,
             "lastUsedTime": used, "contextLength": 4096 }])
}

async fn with_a_model(ttl: Value) -> (Simulator, Shared, Arc<dyn Adapter>) {
    let options = Options { models: vec![Model::new("m").loaded_just_in_time()], ..Options::default() };
    let simulator = Simulator::start(Kind::LmStudio, options).await.unwrap();
    let idle = json!({ "status": "idle", "queued": 0 });
    let socket = Arc::new(Mutex::new(Socket { loaded: instance(ttl), state: Some(idle), ..Socket::default() }));
    let root = lm_studio(&simulator, socket.clone()).await;
    let mut provider = provider(&root);
    provider.key = Some(Secret::new("sk-lm-abcdefgh:0123456789abcdefghij"));
    let adapter = ByAsking::new(vec![], None).connect(&provider).await.unwrap();
    assert_eq!(adapter.kind(), RuntimeKind::LmStudio);
    (simulator, socket, adapter)
}

async fn news(adapter: &dyn Adapter) -> News {
    timeout(Duration::from_secs(30), adapter.news()).await.expect("something is heard")
}

async fn next_activity(adapter: &dyn Adapter) -> Activity {
    loop {
        if let News::Activity { instance, activity } = news(adapter).await {
            assert_eq!(instance, "m");
            return activity;
        }
    }
}

#[tokio::test]
async fn its_websocket_tells_timer_last_use_and_what_it_does() {
    let (_simulator, socket, adapter) = with_a_model(json!(3_600_000)).await;
    assert_eq!(next_activity(&*adapter).await, Activity { doing: Doing::Idle, queued: 0 });
    let m = seen(&*adapter, "m").await;
    assert_eq!((m.presence, m.clock), (Presence::Loaded, Clock::After(Duration::from_secs(3600))));
    assert!(m.idle.is_some_and(|idle| (20..=26).contains(&idle.as_secs())), "{m:?}");
    assert_eq!(adapter.version().as_deref(), Some("0.4.2"));
    assert!(!adapter.capabilities().cannot_tell.contains(&Untold::LastUse));

    socket.lock().unwrap().state = Some(json!({ "status": "processingPrompt", "queued": 2 }));
    let began = std::time::Instant::now();
    assert_eq!(next_activity(&*adapter).await, Activity { doing: Doing::ReadingPrompt, queued: 2 });
    assert!(began.elapsed() < Duration::from_secs(4));
    assert!(seen(&*adapter, "m").await.idle.is_some_and(|idle| idle < Duration::from_secs(2)), "it is in use");

    let heard = socket.lock().unwrap().heard.clone();
    assert_eq!(
        heard[0],
        json!({ "authVersion": 1, "clientIdentifier": "abcdefgh", "clientPasskey": "0123456789abcdefghij" })
    );
    let list = heard.iter().find(|message| message["endpoint"] == "listLoaded").unwrap();
    assert!(list.get("parameter").is_none(), "{list}");
    let state = heard.iter().find(|message| message["endpoint"] == "getInstanceProcessingState").unwrap();
    assert_eq!(state["parameter"]["specifier"], json!({ "type": "instanceReference", "instanceReference": "r1" }));
    let lists = heard.iter().filter(|message| message["endpoint"] == "listLoaded").count();
    assert!(lists <= 2, "LM Studio writes a line to its log for each: {lists}");
}

#[tokio::test]
async fn an_instance_that_went_is_heard_within_a_second_or_so() {
    let (_simulator, socket, adapter) = with_a_model(Value::Null).await;
    next_activity(&*adapter).await;
    assert_eq!(seen(&*adapter, "m").await.clock, Clock::Never, "no timer: loaded explicitly");
    let began = std::time::Instant::now();
    {
        let mut socket = socket.lock().unwrap();
        socket.state = None;
        socket.loaded = json!([]);
    }
    assert_eq!(news(&*adapter).await, News::Changed);
    // Once a second it is asked; the rest is for a busy machine.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn without_its_websocket_all_else_is_known() {
    let (_simulator, socket, adapter) = with_a_model(Value::Null).await;
    next_activity(&*adapter).await;
    socket.lock().unwrap().closes = true;
    assert_eq!(news(&*adapter).await, News::Changed);
    let m = seen(&*adapter, "m").await;
    assert_eq!((m.presence, m.clock, m.activity), (Presence::Loaded, Clock::Untold, None));
    let can = adapter.capabilities();
    assert!(can.loads && can.keeping_warm == KeepingWarm::Free && can.cannot_tell.contains(&Untold::Activity));
    assert!(timeout(Duration::from_millis(300), adapter.news()).await.is_err(), "it is not missed");
}

fn loads(simulator: &Simulator) -> u32 {
    simulator.control().state().models[0].loads
}

#[tokio::test]
async fn without_loads_over_its_websocket_it_loads_over_rest() {
    for mute in [false, true] {
        let (simulator, socket, adapter) = with_a_model(Value::Null).await;
        next_activity(&*adapter).await;
        socket.lock().unwrap().mute = mute;
        let before = loads(&simulator);
        let order = || LoadOrder { key: "m".into(), context: Some(4096), embedding: false };
        let first = adapter.load(order()).await;
        if mute {
            // Whether that was begun nobody knows: whoever asked looks first.
            assert_eq!(first.unwrap_err().kind, LoadFailureKind::Passing);
            assert_eq!(loads(&simulator), before);
            assert!(adapter.load(order()).await.unwrap().stays);
        } else {
            assert!(first.unwrap().stays);
        }
        assert_eq!(loads(&simulator), before + 1);
        let asked = simulator.requests();
        assert_eq!(asked.iter().filter(|request| request.path == "/api/v1/models/load").count(), 1);
    }
}

struct Home(PathBuf);

impl Home {
    fn new(port: u16) -> Self {
        let folder = std::env::temp_dir().join(format!("pilotlight-home-{}-{port}", std::process::id()));
        std::fs::create_dir_all(folder.join(".lmstudio/.internal")).unwrap();
        let home = Self(folder);
        home.port(port);
        home
    }

    fn port(&self, port: u16) {
        let file = self.0.join(".lmstudio/.internal/http-server-config.json");
        std::fs::write(file, json!({ "port": port, "networkInterface": "127.0.0.1" }).to_string()).unwrap();
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn its_server_is_found_on_another_port_by_its_own_files() {
    let options = || Options { models: vec![Model::new("m")], ..Options::default() };
    let here = Simulator::start(Kind::LmStudio, options()).await.unwrap();
    let there = Simulator::start(Kind::LmStudio, options()).await.unwrap();
    let home = Home::new(there.address().port());
    let connect = ByAsking::new(vec![], Some(home.0.clone()));
    let root: Url = here.base_url().parse().unwrap();
    let adapter = connect.connect(&provider(&root)).await.unwrap();
    assert_eq!(adapter.moved_to(), None);

    here.control().die();
    let found = async {
        loop {
            // Its last connections are reset first.
            if let Ok(adapter) = connect.connect(&provider(&root)).await {
                return adapter;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let adapter = timeout(Duration::from_secs(30), found).await.unwrap();
    assert_eq!(adapter.moved_to().and_then(|root| root.port()), Some(there.address().port()));
    assert_eq!(seen(&*adapter, "m").await.presence, Presence::Absent);

    // A provider that never was LM Studio is not taken for it, and neither is a server that is none.
    let stranger = ByAsking::new(vec![], Some(home.0.clone()));
    assert!(stranger.connect(&provider(&root)).await.is_err());
    let other = Fake::start(|_, _| None).await;
    home.port(other.root.port().unwrap());
    assert!(connect.connect(&provider(&root)).await.is_err());
    let mut named = provider(&root);
    named.runtime = Some(RuntimeKind::LmStudio);
    home.port(there.address().port());
    assert!(stranger.connect(&named).await.is_ok(), "the settings say that it is LM Studio");
}

/// `lms load --identifier`, or a second instance: whichever way v0 lists it, a look at the state alone must not take it
/// for gone.
#[tokio::test]
async fn an_instance_with_a_name_of_its_own_stays_seen_between_two_full_looks() {
    for own in ["mine", "m:2"] {
        for listed in [true, false] {
            let fake = Fake::start(move |asked, _| match asked {
                "GET /lmstudio-greeting" => Some((200, json!({ "lmstudio": true }))),
                "GET /api/v0/models" if listed => Some((
                    200,
                    json!({ "data": [{ "id": "m", "state": "not-loaded" }, { "id": own, "state": "loaded" }] }),
                )),
                "GET /api/v0/models" => Some((200, json!({ "data": [{ "id": "m", "state": "not-loaded" }] }))),
                "GET /api/v1/models" => Some((
                    200,
                    json!({ "models": [{ "key": "m", "loaded_instances": [{ "id": own, "config": { "context_length": 4096 } }] }] }),
                )),
                _ => None,
            })
            .await;
            let adapter = fake.adapter().await;
            for depth in [Depth::Full, Depth::State, Depth::State] {
                let seen = adapter.look(depth).await.unwrap().find("m").unwrap();
                assert!(seen.presence.occupies(), "{own}, listed {listed}: {depth:?}");
                assert_eq!((seen.instances, seen.context), (vec![own.to_owned()], Some(4096)));
            }
        }
    }
}
