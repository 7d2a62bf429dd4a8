//! What people and requests ask for, servers that go and come back, and plans that change.

use super::*;

#[test]
fn what_a_person_ejects_here_stays_out_until_a_person_or_need_brings_it_back() {
    let mut bench = Bench::warm();
    bench.unload("m");
    assert!(matches!(bench.effects[..], [Effect::Unload { .. }]));
    bench.effects.clear();
    bench.unload_done("m", Ok(()));
    assert_eq!(bench.unloaded(), (Cause::UnloadedHere, false));
    assert!(matches!(bench.effects[..], [Effect::AnswerUnload { answer: Ok(()), .. }]));
    bench.see_for(&[("m", Absent)], HOUR);
    bench.want("m", false);
    assert_eq!((bench.loads(), bench.said()), (vec![], vec![]));
    assert_eq!(bench.state("m"), Warmth::Cold { reason: Some(Cause::UnloadedHere) });
    bench.load("m");
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", done());
    assert!(matches!(bench.said()[..], [Occurrence::LoadStarted { .. }, Occurrence::Loaded { away: Some(_), .. }]));
    // And it is kept again.
    bench.see(&[("m", Loaded)]);
    bench.trouble(Trouble::Crashed, "");
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn an_eject_seen_before_it_is_answered_is_told_once() {
    let mut bench = Bench::warm();
    bench.unload("m");
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::UnloadedHere, false));
    bench.unload_done("m", Ok(()));
    assert_eq!(bench.said(), []);
}

#[test]
fn nothing_is_taken_away_under_a_request() {
    let mut bench = Bench::warm();
    bench.busy(true);
    bench.unload("m");
    assert!(matches!(
        bench.effects[..],
        [Effect::AnswerUnload { answer: Err(KeeperError::Busy { requests: 1, .. }), .. }]
    ));
    bench.effects.clear();
    bench.busy(false);
    bench.unload("m");
    assert!(matches!(bench.effects[..], [Effect::Unload { .. }]));
}

#[test]
fn what_a_person_loads_is_kept_although_its_going_is_seen_only_then() {
    let mut bench = Bench::warm();
    bench.load("m");
    assert_eq!(bench.effects, [], "answered by a look, not from memory");
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::EjectedByPerson, true));
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", failed(LoadFailureKind::Passing, "busy"));
    bench.see_for(&[("m", Absent)], SECOND * 3);
    assert_eq!(bench.loads(), ["m"], "tried again by the policy");
}

#[test]
fn an_eject_during_a_load_waits_for_its_end() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.load("m");
    bench.effects.clear();
    bench.unload("m");
    assert!(matches!(bench.effects[..], [Effect::AnswerLoad { answer: Err(KeeperError::Dropped(_)), .. }]));
    bench.effects.clear();
    bench.load_done("m", done());
    assert!(bench.effects.iter().any(|effect| matches!(effect, Effect::Unload { .. })), "{:?}", bench.effects);
    bench.effects.clear();
    bench.unload_done("m", Ok(()));
    assert_eq!(bench.unloaded(), (Cause::UnloadedHere, false));
    bench.see_for(&[("m", Absent)], MINUTE);
    assert_eq!(bench.loads(), [""; 0]);
}

#[test]
fn one_load_at_a_time_and_a_person_comes_first() {
    let mut bench = Bench::new(&[model("a"), model("b"), model("c")]);
    bench.see(&[("a", Absent), ("b", Absent), ("c", Absent)]);
    assert_eq!(bench.loads(), ["a"]);
    assert!(matches!(bench.state("c"), Warmth::Loading { .. }), "next in line");
    bench.load("c");
    assert_eq!(bench.loads(), [""; 0]);
    bench.load_done("a", done());
    assert_eq!(bench.loads(), ["c"]);
    bench.load_done("c", done());
    assert_eq!(bench.loads(), ["b"]);
}

#[test]
fn somebody_elses_load_is_waited_for_not_doubled() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Loading)]);
    bench.want("m", true);
    bench.load("m");
    assert_eq!(bench.loads(), [""; 0]);
    assert!(matches!(bench.said()[..], [Occurrence::LoadStarted { .. }]));
    bench.see(&[("m", Loading)]);
    bench.see(&[("m", Loaded)]);
    assert!(matches!(bench.said()[..], [Occurrence::Loaded { after, away: None, .. }] if after == Some(SECOND * 2)));
    assert!(matches!(bench.effects[..], [Effect::AnswerLoad { answer: Ok(_), .. }]));
}

