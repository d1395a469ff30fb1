//! What an instance answers holds now, not as of the last time that it looked.

use gamemesh_repository::{AppendError, EventLog, Expected};

use crate::load::{append, event, name};
use crate::server::Place;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_is_compared_with_what_others_have_written() {
    let place = Place::fresh().await;
    let (ours, other) = (place.open().await, place.open().await);
    for round in 0..5 {
        let stream = name(&format!("s{round}"));
        let write = |expected, count: usize| {
            let events = (0..count).map(|_| event(b"e")).collect();
            append(vec![(stream.clone(), expected, events)])
        };
        // Now we know where the stream stands, and that nobody else writes to its lane.
        ours.append(write(Expected::Exact(0), 1)).await.unwrap();
        ours.append(write(Expected::Exact(1), 1)).await.unwrap();
        other.append(write(Expected::Exact(2), 3)).await.unwrap();
        // Nothing is to be written, so no statement that writes can find out.
        let refused = ours.append(write(Expected::Exact(4), 1)).await;
        assert!(matches!(&refused, Err(AppendError::Conflict { actual: 5, .. })), "{refused:?}");
        other.append(write(Expected::Exact(5), 1)).await.unwrap();
        // What we know says no, what is there says yes.
        ours.append(write(Expected::Exact(6), 1)).await.unwrap();
    }
}
