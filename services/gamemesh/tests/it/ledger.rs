//! What one writer has written, kept beside the server to compare with.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gamemesh_client::v1::operation::Kind;
use gamemesh_client::v1::transaction_part::Action;
use gamemesh_client::v1::update_aggregate_request::Change;
use gamemesh_client::{Client, ClientOptions, Error, RetryOptions, v1};
use gamemesh_contracts::common::v1::Consistency;
use gamemesh_testkit::World;
use prost_types::value::Kind as ValueKind;

/// Money that each writer moves between his two accounts, a coin at a time: more than he has time for.
const MONEY: f64 = 1_000_000.0;
/// The aggregate that ends a run.
pub(crate) const LAST_WORD: &str = "last-word";

/// An instance reads again by then, after its database was away.
const DATABASE_BACK_BY: Duration = Duration::from_secs(30);

/// One writer with a document of his own and two accounts.
pub(crate) struct Ledger {
    client: Client,
    name: String,
    notes: Tally,
    transfers: Tally,
}

/// Numbers of the writes of one kind.
#[derive(Default)]
struct Tally {
    acknowledged: u32,
    /// Sent, and no answer came.
    pending: bool,
}

impl Ledger {
    pub(crate) fn open(world: &World, name: &str) -> Self {
        Self::over(client(world), name)
    }

    pub(crate) fn over(client: Client, name: &str) -> Self {
        let (notes, transfers) = (Tally::default(), Tally::default());
        Self { client, name: name.to_owned(), notes, transfers }
    }

    /// Goes on at another instance.
    pub(crate) fn go_to(&mut self, world: &World) {
        self.client = client(world);
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the outcome of a write is not known.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.notes.pending || self.transfers.pending
    }

    pub(crate) fn acknowledged(&self) -> u32 {
        self.notes.acknowledged + self.transfers.acknowledged
    }

    /// Notes and transfers in turn, each after the acknowledgement of the one before.
    pub(crate) async fn write_until_it_fails(&mut self) {
        self.write_until(&AtomicBool::new(false)).await;
    }

