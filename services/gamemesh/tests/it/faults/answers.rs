//! The connection between a client and its instance is cut while calls are on their way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gamemesh_client::{Client, ClientOptions};
use gamemesh_testkit::World;
use gamemesh_testkit::proxy::{Cut, Proxy};

use super::observer::Observer;
use super::{PATIENCE, assert_counted, rounds};
use crate::it::crash::random;
use crate::it::ledger::{assert_gone, count_up};

const ROUNDS: usize = 40;
const CLIENTS: usize = 4;
/// Begins the keys of the calls.
const MARK: &str = "call";

/// A call that got no answer is made again under its key, by the client or by its user: it counts
/// once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_answer_is_cut_off_is_found_by_its_key() {
    let world = World::standalone().await.unwrap();
    let proxy = Proxy::before(&world.address()).await.unwrap();
    let url = proxy.instead_of(&world.url());
    let mut observer = Observer::on(&world).await;
    let stop = Arc::new(AtomicBool::new(false));
    let found = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..CLIENTS)
        .map(|n| {
            let client = Client::lazy(&url, ClientOptions::default()).unwrap();
            tokio::spawn(write(client, n, stop.clone(), found.clone()))
        })
        .collect();
    for round in 0..rounds(ROUNDS) {
        let request = MARK.as_bytes().to_vec();
        let cut = match round % 3 {
            0 => Cut::Answered { request, ends: Vec::new() },
            1 => Cut::Asked(request),
            _ => Cut::AfterBytes(random(3_000)),
        };
        proxy.cut_when(cut, 1);
        let made = async {
            while proxy.cuts_left() > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, made).await.expect("nobody calls any more");
    }
    stop.store(true, Ordering::Relaxed);
    let mut written = BTreeMap::new();
    for writer in writers {
        let (id, count) = writer.await.unwrap();
        written.insert(id, count);
    }
    observer.sees(&written).await;
    assert_counted(&world, &written).await;
    let found = found.load(Ordering::Relaxed);
    assert!(found > 0, "no call was found by its key");
    println!("{written:?}, {found} of them found by their key");
}

/// Counts up one document until it is stopped; answers how often.
async fn write(
    client: Client,
    n: usize,
    stop: Arc<AtomicBool>,
    found: Arc<AtomicUsize>,
) -> (String, i64) {
    let id = format!("w{n}");
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let key = format!("{MARK}-{n}-{count}");
        match client.update_aggregate(count_up(&id, &key)).await {
            Ok(answer) => {
                count += 1;
                let write = answer.write.unwrap();
                assert_eq!(write.version, count, "{key}: lost or doubled");
                found.fetch_add(usize::from(write.repeated_write), Ordering::Relaxed);
            }
            // Its retries are used up. The same key again.
            Err(error) => assert_gone(&error),
        }
    }
    // The last one may have been written without an answer.
    loop {
        let key = format!("{MARK}-{n}-{count}");
        if client.update_aggregate(count_up(&id, &key)).await.is_ok() {
            return (id, count + 1);
        }
    }
}
