//! The instances that a client can call: which one gets a call, which are left alone, and when they
//! are called again.
//!
//! An instance that could not be reached, or that said it drains, rests: it gets no calls while
//! another one is well. A task asks it for its health, at growing intervals, and ends the rest.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use gamemesh_contracts::state::v1::state_service_client::StateServiceClient;
use parking_lot::Mutex;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::retry::back_off;
use crate::{Error, RetryOptions};

/// Instances of one client. What has been tried is a bit in a word.
pub(crate) const INSTANCES_MAX: usize = 64;
/// Largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// An instance that does not say by then whether it is well goes on resting.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// One instance.
#[derive(Debug)]
struct Instance {
    channel: Channel,
    /// Hash of its URL, so that every client ranks the same instances in the same order.
    seed: u64,
    resting: AtomicBool,
    /// Whether a task is asking for its health.
    probed: Mutex<bool>,
}

/// All instances of a client.
#[derive(Debug)]
pub(crate) struct Instances {
    all: Vec<Instance>,
    retry: RetryOptions,
    /// Counts calls without an aggregate, which take turns.
    turn: AtomicUsize,
}

/// Where a call belongs: what it asks about, or the turn that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Aggregate(u64),
    Turn(u64),
}

/// The instances that a call has been sent to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tried(u64);

impl Tried {
    pub(crate) fn add(&mut self, instance: usize) {
        self.0 |= 1 << instance;
    }

    pub(crate) fn only(instance: usize) -> Self {
        Self(1 << instance)
    }

    fn has(self, instance: usize) -> bool {
        self.0 & (1 << instance) != 0
    }
}

impl Instances {
    /// `channels`: each with the URL that it leads to; at least one, at most [`INSTANCES_MAX`].
    pub(crate) fn new(channels: Vec<(String, Channel)>, retry: RetryOptions) -> Arc<Self> {
        let instance = |(url, channel): (String, Channel)| Instance {
            channel,
            seed: hash(&[&url]),
            resting: AtomicBool::new(false),
            probed: Mutex::new(false),
        };
        let all = channels.into_iter().map(instance).collect();
        Arc::new(Self { all, retry, turn: AtomicUsize::new(0) })
    }

    /// Where a call belongs that is about this aggregate, or about none in particular.
    pub(crate) fn place(&self, aggregate: Option<u64>) -> Place {
        aggregate.map_or_else(
            || Place::Turn(self.turn.fetch_add(1, Ordering::Relaxed) as u64),
            Place::Aggregate,
        )
    }

    /// Which instance gets the call.
    pub(crate) fn choose(&self, place: Place, tried: Tried) -> usize {
        let instances = self.all.iter().map(|instance| (instance.seed, instance.rests()));
        choose(instances, place, tried)
    }

    /// Whether an instance is well to which the call has not been sent.
    pub(crate) fn has_other(&self, tried: Tried) -> bool {
        let other = |(at, instance): (usize, &Instance)| !instance.rests() && !tried.has(at);
        self.all.iter().enumerate().any(other)
    }

