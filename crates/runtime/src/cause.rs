//! Why a warm model went, from what was seen around it. No runtime says so, so this is a guess in the order of how
//! strong the evidence is, and what is said of it is "likely".

use std::time::Duration;

use crate::adapter::Departure;
use crate::{Cause, Trouble};

/// What was seen.
#[derive(Clone, Debug)]
pub(crate) struct Evidence<'a> {
    /// A person asked us to unload it.
    pub(crate) asked_here: bool,
    /// We loaded it in the way that has no idle clock and that the runtime does not evict.
    pub(crate) stays: bool,
    /// It was answering a request of ours when it was last seen warm, and still is being asked; or it was at work for
    /// somebody else, by the runtime's word.
    pub(crate) busy: bool,
    /// What a request met in the last moments.
    pub(crate) trouble: Option<(Trouble, &'a str)>,
    /// How it went, by the runtime's word.
    pub(crate) departure: Option<&'a Departure>,
    /// Since its last request of ours, or since it was first seen warm.
    pub(crate) idle: Duration,
    /// The runtime's idle clock; none when it has none.
    pub(crate) idle_clock: Option<Duration>,
    /// Whether the runtime had said that it has no idle clock.
    pub(crate) for_good: bool,
    /// Whether the runtime had said that it would go about now.
    pub(crate) expired: bool,
    /// Another model that came into memory in the last moments.
    pub(crate) appeared: Option<&'a str>,
    /// Whether the machine slept since it was last seen in memory.
    pub(crate) slept: bool,
    /// How late something may be seen: about two looks.
    pub(crate) slack: Duration,
}

/// The likeliest cause.
pub(crate) fn classify(seen: &Evidence<'_>) -> Cause {
    if seen.asked_here {
        return Cause::UnloadedHere;
    }
    match seen.departure {
        Some(Departure::Crashed(detail)) => return Cause::Crashed { detail: detail.clone() },
        Some(Departure::Slept) => return Cause::IdleTtl,
        Some(Departure::Here) => return Cause::UnloadedHere,
        Some(Departure::Orderly) | None => {}
    }
    let orderly = seen.departure.is_some();
    match seen.trouble {
        Some((Trouble::Crashed, detail)) => return Cause::Crashed { detail: detail.to_owned() },
        Some((Trouble::Cut, _)) => return Cause::Crashed { detail: "an answer broke off".into() },
        // The runtime itself spoke of an unload, so it was no crash although it was busy.
        Some((Trouble::Unloaded, _)) => {}
        _ if seen.busy && !orderly => return Cause::Crashed { detail: "it went while it was answering".into() },
        _ => {}
    }
    // Just when the clock would strike: the clock, even for a model that should have none.
    let on_the_clock = seen.idle_clock.is_some_and(|clock| {
        seen.idle >= clock.saturating_sub(seen.slack) && seen.idle <= clock.saturating_add(seen.slack * 2)
    });
    if on_the_clock || seen.expired {
        return Cause::IdleTtl;
    }
    // While the machine slept nobody sat there, unless the runtime says otherwise.
    let by_a_person = if seen.slept && !orderly { Cause::Unknown } else { Cause::EjectedByPerson };
    if seen.stays {
        return by_a_person;
    }
    if let Some(by) = seen.appeared {
        return Cause::Evicted { by: by.to_owned() };
    }
    // Long past the clock: it had requests that did not come through us, and then the clock.
    if seen.idle_clock.is_some_and(|clock| seen.idle >= clock) {
        return Cause::IdleTtl;
    }
    // Told to go, or one that goes only so, and neither by us, nor by a timer, nor for another: by somebody.
    if orderly || seen.for_good { by_a_person } else { Cause::Unknown }
}

/// What a cause was read from, for a person; empty where the cause says it all.
pub(crate) fn in_words(seen: &Evidence<'_>, cause: &Cause) -> String {
    match cause {
        Cause::IdleTtl => match (seen.departure, seen.idle_clock) {
            (Some(Departure::Slept), _) => "its server says that it sleeps".to_owned(),
            (_, Some(clock)) if seen.idle >= clock.saturating_sub(seen.slack) => {
                format!("it was not used for {}, and its timer is set to {}", long(seen.idle), long(clock))
            }
            _ => "its server had said that it would go about now".to_owned(),
        },
        Cause::Evicted { by } => format!("{by} came into memory at that moment"),
        Cause::Crashed { .. } if matches!(seen.trouble, Some((Trouble::Crashed | Trouble::Cut, _))) => {
            "a request was told so".to_owned()
        }
        Cause::Crashed { .. } if seen.departure.is_some() => "its server says so".to_owned(),
        Cause::EjectedByPerson if seen.departure.is_some() => {
            "its server says that it was told to end it, and not from here".to_owned()
        }
        Cause::EjectedByPerson => {
            "it has no idle timer, was idle, nothing came in its place, and its server goes on answering".to_owned()
        }
        Cause::Unknown if seen.slept => "the machine slept, and it was not there afterwards".to_owned(),
        Cause::Unknown => "it was idle, its timer was not up, and nothing came in its place".to_owned(),
        Cause::Crashed { .. }
        | Cause::UnloadedHere
        | Cause::MadeRoom { .. }
        | Cause::ServerStopped
        | Cause::AppQuit
        | Cause::ProgramEnded
        | Cause::ServerHangs => String::new(),
    }
}

