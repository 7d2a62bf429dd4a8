//! Ollama, vLLM, LiteLLM and the plain server.

use super::*;
use crate::adapter::{LoadFailureKind, LookFailure, News};
use crate::{Cause, KeepingWarm, Untold};

fn ollama(asked: &str, body: &Value, running: &Value) -> Option<(u16, Value)> {
    let line = |name: &str| json!({ "name": name, "model": name, "size": 5_200, "details": { "quantization_level": "Q4_K_M" } });
    Some((
        200,
        match asked {
            "GET /api/version" => json!({ "version": "0.12.6" }),
            "GET /api/tags" => json!({ "models": [line("qwen3:latest"), line("minimax:8b"), line("embed:latest")] }),
            "GET /api/ps" => json!({ "models": running }),
            "POST /api/show" if body["model"] == "embed" => json!({ "capabilities": ["embedding"] }),
            "POST /api/show" if body["model"] == "gone" => {
                return Some((404, json!({ "error": "model 'gone' not found" })));
            }
            "POST /api/show" => json!({ "capabilities": ["completion", "tools"] }),
            "POST /api/generate" => json!({ "model": body["model"], "done": true, "done_reason": "load" }),
            "POST /api/create" => json!({ "status": "success" }),
            "POST /api/embed" => json!({ "model": body["model"], "embeddings": [[0.0]] }),
            _ => return None,
        },
    ))
}

fn running(name: &str, expires: &str) -> Value {
    json!([{ "name": name, "model": name, "size": 9_000, "size_vram": 9_000, "expires_at": expires, "context_length": 4096,
             "details": { "quantization_level": "Q4_K_M" } }])
}

#[tokio::test]
async fn ollama_tells_what_is_in_memory_and_for_how_long() {
    let soon = chrono::Utc::now() + chrono::Duration::seconds(240);
    let soon = running("qwen3:latest", &soon.to_rfc3339());
    let fake = Fake::start(move |asked, body| ollama(asked, body, &soon)).await;
    let adapter = fake.adapter().await;
    let warm = seen(&*adapter, "qwen3").await;
    assert_eq!((warm.presence, warm.context, warm.size_bytes), (Presence::Instance, Some(4096), Some(5_200)));
    assert_eq!(
        (warm.quantization.as_deref(), warm.instances.as_slice()),
        (Some("Q4_K_M"), &["qwen3:latest".into()][..])
    );
    assert!(warm.left.is_some_and(|left| (235..=240).contains(&left.as_secs())), "{warm:?}");
    assert_eq!(seen(&*adapter, "qwen3:latest").await.presence, Presence::Instance);
    // A tag is another model.
    assert_eq!(seen(&*adapter, "minimax:8b").await.presence, Presence::Absent);
    assert_eq!(adapter.look(Depth::Full).await.unwrap().find("minimax"), None);
    let tags = fake.sent("GET /api/tags").len();
    assert_eq!(adapter.look(Depth::State).await.unwrap().find("minimax:8b").unwrap().presence, Presence::Absent);
    assert_eq!(fake.sent("GET /api/tags").len(), tags, "what is on disk is not asked for each time");

    // Kept for good: an end in the twenty-fourth century.
    let forever = running("qwen3:latest", "2318-02-11T12:20:54.763246+01:00");
    fake.answers(move |asked, body| ollama(asked, body, &forever));
    let kept = seen(&*adapter, "qwen3").await;
    assert_eq!((kept.clock, kept.left), (Clock::Never, None));
    // Still loading.
    let loading = running("qwen3:latest", "0001-01-01T00:00:00Z");
    fake.answers(move |asked, body| ollama(asked, body, &loading));
    assert_eq!((seen(&*adapter, "qwen3").await.clock, seen(&*adapter, "qwen3").await.left), (Clock::Untold, None));
}