    /// The same until a write fails or `stop` is set.
    pub(crate) async fn write_until(&mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.notes.pending = true;
            match self.note(self.notes.acknowledged).await {
                Ok(_) => self.notes.acknowledge(),
                Err(error) => return assert_gone(&error),
            }
            self.transfers.pending = true;
            match self.transfer(self.transfers.acknowledged).await {
                Ok(_) => self.transfers.acknowledge(),
                Err(error) => return assert_gone(&error),
            }
        }
    }

    /// Everything acknowledged is there once, what was pending once or not at all.
    pub(crate) async fn check_after_death(&self) {
        let notes = self.read_notes().await;
        self.notes.check(notes, "notes", &self.name);
        let transfers = self.read_transfers().await;
        self.transfers.check(transfers, "transfers", &self.name);
    }

    /// Sends again what was pending, under its key: then it is there once, whether or not it was.
    pub(crate) async fn settle_what_was_pending(&mut self) {
        if self.notes.pending {
            let there = self.read_notes().await > self.notes.acknowledged;
            let repeated = self.note(self.notes.acknowledged).await.unwrap();
            // A database may have been about to commit it while it was looked for.
            assert!(repeated || !there, "{}: made twice", self.name);
            self.notes.acknowledge();
        }
        if self.transfers.pending {
            self.transfer(self.transfers.acknowledged).await.unwrap();
            self.transfers.acknowledge();
        }
        assert_eq!(self.read_notes().await, self.notes.acknowledged, "{}", self.name);
        assert_eq!(self.read_transfers().await, self.transfers.acknowledged, "{}", self.name);
    }

    /// Note number `n`: an entry in a list, and its count. Answers whether it had been made before.
    async fn note(&self, n: u32) -> Result<bool, Error> {
        let append = v1::AppendOperation {
            path: "notes".into(),
            values: vec![number(f64::from(n))],
            length_max: 0,
        };
        let answer = self
            .client
            .update_aggregate(v1::UpdateAggregateRequest {
                change: Some(Change::Operations(operations(vec![
                    Kind::Append(append),
                    increment("count", 1.0),
                ]))),
                idempotency_key: format!("note-{}-{n}", self.name),
                ..update(&self.name)
            })
            .await?;
        Ok(answer.write.is_some_and(|write| write.repeated_write))
    }

    /// Transfer number `n`: one coin from one account to the other. The first opens the accounts.
    async fn transfer(&self, n: u32) -> Result<v1::TransactResponse, Error> {
        let part = |account: &str, by: f64| v1::TransactionPart {
            r#type: "economy".into(),
            id: format!("{}-{account}", self.name),
            action: Some(if n == 0 {
                Action::Create(balance(if by < 0.0 { MONEY + by } else { by }))
            } else {
                Action::Operations(operations(vec![increment("balances.gold", by)]))
            }),
            expected_version: None,
        };
        let request = v1::TransactRequest {
            parts: vec![part("from", -1.0), part("to", 1.0)],
            idempotency_key: format!("transfer-{}-{n}", self.name),
            ..Default::default()
        };
        self.client.transact(request).await
    }

    /// How many notes there are: 0, 1, 2 … in this order, with the right count beside them.
    async fn read_notes(&self) -> u32 {
        let Some(aggregate) = self.read("world", &self.name).await else { return 0 };
        let state = aggregate.state.unwrap();
        let Some(ValueKind::ListValue(list)) = &state.fields["notes"].kind else {
            panic!("{}: notes is no list", self.name)
        };
        let found: Vec<f64> = list.values.iter().map(number_of).collect();
        let expected: Vec<f64> = (0..found.len()).map(|n| n as f64).collect();
        assert_eq!(found, expected, "{}: a note is missing, doubled or out of place", self.name);
        assert_eq!(number_of(&state.fields["count"]), found.len() as f64, "{}: torn", self.name);
        assert_eq!(aggregate.version, found.len() as i64, "{}: more events than notes", self.name);
        found.len() as u32
    }

    /// How many coins have moved; none is lost or made.
    async fn read_transfers(&self) -> u32 {
        let from = self.read("economy", &format!("{}-from", self.name)).await;
        let to = self.read("economy", &format!("{}-to", self.name)).await;
        let (from, to) = match (from, to) {
            (None, None) => return 0,
            (Some(from), Some(to)) => (gold(&from), gold(&to)),
            other => panic!("{}: half a transaction: {other:?}", self.name),
        };
        assert_eq!(from + to, MONEY, "{}: half a transfer", self.name);
        to as u32
    }

    /// The instance may not have noticed yet that its database is back.
    async fn read(&self, kind: &str, id: &str) -> Option<v1::Aggregate> {
        let began = Instant::now();
        loop {
            match self.client.get_aggregate(strong(kind, id)).await {
                Ok(answer) => return answer.aggregate,
                Err(error) if error.reason == "NOT_FOUND" => return None,
                Err(error) => {
                    let waits = error.reason == "DEPENDENCY_UNAVAILABLE";
                    assert!(waits && began.elapsed() < DATABASE_BACK_BY, "{error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
}

/// Never retries: these tests want to see every failure.
pub(crate) fn client(world: &World) -> Client {
    let options = ClientOptions {
        deadline: Duration::from_secs(5),
        retry: RetryOptions::none(),
        ..ClientOptions::default()
    };
    Client::lazy(&world.url(), options).unwrap()
}

impl Tally {
    fn acknowledge(&mut self) {
        self.acknowledged += 1;
        self.pending = false;
    }

    fn check(&self, found: u32, what: &str, name: &str) {
        let most = self.acknowledged + u32::from(self.pending);
        assert!(
            (self.acknowledged..=most).contains(&found),
            "{name}: {found} {what}, {} acknowledged",
            self.acknowledged
        );
    }
}

/// The request that reads an aggregate as it is now, at whatever instance.
pub(crate) fn strong(kind: &str, id: &str) -> v1::GetAggregateRequest {
    v1::GetAggregateRequest {
        r#type: kind.into(),
        id: id.into(),
        consistency: Consistency::Strong.into(),
        ..Default::default()
    }
}

/// The update that tells the watcher that nothing follows.
pub(crate) fn last_word() -> v1::UpdateAggregateRequest {
    count_up(LAST_WORD, "last word")
}

/// Adds one to the count of a document.
pub(crate) fn count_up(id: &str, key: &str) -> v1::UpdateAggregateRequest {
    let change = Change::Operations(operations(vec![increment("count", 1.0)]));
    v1::UpdateAggregateRequest {
        change: Some(change),
        idempotency_key: key.to_owned(),
        ..update(id)
    }
}

fn update(id: &str) -> v1::UpdateAggregateRequest {
    v1::UpdateAggregateRequest {
        r#type: "world".into(),
        id: id.into(),
        create_missing: true,
        result_only: true,
        ..Default::default()
    }
}

pub(crate) fn operations(kinds: Vec<Kind>) -> v1::Operations {
    let operation = |kind| v1::Operation { kind: Some(kind) };
    v1::Operations { operations: kinds.into_iter().map(operation).collect() }
}

pub(crate) fn increment(path: &str, by: f64) -> Kind {
    Kind::Increment(v1::IncrementOperation { path: path.into(), by, ..Default::default() })
}

pub(crate) fn balance(gold: f64) -> prost_types::Struct {
    let gold = prost_types::Struct { fields: [("gold".to_owned(), number(gold))].into() };
    let gold = prost_types::Value { kind: Some(ValueKind::StructValue(gold)) };
    prost_types::Struct { fields: [("balances".to_owned(), gold)].into() }
}

pub(crate) fn gold(account: &v1::Aggregate) -> f64 {
    let balances = &account.state.as_ref().unwrap().fields["balances"];
    match &balances.kind {
        Some(ValueKind::StructValue(balances)) => number_of(&balances.fields["gold"]),
        other => panic!("{}: {other:?}", account.id),
    }
}

fn number(value: f64) -> prost_types::Value {
    prost_types::Value { kind: Some(ValueKind::NumberValue(value)) }
}

pub(crate) fn number_of(value: &prost_types::Value) -> f64 {
    match value.kind {
        Some(ValueKind::NumberValue(value)) => value,
        ref other => panic!("{other:?} is no number"),
    }
}

/// The only way in which a write may fail here is that the server is gone.
pub(crate) fn assert_gone(error: &Error) {
    assert!(error.is_transient() || error.code == tonic::Code::DeadlineExceeded, "{error:?}");
}
