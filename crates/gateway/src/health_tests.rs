//! Who is passed over after which failure, for how long, and what ends it; in paused time.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};
use pilotlight_wire::Secret;
use tokio::time::advance;

use super::*;
use crate::fixture::target;
use crate::verdict::UpstreamError;

struct Stage {
    health: Arc<Health>,
    events: mpsc::UnboundedReceiver<Event>,
}

fn stage() -> Stage {
    let (sender, events) = mpsc::unbounded_channel();
    Stage { health: Health::new(sender), events }
}

impl Stage {
    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            told.push(match event {
                Event::CoolingDown(cooldown) => format!("{} rests: {}", cooldown.provider, cooldown.cause),
                Event::Recovered(back) => format!("{} is back after {} s", back.model, back.after.as_secs()),
                _ => "something else".to_owned(),
            });
        }
        told
    }

    fn left(&self, target: &Target) -> Option<u64> {
        self.health.admit(target).err().map(|resting| resting.until.duration_since(Instant::now()).as_secs())
    }

    fn causes(&self) -> Vec<&'static str> {
        self.health.watch().borrow().iter().map(|cooldown| cooldown.cause.name()).collect()
    }
}

fn hosted(model: &str, key: &str) -> Target {
    Target { location: Location::Hosted, key: Some(Secret::new(key)), ..(*target(model)).clone() }
}