#[test]
fn somebody_was_faster_than_our_load() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.load_done("m", LoadOutcome::AlreadyThere);
    bench.said();
    bench.see(&[("m", Loading)]);
    assert_eq!((bench.said(), bench.loads()), (vec![], vec!["m".to_owned()]));
    bench.see(&[("m", Absent)]);
    assert!(matches!(bench.said()[..], [Occurrence::LoadFailed { retry_in: Some(_), .. }]));
    bench.see_for(&[("m", Absent)], SECOND * 3);
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn a_server_that_goes_is_told_once_with_its_cause_and_its_models_come_back() {
    let mut bench = Bench::warm();
    bench.refuse();
    assert!(matches!(bench.state("m"), Warmth::Unreachable { .. }));
    assert_eq!(bench.said(), [], "told when the cause is known");
    assert!(bench.effects.contains(&Effect::WhyGone { refused: true }));
    bench.track.gone_because(Cause::AppQuit);
    bench.act();
    assert!(matches!(bench.said()[..], [Occurrence::Unreachable { cause: Cause::AppQuit, .. }]));
    let went = bench.now;
    for _ in 0..5 {
        bench.refuse();
    }
    assert_eq!(bench.now - went, SECOND * 10, "a server that is away is asked every 2 s");
    assert_eq!(bench.said(), []);
    bench.see(&[("m", Absent)]);
    let said = bench.said();
    assert!(matches!(said[..], [Occurrence::Reachable { .. }, Occurrence::LoadStarted { .. }]), "{said:?}");
    assert_eq!(bench.loads(), ["m"]);
    bench.now += SECOND * 7;
    bench.load_done("m", done());
    let said = bench.said();
    assert!(matches!(said[..], [Occurrence::Loaded { away: Some(away), .. }] if away > SECOND * 10), "{said:?}");
}

#[test]
fn a_model_that_outlived_its_server_is_not_told_of() {
    let mut bench = Bench::warm();
    let Warmth::Warm { since } = bench.state("m") else { panic!() };
    bench.refuse();
    bench.track.gone_because(Cause::ServerStopped);
    bench.act();
    bench.said();
    bench.see(&[("m", Loaded)]);
    assert!(matches!(bench.said()[..], [Occurrence::Reachable { .. }]));
    assert_eq!(bench.state("m"), Warmth::Warm { since });
    assert_eq!(bench.loads(), [""; 0]);
    // It is still ours: an eject is told from an eviction.
    bench.see(&[("m", Absent), ("n", Loaded)]);
    assert_eq!(bench.unloaded().0, Cause::EjectedByPerson);
}

#[test]
fn a_server_that_never_answered_is_not_missed() {
    let mut bench = Bench::new(&[model("m")]);
    bench.refuse();
    bench.refuse();
    assert_eq!((bench.said(), bench.effects.len()), (vec![], 0));
    bench.see(&[("m", Absent)]);
    assert!(matches!(bench.said()[..], [Occurrence::LoadStarted { .. }]));
}

#[test]
fn one_silence_is_chance_and_a_working_runtime_may_be_slow() {
    let silence = || Err(LookFailure::Silent("no answer in time".into()));
    let mut bench = Bench::warm();
    bench.answer(silence());
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    bench.see(&[("m", Loaded)]);
    bench.answer(silence());
    bench.answer(silence());
    assert!(matches!(bench.state("m"), Warmth::Unreachable { .. }));

    let mut bench = Bench::warm();
    bench.busy(true);
    for _ in 0..3 {
        bench.answer(silence());
        assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    }
    bench.answer(silence());
    assert!(matches!(bench.state("m"), Warmth::Unreachable { .. }));
}

#[test]
fn after_a_sleep_of_the_machine_an_absence_is_no_eject_and_a_silence_no_loss() {
    const NIGHT: Duration = Duration::from_secs(8 * 3600);
    let mut bench = Bench::warm();
    bench.track.woke(NIGHT, bench.now);
    for _ in 0..4 {
        bench.answer(Err(LookFailure::Silent("no route".into())));
        assert!(matches!(bench.state("m"), Warmth::Warm { .. }), "its network may not be there yet");
    }
    bench.see(&[("m", Absent)]);
    assert!(
        matches!(&bench.said()[..], [Occurrence::Unloaded { cause: Cause::Unknown, evidence, reloading: true, .. }, ..]
        if evidence.contains("slept"))
    );

    let mut bench = Bench::warm();
    bench.track.woke(NIGHT, bench.now);
    bench.see(&[("m", Loaded)]);
    bench.see(&[("m", Absent)]);
    assert!(matches!(bench.said()[..], [Occurrence::Unloaded { cause: Cause::EjectedByPerson, .. }]), "seen since");

    let mut bench = Bench::warm();
    bench.track.woke(NIGHT, bench.now);
    bench.refuse();
    assert!(matches!(bench.state("m"), Warmth::Unreachable { .. }), "a refusal is an answer");
}