/// A length of time as people say it.
fn long(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds @ 100..6_000 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    fn nothing() -> Evidence<'static> {
        Evidence {
            asked_here: false,
            stays: false,
            busy: false,
            trouble: None,
            departure: None,
            idle: MINUTE,
            idle_clock: Some(HOUR),
            for_good: false,
            expired: false,
            appeared: None,
            slept: false,
            slack: Duration::from_secs(10),
        }
    }

    #[test]
    fn each_cause_is_told_by_its_evidence() {
        assert_eq!(classify(&nothing()), Cause::Unknown);
        assert_eq!(classify(&Evidence { asked_here: true, busy: true, ..nothing() }), Cause::UnloadedHere);
        assert_eq!(classify(&Evidence { stays: true, ..nothing() }), Cause::EjectedByPerson);
        assert_eq!(classify(&Evidence { idle: HOUR, ..nothing() }), Cause::IdleTtl);
        assert_eq!(classify(&Evidence { idle: HOUR * 5, ..nothing() }), Cause::IdleTtl);
        assert_eq!(classify(&Evidence { idle: HOUR * 5, idle_clock: None, ..nothing() }), Cause::Unknown);
        assert_eq!(classify(&Evidence { appeared: Some("b"), ..nothing() }), Cause::Evicted { by: "b".into() });
        assert!(matches!(classify(&Evidence { busy: true, ..nothing() }), Cause::Crashed { .. }));
        let crashed = Evidence { trouble: Some((Trouble::Crashed, "Exit code: 6")), ..nothing() };
        assert_eq!(classify(&crashed), Cause::Crashed { detail: "Exit code: 6".into() });
    }

    #[test]
    fn what_has_no_clock_goes_for_another_or_by_somebody() {
        let for_good = Evidence { idle_clock: None, for_good: true, ..nothing() };
        assert_eq!(classify(&for_good), Cause::EjectedByPerson);
        assert_eq!(classify(&Evidence { appeared: Some("b"), ..for_good.clone() }), Cause::Evicted { by: "b".into() });
        assert!(matches!(classify(&Evidence { busy: true, ..for_good }), Cause::Crashed { .. }));
    }

    #[test]
    fn the_clock_is_blamed_only_when_it_would_strike() {
        // A model that should have no clock went just when one would strike: the fact was wrong, not a person at work.
        assert_eq!(classify(&Evidence { stays: true, idle: HOUR, ..nothing() }), Cause::IdleTtl);
        assert_eq!(classify(&Evidence { stays: true, idle: HOUR * 2, ..nothing() }), Cause::EjectedByPerson);
        // Long idle by our count, still there, and gone when another came: evicted.
        let by = Evidence { idle: HOUR * 2, appeared: Some("b"), ..nothing() };
        assert_eq!(classify(&by), Cause::Evicted { by: "b".into() });
    }

    #[test]
    fn the_runtime_s_own_word_counts_most() {
        let went = |departure| Evidence { departure: Some(departure), ..nothing() };
        let crashed = Departure::Crashed("exit code 1".into());
        assert_eq!(classify(&went(&crashed)), Cause::Crashed { detail: "exit code 1".into() });
        assert_eq!(classify(&Evidence { busy: true, ..went(&Departure::Slept) }), Cause::IdleTtl);
        // An orderly end under a request is no crash; the other signs tell whose it was.
        let orderly = Evidence { busy: true, ..went(&Departure::Orderly) };
        assert_eq!(classify(&orderly), Cause::EjectedByPerson);
        assert_eq!(classify(&Evidence { appeared: Some("b"), ..orderly }), Cause::Evicted { by: "b".into() });
        assert_eq!(classify(&Evidence { expired: true, ..nothing() }), Cause::IdleTtl);
    }

    #[test]
    fn nobody_ejects_a_model_while_the_machine_sleeps() {
        let asleep = Evidence { slept: true, stays: true, ..nothing() };
        assert_eq!(classify(&asleep), Cause::Unknown);
        assert!(in_words(&asleep, &Cause::Unknown).contains("slept"));
        let for_good = Evidence { idle_clock: None, for_good: true, stays: false, ..asleep.clone() };
        assert_eq!(classify(&for_good), Cause::Unknown);
        assert_eq!(
            classify(&Evidence { departure: Some(&Departure::Orderly), ..asleep.clone() }),
            Cause::EjectedByPerson
        );
        assert_eq!(classify(&Evidence { stays: false, idle: HOUR * 8, ..asleep }), Cause::IdleTtl);
    }

    #[test]
    fn an_unload_under_a_request_is_no_crash() {
        let unloaded = Evidence { busy: true, trouble: Some((Trouble::Unloaded, "Model unloaded")), ..nothing() };
        assert_eq!(classify(&unloaded), Cause::Unknown);
        let ours = Evidence { stays: true, ..unloaded };
        assert_eq!(classify(&ours), Cause::EjectedByPerson);
    }
}