#[tokio::test]
async fn ollama_loads_for_good_and_never_with_a_context_that_requests_would_undo() {
    let fake = Fake::start(|asked, body| ollama(asked, body, &json!([]))).await;
    let adapter = fake.adapter().await;
    adapter.load(order("qwen3")).await.unwrap();
    assert_eq!(fake.sent("POST /api/generate"), [json!({ "model": "qwen3", "keep_alive": -1, "stream": false })]);
    adapter.unload("qwen3:latest".into()).await.unwrap();
    let last = fake.sent("POST /api/generate").pop().unwrap();
    assert_eq!(last, json!({ "model": "qwen3:latest", "keep_alive": 0, "stream": false }));
    adapter.set_context("qwen3:latest".into(), 40_960).await.unwrap();
    let made = json!({ "model": "qwen3:latest", "from": "qwen3:latest", "parameters": { "num_ctx": 40_960 }, "stream": false });
    assert_eq!(fake.sent("POST /api/create"), [made], "from itself, so that the rest of it stays");
    adapter.load(order("embed")).await.unwrap();
    assert_eq!(fake.sent("POST /api/embed"), [json!({ "model": "embed", "input": ".", "keep_alive": -1 })]);
    let missing = adapter.load(order("gone")).await.unwrap_err();
    assert_eq!(missing.kind, LoadFailureKind::Missing, "{missing:?}");
    let can = adapter.capabilities();
    assert!(can.loads && can.unloads && !can.load_context && can.keeping_warm == KeepingWarm::Free);
    assert!(can.cannot_tell.contains(&Untold::Crash));
    // Short of memory, or one that crashes: not tried again every few seconds.
    for (said, kind) in [
        ("model requires more system memory (9 GiB) than is available (2 GiB)", LoadFailureKind::Lasting),
        ("llama runner process has terminated: signal: killed", LoadFailureKind::Lasting),
        ("server busy, please try again. maximum pending requests exceeded", LoadFailureKind::Passing),
    ] {
        fake.answers(move |asked, body| match asked {
            "POST /api/generate" => Some((500, json!({ "error": said }))),
            _ => ollama(asked, body, &json!([])),
        });
        assert_eq!(adapter.load(order("qwen3")).await.unwrap_err().kind, kind, "{said}");
    }
}

#[tokio::test]
async fn ollama_s_change_is_heard_within_two_seconds() {
    let fake = Fake::start(|asked, body| ollama(asked, body, &running("qwen3:latest", "2318-02-11T12:20:54Z"))).await;
    let adapter = fake.adapter().await;
    seen(&*adapter, "qwen3").await;
    let began = std::time::Instant::now();
    fake.answers(|asked, body| ollama(asked, body, &json!([])));
    assert_eq!(adapter.news().await, News::Changed);
    assert!(began.elapsed().as_millis() < 2_000, "{:?}", began.elapsed());
}

/// As vLLM 0.32.0 answers.
fn vllm(asked: &str, asleep: Option<bool>) -> Option<(u16, Value)> {
    let line = json!({ "id": "m", "object": "model", "owned_by": "vllm", "root": "/m", "max_model_len": 32_768 });
    Some((
        200,
        match asked {
            "GET /version" => json!({ "version": "0.32.0" }),
            "GET /v1/models" => json!({ "object": "list", "data": [line] }),
            "GET /health" => Value::Null,
            "POST /wake_up" | "POST /wake_up?tags=weights" | "POST /wake_up?tags=kv_cache" => {
                asleep?;
                json!({ "status": "awake", "tags": null })
            }
            "POST /sleep?level=1&mode=wait" => {
                asleep?;
                json!({ "status": "sleeping", "level": 1 })
            }
            "GET /is_sleeping" => json!({ "is_sleeping": asleep? }),
            "GET /metrics" => json!(metrics(0)),
            _ => return None,
        },
    ))
}

fn metrics(discarded: u8) -> String {
    let state = |state: &str, value: u8| {
        format!("vllm:engine_sleep_state{{engine=\"0\",model_name=\"m\",sleep_state=\"{state}\"}} {value}.0\n")
    };
    format!(
        "# HELP vllm:engine_sleep_state sleep_state=\"discard_all\" 1\n{}{}",
        state("awake", 1),
        state("discard_all", discarded)
    )
}

