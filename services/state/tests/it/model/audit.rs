//! Everything that the service tells of the past and the present, compared with the model.

use gamemesh_contracts::state::v1 as pb;
use gamemesh_domain::document::{Aggregate, Change, DifferenceKind, Facts, Filter, Value, diff};
use gamemesh_domain::state::GlobalFold;
use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use tonic::Code;

use super::oracle::{History, Oracle};
use super::perform::micros;
use super::step::Place;
use crate::it::calls::{at_version, get};
use crate::it::documents::{of_domain, struct_of};
use crate::it::world::Client;

/// Compares one aggregate in every way in which it can be read.
pub(super) async fn aggregate(client: &Client, rng: &mut StdRng, at: &Place, history: &History) {
    present(client, at, history.newest()).await;
    time_travel(client, rng, at, history).await;
    events(client, rng, at, history).await;
    differences(client, rng, at, history).await;
    replayed(client, at, history).await;
}

async fn present(client: &Client, at: &Place, expected: &Aggregate) {
    match get(client, at.0, &at.1).await {
        Ok(answer) => same(&answer.aggregate.unwrap(), expected, at),
        Err(status) => {
            assert!(!expected.exists(), "{at:?} is {status:?}, not {expected:?}");
            assert_eq!(status.code(), Code::NotFound);
        }
    }
}

