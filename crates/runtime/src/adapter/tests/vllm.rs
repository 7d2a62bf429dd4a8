//! vLLM, as 0.32.0 was seen to answer.

use super::*;
use crate::Cause;
use crate::adapter::listing::Departure;
use crate::adapter::{LoadFailureKind, LookFailure, News};

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
async fn vllm_is_not_asked_what_its_engine_cannot_answer_while_it_is_at_an_order() {
    let fake = Fake::start(|asked, _| vllm(asked, Some(false))).await;
    let adapter = fake.adapter().await;
    seen(&*adapter, "m").await;
    let sleep = "POST /sleep?level=1&mode=wait";
    let release = fake.holds(sleep);
    let unload = tokio::spawn({
        let adapter = adapter.clone();
        async move { adapter.unload("m".into()).await }
    });
    while fake.sent(sleep).is_empty() {
        tokio::task::yield_now().await;
    }
    let before = fake.sent("GET /is_sleeping").len();
    for depth in [Depth::State, Depth::Full] {
        let found = adapter.look(depth).await.unwrap().find("m").unwrap();
        assert_eq!(found.presence, Presence::Loaded, "it answers somebody until it is done");
    }
    assert_eq!(fake.sent("GET /is_sleeping").len(), before);
    fake.answers(|asked, _| vllm(asked, Some(true)));
    release.notify_one();
    unload.await.unwrap().unwrap();
    let found = seen(&*adapter, "m").await;
    assert_eq!((found.presence, found.departure), (Presence::Absent, Some(Departure::Here)));
    // Woken, and put to sleep by somebody else.
    fake.answers(|asked, _| vllm(asked, Some(false)));
    adapter.load(order("m")).await.unwrap();
    seen(&*adapter, "m").await;
    fake.answers(|asked, _| vllm(asked, Some(true)));
    assert_eq!(seen(&*adapter, "m").await.departure, Some(Departure::Orderly));
}

#[tokio::test]
async fn vllm_s_engine_that_stays_ill_is_news_once() {
    let fake = Fake::start(|asked, _| vllm(asked, None)).await;
    let adapter = fake.adapter().await;
    seen(&*adapter, "m").await;
    fake.answers(|asked, _| if asked == "GET /health" { Some((503, Value::Null)) } else { vllm(asked, None) });
    assert_eq!(adapter.news().await, News::Changed);
    let more = tokio::time::timeout(std::time::Duration::from_millis(2_500), adapter.news());
    assert!(more.await.is_err(), "told again");
    fake.answers(|asked, _| vllm(asked, None));
    assert_eq!(adapter.news().await, News::Changed, "it is well again");
}
