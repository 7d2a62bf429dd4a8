//! What the icon shows and what the status line says: pure functions of the models in the chain and of how the last
//! request ended.

use pilotlight_wire::{Location, ModelRef};

use crate::state::{CooldownSummary, Light, ModelState, ModelSummary, RequestOutcome, ServedRequest};

/// The icon's state, the status line, and who would answer now.
pub(crate) struct Shown {
    pub(crate) light: Light,
    pub(crate) status: String,
    pub(crate) answering: Option<ModelRef>,
}

/// Works them out. `chain` is in order; `refuses_key` is of a model's runtime, when it was last asked for its models;
/// `last` is the last finished request; `now` is Unix time in milliseconds.
pub(crate) fn show(
    listening: bool,
    chain: &[&ModelSummary],
    cooldowns: &[CooldownSummary],
    refuses_key: impl Fn(&ModelSummary) -> bool,
    last: Option<&ServedRequest>,
    now: u64,
) -> Shown {
    if !listening {
        return Shown { light: Light::Stopped, status: "Stopped".to_owned(), answering: None };
    }
    let rests = |model: &ModelSummary| cooldown(model, cooldowns).is_some();
    let answering = chain.iter().copied().find(|model| can_answer(model) && !rests(model));
    let loading = chain.iter().copied().find(|model| matches!(model.state, ModelState::Loading { .. }));
    let (light, status) = match (answering, loading) {
        (Some(model), _) if failed(last, model) => {
            (Light::Trouble, format!("{} · failed the last request", short_name(model)))
        }
        // It would refuse a request as well, unless one has just shown that it does not.
        (Some(model), _)
            if refuses_key(model) && last.is_none_or(|last| last.served_by.as_ref() != Some(&model.model)) =>
        {
            (Light::Trouble, format!("{} · its server refuses the key", short_name(model)))
        }
        (Some(model), _) if model.location == Location::Local => {
            let before = chain.iter().find(|other| other.place < model.place && rests(other));
            let instead = before.map(|other| format!(" · {} is cooling down", short_name(other)));
            (Light::Warm, local_status(model) + &instead.unwrap_or_default())
        }
        (Some(hosted), Some(local)) if local.place < hosted.place => (
            if hosted_answered_since(local, last) { Light::Hosted } else { Light::Loading },
            format!("{} · {} answers meanwhile", loading_status(local, now), short_name(hosted)),
        ),
        (Some(hosted), _) => (Light::Hosted, hosted_status(hosted, chain, rests)),
        (None, Some(local)) => (Light::Loading, loading_status(local, now)),
        (None, None) => nobody(chain, cooldowns),
    };
    Shown { light, status, answering: answering.map(|model| model.model.clone()) }
}

/// Whether a request sent now would be tried there at once.
pub(crate) fn can_answer(model: &ModelSummary) -> bool {
    let ready = matches!(model.state, ModelState::Ready | ModelState::Warm { .. } | ModelState::Unknown);
    ready && model.barred.is_none()
}

/// Why a model is passed over, if it is. One that is half-open is asked next.
fn cooldown<'a>(model: &ModelSummary, cooldowns: &'a [CooldownSummary]) -> Option<&'a CooldownSummary> {
    cooldowns.iter().find(|cooldown| cooldown.concerns(&model.model) && !cooldown.half_open)
}

/// The alias, else the name.
pub(crate) fn short_name(model: &ModelSummary) -> &str {
    model.alias.as_deref().unwrap_or(&model.name)
}

/// Tokens as people write them: `196k`, `8k`, `1M`. 196608 is 192 × 1024, and the vendors' "196k" is thousands.
pub(crate) fn tokens(count: u64) -> String {
    match count {
        1_000_000.. if count.is_multiple_of(1_000_000) => format!("{}M", count / 1_000_000),
        1_000_000.. => format!("{}.{}M", count / 1_000_000, count % 1_000_000 / 100_000),
        1_000.. => format!("{}k", count / 1_000),
        _ => count.to_string(),
    }
}

