//! When a model is loaded, when it is not, and why it is said to have gone.

use super::*;

#[test]
fn a_cold_model_is_loaded_once_and_told_when_it_is_warm() {
    let mut bench = Bench::new(&[model("m")]);
    assert_eq!(bench.state("m"), Warmth::Unknown);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.loads(), ["m"]);
    assert!(matches!(bench.said()[..], [Occurrence::LoadStarted { expected: None, .. }]));
    // Requests, people and looks meanwhile change nothing.
    bench.want("m", true);
    bench.load("m");
    bench.see(&[("m", Absent)]);
    bench.see(&[("m", Loading)]);
    assert_eq!((bench.loads(), bench.said()), (vec![], vec![]));
    assert!(matches!(bench.state("m"), Warmth::Loading { .. }));
    bench.now += SECOND * 30;
    let took = bench.now;
    bench.load_done("m", done());
    assert!(matches!(bench.said()[..], [Occurrence::Loaded { after, away: None, .. }] if after > Some(SECOND * 30)));
    assert_eq!(bench.state("m"), Warmth::Warm { since: took });
    assert!(matches!(bench.effects[..], [Effect::AnswerLoad { answer: Ok(_), .. }]));
}

#[test]
fn an_instance_is_no_sign_of_warmth_while_we_load_and_a_loaded_state_is() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.see(&[("m", Instance)]);
    assert!(matches!(bench.state("m"), Warmth::Loading { .. }));
    bench.see(&[("m", Loaded)]);
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    bench.said();
    bench.load_done("m", done());
    assert_eq!(bench.said(), [], "told twice that it is loaded");
}

#[test]
fn an_unload_is_answered_when_it_is_done_although_the_load_before_it_fails() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.see(&[("m", Loaded)]);
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }), "seen before its load was answered");
    bench.effects.clear();
    bench.unload("m");
    bench.load_done("m", failed(LoadFailureKind::Passing, "it was unloaded while it was loading"));
    let answered = |effect: &Effect| matches!(effect, Effect::AnswerUnload { answer: Ok(()), .. });
    assert!(!bench.effects.iter().any(answered), "{:?}", bench.effects);
    bench.unload_done("m", Ok(()));
    assert!(bench.effects.iter().any(answered), "{:?}", bench.effects);
    assert_eq!(bench.state("m"), Warmth::Cold { reason: Some(Cause::UnloadedHere) });
}

#[test]
fn what_was_unloaded_before_its_load_was_answered_stays_unloaded() {
    let failed = LoadOutcome::Failed(LoadFailure::new(LoadFailureKind::Passing, "it went"));
    for outcome in [done(), LoadOutcome::AlreadyThere, failed] {
        let mut bench = Bench::new(&[model("m")]);
        bench.see(&[("m", Absent)]);
        assert_eq!(bench.loads(), ["m"]);
        bench.see(&[("m", Loaded)]);
        bench.unload("m");
        bench.now += SECOND;
        bench.unload_done("m", Ok(()));
        bench.said();
        bench.load_done("m", outcome);
        assert_eq!(bench.state("m"), Warmth::Cold { reason: Some(Cause::UnloadedHere) });
        bench.see(&[("m", Absent)]);
        assert_eq!((bench.said(), bench.loads()), (vec![], vec![]), "told or loaded once more");
    }
}

#[test]
fn the_pace_is_fast_while_loading_and_steady_otherwise() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    let began = bench.now;
    bench.see(&[("m", Loading)]);
    assert_eq!(bench.now - began, SECOND);
    bench.see(&[("m", Loading)]);
    assert_eq!(bench.now - began, SECOND * 2);
    bench.load_done("m", done());
    bench.see(&[("m", Loaded)]); // At once, after the load.
    let steady = bench.now;
    bench.see(&[("m", Loaded)]);
    assert_eq!(bench.now - steady, POLL);
    assert_eq!(bench.look, None);
}

#[test]
fn trouble_makes_it_look_at_once_but_not_more_often_than_four_times_a_second() {
    let mut bench = Bench::warm();
    let began = bench.now;
    bench.see(&[("m", Loaded)]);
    assert_eq!(bench.now - began, POLL);
    bench.now += SECOND;
    bench.trouble(Trouble::NotLoaded, "");
    assert!(bench.look.is_some(), "not at once");
    bench.see(&[("m", Loaded)]);
    let first = bench.now;
    bench.trouble(Trouble::Cut, "");
    assert_eq!(bench.look, None);
    bench.see(&[("m", Loaded)]);
    assert_eq!(bench.now - first, Duration::from_millis(250));
}

