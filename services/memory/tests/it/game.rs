//! Entities, worlds and plots.

use std::time::Duration;

use futures::StreamExt as _;
use gamemesh_contracts::memory::v1 as pb;
use gamemesh_testkit::postgres::Postgres;
use prost_types::value::Kind;

use super::calls::{at, object, reason};
use super::world::{Game, NOW_US, World};

fn put(id: &str, hp: f64) -> pb::PutEntityRequest {
    pb::PutEntityRequest {
        entity_id: id.to_owned(),
        r#type: "chest".to_owned(),
        data: Some(object(&[("hp", Kind::NumberValue(hp))])),
        ..pb::PutEntityRequest::default()
    }
}

fn hp(entity: Option<pb::Entity>) -> f64 {
    match entity.unwrap().data.unwrap().fields["hp"].kind {
        Some(Kind::NumberValue(hp)) => hp,
        _ => f64::NAN,
    }
}

async fn get(game: &mut Game, id: &str, version: Option<i64>) -> Option<pb::Entity> {
    let request = pb::GetEntityRequest { entity_id: id.to_owned(), version, ..Default::default() };
    game.get_entity(request).await.ok()?.into_inner().entity
}

async fn entities(mut world: World) {
    let mut game = world.game().await;
    let created = pb::PutEntityRequest { expected_version: Some(0), ..put("c1", 10.0) };
    let first = game.put_entity(created.clone()).await.unwrap().into_inner().entity.unwrap();
    assert_eq!(first.version, 1);
    assert_eq!(reason(&game.put_entity(created).await.unwrap_err()), "VERSION_CONFLICT");
    world.clock.advance(Duration::from_secs(10));
    let patch = pb::PatchEntityRequest {
        entity_id: "c1".to_owned(),
        patch: Some(object(&[
            ("a", Kind::StringValue("x".to_owned())),
            ("hp", Kind::NumberValue(7.0)),
        ])),
        expected_version: Some(1),
        ..Default::default()
    };
    assert_eq!(hp(game.patch_entity(patch).await.unwrap().into_inner().entity), 7.0);
    // A patch removes what it says is null, and keeps nulls within lists.
    let null = prost_types::Value { kind: Some(Kind::NullValue(0)) };
    let one = prost_types::Value { kind: Some(Kind::NumberValue(1.0)) };
    let list = prost_types::ListValue { values: vec![one, null] };
    let patch = pb::PatchEntityRequest {
        entity_id: "c1".to_owned(),
        patch: Some(object(&[("a", Kind::NullValue(0)), ("b", Kind::ListValue(list.clone()))])),
        ..Default::default()
    };
    let patched = game.patch_entity(patch).await.unwrap().into_inner().entity.unwrap();
    let fields = patched.data.unwrap().fields;
    assert!(!fields.contains_key("a"));
    assert_eq!(fields["b"].kind, Some(Kind::ListValue(list)));

    for restart in [false, true] {
        if restart && world.is_durable() {
            world.restart().await;
            game = world.game().await;
        }
        assert_eq!(hp(get(&mut game, "c1", Some(1)).await), 10.0);
        assert_eq!(hp(get(&mut game, "c1", None).await), 7.0);
        let then = pb::GetEntityRequest {
            entity_id: "c1".to_owned(),
            at_time: at(NOW_US + 5_000_000),
            ..Default::default()
        };
        assert_eq!(hp(game.get_entity(then).await.unwrap().into_inner().entity), 10.0);
        let history = pb::ListEntityHistoryRequest {
            entity_id: "c1".to_owned(),
            backwards: true,
            ..Default::default()
        };
        let versions = game.list_entity_history(history).await.unwrap().into_inner().versions;
        assert_eq!(versions.iter().map(|v| v.version).collect::<Vec<_>>(), [3, 2, 1]);
    }
    lists(&world, &mut game).await;
}