fn status(status: u16, after: Option<&'static str>) -> Miss {
    let mut headers = HeaderMap::new();
    if let Some(after) = after {
        headers.insert("retry-after", HeaderValue::from_static(after));
    }
    Miss::status(UpstreamError { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::new() })
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_rests_one_model_for_as_long_as_it_says() {
    let mut stage = stage();
    let (one, other) = (hosted("h/one", "k"), hosted("h/other", "k"));
    assert!(stage.health.failed(&one, &status(429, Some("20"))).is_some());
    assert_eq!((stage.left(&one), stage.left(&other)), (Some(20), None));
    advance(Duration::from_secs(15)).await;
    let resting = stage.health.admit(&one).err().unwrap();
    assert_eq!(resting.detail, "5 s left; 429: an empty body");
    advance(Duration::from_secs(5)).await;
    assert_eq!(stage.left(&one), None, "its time is over");
    stage.health.answered(&one);
    assert_eq!(stage.told(), ["h rests: rate-limited", "h/one is back after 20 s"]);
    assert!(stage.causes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn with_another_key_in_the_routes_nothing_is_left_of_it() {
    let stage = stage();
    let (one, other) = (hosted("h/one", "k"), hosted("x/other", "k"));
    let _ = stage.health.failed(&one, &status(401, None));
    let _ = stage.health.failed(&other, &status(429, Some("20")));
    assert_eq!(stage.causes(), ["unauthorized", "rate-limited"]);
    let routes = |key: &str| Routes {
        targets: vec![Arc::new(hosted("h/one", key)), Arc::new(other.clone())],
        ..Routes::default()
    };
    stage.health.follow(&routes("k"));
    assert_eq!(stage.causes().len(), 2);
    stage.health.follow(&routes("new"));
    assert_eq!(stage.causes(), ["rate-limited"], "before any request has asked it");
}

#[tokio::test(start_paused = true)]
async fn its_time_passes_while_the_machine_sleeps() {
    let mut stage = stage();
    let (one, other) = (hosted("h/one", "k"), hosted("x/other", "k"));
    let _ = stage.health.failed(&one, &status(429, Some("3600")));
    for _ in 0..4 {
        let _ = stage.health.failed(&other, &status(500, None));
    }
    assert_eq!((stage.left(&one), stage.left(&other)), (Some(3600), Some(60)));
    let mut seen = stage.health.watch();
    seen.mark_unchanged();
    stage.health.slept(Duration::from_secs(600));
    assert_eq!((stage.left(&one), stage.left(&other)), (Some(3000), None));
    assert!(seen.has_changed().unwrap(), "whoever shows it knows");
    let _ = stage.told();
    stage.health.answered(&one);
    assert_eq!(stage.told(), ["h/one is back after 600 s"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_rests_its_provider_until_it_is_changed() {
    let mut stage = stage();
    let one = hosted("h/one", "k");
    let _ = stage.health.failed(&one, &status(401, None));
    assert_eq!(stage.left(&hosted("h/other", "k")), Some(600));
    assert_eq!(stage.left(&hosted("x/one", "k")), None, "another provider");
    assert_eq!(stage.causes(), ["unauthorized"]);
    assert_eq!(stage.left(&hosted("h/one", "new")), None, "another key is another matter");
    assert!(stage.causes().is_empty());
    let _ = stage.health.failed(&one, &status(401, None));
    advance(Duration::from_secs(600)).await;
    assert_eq!(stage.left(&one), None, "it is tried again in the end");
    assert_eq!(stage.told(), ["h rests: unauthorized", "h rests: unauthorized"]);
}

#[tokio::test(start_paused = true)]
async fn a_person_can_have_it_forgotten() {
    let stage = stage();
    let (one, other) = (hosted("h/one", "k"), hosted("x/one", "k"));
    let _ = stage.health.failed(&one, &status(402, None));
    let _ = stage.health.failed(&other, &status(429, None));
    let forgotten = stage.health.forget(Some("H"));
    assert_eq!(forgotten.len(), 1);
    assert_eq!((forgotten[0].cause, forgotten[0].model.as_ref()), (Cause::Payment, None));
    assert_eq!((stage.left(&one), stage.left(&other)), (None, Some(20)));
    assert_eq!(stage.health.forget(None)[0].model, Some(other.model.clone()));
    assert_eq!(stage.left(&other), None);
    assert!(stage.health.forget(None).is_empty() && stage.causes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_breaker_lets_one_request_try() {
    let mut stage = stage();
    let model = target("local/m");
    for _ in 0..4 {
        assert_eq!(stage.left(&model), None);
        let _ = stage.health.failed(&model, &Miss::new(Code::ErrorEvent, "out of order"));
    }
    assert_eq!(stage.left(&model), Some(60));
    advance(Duration::from_secs(60)).await;
    let pass = stage.health.admit(&model).unwrap();
    let resting = stage.health.admit(&model).err().unwrap();
    assert_eq!(resting.detail, "another request tries it just now; out of order");
    drop(pass);
    let pass = stage.health.admit(&model).expect("its client went away: the next may try");
    stage.health.answered(&model);
    drop(pass);
    assert_eq!(stage.left(&model), None);
    assert_eq!(stage.told(), ["local rests: failures", "local/m is back after 60 s"]);
    let _ = stage.health.failed(&model, &Miss::new(Code::Cut, "cut"));
    assert_eq!(stage.left(&model), Some(60 * 2), "it had not been well for long");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_failure_of_the_upstream_opens_nothing() {
    let stage = stage();
    let model = target("local/m");
    for code in [
        Code::Refused,
        Code::NotLoaded,
        Code::Unloaded,
        Code::LoadFailed,
        Code::LoadTimeout,
        Code::ModelNotFound,
        Code::InvalidRequest,
        Code::ContextOverflow,
    ] {
        for _ in 0..10 {
            assert_eq!(stage.health.failed(&model, &Miss::new(code, "")), None, "{code}");
        }
    }
    assert_eq!(stage.left(&model), None);
    let far = hosted("h/m", "k");
    for _ in 0..4 {
        let _ = stage.health.failed(&far, &Miss::new(Code::Refused, "no connection"));
    }
    assert_eq!(stage.left(&hosted("h/other", "k")), Some(60), "nobody reaches a provider that refuses connections");
}

#[tokio::test(start_paused = true)]
async fn silence_weighs_double() {
    let stage = stage();
    let model = target("local/m");
    let silence = Miss::new(Code::Timeout, "no content within 120 s");
    assert_eq!(stage.health.failed(&model, &silence), None);
    assert!(stage.health.failed(&model, &silence).is_some());
}