#[test]
fn a_server_that_went_with_a_request_crashed() {
    let told = |trouble: Option<(Trouble, &str)>, waits: Duration, found: Cause| {
        let mut bench = Bench::warm();
        if let Some((trouble, detail)) = trouble {
            bench.trouble(trouble, detail);
        }
        bench.pass(waits);
        bench.refuse();
        bench.track.gone_because(found);
        bench.act();
        match &bench.said()[..] {
            [Occurrence::Unreachable { cause, .. }] => cause.clone(),
            other => panic!("{other:?}"),
        }
    };
    let crashed = |detail: &str| Cause::Crashed { detail: detail.into() };
    let (ended, quit) = (Cause::ProgramEnded, Cause::AppQuit);
    let words = Some((Trouble::Crashed, "EngineCore encountered an issue"));
    assert_eq!(told(words, SECOND, ended.clone()), crashed("EngineCore encountered an issue"));
    assert_eq!(told(words, SECOND, quit.clone()), crashed("EngineCore encountered an issue"));
    let cut = Some((Trouble::Cut, "the stream ended"));
    assert_eq!(told(cut, SECOND, ended.clone()), ended, "a server may be stopped while it answers");
    assert_eq!(told(words, SECOND * 60, ended.clone()), ended, "that was long ago");
    assert_eq!(told(None, SECOND, ended.clone()), ended);
}

#[test]
fn a_refused_key_is_no_absence() {
    let mut bench = Bench::warm();
    bench.answer(Err(LookFailure::Rejected("it refuses the key".into())));
    assert_eq!(bench.track.reachable(), (true, Some("it refuses the key".into())));
    assert_eq!(bench.state("m"), Warmth::Unknown);
    assert_eq!(bench.problem("m").unwrap(), "its runtime does not tell its state: it refuses the key");
    assert_eq!(bench.said(), []);
    bench.see(&[("m", Loaded)]);
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    assert_eq!((bench.said(), bench.loads(), bench.problem("m")), (vec![], vec![], None));
}

#[test]
fn a_plan_without_the_model_gives_up_its_load() {
    let mut bench = Bench::new(&[model("m"), model("n")]);
    bench.see(&[("m", Absent), ("n", Absent)]);
    bench.load("m");
    bench.effects.clear();
    bench.track.replan(&[model("n")], POLL, bench.now);
    bench.act();
    assert!(bench.effects.contains(&Effect::AbortLoad));
    assert!(bench.effects.iter().any(|effect| matches!(effect, Effect::AnswerLoad { answer: Err(_), .. })));
    assert_eq!(bench.loads(), ["n"]);
    bench.load_done("m", done()); // An answer that comes all the same.
    assert_eq!(bench.track.published().count(), 1);
}