#[test]
fn an_old_look_does_not_undo_a_load() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.pass(SECOND);
    assert!(bench.look.is_some());
    bench.now += SECOND;
    bench.load_done("m", done());
    bench.said();
    bench.see(&[("m", Absent)]); // What the look that began before the end of the load saw.
    assert!(matches!(bench.state("m"), Warmth::Warm { .. }));
    assert_eq!(bench.said(), []);
    bench.see(&[("m", Loaded)]);
}

#[test]
fn what_we_loaded_went_with_nothing_to_show_for_it_so_a_person_ejected_it() {
    let mut bench = Bench::warm();
    bench.see_for(&[("m", Loaded)], MINUTE);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::EjectedByPerson, false));
    assert_eq!(bench.state("m"), Warmth::Cold { reason: Some(Cause::EjectedByPerson) });
    bench.see_for(&[("m", Absent)], MINUTE * 20);
    assert_eq!((bench.loads(), bench.said()), (vec![], vec![]), "a person is not fought");
    // That was a guess: a request undoes it.
    bench.want("m", false);
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", done());
    bench.see(&[("m", Loaded)]);
    bench.said();
    // Ejected again: it is meant.
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::EjectedByPerson, false));
    bench.want("m", false);
    assert_eq!(bench.loads(), [""; 0]);
    bench.want("m", true);
    assert_eq!(bench.loads(), ["m"], "nobody else can answer");
}

#[test]
fn it_went_when_the_idle_clock_struck() {
    let mut bench = Bench::warm_by_others();
    bench.see_for(&[("m", Loaded)], HOUR - SECOND * 3);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::IdleTtl, true));
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn a_request_starts_the_idle_clock_anew() {
    let mut bench = Bench::warm_by_others();
    bench.see_for(&[("m", Loaded)], MINUTE * 30);
    bench.busy(true);
    bench.busy(false);
    bench.see_for(&[("m", Loaded)], MINUTE * 30);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::Unknown, true));
}

#[test]
fn it_went_because_another_came() {
    let mut bench = Bench::warm_by_others();
    bench.see(&[("m", Loaded), ("other", Absent)]);
    bench.see(&[("m", Absent), ("other", Loading)]);
    assert_eq!(bench.unloaded(), (Cause::Evicted { by: "other".into() }, true));
}

#[test]
fn it_crashed() {
    let mut bench = Bench::warm();
    bench.busy(true);
    bench.see(&[("m", Loaded)]);
    bench.trouble(Trouble::Crashed, "Exit code: 6");
    bench.busy(false);
    bench.trouble(Trouble::Cut, "the stream ended");
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::Crashed { detail: "Exit code: 6".into() }, true));
    assert_eq!(bench.loads(), ["m"]);

    let mut bench = Bench::warm();
    bench.busy(true);
    bench.see(&[("m", Loaded)]);
    bench.see(&[("m", Absent)]);
    let (cause, reloading) = bench.unloaded();
    assert!(matches!(cause, Cause::Crashed { .. }) && reloading);
}

#[test]
fn a_model_that_will_not_stay_is_given_up_and_a_person_can_try_again() {
    let mut bench = Bench::warm_by_others();
    for round in 1..=3 {
        bench.trouble(Trouble::Crashed, "Exit code: 9");
        bench.see(&[("m", Absent)]);
        let said = bench.said();
        assert!(matches!(said[0], Occurrence::Unloaded { reloading, .. } if reloading == (round < 3)), "{said:?}");
        if round < 3 {
            assert_eq!(bench.loads(), ["m"]);
            bench.load_done("m", done());
            bench.see(&[("m", Loaded)]);
            bench.said();
        } else {
            assert!(matches!(&said[1], Occurrence::LoadFailed { given_up: true, .. }), "{said:?}");
        }
    }
    bench.see_for(&[("m", Absent)], HOUR);
    bench.want("m", false);
    assert_eq!(bench.loads(), [""; 0]);
    assert!(bench.problem("m").unwrap().contains("3 times"));
    bench.load("m");
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", done());
    assert_eq!(bench.problem("m"), None);
}

