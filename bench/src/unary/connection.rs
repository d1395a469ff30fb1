//! A connection to a gRPC server on which unary calls of one method are made.

use std::fmt::Display;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::frames::{
    self, Frame, Head, MESSAGE_HEAD_BYTES, PAYLOAD_MAX, WINDOW_INITIAL, WINDOW_MAX,
};
use crate::exit::{Outcome, Problem};

/// Room for what comes at once, in bytes.
const READ_BYTES: usize = 64 << 10;
/// After so many bytes the server is told that there is room for them again.
const WINDOW_UPDATE_BYTES: u32 = WINDOW_MAX / 2;

/// `T` is what the caller knows a call by.
pub(crate) struct Connection<T> {
    stream: TcpStream,
    incoming: BytesMut,
    outgoing: BytesMut,
    path: &'static str,
    head: Head,
    under_way: Vec<Call<T>>,
    next_stream: u32,
    /// Bytes that the server has room for.
    window: i64,
    /// Bytes that have come since the server was last told that there is room for more.
    taken: u32,
}

struct Call<T> {
    stream: u32,
    known_by: T,
    /// What has come of its answer.
    bytes: usize,
}

impl<T> Connection<T> {
    pub(crate) async fn open(address: &str, path: &'static str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut outgoing = BytesMut::from(frames::PREFACE);
        frames::put_settings(&mut outgoing);
        frames::put_window_update(&mut outgoing, WINDOW_MAX - WINDOW_INITIAL);
        Ok(Self {
            stream,
            incoming: BytesMut::with_capacity(READ_BYTES),
            outgoing,
            path,
            head: Head::new(path, address),
            under_way: Vec::new(),
            next_stream: 1,
            window: WINDOW_INITIAL.into(),
            taken: 0,
        })
    }

    /// Calls that are not answered yet.
    pub(crate) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether the server has room for another call.
    pub(crate) fn has_room(&self) -> bool {
        self.window >= PAYLOAD_MAX as i64
    }

    /// Makes a call, which is sent with the next [`Self::flush`]. There must be room.
    pub(crate) fn call(&mut self, known_by: T, message: impl FnOnce(&mut BytesMut)) {
        let stream = self.next_stream;
        self.next_stream += 2;
        let taken = frames::put_request(&mut self.outgoing, stream, &mut self.head, message);
        self.window -= taken as i64;
        self.under_way.push(Call { stream, known_by, bytes: 0 });
    }

    /// Writes what is to be sent.
    pub(crate) async fn flush(&mut self) -> Outcome<()> {
        Ok(self.stream.write_all_buf(&mut self.outgoing).await?)
    }

    /// Waits for something to come. If it is given up, nothing is lost.
    pub(crate) async fn read(&mut self) -> Outcome<()> {
        self.incoming.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.incoming).await? {
            0 => Err(self.broken("the server has closed it")),
            _ => Ok(()),
        }
    }

    /// Takes in what has come as whole frames, and tells which calls are answered.
    pub(crate) fn take_in(&mut self, mut answered: impl FnMut(T)) -> Outcome<()> {
        loop {
            let first = Frame::first(&self.incoming).map_err(|broken| self.broken(broken))?;
            let Some((frame, bytes)) = first else { break };
            match frame {
                Frame::Data { stream, ends: false, bytes } => {
                    self.taken += bytes as u32;
                    if let Some(n) = self.place_of(stream) {
                        self.under_way[n].bytes += bytes;
                    }
                }
                Frame::Headers { stream, ends: true } => {
                    if let Some(n) = self.place_of(stream) {
                        let call = self.under_way.swap_remove(n);
                        // Only a call that has failed is answered without a message.
                        if call.bytes < MESSAGE_HEAD_BYTES {
                            return Err(self.broken("a call was refused"));
                        }
                        answered(call.known_by);
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
        Ok(())
    }

    fn place_of(&self, stream: u32) -> Option<usize> {
        self.under_way.iter().position(|call| call.stream == stream)
    }

    fn broken(&self, why: impl Display) -> Problem {
        Problem::failed(format!("a connection that calls {}: {why}", self.path))
    }
}