fn same(actual: &pb::Aggregate, expected: &Aggregate, at: &Place) {
    let version = expected.version;
    assert_eq!((&*actual.r#type, &*actual.id), (at.0, &*at.1));
    assert_eq!(actual.version as u64, version, "{at:?}");
    let state = struct_of(&expected.state);
    assert_eq!(actual.state.as_ref().unwrap(), &state, "{at:?} version {version}");
    let times = [actual.created_at, actual.updated_at].map(|time| micros(&time.unwrap()));
    assert_eq!(times, [expected.created_at_us, expected.updated_at_us], "{at:?} {version}");
}

/// Every version, several times, in no order; and every time at which something happened.
async fn time_travel(client: &Client, rng: &mut StdRng, at: &Place, history: &History) {
    let mut versions: Vec<usize> = (0..history.states.len()).flat_map(|v| [v, v]).collect();
    versions.shuffle(rng);
    for version in versions {
        let expected = &history.states[version];
        match at_version(client, at.0, &at.1, version as i64).await {
            Ok(actual) => same(&actual, expected, at),
            Err(status) => {
                assert!(!expected.exists(), "{at:?} version {version}: {status:?}");
                assert_eq!(status.code(), Code::NotFound, "{at:?} version {version}: {status:?}");
            }
        }
    }
    let future = at_version(client, at.0, &at.1, history.states.len() as i64).await.unwrap_err();
    assert_eq!(future.code(), Code::OutOfRange, "{at:?}: {future:?}");

    for (version, state) in history.states.iter().enumerate().skip(1) {
        let time_us = state.updated_at_us;
        let at_that_time = history.states.iter().rposition(|s| s.updated_at_us <= time_us).unwrap();
        assert!(at_that_time >= version, "times of {at:?} go backwards");
        let request = pb::GetAggregateRequest {
            r#type: at.0.to_owned(),
            id: at.1.clone(),
            at_time: Some(prost_types::Timestamp {
                seconds: time_us / 1_000_000,
                nanos: (time_us % 1_000_000 * 1_000) as i32,
            }),
            ..Default::default()
        };
        let expected = &history.states[at_that_time];
        match client.clone().get_aggregate(request).await {
            Ok(answer) => same(&answer.into_inner().aggregate.unwrap(), expected, at),
            Err(status) => assert!(!expected.exists(), "{at:?} at {time_us}: {status:?}"),
        }
    }
}

async fn events(client: &Client, rng: &mut StdRng, at: &Place, history: &History) {
    for descending in [false, true] {
        let mut request = pb::ListEventsRequest {
            r#type: at.0.to_owned(),
            id: at.1.clone(),
            limit: rng.random_range(1..20),
            descending,
            ..Default::default()
        };
        let mut events = Vec::new();
        loop {
            let page = client.clone().list_events(request.clone()).await.unwrap().into_inner();
            assert!(page.events.len() <= request.limit as usize);
            events.extend(page.events);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        if descending {
            events.reverse();
        }
        assert_eq!(events.len(), history.events.len(), "{at:?} descending: {descending}");
        for (n, (actual, (id, change))) in events.iter().zip(&history.events).enumerate() {
            let after = &history.states[n + 1];
            assert_eq!((actual.version as u64, &*actual.kind), (after.version, change.kind()));
            assert_eq!(micros(&actual.time.unwrap()), after.updated_at_us, "{at:?} {n}");
            if let Some(id) = id {
                assert_eq!(actual.event_id, id.to_string());
            }
            if let Some(data) = data(change) {
                assert_eq!(actual.data.as_ref().unwrap(), &of_domain(&data), "{at:?} {n}");
            }
        }
    }
}

/// What an event of a change tells; operations have a form of their own.
fn data(change: &Change) -> Option<Value> {
    match change {
        Change::Created(value) | Change::Merged(value) | Change::Replaced(value) => {
            Some(value.clone())
        }
        Change::Deleted => Some(Value::Null),
        Change::Noted { data, .. } => Some(data.clone()),
        Change::Operated(_) | Change::RolledBack { .. } => None,
    }
}

async fn differences(client: &Client, rng: &mut StdRng, at: &Place, history: &History) {
    for _ in 0..8 {
        let newest = history.states.len() - 1;
        let (from, to) = (rng.random_range(0..=newest), rng.random_range(1..=newest));
        let request = pb::DiffAggregateRequest {
            r#type: at.0.to_owned(),
            id: at.1.clone(),
            from: from as i64,
            to: to as i64,
        };
        let answer = client.clone().diff_aggregate(request).await.unwrap().into_inner();
        let expected = diff(&history.states[from].state, &history.states[to].state);
        let expected: Vec<_> = expected
            .iter()
            .map(|difference| pb::Difference {
                path: difference.path.to_string(),
                kind: match difference.kind {
                    DifferenceKind::Added => pb::difference::Kind::Added,
                    DifferenceKind::Removed => pb::difference::Kind::Removed,
                    DifferenceKind::Changed => pb::difference::Kind::Changed,
                }
                .into(),
                from: (difference.kind != DifferenceKind::Added)
                    .then(|| of_domain(&difference.from)),
                to: (difference.kind != DifferenceKind::Removed).then(|| of_domain(&difference.to)),
            })
            .collect();
        assert_eq!(answer.differences, expected, "{at:?} {from}..{to}");
    }
}

async fn replayed(client: &Client, at: &Place, history: &History) {
    let request = pb::ReplayAggregateRequest {
        r#type: at.0.to_owned(),
        id: at.1.clone(),
        ..Default::default()
    };
    let mut steps = client.clone().replay_aggregate(request).await.unwrap().into_inner();
    let mut version = 0;
    while let Some(step) = steps.message().await.unwrap() {
        version += 1;
        let expected = &history.states[version];
        assert_eq!(step.event.unwrap().version as usize, version);
        assert_eq!(step.aggregate.is_some(), expected.exists(), "{at:?} {version}");
        if let Some(actual) = step.aggregate {
            same(&actual, expected, at);
        }
    }
    assert_eq!(version, history.events.len(), "{at:?}");
}

/// Filters for lists; each is also asked of the model.
const FILTERS: [(&str, &str); 6] = [
    ("economy", "balances.gold > 3"),
    ("guild", "level >= 3 AND members : \"a\""),
    ("player", "status = \"online\" OR inventory.gold < 4"),
    ("match", "NOT phase = \"lobby\""),
    ("world", "_version > 2"),
    (super::oracle::VAULT, ""),
];

/// Lists with filters, in small pages.
pub(super) async fn lists(client: &Client, oracles: &[Oracle]) {
    for (aggregate_type, text) in FILTERS {
        let filter: Filter = if text.is_empty() { Filter::all() } else { text.parse().unwrap() };
        let mut expected: Vec<(&Place, &Aggregate)> = oracles
            .iter()
            .flat_map(|oracle| &oracle.histories)
            .map(|(at, history)| (at, history.newest()))
            .filter(|(at, newest)| {
                let facts = Facts {
                    type_name: at.0,
                    id: &at.1,
                    version: newest.version,
                    updated_at_us: newest.updated_at_us,
                    state: &newest.state,
                    event: None,
                };
                at.0 == aggregate_type && newest.exists() && filter.matches(&facts)
            })
            .collect();
        expected.sort_by_key(|(at, _)| &at.1);

        let mut request = pb::ListAggregatesRequest {
            r#type: aggregate_type.to_owned(),
            filter: text.to_owned(),
            page_size: 3,
            ..Default::default()
        };
        let mut actual = Vec::new();
        loop {
            let page = client.clone().list_aggregates(request.clone()).await.unwrap().into_inner();
            assert!(page.aggregates.len() <= 3);
            actual.extend(page.aggregates);
            request.page_token = page.next_page_token;
            if request.page_token.is_empty() {
                break;
            }
        }
        let ids: Vec<_> = actual.iter().map(|aggregate| &aggregate.id).collect();
        let expected_ids: Vec<_> = expected.iter().map(|(at, _)| &at.1).collect();
        assert_eq!(ids, expected_ids, "{aggregate_type} {text:?}");
        for (actual, (at, expected)) in actual.iter().zip(expected) {
            same(actual, expected, at);
        }
    }
}

/// Counts over all aggregates, and the number of events.
pub(super) async fn global(client: &Client, oracles: &[Oracle]) {
    let mut expected = GlobalFold::default();
    oracles.iter().for_each(|oracle| expected.merge(&oracle.global()));
    let answer = client.clone().get_global(pb::GetGlobalRequest::default()).await.unwrap();
    let global = answer.into_inner().global.unwrap();
    let counts = |counts: &gamemesh_domain::state::Counts, actual| {
        let expected = counts.iter().map(|(name, count)| (name.to_owned(), count)).collect();
        let actual: std::collections::HashMap<String, i64> = actual;
        assert_eq!(actual, expected);
    };
    counts(expected.players_by_status(), global.players_by_status);
    counts(expected.matches_by_phase(), global.matches_by_phase);
    counts(expected.aggregates_by_type(), global.aggregates_by_type);
    assert_eq!(global.players_online, expected.players_online());
    assert_eq!(global.active_matches, expected.active_matches());
    let events = oracles.iter().flat_map(|oracle| oracle.histories.values());
    let events: usize = events.map(|history| history.events.len()).sum();
    // The type that the test registered is an event, too.
    assert_eq!(global.version as usize, events + 1);
}
