use std::collections::{BTreeMap, BTreeSet};

use super::{HOUR_US, memory, name};
use crate::Code;
use crate::document::{Map, Value};
use crate::memory::{
    Collection, Criteria, Dimension, Forgotten, Kind, Machine, Memory, MemoryId, Metric, Model,
    Name, Profile, Span, Step, Visibility, check_vector, duplicates, evictions, unreflected,
};

fn collection() -> Collection {
    Collection {
        name: name("npcs"),
        dimension: Dimension::new(3).unwrap(),
        metric: Metric::Cosine,
        model: Model::parse("minilm", "1").unwrap(),
        filterable: vec![name("mood"), name("place")],
        budget: 0,
        profile: Profile::BALANCED,
        version: 1,
    }
}

#[test]
fn vectors_that_cannot_stand_in_a_collection_are_refused() {
    let three = Dimension::new(3).unwrap();
    let check = |vector: &[f32], metric| check_vector("vector", vector, three, metric).is_ok();
    assert!(check(&[0.0, 1.0, 0.0], Metric::Cosine));
    assert!(check(&[1e20, 1.7, -3.0], Metric::Cosine));
    for wrong in
        [&[1.0, 2.0][..], &[1.0; 4], &[], &[f32::NAN, 0.0, 1.0], &[f32::INFINITY, 0.0, 1.0]]
    {
        assert!(!check(wrong, Metric::Cosine), "{wrong:?}");
    }
    assert!(!check(&[0.0; 3], Metric::Cosine));
    assert!(check(&[0.0; 3], Metric::Euclidean) && check(&[0.0; 3], Metric::Dot));
    for numbers in [0, -1, 4_097, 65_536] {
        assert!(Dimension::new(numbers).is_err(), "{numbers}");
    }
}

#[test]
fn two_models_of_one_dimension_do_not_mix() {
    let other = Model::parse("e5", "1").unwrap();
    let newer = Model::parse("minilm", "2").unwrap();
    let collection = collection();
    assert!(collection.check_model(&collection.model.clone()).is_ok());
    for model in [other, newer] {
        assert_eq!(collection.check_model(&model).unwrap_err().code, Code::InvalidArgument);
    }
}

#[test]
fn filters_ask_only_for_what_is_there() {
    let collection = collection();
    let check = |text: &str| collection.check_filter(&text.parse().unwrap()).is_ok();
    for known in [
        "",
        "metadata.mood = \"sad\"",
        "NOT metadata.place : *",
        "kind = \"fact\" AND importance > 3",
        "subjects : \"player-1\"",
    ] {
        assert!(check(known), "{known}");
    }
    for unknown in [
        "mood = \"sad\"",
        "metadata.colour = 1",
        "metadata : \"mood\"",
        "_id = \"x\"",
        "changed : kind",
    ] {
        assert!(!check(unknown), "{unknown}");
    }
}

/// A number and a text of the same digits are two things, and an absent field is not `sad`.
#[test]
fn filters_keep_kinds_apart_and_absence_is_null() {
    let with = |mood: Option<Value>| {
        let entries = mood.map(|mood| ("mood", mood)).into_iter().collect();
        Memory { metadata: Map::from_entries(entries), ..memory(1, "x") }
    };
    let matches = |filter: &str, memory: &Memory| {
        Criteria { filter: filter.parse().unwrap(), ..Criteria::all() }.matches(memory)
    };
    let (text, number, absent) =
        (with(Some(Value::text("3"))), with(Some(Value::int(3).unwrap())), with(None));
    assert!(matches("metadata.mood = \"3\"", &text) && !matches("metadata.mood = \"3\"", &number));
    assert!(matches("metadata.mood = 3", &number) && !matches("metadata.mood = 3", &text));
    assert!(matches("metadata.mood != \"sad\"", &absent));
    assert!(matches("metadata.mood = null", &absent));
}

