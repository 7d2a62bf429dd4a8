//! Idle timers: those that are told, those that are only known when they strike, and those that win.

use super::*;

/// A llama-server with one model, which was there before us.
fn llama_server() -> Bench {
    let mut bench = Bench::new(&[model("m")]);
    bench.track.connected("llama-server", true, None);
    bench.find(Loaded, |_| {});
    bench
}

fn sleeps(bench: &mut Bench) {
    bench.find(Absent, |seen| seen.departure = Some(Departure::Slept));
}

fn woken(bench: &mut Bench) {
    assert_eq!(bench.loads(), ["m"]);
    bench.load_done("m", LoadOutcome::Done(LoadDone::default()));
    bench.find(Loaded, |_| {});
    bench.said();
}

#[test]
fn a_timer_that_is_told_explains_why_a_model_went() {
    let mut bench = Bench::new(&[model("m")]);
    let half_a_minute = Clock::After(SECOND * 30);
    bench.track.replan(&[WatchedModel { keep_warm: KeepWarm::No, ..model("m") }], POLL, bench.now);
    bench.find(Loaded, |seen| seen.clock = half_a_minute);
    let began = bench.now;
    while bench.now - began < SECOND * 28 {
        bench.find(Loaded, |seen| seen.clock = half_a_minute);
    }
    bench.see(&[("m", Absent)]);
    assert_eq!(bench.unloaded(), (Cause::IdleTtl, false), "although the runtime's usual timer is an hour");
}

#[test]
fn a_timer_that_is_not_told_is_known_when_it_has_struck_and_does_not_strike_again() {
    let mut bench = llama_server();
    assert_eq!(bench.stays_for(SECOND * 120), 0, "nothing is known of a timer");
    sleeps(&mut bench);
    assert_eq!(bench.unloaded(), (Cause::IdleTtl, true));
    woken(&mut bench);
    let uses = bench.stays_for(HOUR);
    assert!((36..=45).contains(&uses), "before two minutes are over, and not much oftener: {uses}");
    assert_eq!((bench.said(), bench.loads()), (vec![], vec![]));
    // Its server was started anew, maybe with another timer.
    bench.refuse();
    bench.see(&[("m", Loaded)]);
    bench.stays_for(SECOND * 5);
    assert_eq!(bench.stays_for(HOUR), 0);
}

#[test]
fn a_timer_that_wins_all_the_same_is_told_in_its_own_words_and_requests_are_served() {
    let mut bench = llama_server();
    for round in 1..=3 {
        bench.pass(SECOND);
        sleeps(&mut bench);
        let said = bench.said();
        let Occurrence::Unloaded { cause: Cause::IdleTtl, reloading, .. } = &said[0] else { panic!("{said:?}") };
        assert_eq!(*reloading, round < 3);
        if round < 3 {
            woken(&mut bench);
        } else {
            let Occurrence::LoadFailed { message, retry_in: None, .. } = &said[1] else { panic!("{said:?}") };
            assert!(message.contains("idle timer") && message.contains("--sleep-idle-seconds"), "{message}");
            assert!(!message.contains("short of memory"), "{message}");
        }
    }
    for _ in 0..100 {
        sleeps(&mut bench);
    }
    assert_eq!((bench.loads(), bench.said()), (vec![], vec![]), "it is not fought");
    bench.want("m", false);
    woken(&mut bench);
}

#[test]
fn strikes_of_a_timer_are_not_counted_among_crashes() {
    let mut bench = llama_server();
    for _ in 0..2 {
        bench.trouble(Trouble::Crashed, "Exit code: 9");
        bench.find(Absent, |_| {});
        woken(&mut bench);
        bench.pass(SECOND * 5);
        sleeps(&mut bench);
        woken(&mut bench);
    }
    assert_eq!(bench.problem("m"), None, "two of each are no three of one");
}
