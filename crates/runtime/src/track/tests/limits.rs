//! Limits of the settings: who goes when another comes, and who does not.

use super::*;
use crate::{Activity, Doing, Limits};

const FIVE: Duration = Duration::from_secs(300);

fn kept(id: &str, keep_warm: KeepWarm) -> WatchedModel {
    WatchedModel { keep_warm, ..model(id) }
}

/// A track with a limit, which has seen this.
fn limited(limits: Limits, models: &[WatchedModel], seen: &[(&str, Presence)]) -> Bench {
    let mut bench = Bench::new(models);
    bench.track.limit(limits);
    bench.see(seen);
    bench
}

fn one() -> Limits {
    Limits { models: Some(1), bytes: None }
}

fn sent_away(bench: &Bench) -> Vec<String> {
    let away = bench.effects.iter().filter_map(|effect| match effect {
        Effect::Unload { upstream_id, .. } => Some(upstream_id.clone()),
        _ => None,
    });
    away.collect()
}

#[test]
fn a_person_gets_room_and_it_is_told_for_whom() {
    let models = [kept("a", KeepWarm::Always), kept("b", KeepWarm::No)];
    let mut bench = limited(one(), &models, &[("a", Loaded), ("b", Absent)]);
    bench.load("b");
    assert_eq!((sent_away(&bench), bench.loads()), (vec!["a".to_owned()], vec![]));
    bench.effects.clear();
    bench.act();
    assert_eq!(sent_away(&bench), [""; 0], "once");
    bench.unload_done("a", Ok(()));
    let (cause, reloading) = bench.unloaded();
    assert_eq!((cause, reloading), (Cause::MadeRoom { by: Some("B".into()) }, false));
    assert_eq!(bench.loads(), ["b"]);
    bench.load_done("b", done());
    // Its policy is stronger, but whoever asked for the other one is left in peace.
    bench.see_for(&[("a", Absent), ("b", Loaded)], FIVE - SECOND * 10);
    assert_eq!((sent_away(&bench), bench.loads()), (vec![], vec![]));
    assert!(bench.problem("a").unwrap().contains("B is in memory, and keeper.maxModels of the settings is 1"));
    bench.see_for(&[("a", Absent), ("b", Loaded)], SECOND * 20);
    assert_eq!(sent_away(&bench), ["b"]);
    bench.effects.clear();
    bench.unload_done("b", Ok(()));
    assert_eq!(bench.loads(), ["a"]);
}

#[test]
fn nobody_is_taken_out_who_is_generating() {
    let models = [kept("m", KeepWarm::No), kept("b", KeepWarm::No)];
    let mut bench = limited(one(), &models, &[("m", Loaded), ("b", Absent)]);
    bench.busy(true);
    bench.load("b");
    bench.see_for(&[("m", Loaded), ("b", Absent)], MINUTE);
    assert_eq!((sent_away(&bench), bench.loads()), (vec![], vec![]));
    bench.busy(false);
    bench.act();
    assert_eq!(sent_away(&bench), ["m"]);

    // By the runtime's word, for somebody else's request.
    let mut bench = limited(one(), &models, &[("m", Loaded), ("b", Absent)]);
    let answering =
        |doing| crate::adapter::News::Activity { instance: "m".into(), activity: Activity { doing, queued: 0 } };
    bench.track.heard(&answering(Doing::Answering), bench.now);
    bench.load("b");
    assert_eq!(sent_away(&bench), [""; 0]);
    bench.track.heard(&answering(Doing::Idle), bench.now);
    bench.act();
    assert_eq!(sent_away(&bench), ["m"]);
}

#[test]
fn the_weakest_policy_goes_first_and_then_the_longest_unused() {
    let two = Limits { models: Some(3), bytes: None };
    let models =
        [kept("a", KeepWarm::Always), kept("m", KeepWarm::No), kept("b", KeepWarm::No), kept("c", KeepWarm::No)];
    let all = [("a", Loaded), ("m", Loaded), ("b", Loaded), ("c", Absent)];
    let mut bench = limited(two, &models, &all);
    bench.see_for(&all, FIVE);
    bench.busy(true);
    bench.busy(false);
    bench.load("c");
    assert_eq!(sent_away(&bench), ["b"], "a is kept by a policy, m was used just now");
}

