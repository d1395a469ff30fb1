//! The end of a server while its callers go on.

use gamemesh_contracts::state::v1 as pb;
use pb::batch_update_result::Result as Outcome;
use pb::operation::Kind;
use pb::update_aggregate_request::Change;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::calls::{get, reason};
use super::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_updates_ends_with_an_answer_to_each_that_was_made() {
    let mut world = World::new().await;
    let (updates, receiver) = mpsc::channel(64);
    let mut client = world.client().await;
    let mut answers =
        client.stream_updates(ReceiverStream::new(receiver)).await.unwrap().into_inner();
    // The caller goes on sending for as long as he is let.
    let sender = tokio::spawn(async move {
        for sequence in 0.. {
            if updates.send(addition(sequence)).await.is_err() {
                return;
            }
        }
    });
    answers.message().await.unwrap().unwrap();
    let mut answered = 1;
    let reader = tokio::spawn(async move {
        loop {
            match answers.message().await {
                Ok(answer) => {
                    let result = answer.expect("an end says why").result.unwrap();
                    assert!(matches!(result.result, Some(Outcome::Updated(_))), "{result:?}");
                    answered += 1;
                }
                Err(error) => return (answered, error),
            }
        }
    });
    world.stop().await;
    let (answered, error) = reader.await.unwrap();
    assert_eq!((error.code(), reason(&error).as_str()), (Code::Unavailable, "NOT_SERVING"));
    sender.await.unwrap();

    world.start().await;
    let made = get(&world.client().await, "world", "w").await.unwrap().aggregate.unwrap().version;
    assert_eq!(made, answered, "updates were made that nobody was told of");
}

fn addition(sequence: i64) -> pb::StreamUpdatesRequest {
    let increment = pb::IncrementOperation { path: "count".into(), by: 1.0, ..Default::default() };
    let operation = pb::Operation { kind: Some(Kind::Increment(increment)) };
    let update = pb::UpdateAggregateRequest {
        r#type: "world".into(),
        id: "w".into(),
        change: Some(Change::Operations(pb::Operations { operations: vec![operation] })),
        create_missing: true,
        ..Default::default()
    };
    pb::StreamUpdatesRequest { sequence, update: Some(update) }
}
