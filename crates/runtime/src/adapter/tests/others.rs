//! Ollama, LiteLLM and the plain server.

use super::*;
use crate::adapter::{LoadFailureKind, LookFailure, News};
use crate::{KeepingWarm, Untold};

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
