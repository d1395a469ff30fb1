//! Three times the load that the server can take, by an open loop of callers who need their answers soon.
//!
//! The load generator is on the same cores. A refused call with one update costs both together a third of
//! what a served one costs, so what is left for the served ones at three times the load is little whatever
//! the server does; of calls with many updates it shows what the server does.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use gamemesh_client::Error;
use gamemesh_client::v1::BatchUpdateAggregatesRequest;
use gamemesh_client::v1::batch_update_result::Result as Answer;
use tokio::sync::Semaphore;
use tonic::Code;

use super::StateBenchArgs;
use super::durable::player;
use super::sample;
use crate::exit::{Outcome, Problem};
use crate::load::{Operation, closed};
use crate::report::{Bar, Pair, Row};
use crate::server::{Server, Stub};

/// How much more is asked for than a closed loop gets.
const TIMES: f64 = 3.0;
/// What is answered after this time counts for nothing. Callers hear it out all the same: thousands of calls
/// given up on a connection are too much for the client's HTTP/2, which ends the connection.
const PATIENCE: Duration = Duration::from_secs(1);
/// Calls under way at once; one more is not made, as by callers who run out of ports.
const UNDER_WAY_MAX: usize = 65_536;
/// Updates in one call of many.
const MANY: u64 = 50;
/// Pause of the loop between looking at what is due.
const TICK: Duration = Duration::from_millis(1);
/// The server is back to normal when so many calls in a row take no longer than a call may.
const CALLS_NORMAL: u32 = 50;
const CALL_NORMAL: Duration = Duration::from_millis(50);
/// It must be back to normal after this time.
const NORMAL_SECONDS: f64 = 2.0;

/// What became of the calls of a flood.
#[derive(Debug, Default)]
struct Tally {
    good: AtomicU64,
    /// Refused with a reason and a time to come back.
    refused: AtomicU64,
    /// Answered too late.
    late: AtomicU64,
    unmade: AtomicU64,
    /// What else a call failed with, the first of these.
    wrong: OnceLock<Error>,
}

pub(crate) async fn overload(args: &StateBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    let mut rows =
        of_calls(args, dir, 1, ["updates at three times the load", "usual after it"]).await?;
    let names = ["updates at three times the load, 50 a call", "usual after it, 50 a call"];
    rows.extend(of_calls(args, dir, MANY, names).await?);
    Ok(rows)
}