#[tokio::test]
async fn vllm_has_its_model_and_sleeps_only_in_its_development_mode() {
    let fake = Fake::start(|asked, _| vllm(asked, None)).await;
    let adapter = fake.adapter().await;
    let warm = seen(&*adapter, "m").await;
    assert_eq!((warm.presence, warm.context, warm.clock), (Presence::Loaded, Some(32_768), Clock::Never));
    assert!(!adapter.manageable());
    let error = adapter.unload("m".into()).await.unwrap_err();
    assert_eq!(error.kind, LoadFailureKind::Unsupported, "{error}");

    fake.answers(|asked, _| vllm(asked, Some(true)));
    assert_eq!(seen(&*adapter, "m").await.presence, Presence::Absent);
    assert!(adapter.manageable() && adapter.capabilities().unloads);
    adapter.load(order("m")).await.unwrap();
    adapter.unload("m".into()).await.unwrap();
    assert_eq!((fake.sent("POST /wake_up").len(), fake.sent("POST /sleep?level=1&mode=wait").len()), (1, 1));

    fake.answers(|asked, _| if asked == "GET /health" { Some((503, Value::Null)) } else { vllm(asked, None) });
    assert!(matches!(adapter.look(Depth::Full).await, Err(LookFailure::Rejected(why)) if why.contains("503")));
    // A second later its server ends itself.
    assert!(matches!(adapter.why_gone(true).await, Cause::Crashed { detail } if detail.contains("503")));
    fake.answers(|asked, _| vllm(asked, None));
    seen(&*adapter, "m").await;
    assert_eq!(adapter.why_gone(true).await, Cause::ProgramEnded);
}

#[tokio::test]
async fn vllm_is_asked_one_thing_at_most_looks_since_it_logs_each() {
    let fake = Fake::start(|asked, _| vllm(asked, None)).await;
    let adapter = fake.adapter().await;
    seen(&*adapter, "m").await;
    let count = || fake.asked.lock().unwrap().len();
    let before = count();
    let found = adapter.look(Depth::State).await.unwrap().find("m").unwrap();
    assert_eq!((found.presence, found.context), (Presence::Loaded, Some(32_768)));
    assert_eq!((count() - before, fake.sent("GET /v1/models").len()), (1, 2), "once to know it, once to list");

    fake.answers(|asked, _| vllm(asked, Some(false)));
    seen(&*adapter, "m").await;
    fake.answers(|asked, _| vllm(asked, Some(true)));
    let before = count();
    assert_eq!(adapter.look(Depth::State).await.unwrap().find("m").unwrap().presence, Presence::Absent);
    assert_eq!(count() - before, 1);
    fake.answers(|asked, _| if asked == "GET /is_sleeping" { Some((500, Value::Null)) } else { vllm(asked, None) });
    assert!(matches!(adapter.look(Depth::State).await, Err(LookFailure::Rejected(why)) if why.contains("500")));
}

#[tokio::test]
async fn vllm_s_sleep_and_its_engine_s_end_are_heard_within_two_seconds() {
    let fake = Fake::start(|asked, _| vllm(asked, Some(false))).await;
    let adapter = fake.adapter().await;
    seen(&*adapter, "m").await;
    let asleep = |asked: &str, _: &Value| vllm(asked, Some(true));
    let ill =
        |asked: &str, _: &Value| if asked == "GET /is_sleeping" { Some((500, Value::Null)) } else { vllm(asked, None) };
    fake.answers(asleep);
    let began = std::time::Instant::now();
    assert_eq!(adapter.news().await, News::Changed);
    assert_eq!(seen(&*adapter, "m").await.presence, Presence::Absent);
    fake.answers(ill);
    assert_eq!(adapter.news().await, News::Changed);
    assert!(began.elapsed().as_millis() < 4_000, "{:?}", began.elapsed());
}

