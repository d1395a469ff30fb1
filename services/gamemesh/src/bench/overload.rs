//! Three times the load that the server can take, by an open loop of callers who do not wait for ever.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tonic::{Code, Request, Status};

use super::durable::{player, updaters};
use super::load::closed;
use super::report::{Bar, Pair, Row};
use super::sample;
use super::server::{Server, Stub, failed};
use super::state::StateBenchArgs;
use crate::exit::{Outcome, Problem};

/// How much more is asked for than a closed loop gets.
const TIMES: f64 = 3.0;
/// A caller goes away after this time; what is answered later counts for nothing.
const DEADLINE: Duration = Duration::from_secs(1);
/// Calls under way at once; one more is not made, as by callers who run out of ports.
const UNDER_WAY_MAX: usize = 65_536;
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
    /// Answered too late, or not.
    late: AtomicU64,
    unmade: AtomicU64,
    /// What else a call failed with, the first of these.
    wrong: OnceLock<Status>,
}

pub(super) async fn overload(args: &StateBenchArgs, dir: &Path) -> Outcome<Vec<Row>> {
    let server = Server::product(dir).await?;
    let load = &args.load;
    let stubs = server.stubs(load.connections.into()).await?;
    let (mut goodput, mut recovery) = (Vec::new(), Vec::new());
    let total = Arc::new(Tally::default());
    for _ in 0..load.pairs {
        let peak = closed(updaters(&server, load, player).await?, load.duration).await?;
        let before = total.good.load(Ordering::Relaxed);
        let ended = flood(&stubs, peak * TIMES, load.duration, &total).await?;
        let good = total.good.load(Ordering::Relaxed) - before;
        goodput.push(Pair { ours: good as f64 / load.duration.as_secs_f64(), baseline: peak });
        let normal = back_to_normal(&stubs[0], ended).await?;
        recovery.push(Pair { ours: normal.as_secs_f64(), baseline: NORMAL_SECONDS });
    }
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    if let Some(status) = total.wrong.get() {
        return Err(failed(status.clone()));
    }
    let note = format!(
        "{} calls with a deadline of {DEADLINE:?} were answered in time, {} refused, {} late, {} not made",
        count(&total.good),
        count(&total.refused),
        count(&total.late),
        count(&total.unmade),
    );
    let (good, normal) =
        (Bar::AtLeast { floor: 0.8, aim: 0.95 }, Bar::AtMost { ceiling: 1.0, aim: 0.5 });
    Ok(vec![
        Row::new("durable updates at three times the load", "closed loop", "/s", good, goodput)
            .note(note),
        Row::new("back to normal after it", "the target", "s", normal, recovery)
            .note(format!("{CALLS_NORMAL} calls in a row within {CALL_NORMAL:?}")),
    ])
}

/// Calls at this rate for so long; answers when it ended.
async fn flood(
    stubs: &[Stub],
    rate: f64,
    duration: Duration,
    tally: &Arc<Tally>,
) -> Outcome<Instant> {
    let slots = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let begins = Instant::now();
    let total = (duration.as_secs_f64() * rate) as u64;
    let mut made = 0;
    while made < total {
        let due = ((begins.elapsed().as_secs_f64() * rate) as u64).min(total);
        for n in made..due {
            let Ok(slot) = slots.clone().try_acquire_owned() else {
                tally.unmade.fetch_add(1, Ordering::Relaxed);
                continue;
            };
            let (stub, tally) = (stubs[n as usize % stubs.len()].clone(), tally.clone());
            tokio::spawn(async move {
                tally.count(call(stub, n).await);
                drop(slot);
            });
        }
        made = due;
        tokio::time::sleep(TICK).await;
    }
    let ended = Instant::now();
    // Everybody has had his answer, or has gone away.
    let all = u32::try_from(UNDER_WAY_MAX).map_err(Problem::failed)?;
    drop(slots.acquire_many(all).await.map_err(Problem::failed)?);
    Ok(ended)
}

async fn call(mut stub: Stub, n: u64) -> Result<(), Status> {
    let mut request = Request::new(sample::update(format!("bench-{}", n % 10_000)));
    request.set_timeout(DEADLINE);
    stub.update_aggregate(request).await.map(drop)
}

/// How long after `since` calls are as usual.
async fn back_to_normal(stub: &Stub, since: Instant) -> Outcome<Duration> {
    let (mut in_a_row, mut usual_since) = (0, since.elapsed());
    let mut n = 0;
    while in_a_row < CALLS_NORMAL {
        let began = Instant::now();
        let answer = call(stub.clone(), n).await;
        n += 1;
        if answer.is_ok() && began.elapsed() <= CALL_NORMAL {
            in_a_row += 1;
            continue;
        }
        match answer {
            Err(status) if !is_refusal(&status) && status.code() != Code::DeadlineExceeded => {
                return Err(failed(status));
            }
            _ => (in_a_row, usual_since) = (0, since.elapsed()),
        }
    }
    Ok(usual_since)
}

impl Tally {
    fn count(&self, answer: Result<(), Status>) {
        let counter = match answer {
            Ok(()) => &self.good,
            Err(status) if is_refusal(&status) => &self.refused,
            // The client's own timer says cancelled.
            Err(status) if matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled) => {
                &self.late
            }
            Err(status) => return drop(self.wrong.set(status)),
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn is_refusal(status: &Status) -> bool {
    let error = gamemesh_client::Error::from(status.clone());
    error.code == Code::ResourceExhausted && error.retry_after.is_some()
}