#[test]
fn a_model_not_to_be_kept_is_loaded_for_a_request_only() {
    let mut cold = model("m");
    cold.keep_warm = KeepWarm::No;
    let mut bench = Bench::new(&[cold.clone()]);
    bench.see_for(&[("m", Absent)], MINUTE);
    assert_eq!(bench.loads(), [""; 0]);
    bench.want("m", false);
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", failed(LoadFailureKind::Passing, "busy"));
    assert!(matches!(bench.said()[..], [_, Occurrence::LoadFailed { retry_in: None, .. }]));
    bench.see_for(&[("m", Absent)], MINUTE);
    assert_eq!(bench.loads(), [""; 0]);
    // Kept from now on.
    bench.track.replan(&[model("m")], POLL, bench.now);
    bench.act();
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn a_wish_made_before_the_first_look_is_remembered() {
    let mut cold = model("m");
    cold.keep_warm = KeepWarm::No;
    let mut bench = Bench::new(&[cold]);
    bench.want("m", false);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn a_server_that_cannot_tell_is_never_asked_to_load() {
    let mut bench = Bench::new(&[model("m")]);
    bench.track.connected("the server", false, None);
    bench.see(&[("m", Presence::Untold)]);
    bench.want("m", true);
    assert_eq!(bench.state("m"), Warmth::Unknown);
    assert_eq!(bench.problem("m"), None);
    assert_eq!(bench.effects, []);
    bench.load("m");
    assert!(matches!(bench.effects[..], [Effect::AnswerLoad { answer: Err(KeeperError::Unsupported { .. }), .. }]));
    bench.see(&[("n", Presence::Untold)]);
    assert_eq!(bench.problem("m").unwrap(), "the server does not list it");
    assert_eq!(bench.state("m"), Warmth::Unknown, "it may answer all the same");
}

#[test]
fn what_is_warm_need_not_be_loaded_by_a_server_that_loads_nothing() {
    let mut bench = Bench::new(&[model("m")]);
    bench.track.connected("vLLM", false, None);
    bench.see(&[("m", Loaded)]);
    bench.load("m");
    assert_eq!(bench.effects, [], "as it was last seen: a look tells");
    bench.see(&[("m", Loaded)]);
    let answered =
        |effect: &Effect| matches!(effect, Effect::AnswerLoad { answer: Ok(loaded), .. } if loaded.after.is_zero());
    assert!(bench.effects.iter().any(answered), "{:?}", bench.effects);
    bench.load("m");
    bench.see(&[("m", Absent)]);
    let refused =
        |effect: &Effect| matches!(effect, Effect::AnswerLoad { answer: Err(KeeperError::Unsupported { .. }), .. });
    assert!(bench.effects.iter().any(refused), "{:?}", bench.effects);
    bench.unload("m");
    let refused =
        |effect: &Effect| matches!(effect, Effect::AnswerUnload { answer: Err(KeeperError::Unsupported { .. }), .. });
    assert!(bench.effects.iter().any(refused), "{:?}", bench.effects);
}

#[test]
fn less_context_than_asked_and_a_second_copy_are_pointed_out() {
    let mut asked = model("m");
    asked.context = Some(100_000);
    let mut bench = Bench::new(&[asked]);
    let mut seen = Seen::named("m", Loaded);
    seen.context = Some(4096);
    seen.instances = vec!["m".into()];
    bench.answer(Ok(Observation { models: vec![seen.clone()] }));
    assert!(bench.problem("m").unwrap().contains("4096"));
    bench.refuse();
    assert_eq!(bench.problem("m"), None, "that was of a server that has gone");
    bench.answer(Ok(Observation { models: vec![seen.clone()] }));
    seen.instances.push("m:2".into());
    seen.size_bytes = Some(1);
    bench.answer(Ok(Observation { models: vec![seen] }));
    assert!(bench.problem("m").unwrap().contains("2 times"));
}

#[test]
fn a_person_who_asks_during_an_eject_that_fails_is_answered() {
    let mut bench = Bench::warm();
    bench.unload("m");
    bench.load("m");
    bench.effects.clear();
    bench.unload_done("m", Err(LoadFailure::new(LoadFailureKind::Passing, "no")));
    assert!(matches!(
        bench.effects[..],
        [Effect::AnswerUnload { answer: Err(_), .. }, Effect::AnswerLoad { answer: Ok(_), .. }]
    ));
}

#[test]
fn a_load_that_succeeds_proves_that_the_server_is_back() {
    let mut bench = Bench::new(&[model("m")]);
    bench.refuse();
    bench.load("m");
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", done());
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    bench.said();
    bench.load("m");
    bench.see(&[("m", Loaded)]);
    assert_eq!((bench.loads(), bench.said()), (vec![], vec![]));
}

#[test]
fn a_model_lost_in_an_absence_too_short_to_tell_of_is_told_of_itself() {
    let mut bench = Bench::warm_by_others();
    bench.refuse();
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::Unknown, true));
    bench.track.gone_because(Cause::AppQuit);
    bench.act();
    assert_eq!(bench.said(), [], "the server is back");
}

#[test]
fn a_load_that_fails_after_the_model_was_seen_warm_was_a_load_and_a_loss() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.see(&[("m", Loaded)]);
    assert_eq!(bench.said().len(), 2);
    bench.trouble(Trouble::Crashed, "Exit code: 6");
    bench.load_done("m", failed(LoadFailureKind::Lasting, "crashed"));
    assert_eq!(bench.said(), []);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::Crashed { detail: "Exit code: 6".into() }, true));
    assert_eq!(bench.loads(), ["m", "m"]);
}