#[tokio::test]
async fn vllm_reads_its_weights_again_when_a_sleep_has_discarded_them() {
    let discarded = |asked: &str, reads: bool| match asked {
        "GET /metrics" => Some((200, json!(metrics(1)))),
        "POST /collective_rpc" if reads => Some((200, json!({ "results": [null] }))),
        "POST /collective_rpc" => Some((500, json!({ "error": { "message": "no such file", "code": 500 } }))),
        _ => vllm(asked, Some(true)),
    };
    let fake = Fake::start(move |asked, _| discarded(asked, true)).await;
    let adapter = fake.adapter().await;
    seen(&*adapter, "m").await;
    adapter.load(order("m")).await.unwrap();
    assert_eq!(fake.sent("POST /collective_rpc"), [json!({ "method": "reload_weights" })]);
    let told: Vec<_> = fake.asked.lock().unwrap().iter().map(|(asked, _)| asked.clone()).collect();
    let told: Vec<_> = told.iter().filter(|asked| asked.starts_with("POST")).map(String::as_str).collect();
    assert_eq!(told, ["POST /wake_up?tags=weights", "POST /collective_rpc", "POST /wake_up?tags=kv_cache"]);

    fake.answers(move |asked, _| discarded(asked, false));
    let failed = adapter.load(order("m")).await.unwrap_err();
    assert_eq!(failed.kind, LoadFailureKind::Lasting);
    assert!(failed.message.contains("level 2") && failed.message.contains("no such file"), "{failed}");
    assert_eq!(fake.sent("POST /wake_up?tags=kv_cache").len(), 1, "it is not let answer noise");
}

#[tokio::test]
async fn vllm_s_adapters_have_its_context() {
    let fake = Fake::start(|asked, _| match asked {
        "GET /v1/models" => Some((
            200,
            json!({ "data": [{ "id": "m", "owned_by": "vllm", "max_model_len": 4096 },
                             { "id": "mine", "owned_by": "vllm", "parent": "m", "max_model_len": null }] }),
        )),
        _ => vllm(asked, None),
    })
    .await;
    assert_eq!(seen(&*fake.adapter().await, "mine").await.context, Some(4096));
}

#[tokio::test]
async fn litellm_lists_its_models_and_is_never_asked_for_its_health() {
    let fake = Fake::start(|asked, _| match asked {
        "GET /health/liveliness" => Some((200, json!("I'm alive!"))),
        "GET /v1/model/info" => Some((
            200,
            json!({ "data": [{ "model_name": "m", "litellm_params": { "model": "openai/m" },
                               "model_info": { "id": "f0", "max_input_tokens": 8192 } }] }),
        )),
        _ => None,
    })
    .await;
    let adapter = fake.adapter().await;
    let found = seen(&*adapter, "m").await;
    assert_eq!((found.presence, found.context), (Presence::Untold, Some(8192)));
    let untold = adapter.capabilities().cannot_tell;
    assert!(!adapter.manageable() && untold.contains(&Untold::State) && untold.contains(&Untold::IdleTimer));
    assert!(!untold.contains(&Untold::Context), "its own words on a model's length");
    assert_eq!(adapter.load(order("m")).await.unwrap_err().kind, LoadFailureKind::Unsupported);

    // Without a key: 500, as seen.
    fake.answers(|asked, _| match asked {
        "GET /health/liveliness" => Some((200, json!("I'm alive!"))),
        _ => Some((500, Value::Null)),
    });
    let refused = adapter.look(Depth::Full).await.unwrap_err();
    assert!(refused.to_string().contains("apiKey"), "{refused}");
    fake.answers(|asked, _| (asked == "GET /health/liveliness").then(|| (200, json!("I'm alive!"))));
    let refused = adapter.look(Depth::Full).await.unwrap_err();
    assert!(matches!(&refused, LookFailure::Rejected(_)), "that is no matter of a key: {refused}");
    // A key that may list models and not their details.
    fake.answers(|asked, _| match asked {
        "GET /v1/models" => Some((200, json!({ "data": [{ "id": "m" }] }))),
        _ => Some((403, json!({ "error": { "message": "not allowed" } }))),
    });
    assert_eq!(seen(&*adapter, "m").await.presence, Presence::Untold);
    assert_eq!(fake.sent("GET /health").len(), 0);
}

#[tokio::test]
async fn a_key_goes_with_every_question() {
    let fake =
        Fake::start(|asked, _| (asked == "GET /v1/models").then(|| (200, json!({ "data": [{ "id": "m" }] })))).await;
    let mut provider = fake.provider();
    provider.key = Some(Secret::new("line\nbreak"));
    let answer = ByAsking::new(vec![], None).connect(&provider).await;
    assert!(matches!(answer, Err(LookFailure::Rejected(why)) if why.contains("key") && !why.contains("break")));
}
