//! Transfers between accounts that everybody uses: whatever happens, no money is made or lost.

use std::sync::atomic::{AtomicBool, Ordering};

use gamemesh_client::v1::transaction_part::Action;
use gamemesh_client::{Client, v1};
use gamemesh_testkit::World;

use crate::it::crash::random;
use crate::it::ledger::{assert_gone, balance, client, gold, increment, operations, strong};

const ACCOUNTS: usize = 5;
/// What each account begins with; more than a run can take out of it.
const MONEY: i64 = 1_000_000;
const AMOUNT_MAX: u64 = 9;

/// What one client has moved, or all of them together.
#[derive(Default)]
pub(super) struct Bank {
    client: Option<Client>,
    name: String,
    acknowledged: Vec<Transfer>,
    /// No answer came.
    in_doubt: Vec<Transfer>,
}

struct Transfer {
    key: String,
    from: usize,
    to: usize,
    amount: i64,
}

impl Bank {
    /// Opens the accounts, in one transaction.
    pub(super) async fn found(world: &World) -> Self {
        let parts = (0..ACCOUNTS).map(|n| part(n, Action::Create(balance(MONEY as f64))));
        let request = v1::TransactRequest { parts: parts.collect(), ..Default::default() };
        world.client().await.unwrap().transact(request).await.unwrap();
        Self::default()
    }

    pub(super) fn open(world: &World, name: &str) -> Self {
        Self { client: Some(client(world)), name: name.to_owned(), ..Self::default() }
    }

    /// Moves money between any two accounts, again and again, until a transfer fails or `stop` is set.
    pub(super) async fn transfer_until(&mut self, stop: &AtomicBool) {
        let client = self.client.take().unwrap();
        while !stop.load(Ordering::Relaxed) {
            let from = random(ACCOUNTS as u64) as usize;
            let transfer = Transfer {
                key: format!("bank-{}-{}", self.name, self.acknowledged.len()),
                from,
                to: (from + 1 + random(ACCOUNTS as u64 - 1) as usize) % ACCOUNTS,
                amount: 1 + random(AMOUNT_MAX) as i64,
            };
            match client.transact(transfer.request()).await {
                Ok(_) => self.acknowledged.push(transfer),
                Err(error) => {
                    assert_gone(&error);
                    return self.in_doubt.push(transfer);
                }
            }
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.in_doubt.extend(other.in_doubt);
    }

    /// Sends again what is in doubt, under its key: then it is made once.
    pub(super) async fn settle(&mut self, world: &World) {
        let client = world.client().await.unwrap();
        for transfer in self.in_doubt.drain(..) {
            client.transact(transfer.request()).await.unwrap();
            self.acknowledged.push(transfer);
        }
    }

    /// Each account holds what the transfers come to, at any instance.
    pub(super) async fn check(&self, world: &World) {
        let mut expected = [MONEY; ACCOUNTS];
        for transfer in &self.acknowledged {
            expected[transfer.from] -= transfer.amount;
            expected[transfer.to] += transfer.amount;
        }
        let client = world.client().await.unwrap();
        let mut found = [0; ACCOUNTS];
        for (n, balance) in found.iter_mut().enumerate() {
            let answer = client.get_aggregate(strong("economy", &id(n))).await.unwrap();
            *balance = gold(&answer.aggregate.unwrap()) as i64;
        }
        assert_eq!(found, expected, "a transfer is lost or doubled");
        assert_eq!(found.iter().sum::<i64>(), MONEY * ACCOUNTS as i64, "money was made or lost");
    }

    pub(super) fn transfers(&self) -> usize {
        self.acknowledged.len()
    }
}

impl Transfer {
    fn request(&self) -> v1::TransactRequest {
        let moved = |n, by: i64| {
            let change = operations(vec![increment("balances.gold", by as f64)]);
            part(n, Action::Operations(change))
        };
        v1::TransactRequest {
            parts: vec![moved(self.from, -self.amount), moved(self.to, self.amount)],
            idempotency_key: self.key.clone(),
            ..Default::default()
        }
    }
}

fn id(n: usize) -> String {
    format!("bank-{n}")
}

fn part(n: usize, action: Action) -> v1::TransactionPart {
    v1::TransactionPart {
        r#type: "economy".into(),
        id: id(n),
        action: Some(action),
        expected_version: None,
    }
}