#[test]
fn a_request_that_another_can_answer_takes_no_place_of_one_in_use() {
    let models = [kept("a", KeepWarm::No), kept("b", KeepWarm::No)];
    let seen = [("a", Loaded), ("b", Absent)];
    let mut bench = limited(one(), &models, &seen);
    bench.want("b", false);
    assert_eq!((sent_away(&bench), bench.loads()), (vec![], vec![]));
    assert!(matches!(bench.state("b"), Warmth::Cold { .. }), "{:?}", bench.state("b"));
    bench.want("b", true);
    assert_eq!(sent_away(&bench), ["a"]);

    let mut bench = limited(one(), &models, &seen);
    bench.see_for(&seen, FIVE + SECOND);
    bench.want("b", false);
    assert_eq!(sent_away(&bench), ["a"]);
}

#[test]
fn what_a_request_waited_for_is_not_taken_out_before_it_was_asked() {
    let models = [kept("a", KeepWarm::No), kept("b", KeepWarm::No)];
    let mut bench = limited(one(), &models, &[("a", Absent), ("b", Absent)]);
    bench.want("a", true);
    assert_eq!(bench.loads(), ["a"]);
    bench.want("b", true);
    bench.load_done("a", done());
    assert_eq!(sent_away(&bench), [""; 0], "its request is on its way");
    let due = bench.track.deadline(bench.now).unwrap();
    assert!(due <= bench.now + SECOND * 2, "and it is thought of again without waiting for a look");
    bench.now += SECOND * 2;
    bench.act();
    assert_eq!(sent_away(&bench), ["a"], "nobody has asked it");
    assert!(matches!(bench.state("a"), Warmth::Cold { .. }), "a request would meet its end");
    bench.want("a", true);
    bench.unload_done("a", Ok(()));
    assert_eq!(bench.loads(), ["b"]);
}

#[test]
fn equal_policies_do_not_drive_each_other_out() {
    let models = [kept("a", KeepWarm::Always), kept("b", KeepWarm::Always)];
    let mut bench = limited(one(), &models, &[("a", Absent), ("b", Absent)]);
    assert_eq!(bench.loads(), ["a"]);
    bench.load_done("a", done());
    bench.see_for(&[("a", Loaded), ("b", Absent)], HOUR);
    assert_eq!((sent_away(&bench), bench.loads()), (vec![], vec![]));
}

#[test]
fn where_not_all_can_stay_the_strongest_policy_loads_first() {
    let models = [kept("a", KeepWarm::Chain), kept("b", KeepWarm::Always), kept("c", KeepWarm::No)];
    let absent = [("a", Absent), ("b", Absent), ("c", Absent)];
    let mut bench = limited(one(), &models, &absent);
    assert_eq!(bench.loads(), ["b"]);
    // With room for both the order is the plan's: the first of the chain is waited for.
    let mut bench = limited(Limits { models: Some(2), bytes: None }, &models, &absent);
    assert_eq!(bench.loads(), ["a"]);
}

#[test]
fn memory_is_counted_by_size_and_what_never_fits_is_refused() {
    // Every model seen by these tests takes one byte.
    let models = [kept("a", KeepWarm::No), kept("b", KeepWarm::No), kept("c", KeepWarm::No)];
    let two = Limits { models: None, bytes: Some(2) };
    let mut bench = limited(two, &models, &[("a", Loaded), ("b", Loaded), ("c", Absent)]);
    bench.load("c");
    assert_eq!(sent_away(&bench), ["a"]);

    let none = Limits { models: None, bytes: Some(0) };
    let mut bench = limited(none, &models, &[("a", Absent), ("b", Absent), ("c", Absent)]);
    bench.load("c");
    let refused = bench.effects.iter().any(|effect| {
        matches!(effect, Effect::AnswerLoad { answer: Err(KeeperError::Failed { message, .. }), .. }
            if message.contains("keeper.maxMemory"))
    });
    assert!(refused, "{:?}", bench.effects);
}