#[test]
fn criteria_look_at_kind_subject_time_validity_and_forgetting() {
    let mut one = memory(1, "x");
    one.created_us = 100;
    one.valid_from_us = Some(50);
    one.valid_until_us = Some(150);
    one.subjects = vec![name("player-1")];
    let with = |change: &dyn Fn(&mut Criteria)| {
        let mut criteria = Criteria::all();
        change(&mut criteria);
        criteria.matches(&one)
    };
    assert!(with(&|c| c.kinds = vec![Kind::Observation, Kind::Fact]));
    assert!(!with(&|c| c.kinds = vec![Kind::Fact]));
    assert!(with(&|c| c.subjects = vec![name("player-1"), name("player-2")]));
    assert!(!with(&|c| c.subjects = vec![name("player-2")]));
    assert!(with(&|c| c.created = Span { from_us: Some(100), until_us: Some(101) }));
    assert!(!with(&|c| c.created = Span { from_us: None, until_us: Some(100) }));
    assert!(with(&|c| c.valid_at_us = Some(50)) && !with(&|c| c.valid_at_us = Some(150)));
    one.forgotten = Some(Forgotten::Asked);
    assert!(!Criteria::all().matches(&one));
    assert!(Criteria { with_forgotten: true, ..Criteria::all() }.matches(&one));
}

#[test]
fn who_may_know_of_a_memory_is_whose_page_it_lies_on() {
    let (klaus, maria, rosa) = (name("klaus"), name("maria"), name("rosa"));
    let mut one = memory(1, "x");
    one.witnesses = vec![maria.clone(), klaus.clone()];
    for visibility in Visibility::ALL {
        one.visibility = *visibility;
        for npc in [&klaus, &maria, &rosa] {
            let lies = one.readers().iter().any(|reader| reader.is_none_or(|reader| reader == npc));
            assert_eq!(lies, one.is_visible_to(npc), "{visibility:?} {npc}");
        }
        let readers = one.readers();
        let distinct: BTreeSet<Option<&Name>> = readers.iter().copied().collect();
        assert_eq!(distinct.len(), readers.len());
    }
    one.visibility = Visibility::Private;
    assert!(one.is_visible_to(&klaus) && !one.is_visible_to(&maria));
}

#[test]
fn the_weakest_leave_first_and_the_protected_never() {
    let now = 10_000 * HOUR_US;
    let mut all: Vec<Memory> = (0..8).map(|n| memory(n, "x")).collect();
    for (n, memory) in all.iter_mut().enumerate() {
        memory.importance = n as f64;
        memory.accessed_us = now - HOUR_US;
        memory.created_us = now - HOUR_US;
    }
    all[0].pinned = true;
    all[1].kind = Kind::Goal;
    // An appointment of tomorrow is no trifle, however unimportant it seems.
    all[2].valid_from_us = Some(now + HOUR_US);
    let ids =
        |budget| evictions(&all, budget, now).iter().map(|memory| memory.id.0).collect::<Vec<_>>();
    assert_eq!(ids(0), [0_u128; 0]);
    assert_eq!(ids(8), [0_u128; 0]);
    assert_eq!(ids(6), [3, 4]);
    assert_eq!(ids(1), [3, 4, 5, 6, 7]);
    // Coming to mind makes stronger.
    all[3].accesses = 20;
    assert_eq!(evictions(&all, 7, now)[0].id, MemoryId(4));
    all[4].forgotten = Some(Forgotten::Asked);
    assert_eq!(evictions(&all, 6, now)[0].id, MemoryId(5));
}

#[test]
fn importance_gathers_since_the_last_reflection() {
    let mut all: Vec<Memory> = (0..4).map(|n| memory(n, "x")).collect();
    for (n, memory) in all.iter_mut().enumerate() {
        memory.stored_us = n as i64;
    }
    assert_eq!(unreflected(&all).1, 20.0);
    all[1].kind = Kind::Reflection;
    let (since, importance) = unreflected(&all);
    assert_eq!((since.len(), importance), (2, 10.0));
    all[1].forgotten = Some(Forgotten::Asked);
    assert_eq!(unreflected(&all).1, 15.0);
}

