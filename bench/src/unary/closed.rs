//! Closed loops: clients that each make one call after the other, many of them on one connection.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::BytesMut;
use tokio::sync::Mutex;

use super::connection::Connection;
use super::put;
use crate::exit::Outcome;
use crate::load::{LoadArgs, Operation};
use crate::server::Server;

/// Appends the message of a client's next call, which fits into one frame of 16 KiB.
pub(crate) type Client = Box<dyn FnMut(&mut BytesMut) + Send>;

/// The clients of a load, who share the numbered requests out: each makes every so many-th of them.
pub(crate) fn in_turn<M: prost::Message>(
    load: &LoadArgs,
    request: impl Fn(u64) -> M + Clone + Send + 'static,
) -> Vec<Client> {
    let clients = u64::from(load.clients);
    let client = |first: u64| -> Client {
        let (request, mut n) = (request.clone(), first);
        Box::new(move |out| {
            put(&request(n), out);
            n += clients;
        })
    };
    (0..clients).map(client).collect()
}

/// These clients, spread over the connections of the load; `path` is the method that they call. Each
/// operation is a connection: it ends when some of its clients are answered.
pub(crate) async fn callers(
    server: &Server,
    load: &LoadArgs,
    path: &'static str,
    clients: Vec<Client>,
) -> Outcome<Vec<Operation>> {
    let mut spread: Vec<Vec<Client>> = Vec::new();
    spread.resize_with(usize::from(load.connections).min(clients.len()), Vec::new);
    let connections = spread.len();
    for (n, client) in clients.into_iter().enumerate() {
        spread[n % connections].push(client);
    }
    let mut callers: Vec<Operation> = Vec::new();
    for clients in spread {
        let shared = Shared::open(server.address(), path, clients).await?;
        let shared = Arc::new(Mutex::new(shared));
        callers.push(Box::new(move || {
            let shared = shared.clone();
            Box::pin(async move { shared.lock().await.step().await })
        }));
    }
    Ok(callers)
}

/// Clients that share a connection. A call under way is told by the number of its client.
pub(crate) struct Shared {
    connection: Connection<usize>,
    clients: Vec<Client>,
    /// Those whose next call is not sent yet, who has waited longest first.
    idle: VecDeque<usize>,
}

impl Shared {
    pub(crate) async fn open(
        address: &str,
        path: &'static str,
        clients: Vec<Client>,
    ) -> Outcome<Self> {
        let connection = Connection::open(address, path).await?;
        Ok(Self { connection, idle: (0..clients.len()).collect(), clients })
    }

    /// Sends the next calls and waits for answers; answers how many came.
    pub(crate) async fn step(&mut self) -> Outcome<u64> {
        loop {
            while self.connection.has_room()
                && let Some(n) = self.idle.pop_front()
            {
                self.connection.call(n, &mut self.clients[n]);
            }
            self.connection.flush().await?;
            self.connection.read().await?;
            let before = self.idle.len();
            self.connection.take_in(|n| self.idle.push_back(n))?;
            let answered = self.idle.len() - before;
            if answered > 0 {
                return Ok(answered as u64);
            }
        }
    }
}
