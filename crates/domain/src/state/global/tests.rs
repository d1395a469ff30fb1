use proptest::prelude::*;

use super::*;
use crate::document::Map;

fn player(status: &str) -> Value {
    Map::from([("status", status)]).into()
}

#[test]
fn players_and_matches_are_counted_by_what_they_do() {
    let mut fold = GlobalFold::default();
    let empty = Value::empty_map();
    let phase = |phase: &str| Value::from(Map::from([("phase", phase)]));
    fold.apply("player", None, Some(&player("online")));
    fold.apply("player", None, Some(&player("in_match")));
    fold.apply("player", None, Some(&player("banned")));
    fold.apply("player", None, Some(&empty));
    fold.apply("player", Some(&player("in_match")), Some(&player("offline")));
    fold.apply("match", None, Some(&phase("active")));
    fold.apply("match", None, Some(&phase("lobby")));
    fold.apply("match", Some(&phase("lobby")), Some(&phase("paused")));
    fold.apply("guild", None, Some(&player("online")));
    fold.apply("guild", Some(&empty), None);
    let counts =
        |counts: &Counts| counts.iter().map(|(n, c)| (n.to_owned(), c)).collect::<Vec<_>>();
    let expect = |pairs: &[(&str, i64)]| {
        pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Vec<_>>()
    };
    assert_eq!(
        counts(fold.players_by_status()),
        expect(&[("banned", 1), ("offline", 1), ("online", 1), ("unknown", 1)])
    );
    assert_eq!(counts(fold.matches_by_phase()), expect(&[("active", 1), ("paused", 1)]));
    assert_eq!(counts(fold.aggregates_by_type()), expect(&[("match", 2), ("player", 4)]));
    assert_eq!((fold.players_online(), fold.active_matches()), (2, 2));
}

proptest! {
    /// Every player makes steps; steps of several players interleave as they like, in several lanes.
    #[test]
    fn the_order_of_aggregates_does_not_matter(
        steps in proptest::collection::vec((0..4_usize, 0..5_usize), 0..40),
        lanes in 1..4_usize,
    ) {
        let statuses = ["online", "offline", "in_match", "banned"];
        let state = |choice: usize| statuses.get(choice).map(|status| player(status));
        let mut now = [4; 4];
        let mut folds = vec![GlobalFold::default(); lanes];
        for (index, (who, next)) in steps.into_iter().enumerate() {
            folds[index % lanes].apply("player", state(now[who]).as_ref(), state(next).as_ref());
            now[who] = next;
        }
        let (mut merged, mut rebuilt) = (GlobalFold::default(), GlobalFold::default());
        folds.iter().for_each(|fold| merged.merge(fold));
        for choice in now {
            rebuilt.apply("player", None, state(choice).as_ref());
        }
        prop_assert_eq!(merged, rebuilt);
    }
}