fn local_status(model: &ModelSummary) -> String {
    let mut status = short_name(model).to_owned();
    if matches!(model.state, ModelState::Warm { .. }) {
        status += " · warm";
    } else {
        status += " · local";
    }
    if let Some(context) = model.loaded_context.or(model.context_window) {
        status += &format!(" · {} context", tokens(context));
    }
    status
}

fn loading_status(model: &ModelSummary, now: u64) -> String {
    match model.state {
        ModelState::Loading { since, expected } => {
            let name = short_name(model);
            let passed = now.saturating_sub(since) / 1_000;
            match (model.progress, expected.map(|expected| expected.div_ceil(1_000))) {
                (Some(percent), Some(expected)) => {
                    format!("{name} · loading · {percent}% · {passed} of about {expected} s")
                }
                (Some(percent), None) => format!("{name} · loading · {percent}%"),
                (None, Some(expected)) => format!("{name} · loading · {passed} of about {expected} s"),
                (None, None) => format!("{name} · loading"),
            }
        }
        _ => format!("{} · loading", short_name(model)),
    }
}

/// A hosted model answers: by choice, or because others before it cannot.
fn hosted_status(hosted: &ModelSummary, chain: &[&ModelSummary], rests: impl Fn(&ModelSummary) -> bool) -> String {
    let mut before = chain.iter().filter(|model| model.place < hosted.place);
    match before.find(|model| model.location == Location::Local || rests(model)) {
        Some(other) => {
            let state = if rests(other) && can_answer(other) { "cooling down" } else { word(&other.state) };
            format!("{} · hosted · {} is {state}", short_name(hosted), short_name(other))
        }
        None => format!("{} · hosted", short_name(hosted)),
    }
}

/// Nobody can answer at once. A model that only has to be loaded is no trouble: a request for it waits.
fn nobody(chain: &[&ModelSummary], cooldowns: &[CooldownSummary]) -> (Light, String) {
    let cold = chain.iter().find(|model| matches!(model.state, ModelState::Cold { .. }));
    match (cold, chain.first()) {
        (Some(model), _) => (Light::Loading, format!("{} · cold · a request loads it", short_name(model))),
        (None, Some(model)) if can_answer(model) => {
            let why = cooldown(model, cooldowns).map_or("it failed", |cooldown| cooldown.detail.as_str());
            (Light::Trouble, format!("{}: cooling down ({why}), and nothing else can answer", short_name(model)))
        }
        (None, Some(model)) => {
            let why = model.barred.as_deref().unwrap_or_else(|| word(&model.state));
            (Light::Trouble, format!("{}: {why}, and nothing else can answer", short_name(model)))
        }
        (None, None) => (Light::Trouble, "No usable model in the configuration".to_owned()),
    }
}

/// One word or two for a state.
pub(crate) fn word(state: &ModelState) -> &'static str {
    match state {
        ModelState::Ready => "ready",
        ModelState::Warm { .. } => "warm",
        ModelState::Loading { .. } => "loading",
        ModelState::Cold { .. } => "cold",
        ModelState::Missing => "not downloaded",
        ModelState::Unreachable { .. } => "unreachable",
        ModelState::Unknown => "not asked yet",
    }
}

fn hosted_answered_since(loading: &ModelSummary, last: Option<&ServedRequest>) -> bool {
    let ModelState::Loading { since, .. } = loading.state else { return false };
    last.is_some_and(|request| request.started >= since && request.location == Some(Location::Hosted))
}

/// Whether nobody could serve the last request, this model tried and among those that failed; and it was not loaded since.
fn failed(last: Option<&ServedRequest>, model: &ModelSummary) -> bool {
    last.is_some_and(|request| {
        if matches!(model.state, ModelState::Warm { since } if since > request.started.saturating_add(request.total)) {
            return false;
        }
        request.outcome == RequestOutcome::Failed && request.passed_over.iter().any(|tried| tried.model == model.model)
    })
}

