//! Unary calls of the load generator: many clients on one connection, each making one call after the other,
//! with no more HTTP/2 around them than the wire asks for.
//!
//! What calls takes from the same cores as what answers, so a measurement of calls is one of their caller
//! as well. One task sends what its clients ask for next in one write and takes in what has come by one read;
//! nobody is woken for a call.

mod frames;

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use self::frames::{Frame, Head, MESSAGE_HEAD_BYTES, PAYLOAD_MAX, WINDOW_INITIAL, WINDOW_MAX};
use super::load::{LoadArgs, Operation};
use super::server::Server;
use crate::exit::{Outcome, Problem};

/// Appends the message of a client's next call, which fits into one frame of 16 KiB.
pub(super) type Client = Box<dyn FnMut(&mut BytesMut) + Send>;

/// Appends a message.
pub(super) fn put(message: &impl prost::Message, out: &mut BytesMut) {
    // It fails only where room is bounded.
    let _ = message.encode(out);
}

/// The clients of a load, who share the numbered requests out: each makes every so many-th of them.
pub(super) fn in_turn<M: prost::Message>(
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

/// Room for what comes at once, in bytes.
const READ_BYTES: usize = 64 << 10;
/// After so many bytes the server is told that there is room for them again.
const WINDOW_UPDATE_BYTES: u32 = WINDOW_MAX / 2;

/// These clients, spread over the connections of the load; `path` is the method that they call. Each
/// operation is a connection: it ends when some of its clients are answered.
pub(super) async fn callers(
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
        let connection = Connection::open(server.address(), path, clients).await?;
        let connection = Arc::new(Mutex::new(connection));
        callers.push(Box::new(move || {
            let connection = connection.clone();
            Box::pin(async move { connection.lock().await.step().await })
        }));
    }
    Ok(callers)
}

struct Connection {
    stream: TcpStream,
    incoming: BytesMut,
    outgoing: BytesMut,
    path: &'static str,
    head: Head,
    callers: Vec<Caller>,
    /// Those whose next call is not sent yet, who has waited longest first.
    idle: VecDeque<usize>,
    next_stream: u32,
    /// Bytes that the server has room for.
    window: i64,
    /// Bytes that have come since the server was last told that there is room for more.
    taken: u32,
}

struct Caller {
    client: Client,
    /// Of its call under way.
    stream: u32,
    /// What has come of its answer.
    bytes: usize,
}

impl Connection {
    async fn open(address: &str, path: &'static str, clients: Vec<Client>) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut outgoing = BytesMut::from(frames::PREFACE);
        frames::put_settings(&mut outgoing);
        frames::put_window_update(&mut outgoing, WINDOW_MAX - WINDOW_INITIAL);
        let callers: Vec<Caller> =
            clients.into_iter().map(|client| Caller { client, stream: 0, bytes: 0 }).collect();
        Ok(Self {
            stream,
            incoming: BytesMut::with_capacity(READ_BYTES),
            outgoing,
            path,
            head: Head::new(path, address),
            idle: (0..callers.len()).collect(),
            callers,
            next_stream: 1,
            window: WINDOW_INITIAL.into(),
            taken: 0,
        })
    }

    /// Sends the next calls and waits for answers; answers how many came.
    async fn step(&mut self) -> Outcome<u64> {
        loop {
            self.send();
            self.stream.write_all_buf(&mut self.outgoing).await?;
            self.incoming.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.incoming).await? == 0 {
                return Err(self.broken("the server has closed it"));
            }
            let answered = self.take_in()?;
            if answered > 0 {
                return Ok(answered);
            }
        }
    }

    /// The calls of those who wait, as far as the server has room.
    fn send(&mut self) {
        while self.window >= PAYLOAD_MAX as i64
            && let Some(n) = self.idle.pop_front()
        {
            let caller = &mut self.callers[n];
            (caller.stream, caller.bytes) = (self.next_stream, 0);
            self.next_stream += 2;
            let (out, head) = (&mut self.outgoing, &mut self.head);
            let taken = frames::put_request(out, caller.stream, head, &mut caller.client);
            self.window -= taken as i64;
        }
    }

    /// What has come as whole frames; answers how many calls they end.
    fn take_in(&mut self) -> Outcome<u64> {
        let mut answered = 0;
        loop {
            let first = Frame::first(&self.incoming).map_err(|broken| self.broken(broken))?;
            let Some((frame, bytes)) = first else { break };
            match frame {
                Frame::Data { stream, ends: false, bytes } => {
                    self.taken += bytes as u32;
                    if let Some(n) = self.caller_of(stream) {
                        self.callers[n].bytes += bytes;
                    }
                }
                Frame::Headers { stream, ends: true } => {
                    if let Some(n) = self.caller_of(stream) {
                        // Only a call that has failed is answered without a message.
                        if self.callers[n].bytes < MESSAGE_HEAD_BYTES {
                            return Err(self.broken("a call was refused"));
                        }
                        self.idle.push_back(n);
                        answered += 1;
                    }
                }
                Frame::Data { stream, ends: true, .. } => {
                    return Err(self.broken(format!("stream {stream} ends without trailers")));
                }
                Frame::WindowUpdate { stream: 0, by } => self.window += i64::from(by),
                Frame::Settings => frames::put_settings_ack(&mut self.outgoing),
                Frame::Ping(payload) => frames::put_pong(&mut self.outgoing, payload),
                Frame::Headers { ends: false, .. } | Frame::WindowUpdate { .. } | Frame::Idle => {}
            }
            self.incoming.advance(bytes);
        }
        if self.taken > WINDOW_UPDATE_BYTES {
            frames::put_window_update(&mut self.outgoing, std::mem::take(&mut self.taken));
        }
        Ok(answered)
    }

    fn caller_of(&self, stream: u32) -> Option<usize> {
        self.callers.iter().position(|caller| caller.stream == stream)
    }

    fn broken(&self, why: impl Display) -> Problem {
        Problem::failed(format!("a connection that calls {}: {why}", self.path))
    }
}

#[cfg(test)]
mod tests;