async fn lists(world: &World, game: &mut Game) {
    let requests = (0..30)
        .map(|n| pb::PutEntityRequest {
            r#type: if n % 3 == 0 { "door".to_owned() } else { "chest".to_owned() },
            ..put(&format!("e{n:02}"), f64::from(n))
        })
        .chain([pb::PutEntityRequest { r#type: String::new(), ..put("new", 0.0) }]);
    world.clock.advance(Duration::from_secs(10));
    let request = pb::BatchPutEntitiesRequest { requests: requests.collect() };
    let results = game.batch_put_entities(request).await.unwrap().into_inner().results;
    let refused =
        |one: &pb::EntityResult| matches!(one.result, Some(pb::entity_result::Result::Refusal(_)));
    assert_eq!(results.iter().filter(|one| refused(one)).count(), 1);
    let mut seen = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListEntitiesRequest {
            r#type: "door".to_owned(),
            filter: "hp >= 9".to_owned(),
            page_size: 3,
            page_token,
            ..Default::default()
        };
        let page = game.list_entities(request).await.unwrap().into_inner();
        seen.extend(page.entities.into_iter().map(|entity| entity.entity_id));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["e09", "e12", "e15", "e18", "e21", "e24", "e27"]);
    let delete = pb::DeleteEntityRequest { entity_id: "e09".to_owned(), ..Default::default() };
    game.delete_entity(delete).await.unwrap();
    assert!(get(game, "e09", None).await.is_none());
    let request = pb::ListEntitiesRequest { r#type: "door".to_owned(), ..Default::default() };
    assert_eq!(game.list_entities(request).await.unwrap().into_inner().entities.len(), 9);
    let request = pb::BatchGetEntitiesRequest {
        entity_ids: vec!["e00".to_owned(), "e09".to_owned()],
        token: String::new(),
    };
    let results = game.batch_get_entities(request).await.unwrap().into_inner().results;
    assert_eq!(results.iter().filter(|one| refused(one)).count(), 1);
}

#[tokio::test]
async fn entities_in_memory() {
    entities(World::on("memory:").await).await;
}

#[tokio::test]
async fn entities_on_sqlite() {
    entities(World::new().await).await;
}

#[tokio::test]
async fn entities_on_postgres() {
    let postgres = Postgres::start().unwrap();
    entities(World::on(postgres.url()).await).await;
}

#[tokio::test]
async fn a_watch_goes_on_where_it_broke_off() {
    let mut world = World::new().await;
    let mut game = world.game().await;
    game.put_entity(put("c1", 1.0)).await.unwrap();
    let request = |token: &str| pb::WatchEntitiesRequest {
        r#type: "chest".to_owned(),
        resume_token: token.to_owned(),
        ..Default::default()
    };
    let mut watch = game.clone().watch_entities(request("")).await.unwrap().into_inner();
    let present = watch.next().await.unwrap().unwrap();
    assert_eq!(hp(present.entity), 1.0);
    let begun = watch.next().await.unwrap().unwrap();
    game.put_entity(put("c1", 2.0)).await.unwrap();
    let change = watch.next().await.unwrap().unwrap();
    assert_eq!((hp(change.entity), change.version), (2.0, 2));
    drop(watch);
    game.put_entity(put("c1", 3.0)).await.unwrap();
    world.restart().await;
    let game = world.game().await;
    assert!(!begun.resume_token.is_empty());
    let mut watch =
        game.clone().watch_entities(request(&change.resume_token)).await.unwrap().into_inner();
    let next = watch.next().await.unwrap().unwrap();
    assert_eq!((hp(next.entity), next.version), (3.0, 3));
}

fn transitions(states: &[(&str, &[&str])]) -> pb::Transitions {
    let state = |(name, next): &(&str, &[&str])| pb::TransitionState {
        name: (*name).to_owned(),
        next: next.iter().map(|next| (*next).to_owned()).collect(),
    };
    pb::Transitions { initial: states[0].0.to_owned(), states: states.iter().map(state).collect() }
}

#[tokio::test]
async fn a_world_changes_along_what_is_declared() {
    let mut world = World::new().await;
    let mut game = world.game().await;
    let declaration = pb::WorldDeclaration {
        weather: Some(transitions(&[
            ("sun", &["rain"]),
            ("rain", &["sun", "storm"]),
            ("storm", &["rain"]),
        ])),
        stances: Some(transitions(&[
            ("neutral", &["allied", "hostile"]),
            ("allied", &["neutral"]),
            ("hostile", &["neutral"]),
        ])),
    };
    let declare = pb::DeclareWorldRequest {
        world_id: "w".to_owned(),
        declaration: Some(declaration),
        expected_version: None,
    };
    let made = game.declare_world(declare.clone()).await.unwrap().into_inner().world.unwrap();
    assert_eq!((made.weather.as_str(), made.next_weathers), ("sun", vec!["rain".to_owned()]));
    // Declared again it is the same: no new version.
    let again = game.declare_world(declare).await.unwrap().into_inner().world.unwrap();
    assert_eq!(again.version, made.version);
    let update = |weather: &str| pb::UpdateWorldRequest {
        world_id: "w".to_owned(),
        weather: weather.to_owned(),
        ..Default::default()
    };
    let refused = game.update_world(update("storm")).await.unwrap_err();
    assert_eq!(reason(&refused), "OPERATION_REFUSED");
    assert!(refused.message().contains("rain"), "{refused}");
    game.update_world(update("rain")).await.unwrap();
    let relation = |stance: &str| pb::Faction {
        name: "elves".to_owned(),
        power: 5.0,
        relations: vec![pb::FactionRelation {
            faction: "orcs".to_owned(),
            stance: stance.to_owned(),
            standing: -20.0,
        }],
    };
    let with = |stance: &str, time| pb::UpdateWorldRequest {
        factions: vec![relation(stance)],
        game_time: Some(time),
        ..update("")
    };
    game.update_world(with("hostile", 100)).await.unwrap();
    assert_eq!(
        reason(&game.update_world(with("allied", 200)).await.unwrap_err()),
        "OPERATION_REFUSED"
    );
    assert_eq!(
        reason(&game.update_world(with("neutral", 50)).await.unwrap_err()),
        "OPERATION_REFUSED"
    );
    world.restart().await;
    let mut game = world.game().await;
    let request = pb::GetWorldRequest { world_id: "w".to_owned(), ..Default::default() };
    let found = game.get_world(request).await.unwrap().into_inner().world.unwrap();
    assert_eq!((found.game_time, found.weather.as_str()), (100, "rain"));
    assert_eq!(found.factions, [relation("hostile")]);
}

/// Who comes second moves nothing: one transition, one reward, also for a retry and a restart.
#[tokio::test]
async fn a_stage_is_reached_once() {
    let mut world = World::new().await;
    let mut game = world.game().await;
    let declare = pb::DeclarePlotRequest {
        plot_id: "quest".to_owned(),
        declaration: Some(transitions(&[
            ("offered", &["accepted"]),
            ("accepted", &["done"]),
            ("done", &[]),
        ])),
        expected_version: None,
    };
    game.declare_plot(declare).await.unwrap();
    let advance = |stage: &str, key: &str| pb::AdvancePlotRequest {
        plot_id: "quest".to_owned(),
        stage: stage.to_owned(),
        flags: [("met".to_owned(), true)].into(),
        idempotency_key: key.to_owned(),
        ..Default::default()
    };
    let tries = (0..16).map(|n| {
        let mut game = game.clone();
        let request = advance("accepted", &format!("try{n}"));
        async move { game.advance_plot(request).await.unwrap().into_inner().moved }
    });
    let moved = futures::future::join_all(tries).await;
    assert_eq!(moved.iter().filter(|moved| **moved).count(), 1);
    let first = game.advance_plot(advance("done", "k")).await.unwrap().into_inner();
    world.restart().await;
    let mut game = world.game().await;
    let again = game.advance_plot(advance("done", "k")).await.unwrap().into_inner();
    assert!(first.moved && again.moved && first.plot == again.plot);
    let refused = game.advance_plot(advance("offered", "")).await.unwrap_err();
    assert_eq!(reason(&refused), "OPERATION_REFUSED");
    // Taken back, the stage and what hung on it are as they were.
    let back = pb::RollbackPlotRequest {
        plot_id: "quest".to_owned(),
        to_version: 1,
        expected_version: None,
    };
    let plot = game.rollback_plot(back).await.unwrap().into_inner().plot.unwrap();
    assert_eq!((plot.stage.as_str(), plot.flags.is_empty()), ("offered", true));
    world.restart().await;
    let mut game = world.game().await;
    let plots = game.list_plots(pb::ListPlotsRequest::default()).await.unwrap().into_inner().plots;
    assert_eq!(plots[0].stage, "offered");
}

/// A stage that a new declaration does not know any more is not silently accepted.
#[tokio::test]
async fn a_declaration_keeps_the_stage_that_there_is() {
    let world = World::new().await;
    let mut game = world.game().await;
    let declare = |states: &[(&str, &[&str])]| pb::DeclarePlotRequest {
        plot_id: "quest".to_owned(),
        declaration: Some(transitions(states)),
        expected_version: None,
    };
    game.declare_plot(declare(&[("offered", &["done"]), ("done", &[])])).await.unwrap();
    let refused =
        game.declare_plot(declare(&[("begun", &["done"]), ("done", &[])])).await.unwrap_err();
    assert_eq!(reason(&refused), "SCHEMA_VIOLATION");
    assert!(refused.message().contains("offered"), "{refused}");
}