#[test]
fn more_than_allowed_by_somebody_elses_load_is_borne_for_a_minute() {
    let models = [kept("a", KeepWarm::Chain), kept("b", KeepWarm::No)];
    let both = [("a", Loaded), ("b", Loaded)];
    let mut bench = limited(one(), &models, &both);
    bench.see_for(&both, SECOND * 50);
    assert_eq!(sent_away(&bench), [""; 0]);
    bench.see_for(&both, SECOND * 20);
    assert_eq!(sent_away(&bench), ["b"]);
    bench.unload_done("b", Ok(()));
    assert_eq!(bench.unloaded(), (Cause::MadeRoom { by: None }, false));
}

#[test]
fn one_that_cannot_be_taken_out_is_not_tried_at_once_again() {
    let models = [kept("a", KeepWarm::No), kept("b", KeepWarm::No)];
    let seen = [("a", Loaded), ("b", Absent)];
    let mut bench = limited(one(), &models, &seen);
    bench.load("b");
    assert_eq!(sent_away(&bench), ["a"]);
    bench.effects.clear();
    bench.unload_done("a", Err(LoadFailure::new(LoadFailureKind::Passing, "no")));
    bench.see_for(&seen, SECOND * 20);
    assert_eq!(sent_away(&bench), [""; 0]);
    bench.see_for(&seen, SECOND * 20);
    assert_eq!(sent_away(&bench), ["a"]);
}

/// Whatever the order of the configuration.
#[test]
fn what_was_displaced_is_told_to_wait_in_the_same_look_that_sees_the_other() {
    let not_kept = WatchedModel { keep_warm: KeepWarm::No, ..model("n") };
    for models in [[model("m"), not_kept.clone()], [not_kept.clone(), model("m")]] {
        let mut bench = Bench::new(&models);
        bench.track.displaces(true);
        bench.see(&[("m", Loaded), ("n", Absent)]);
        bench.see(&[("m", Absent), ("n", Loaded)]);
        assert_eq!(bench.unloaded(), (Cause::Evicted { by: "n".into() }, false));
        assert_eq!(bench.loads(), [] as [&str; 0]);
    }
}

/// A runtime that holds one model at a time, whatever the settings say.
#[test]
fn what_somebody_asked_for_is_not_displaced_by_a_policy_where_the_runtime_holds_only_one() {
    let not_kept = WatchedModel { keep_warm: KeepWarm::No, ..model("n") };
    for displaces in [true, false] {
        let mut bench = Bench::new(&[model("m"), not_kept.clone()]);
        bench.track.connected("Ollama", true, None);
        bench.track.displaces(displaces);
        bench.see(&[("m", Loaded), ("n", Absent)]);
        bench.load("n");
        assert_eq!(bench.loads(), ["n"]);
        bench.see(&[("m", Absent), ("n", Loading)]);
        assert_eq!(bench.unloaded(), (Cause::Evicted { by: "n".into() }, !displaces));
        bench.load_done("n", LoadOutcome::Done(LoadDone::default()));
        bench.see_for(&[("m", Absent), ("n", Loaded)], MINUTE * 4);
        if !displaces {
            assert_eq!(bench.loads(), ["m"], "there the other one stays");
            continue;
        }
        assert_eq!(bench.loads(), [] as [&str; 0]);
        assert!(bench.problem("m").unwrap().contains("took it out for"), "{:?}", bench.problem("m"));
        bench.see_for(&[("m", Absent), ("n", Loaded)], MINUTE * 2);
        assert_eq!(bench.loads(), ["m"], "unused for long enough");
    }
}