#[cfg(test)]
mod tests {
    use pilotlight_wire::{ClientApi, UpstreamApi};

    use super::*;
    use crate::state::PassedOver;

    fn model(name: &str, location: Location, place: u32, state: ModelState) -> ModelSummary {
        ModelSummary {
            model: format!("p/{name}").parse().unwrap(),
            alias: Some(name.to_owned()),
            name: name.to_owned(),
            location,
            api: UpstreamApi::OpenaiResponses,
            place: Some(place),
            state,
            context_window: Some(196_608),
            loaded_context: None,
            quantization: None,
            size_bytes: None,
            activity: None,
            progress: None,
            stays_until: None,
            last_used: None,
            kept_warm: location == Location::Local,
            manageable: location == Location::Local,
            barred: None,
            problem: None,
        }
    }

    fn local(state: ModelState) -> ModelSummary {
        model("MiniMax", Location::Local, 0, state)
    }

    fn hosted(place: u32) -> ModelSummary {
        model("Sonnet", Location::Hosted, place, ModelState::Ready)
    }

    fn served(started: u64, location: Option<Location>, outcome: RequestOutcome) -> ServedRequest {
        ServedRequest {
            id: 1,
            started,
            asked: "primary".into(),
            api: ClientApi::Chat,
            streaming: false,
            served_by: None,
            location,
            passed_over: vec![PassedOver {
                model: "p/Sonnet".parse().unwrap(),
                code: "status".into(),
                detail: "500".into(),
            }],
            outcome,
            http_status: 200,
            first_content: None,
            total: 1,
            input_tokens: None,
            output_tokens: None,
            cost: None,
        }
    }

    fn check(chain: &[&ModelSummary], last: Option<&ServedRequest>, light: Light, status: &str) {
        let shown = show(true, chain, &[], |_| false, last, 12_005);
        assert_eq!((shown.light, shown.status.as_str()), (light, status));
    }

    #[test]
    fn says_who_answers_and_why() {
        let warm = local(ModelState::Warm { since: 5 });
        let loading = local(ModelState::Loading { since: 5, expected: Some(29_400) });
        let cold = local(ModelState::Cold { reason: None });
        let gone = local(ModelState::Unreachable { reason: "connection refused".into() });
        check(&[&warm, &hosted(1)], None, Light::Warm, "MiniMax · warm · 196k context");
        check(&[&hosted(0)], None, Light::Hosted, "Sonnet · hosted");
        check(&[&cold, &hosted(1)], None, Light::Hosted, "Sonnet · hosted · MiniMax is cold");
        check(&[&gone, &hosted(1)], None, Light::Hosted, "Sonnet · hosted · MiniMax is unreachable");
        check(&[&loading], None, Light::Loading, "MiniMax · loading · 12 of about 30 s");
        check(&[&gone], None, Light::Trouble, "MiniMax: unreachable, and nothing else can answer");
        check(&[&cold], None, Light::Loading, "MiniMax · cold · a request loads it");
        let barred = ModelSummary { barred: Some("only local models are allowed".into()), ..hosted(1) };
        check(&[&cold, &barred], None, Light::Loading, "MiniMax · cold · a request loads it");
        check(&[&barred], None, Light::Trouble, "Sonnet: only local models are allowed, and nothing else can answer");
        check(&[], None, Light::Trouble, "No usable model in the configuration");
        assert_eq!(show(false, &[&warm], &[], |_| false, None, 0).light, Light::Stopped);
    }

