//! The connection to PostgreSQL is cut while a commit is on its way.

use std::collections::BTreeMap;

use gamemesh_testkit::proxy::{Cut, Proxy};

use super::observer::Observer;
use super::{assert_counted, database, instance, rounds};
use crate::it::ledger::{client, count_up};

const ROUNDS: usize = 18;
/// Writes of a round, each of a document of its own and of the hot one in turn.
const WRITES: usize = 6;
/// The kind of the events, which is nowhere but in the statement that writes them.
const MARK: &[u8] = b"operated";
/// `ReadyForQuery` outside of a transaction: what was asked for is committed.
const COMMITTED: [u8; 6] = [b'Z', 0, 0, 0, 5, b'I'];

/// Nobody learns of it: what was written is acknowledged, once, and what was not is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_reply_is_cut_off_is_acknowledged_and_made_once() {
    let url = database().await;
    let proxy = Proxy::before(&url).await.unwrap();
    let (cut_off, beside) = (instance(&proxy.instead_of(&url)).await, instance(&url).await);
    let mut observer = Observer::on(&beside).await;
    let mut written = BTreeMap::new();
    for round in 0..rounds(ROUNDS) {
        let request = MARK.to_vec();
        let cut = match round % 2 {
            0 => Cut::Answered { request, ends: COMMITTED.to_vec() },
            _ => Cut::Asked(request),
        };
        // Beside another instance lanes are held, and a batch commits with a statement of its own.
        if round % 3 == 2 {
            let key = format!("beside-{round}");
            client(&beside).update_aggregate(count_up("hot", &key)).await.unwrap();
            *written.entry("hot".to_owned()).or_default() += 1;
        }
        proxy.cut_when(cut.clone(), 1);
        let writes = (0..WRITES).map(|n| {
            let id = if n % 2 == 0 { "hot".to_owned() } else { format!("own-{n}") };
            *written.entry(id.clone()).or_default() += 1;
            let (client, key) = (client(&cut_off), format!("{round}-{n}"));
            async move { client.update_aggregate(count_up(&id, &key)).await }
        });
        for answer in futures::future::join_all(writes).await {
            let write = answer.unwrap_or_else(|error| panic!("{round}, {cut:?}: {error:?}"));
            assert!(!write.write.unwrap().repeated_write, "{round}, {cut:?}");
        }
        assert_eq!(proxy.cuts_left(), 0, "{round}, {cut:?}");
        observer.sees(&written).await;
    }
    assert_counted(&cut_off, &written).await;
}