#[test]
fn failed_loads_are_tried_again_ever_later_and_the_same_failure_is_told_once() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    let mut waits = Vec::new();
    for _ in 0..10 {
        assert_eq!(bench.loads(), ["m"]);
        let failed_at = bench.now;
        bench.load_done("m", failed(LoadFailureKind::Passing, "busy"));
        while bench.effects.iter().all(|effect| !matches!(effect, Effect::Load(_))) {
            if bench.look.is_some() {
                bench.see(&[("m", Absent)]);
            } else {
                bench.now = bench.track.deadline(bench.now).unwrap();
                bench.act();
            }
        }
        waits.push((bench.now - failed_at).as_secs());
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    let failures = bench.said().into_iter().filter(|one| matches!(one, Occurrence::LoadFailed { .. })).count();
    assert_eq!(failures, 1);
    assert_eq!(bench.problem("m").unwrap(), "busy");
}

#[test]
fn a_failure_that_will_come_again_is_not_hammered() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("m", Absent)]);
    bench.loads();
    bench.load_done("m", failed(LoadFailureKind::Lasting, "insufficient system resources"));
    let said = bench.said();
    assert!(
        matches!(&said[..], [_, Occurrence::LoadFailed { retry_in: Some(wait), .. }] if *wait == MINUTE * 5),
        "{said:?}"
    );
    // Requests that others can answer do not hurry it; one that nobody else can may, after a while.
    bench.see_for(&[("m", Absent)], SECOND * 10);
    bench.want("m", false);
    assert_eq!(bench.loads(), [""; 0]);
    bench.want("m", true);
    assert_eq!(bench.loads(), [""; 0]);
    bench.see_for(&[("m", Absent)], SECOND * 25);
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn a_model_that_is_not_there_is_missing_and_left_alone() {
    let mut bench = Bench::new(&[model("m")]);
    bench.see(&[("other", Absent)]);
    assert_eq!(bench.state("m"), Warmth::Missing);
    bench.want("m", true);
    assert_eq!(bench.loads(), [""; 0]);
    // A person may know better.
    bench.load("m");
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", failed(LoadFailureKind::Missing, "no such model"));
    assert!(matches!(&bench.effects[..], [.., Effect::AnswerLoad { answer: Err(KeeperError::Missing(_)), .. }]));
    // Downloaded meanwhile.
    bench.see(&[("m", Absent)]);
    bench.see_for(&[("m", Absent)], MINUTE * 6);
    assert_eq!(bench.loads(), ["m"]);
}

/// An Ollama, whose model `m` was loaded with `keep_alive: -1`: its runtime tells that it has no idle timer.
fn for_good() -> Bench {
    let mut bench = Bench::new(&[model("m")]);
    bench.track.connected("Ollama", true, Some(SECOND * 300));
    bench.find(Loaded, |seen| seen.clock = Clock::Never);
    bench.pass(SECOND * 60);
    bench.find(Loaded, |seen| seen.clock = Clock::Never);
    bench
}

#[test]
fn what_has_no_idle_timer_is_not_loaded_again_when_somebody_ejects_it() {
    let mut bench = for_good();
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::EjectedByPerson, false));
    bench.see_for(&[("m", Absent)], HOUR);
    assert_eq!((bench.loads(), bench.said()), (vec![], vec![]));
    bench.want("m", false);
    assert_eq!(bench.loads(), ["m"], "it was a guess: a request undoes it");
}

#[test]
fn what_seemed_ejected_was_evicted_when_another_comes_right_after() {
    let mut bench = for_good();
    for _ in 0..2 {
        bench.see(&[("m", Absent), ("other", Absent)]);
        assert_eq!(bench.unloaded(), (Cause::EjectedByPerson, false));
        bench.see(&[("m", Absent), ("other", Loaded)]);
        assert_eq!(bench.loads(), ["m"], "as the policy says");
        bench.load_done("m", LoadOutcome::Done(LoadDone::default()));
        bench.said();
        bench.pass(SECOND * 60);
        bench.find(Loaded, |seen| seen.clock = Clock::Never);
    }
    // And nobody is taken to have meant it.
    bench.see(&[("m", Absent)]);
    bench.unloaded();
    bench.want("m", false);
    assert_eq!(bench.loads(), ["m"]);
}

#[test]
fn what_is_at_work_for_others_and_goes_crashed_but_not_what_once_was() {
    let at_work = |seen: &mut Seen| {
        seen.clock = Clock::Never;
        seen.activity = Some(Activity { doing: Doing::Answering, queued: 0 });
    };
    let mut bench = for_good();
    bench.find(Loaded, at_work);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::Crashed { detail: "it went while it was answering".into() }, true));

    let mut bench = for_good();
    bench.find(Loaded, at_work);
    // Its runtime does not tell any more.
    bench.find(Loaded, |seen| seen.clock = Clock::Never);
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::EjectedByPerson, false));
}