    /// The stub of an instance.
    pub(crate) fn stub(&self, at: usize) -> StateServiceClient<Channel> {
        StateServiceClient::new(self.all[at].channel.clone())
            .max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The instance cannot be reached or does not want calls. Call it within the runtime.
    pub(crate) fn let_rest(self: &Arc<Self>, at: usize) {
        // With nowhere else to go, calls find out for themselves when it is back.
        if self.all.len() == 1 {
            return;
        }
        self.all[at].resting.store(true, Ordering::Relaxed);
        let mut probed = self.all[at].probed.lock();
        if !*probed {
            *probed = true;
            tokio::spawn(probe(Arc::downgrade(self), at));
        }
    }
}

impl Instance {
    fn rests(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }
}

/// The well before the resting, the untried before the tried; among equals the one whose turn it is,
/// or that ranks highest for the aggregate (rendezvous hashing: an aggregate stays where it is while
/// others come and go). `instances`: of each, its seed and whether it rests.
fn choose(
    instances: impl ExactSizeIterator<Item = (u64, bool)>,
    place: Place,
    tried: Tried,
) -> usize {
    let count = instances.len() as u64;
    let rank = |at: usize, seed: u64| match place {
        Place::Aggregate(key) => mix(key ^ seed),
        // From the one whose turn it is on.
        Place::Turn(turn) => count - (at as u64 + count - turn % count) % count,
    };
    let order =
        |&(at, (seed, rests)): &(usize, (u64, bool))| (!rests, !tried.has(at), rank(at, seed));
    instances.enumerate().max_by_key(order).map_or(0, |(at, _)| at)
}

/// Asks an instance for its health until it is well or the client is gone.
async fn probe(instances: Weak<Instances>, at: usize) {
    for attempt in 1.. {
        let Some(shared) = instances.upgrade() else { return };
        // At least half of the pause: an instance that has just failed is left alone for a while.
        let pause = back_off(&shared.retry, attempt, 0.5 + rand::random::<f64>() / 2.0);
        drop(shared);
        tokio::time::sleep(pause).await;
        let Some(shared) = instances.upgrade() else { return };
        let instance = &shared.all[at];
        if !serves(instance.channel.clone()).await {
            continue;
        }
        *instance.probed.lock() = false;
        return instance.resting.store(false, Ordering::Relaxed);
    }
}

/// Whether what answers there wants calls. A server without the health service does.
async fn serves(channel: Channel) -> bool {
    let asked = HealthCheckRequest::default();
    let mut health = HealthClient::new(channel);
    match tokio::time::timeout(PROBE_TIMEOUT, health.check(asked)).await {
        Ok(Ok(answer)) => answer.get_ref().status() == ServingStatus::Serving,
        Ok(Err(status)) => !Error::from(status).is_transient(),
        Err(_) => false,
    }
}

/// FNV-1a of an aggregate's name, or of a URL: the same in every process and every version, which the
/// standard library's hashers do not promise.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    // No text has the byte 0xff: parts cannot run into one another.
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, step)
}

/// Spreads the bits of a hash over the whole word (the last steps of `SplitMix64`).
fn mix(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three instances, of which some rest.
    fn chosen(resting: &[usize], place: Place, tried: Tried) -> usize {
        let seeds = ["http://a:1", "http://b:1", "http://c:1"].map(|url| hash(&[url]));
        let instances = seeds.into_iter().enumerate();
        let instances: Vec<_> = instances.map(|(at, seed)| (seed, resting.contains(&at))).collect();
        choose(instances.into_iter(), place, tried)
    }

    fn player(id: u64) -> Place {
        Place::Aggregate(hash(&["player", &id.to_string()]))
    }

    #[test]
    fn aggregates_are_spread_and_each_stays_where_it_is() {
        let mut shares = [0; 3];
        for id in 0..3_000 {
            let home = chosen(&[], player(id), Tried::default());
            shares[home] += 1;
            let away = chosen(&[home], player(id), Tried::default());
            assert_ne!(away, home);
            let other = (0..3).find(|at| *at != home && *at != away).unwrap();
            assert_eq!(
                chosen(&[other], player(id), Tried::default()),
                home,
                "it moved for nothing"
            );
        }
        assert!(shares.iter().all(|share| (850..1_150).contains(share)), "{shares:?}");
    }

    #[test]
    fn calls_without_an_aggregate_take_turns() {
        let turns = (0..6).map(|turn| chosen(&[], Place::Turn(turn), Tried::default()));
        assert_eq!(turns.collect::<Vec<_>>(), [0, 1, 2, 0, 1, 2]);
        let turns = (0..3).map(|turn| chosen(&[1], Place::Turn(turn), Tried::default()));
        assert_eq!(turns.collect::<Vec<_>>(), [0, 2, 2]);
    }

    #[test]
    fn what_was_tried_comes_after_the_rest_and_what_rests_comes_last() {
        let first = Place::Turn(0);
        let mut tried = Tried::only(0);
        assert_eq!(chosen(&[], first, tried), 1);
        tried.add(1);
        assert_eq!(chosen(&[], first, tried), 2);
        assert_eq!(chosen(&[2], first, tried), 0, "better one that answered than one that is away");
        assert_eq!(chosen(&[0, 1, 2], first, tried), 2, "somebody gets the call");
    }
}
