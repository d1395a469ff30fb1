//! Three times the load that a server can take: whom it does not serve it refuses with a reason and a
//! time to come back, and when the load is gone it is as before. How much it still serves is measured
//! by `gamemesh-bench state --only overload`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gamemesh_client::{Client, ClientOptions, Error, RetryOptions};
use gamemesh_testkit::World;
use tokio::task::JoinSet;

use super::ledger::{count_up, strong};

/// Clients of the closed loop, and connections of the open one.
const CLIENTS: u64 = 24;
const DOCUMENTS: u64 = 40;
const MEASURED_FOR: Duration = Duration::from_secs(1);
const FLOODED_FOR: Duration = Duration::from_secs(2);
const TIMES: f64 = 3.0;
/// More calls a second than any machine serves in a debug build.
const RATE_MAX: f64 = 200_000.0;

/// What became of the calls, by document where it was written.
#[derive(Default)]
struct Account {
    acknowledged: BTreeMap<u64, AtomicI64>,
    refused: AtomicU64,
}

/// Few calls at once, or few writes in the queue of the log: either bound refuses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_is_refused_with_a_reason_and_nothing_else_fails() {
    for (bound, value) in [("MAX_IN_FLIGHT", "32"), ("BUFFER_SIZE", "4")] {
        let mut world = World::builder().services("state").env(bound, value).build().unwrap();
        world.start().await.unwrap();
        let account = Arc::new(Account::new());
        let peak = closed_loop(&world, &account).await;
        let (mut made, mut refused, mut rate) = (0, 0, peak * TIMES);
        // What was the peak of a busy machine may be little to one that is not.
        while refused == 0 && rate < RATE_MAX {
            made += open_loop(&world, &account, rate).await;
            refused = account.refused.swap(0, Ordering::Relaxed);
            rate *= 2.0;
        }
        println!("{bound}={value}: {peak:.0}/s at the peak, {refused} of {made} refused");
        assert!(refused > 0, "{bound}: nothing was refused");
        assert!(refused < made, "{bound}: nothing was served");
        // Afterwards each caller is served who waits for his answer.
        let client = client(&world);
        for n in 0..DOCUMENTS {
            write(&client, &account, n).await;
        }
        assert_eq!(account.refused.load(Ordering::Relaxed), 0, "{bound}: refused without load");
        account.check(&world).await;
    }
}

/// Calls a second that are served when each client waits for his answer.
async fn closed_loop(world: &World, account: &Arc<Account>) -> f64 {
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let (client, account) = (client(world), account.clone());
        clients.spawn(async move {
            let mut made = 0;
            while began.elapsed() < MEASURED_FOR {
                write(&client, &account, n * 7 + made).await;
                made += 1;
            }
        });
    }
    clients.join_all().await;
    account.refused.store(0, Ordering::Relaxed);
    let served: i64 = account.acknowledged.values().map(|n| n.load(Ordering::Relaxed)).sum();
    served as f64 / began.elapsed().as_secs_f64()
}

/// Calls at this rate, whether or not the last ones are answered; answers how many.
async fn open_loop(world: &World, account: &Arc<Account>, rate: f64) -> u64 {
    let clients: Vec<Client> = (0..CLIENTS).map(|_| client(world)).collect();
    let began = Instant::now();
    let mut calls = JoinSet::new();
    let mut made = 0;
    while began.elapsed() < FLOODED_FOR {
        let due = (began.elapsed().as_secs_f64() * rate) as u64;
        for n in made..due {
            let (client, account) = (clients[(n % CLIENTS) as usize].clone(), account.clone());
            calls.spawn(async move { write(&client, &account, n).await });
        }
        made = made.max(due);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    calls.join_all().await;
    made
}

async fn write(client: &Client, account: &Account, n: u64) {
    let document = n % DOCUMENTS;
    let key = uuid::Uuid::new_v4().to_string();
    match client.update_aggregate(count_up(&format!("w{document}"), &key)).await {
        Ok(_) => account.acknowledged[&document].fetch_add(1, Ordering::Relaxed),
        Err(error) => {
            assert_refused(&error);
            account.refused.fetch_add(1, Ordering::Relaxed);
            0
        }
    };
}

fn assert_refused(error: &Error) {
    assert_eq!(error.code, tonic::Code::ResourceExhausted, "{error:?}");
    assert_eq!(error.reason, "OVERLOADED", "{error:?}");
    assert!(error.retry_after.is_some_and(|after| !after.is_zero()), "{error:?}");
}

fn client(world: &World) -> Client {
    let deadline = Duration::from_secs(60);
    let options = ClientOptions { deadline, retry: RetryOptions::none(), ..Default::default() };
    Client::lazy(&world.url(), options).unwrap()
}

impl Account {
    fn new() -> Self {
        let acknowledged = (0..DOCUMENTS).map(|n| (n, AtomicI64::new(0))).collect();
        Self { acknowledged, refused: AtomicU64::new(0) }
    }

    /// What was acknowledged is there, what was refused is not.
    async fn check(&self, world: &World) {
        let client = client(world);
        for (document, acknowledged) in &self.acknowledged {
            let request = strong("world", &format!("w{document}"));
            let aggregate = client.get_aggregate(request).await.unwrap().aggregate.unwrap();
            assert_eq!(aggregate.version, acknowledged.load(Ordering::Relaxed), "{document}");
        }
    }
}