#[test]
fn duplicates_are_grouped_and_conflicts_told() {
    let texts = [
        "the guard sleeps",
        "the guard is sleeping",
        "the deadline is 15 October",
        "the deadline is 16 October",
        "HQ San Francisco",
        "HQ New York",
    ];
    let mut all: Vec<Memory> =
        texts.iter().enumerate().map(|(n, text)| memory(n as u128, text)).collect();
    all[0].importance = 9.0;
    let pairs = [(0, 1), (2, 3), (4, 5)];
    let cosine =
        |a: usize, b: usize| Some(if pairs.contains(&(a.min(b), a.max(b))) { 0.991 } else { 0.3 });
    let places: Vec<&Memory> = all.iter().collect();
    let (groups, conflicts) = duplicates(&places, cosine);
    assert_eq!(groups, [vec![0, 1]]);
    assert_eq!(conflicts.len(), 2);
    // What another kind or subject says is not a repetition.
    all[1].subjects = vec![name("player-1")];
    assert!(duplicates(&all.iter().collect::<Vec<_>>(), cosine).0.is_empty());
}

fn machine(states: &[(&str, &[&str])]) -> crate::Result<Machine> {
    let transitions: BTreeMap<Name, BTreeSet<Name>> = states
        .iter()
        .map(|(from, to)| (name(from), to.iter().map(|to| name(to)).collect()))
        .collect();
    Machine::new(name(states[0].0), transitions)
}

#[test]
fn only_declared_steps_are_taken_and_a_refusal_says_which_are() {
    let quest = machine(&[
        ("offered", &["accepted", "declined"]),
        ("accepted", &["done", "failed"]),
        ("declined", &[]),
        ("done", &[]),
        ("failed", &["accepted"]),
    ])
    .unwrap();
    let step = |from, to| quest.step(&name(from), &name(to));
    assert_eq!(step("offered", "accepted").unwrap(), Step::Moved);
    // Two who set the same stage: one transition.
    assert_eq!(step("accepted", "accepted").unwrap(), Step::Unchanged);
    let refused = step("accepted", "offered").unwrap_err();
    assert_eq!(refused.code, Code::OperationRefused);
    assert!(refused.message.contains("done, failed"), "{refused}");
    assert!(step("done", "failed").unwrap_err().message.contains("the end"));
    // A stored state whose declaration is gone.
    assert_eq!(step("betrayed", "done").unwrap_err().code, Code::SchemaViolation);
}

#[test]
fn declarations_that_do_not_hold_together_are_refused() {
    assert!(machine(&[("a", &["b"]), ("b", &[])]).is_ok());
    assert!(machine(&[("a", &["b"])]).is_err());
    assert!(machine(&[("a", &[]), ("b", &["a"])]).is_err());
    assert!(Machine::new(name("a"), BTreeMap::new()).is_err());
    assert!(Machine::new(name("x"), BTreeMap::from([(name("a"), BTreeSet::new())])).is_err());
}

#[test]
fn ids_are_uuids() {
    let id = MemoryId(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
    assert_eq!(id.to_string(), "01234567-89ab-cdef-0123-456789abcdef");
    assert_eq!(id.to_string().parse::<MemoryId>().unwrap(), id);
    for wrong in
        ["", "x", "01234567-89ab-cdef-0123-456789abcdeg", "+1234567-89ab-cdef-0123-456789abcdef"]
    {
        assert!(wrong.parse::<MemoryId>().is_err(), "{wrong}");
    }
    for wrong in ["", " a", "a\u{7}", &"x".repeat(129)] {
        assert!(Name::parse("npcId", wrong).is_err(), "{wrong:?}");
    }
}