    #[test]
    fn a_model_that_cools_down_does_not_answer() {
        let cooling = |model: &ModelSummary, half_open| CooldownSummary {
            provider: "p".to_owned(),
            model: Some(model.model.clone()),
            cause: "rate-limited".to_owned(),
            detail: "429: slow down".to_owned(),
            since: 1,
            until: 2,
            half_open,
        };
        let (warm, sonnet) = (local(ModelState::Warm { since: 5 }), hosted(1));
        let check = |chain: &[&ModelSummary], cooldowns: &[CooldownSummary], light, status: &str| {
            let shown = show(true, chain, cooldowns, |_| false, None, 0);
            assert_eq!((shown.light, shown.status.as_str()), (light, status));
        };
        check(&[&warm, &sonnet], &[cooling(&warm, false)], Light::Hosted, "Sonnet · hosted · MiniMax is cooling down");
        check(&[&warm, &sonnet], &[cooling(&warm, true)], Light::Warm, "MiniMax · warm · 196k context");
        let first = ModelSummary { place: Some(0), ..hosted(0) };
        let second = ModelSummary { place: Some(1), ..warm.clone() };
        let status = "MiniMax · warm · 196k context · Sonnet is cooling down";
        check(&[&first, &second], &[cooling(&first, false)], Light::Warm, status);
        let status = "Sonnet: cooling down (429: slow down), and nothing else can answer";
        check(&[&first], &[cooling(&first, false)], Light::Trouble, status);
    }

    #[test]
    fn a_load_shows_as_loading_until_hosted_has_answered_in_its_place() {
        let loading = local(ModelState::Loading { since: 100, expected: None });
        let chain = [&loading, &hosted(1)];
        let status = "MiniMax · loading · Sonnet answers meanwhile";
        check(&chain, None, Light::Loading, status);
        let before = served(99, Some(Location::Hosted), RequestOutcome::Served);
        check(&chain, Some(&before), Light::Loading, status);
        let since = served(100, Some(Location::Hosted), RequestOutcome::Served);
        check(&chain, Some(&since), Light::Hosted, status);
    }

    #[test]
    fn a_hosted_primary_is_hosted_even_while_its_local_fallback_loads() {
        let fallback = ModelSummary { place: Some(1), ..local(ModelState::Loading { since: 1, expected: None }) };
        check(&[&hosted(0), &fallback], None, Light::Hosted, "Sonnet · hosted");
    }

    #[test]
    fn a_request_that_nobody_could_serve_is_trouble_until_one_is_served() {
        let failed = served(1, None, RequestOutcome::Failed);
        check(&[&hosted(0)], Some(&failed), Light::Trouble, "Sonnet · failed the last request");
        let good = served(2, Some(Location::Hosted), RequestOutcome::Served);
        check(&[&hosted(0)], Some(&good), Light::Hosted, "Sonnet · hosted");
        let warm = |since| ModelSummary { model: hosted(0).model, ..local(ModelState::Warm { since }) };
        check(&[&warm(1)], Some(&failed), Light::Trouble, "MiniMax · failed the last request");
        check(&[&warm(3)], Some(&failed), Light::Warm, "MiniMax · warm · 196k context");
    }

    #[test]
    fn a_server_that_refuses_the_key_is_trouble_before_a_request_meets_it() {
        let untold = local(ModelState::Unknown);
        let refuses = |model: &ModelSummary| model.location == Location::Local;
        let shown = show(true, &[&untold, &hosted(1)], &[], refuses, None, 0);
        assert_eq!((shown.light, shown.status.as_str()), (Light::Trouble, "MiniMax · its server refuses the key"));
        assert_eq!(show(true, &[&hosted(0), &untold], &[], refuses, None, 0).light, Light::Hosted);
        let good = served(1, Some(Location::Local), RequestOutcome::Served);
        let good = ServedRequest { served_by: Some(untold.model.clone()), ..good };
        assert_eq!(show(true, &[&untold], &[], refuses, Some(&good), 0).light, Light::Warm, "only its listing");
        check(&[&untold], None, Light::Warm, "MiniMax · local · 196k context");
    }

    #[test]
    fn writes_token_counts_as_people_do() {
        for (count, text) in [(512, "512"), (8_192, "8k"), (196_608, "196k"), (1_000_000, "1M"), (1_048_576, "1.0M")] {
            assert_eq!(tokens(count), text);
        }
    }
}
