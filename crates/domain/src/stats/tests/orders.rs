//! Any order, any repetition: the same figures to the last byte.

use proptest::prelude::*;

use super::sample::{BEGIN_US, any_events, event, join, kill, name};
use crate::stats::{Applied, Event, Match, Reader, Rules, Writer};

fn fold(events: &[&Event], view_each: usize) -> Vec<u8> {
    let mut played = Match::new(name("m1"), Rules::default());
    for (index, event) in events.iter().enumerate() {
        // Arrival has a clock of its own, and readers look at any time.
        played.apply(event, BEGIN_US + index as i64 * 100_000).unwrap();
        if view_each > 0 && index % view_each == 0 {
            played.view();
        }
    }
    played.view().canonical()
}

/// Events in another order, some of them several times.
fn shuffled() -> impl Strategy<Value = (Vec<Event>, Vec<usize>, usize)> {
    any_events(80).prop_flat_map(|events| {
        let count = events.len();
        let again = proptest::collection::vec(0..count, 0..count);
        let order = again.prop_map(move |again| (0..count).chain(again).collect::<Vec<_>>());
        (Just(events), order.prop_shuffle(), 0..5_usize)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn shuffled_and_repeated((events, order, view_each) in shuffled()) {
        let straight = fold(&events.iter().collect::<Vec<_>>(), 0);
        let other = fold(&order.iter().map(|at| &events[*at]).collect::<Vec<_>>(), view_each);
        prop_assert_eq!(straight, other);
    }
}

proptest! {
    #[test]
    fn kept_and_taken_back((events, order, view_each) in shuffled(), cut in 0..80_usize) {
        let mut played = Match::new(name("m1"), Rules::default());
        let (early, late) = order.split_at(cut.min(order.len()));
        for at in early {
            played.apply(&events[*at], BEGIN_US).unwrap();
        }
        let mut kept = Writer::default();
        played.put(&mut kept);
        let mut taken = Match::take(&mut Reader(&kept.0), Rules::default()).unwrap();
        prop_assert_eq!(taken.version(), played.version());
        for at in late {
            taken.apply(&events[*at], BEGIN_US).unwrap();
        }
        let straight = fold(&events.iter().collect::<Vec<_>>(), view_each);
        prop_assert_eq!(straight, taken.view().canonical());
    }

    #[test]
    fn put_to_rest_between_any_two((events, order, _) in shuffled()) {
        let mut awake = Match::new(name("m1"), Rules::default());
        let mut rested = Match::new(name("m1"), Rules::default());
        for (index, at) in order.iter().enumerate() {
            let now_us = BEGIN_US + index as i64 * 100_000;
            awake.view();
            rested = rested.rest().wake();
            let told = awake.apply(&events[*at], now_us);
            prop_assert_eq!(told, rested.apply(&events[*at], now_us));
            prop_assert_eq!(awake.refolds(), rested.refolds());
        }
        prop_assert_eq!(awake.version(), rested.rest().version());
        prop_assert_eq!(awake.view().canonical(), rested.view().canonical());
    }

    #[test]
    fn events_are_stored_and_read(events in any_events(20)) {
        for event in events {
            let mut out = Writer::default();
            event.put(&mut out);
            let mut reader = Reader(&out.0);
            prop_assert_eq!(Event::take(&mut reader), Ok(event));
            prop_assert!(reader.is_empty());
        }
    }

    #[test]
    fn any_bytes_are_an_event_or_refused(bytes: Vec<u8>) {
        let _ = Event::take(&mut Reader(&bytes));
        let _ = Match::take(&mut Reader(&bytes), Rules::default());
    }

    #[test]
    fn as_of_a_version_is_as_it_was(events in any_events(40), version in 0..40_usize) {
        let version = version.min(events.len());
        let mut early = Match::new(name("m1"), Rules::default());
        let mut all = Match::new(name("m1"), Rules::default());
        for (index, event) in events.iter().enumerate() {
            if index < version {
                early.apply(event, BEGIN_US).unwrap();
            }
            all.apply(event, BEGIN_US).unwrap();
        }
        let before = all.view_at(version as u64).unwrap().canonical();
        prop_assert_eq!(before, early.view().canonical());
        prop_assert!(all.view_at(events.len() as u64 + 1).is_err());
    }
}

#[test]
fn b2_another_event_under_the_id_is_reported_and_the_first_stays() {
    let mut played = Match::new(name("m1"), Rules::default());
    let first = event(1, 0.0, "a", kill("b"));
    assert_eq!(played.apply(&first, 0).unwrap(), Applied::Counted { late: false });
    assert_eq!(played.apply(&first, 0).unwrap(), Applied::Duplicate);
    let before = played.view().canonical();
    let other = event(1, 0.0, "a", kill("c"));
    assert_eq!(played.apply(&other, 0).unwrap(), Applied::Conflict);
    assert_eq!(played.view().canonical(), before);
}

#[test]
fn b3_equal_payloads_under_two_ids_both_count() {
    let mut played = Match::new(name("m1"), Rules::default());
    for id in [1, 2] {
        played.apply(&event(id, 0.0, "a", kill("")), 0).unwrap();
    }
    assert_eq!(played.view().player("a").unwrap().figures.get(crate::stats::Figure::Kills), 2);
}

#[test]
fn c1_a_clock_that_is_ahead_makes_nobody_late() {
    let mut played = Match::new(name("m1"), Rules::default());
    let days = 14.0 * 86_400.0;
    played.apply(&event(0, days, "a", join("t")), BEGIN_US).unwrap();
    for id in 1..2_000 {
        let at_s = f64::from(id);
        let applied =
            played.apply(&event(id, at_s, "b", kill("c")), BEGIN_US + i64::from(id) * 1_000_000);
        assert_eq!(applied.unwrap(), Applied::Counted { late: false });
        played.view();
    }
    assert_eq!(played.refolds(), 0);
}

#[test]
fn c5_what_comes_late_is_counted_where_it_belongs() {
    let mut played = Match::new(name("m1"), Rules::default());
    for id in 1..20_000 {
        played.apply(&event(id, f64::from(id), "b", kill("c")), i64::MAX).unwrap();
    }
    played.view();
    let late = played.apply(&event(0, 0.5, "a", kill("b")), i64::MAX).unwrap();
    assert_eq!(late, Applied::Counted { late: true });
    let view = played.view();
    assert_eq!((played.refolds(), view.version()), (1, 20_000));
    assert_eq!(view.player("a").unwrap().figures.get(crate::stats::Figure::OpeningKills), 1);
}