/// Goodput, and the time until all is as usual, with calls of so many updates.
async fn of_calls(
    args: &StateBenchArgs,
    dir: &Path,
    updates: u64,
    names: [&'static str; 2],
) -> Outcome<Vec<Row>> {
    let server = Server::product(dir).await?;
    let load = &args.load;
    let stubs = server.stubs(load.connections.into()).await?;
    let (mut goodput, mut recovery) = (Vec::new(), Vec::new());
    let total = Arc::new(Tally::default());
    for _ in 0..load.pairs {
        let peak = closed(callers(&stubs, load.clients.into(), updates), load.duration).await?;
        let before = total.good.load(Ordering::Relaxed);
        let flood = Flood { stubs: &stubs, updates, rate: peak * TIMES / updates as f64 };
        let ended = flood.run(load.duration, &total).await?;
        let good = (total.good.load(Ordering::Relaxed) - before) * updates;
        goodput.push(Pair { ours: good as f64 / load.duration.as_secs_f64(), baseline: peak });
        let normal = back_to_normal(&stubs[0], ended).await?;
        recovery.push(Pair { ours: normal.as_secs_f64(), baseline: NORMAL_SECONDS });
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    if let Some(error) = total.wrong.get() {
        return Err(error.clone().into());
    }
    let note = format!(
        "{} calls were answered within {PATIENCE:?}, {} refused, {} answered later, {} not made",
        count(&total.good),
        count(&total.refused),
        count(&total.late),
        count(&total.unmade),
    );
    let (good, normal) =
        (Bar::AtLeast { floor: 0.8, aim: 0.95 }, Bar::AtMost { ceiling: 1.0, aim: 0.5 });
    let [served, usual] = names;
    Ok(vec![
        Row::new(served, "closed loop", "/s", good, goodput).note(note),
        Row::new(usual, "the target", "s", normal, recovery)
            .note(format!("{CALLS_NORMAL} calls in a row within {CALL_NORMAL:?}")),
    ])
}

/// Clients that wait for their answers.
fn callers(stubs: &[Stub], clients: u64, updates: u64) -> Vec<Operation> {
    let caller = |client: u64| -> Operation {
        let stub = stubs[client as usize % stubs.len()].clone();
        let mut n = client;
        Box::new(move || {
            let call = call(stub.clone(), n, updates);
            n += clients;
            Box::pin(async move { Ok(call.await.map(|()| updates)?) })
        })
    };
    (0..clients).map(caller).collect()
}

/// An open loop: calls with so many updates, so many a second.
struct Flood<'a> {
    stubs: &'a [Stub],
    updates: u64,
    rate: f64,
}

impl Flood<'_> {
    /// Runs for so long; answers when it ended.
    async fn run(&self, duration: Duration, tally: &Arc<Tally>) -> Outcome<Instant> {
        let slots = Arc::new(Semaphore::new(UNDER_WAY_MAX));
        let begins = Instant::now();
        let total = (duration.as_secs_f64() * self.rate) as u64;
        let mut made = 0;
        while made < total {
            let due = ((begins.elapsed().as_secs_f64() * self.rate) as u64).min(total);
            for n in made..due {
                let Ok(slot) = slots.clone().try_acquire_owned() else {
                    tally.unmade.fetch_add(1, Ordering::Relaxed);
                    continue;
                };
                let stub = self.stubs[n as usize % self.stubs.len()].clone();
                let (call, tally) = (call(stub, n, self.updates), tally.clone());
                tokio::spawn(async move {
                    let began = Instant::now();
                    tally.count(call.await, began.elapsed());
                    drop(slot);
                });
            }
            made = due;
            tokio::time::sleep(TICK).await;
        }
        let ended = Instant::now();
        // Everybody has had his answer.
        let all = u32::try_from(UNDER_WAY_MAX).map_err(Problem::failed)?;
        drop(slots.acquire_many(all).await.map_err(Problem::failed)?);
        Ok(ended)
    }
}

/// The `n`th call. A call of many counts as served if all of its updates are.
async fn call(mut stub: Stub, n: u64, updates: u64) -> Result<(), Error> {
    if updates == 1 {
        return Ok(stub.update_aggregate(sample::update(player(n))).await.map(drop)?);
    }
    let updates = (n * updates..(n + 1) * updates).map(|n| sample::update(player(n))).collect();
    let request = BatchUpdateAggregatesRequest { updates };
    let answer = stub.batch_update_aggregates(request).await?.into_inner();
    let refusal = answer.results.into_iter().find_map(|result| match result.result {
        Some(Answer::Refusal(refusal)) => Some(refusal),
        _ => None,
    });
    refusal.map_or(Ok(()), |refusal| Err(refusal.into()))
}

/// How long after `since` calls are as usual.
async fn back_to_normal(stub: &Stub, since: Instant) -> Outcome<Duration> {
    let (mut in_a_row, mut usual_since) = (0, since.elapsed());
    let mut n = 0;
    while in_a_row < CALLS_NORMAL {
        let began = Instant::now();
        let answer = call(stub.clone(), n, 1).await;
        n += 1;
        if answer.is_ok() && began.elapsed() <= CALL_NORMAL {
            in_a_row += 1;
            continue;
        }
        match answer {
            Err(error) if !is_refusal(&error) => return Err(error.into()),
            _ => (in_a_row, usual_since) = (0, since.elapsed()),
        }
    }
    Ok(usual_since)
}

impl Tally {
    fn count(&self, answer: Result<(), Error>, took: Duration) {
        let counter = match answer {
            Ok(()) if took <= PATIENCE => &self.good,
            Ok(()) => &self.late,
            Err(error) if is_refusal(&error) => &self.refused,
            Err(error) => return drop(self.wrong.set(error)),
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_refusal(error: &Error) -> bool {
    error.code == Code::ResourceExhausted && error.retry_after.is_some()
}
