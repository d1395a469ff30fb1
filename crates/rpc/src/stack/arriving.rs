//! The body of a request on its way to the handler: where a message meets its time and its bytes their
//! bound, and where the call takes its place when the message is whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use gamemesh_domain::Error;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use crate::edge::Received;
use crate::error::to_status;
use crate::limit::Place;

/// Of a message of this size or more, the bytes count until the call is over: they are the memory that it
/// is worked on in. Smaller ones are bounded by how many calls there are.
const LARGE_BYTES: usize = 64 << 10;

/// A flag and a length stand before each message.
const PREFIX_BYTES: usize = 5;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Which byte of which message is the next.
#[derive(Debug, Default)]
struct Framing {
    prefix: [u8; PREFIX_BYTES],
    prefix_bytes: usize,
    /// Of the message whose prefix is known.
    left: usize,
    /// Received of the message that is not whole, with its prefix.
    unfinished: usize,
}

/// What some bytes have brought.
#[derive(Debug, Default, PartialEq, Eq)]
struct Brought {
    is_whole: bool,
    largest: usize,
}

impl Framing {
    fn take(&mut self, mut bytes: &[u8]) -> Brought {
        let mut brought = Brought::default();
        while !bytes.is_empty() {
            if self.prefix_bytes < PREFIX_BYTES {
                let count = bytes.len().min(PREFIX_BYTES - self.prefix_bytes);
                let (prefix, rest) = bytes.split_at(count);
                self.prefix[self.prefix_bytes..][..count].copy_from_slice(prefix);
                self.prefix_bytes += count;
                self.unfinished += count;
                bytes = rest;
                if self.prefix_bytes < PREFIX_BYTES {
                    return brought;
                }
                let [_, length @ ..] = self.prefix;
                self.left = u32::from_be_bytes(length) as usize;
            }
            let count = bytes.len().min(self.left);
            self.left -= count;
            self.unfinished += count;
            bytes = &bytes[count..];
            if self.left > 0 {
                return brought;
            }
            brought.is_whole = true;
            brought.largest = brought.largest.max(self.unfinished);
            self.prefix_bytes = 0;
            self.unfinished = 0;
        }
        brought
    }
}

pin_project! {
    /// A request's body that is watched while it arrives.
    pub struct Arriving<B> {
        #[pin]
        body: B,
        // `None`: probes, and calls of this process itself.
        watch: Option<Watch>,
    }
}

struct Watch {
    place: Option<Arc<Place>>,
    received: Received,
    framing: Framing,
    arrival: Arrival,
    is_whole: bool,
}

/// How the messages of a call come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// One message, whose time begins with the call.
    One,
    /// One message that whoever makes it watches over.
    OneOnDemand,
    /// Its caller may be silent between two messages, and before the first.
    Stream,
}

impl<B> Arriving<B> {
    pub(super) fn unwatched(body: B) -> Self {
        Self { body, watch: None }
    }

    pub(super) fn watched(
        body: B,
        place: Option<Arc<Place>>,
        received: Received,
        arrival: Arrival,
    ) -> Self {
        let framing = Framing::default();
        Self { body, watch: Some(Watch { place, received, framing, arrival, is_whole: false }) }
    }
}

impl Watch {
    fn take(&mut self, data: &[u8]) -> Result<(), Error> {
        let before = self.framing.unfinished;
        let brought = self.framing.take(data);
        if brought.is_whole {
            self.received.clear();
            self.received.add(self.framing.unfinished)?;
            if self.arrival == Arrival::Stream {
                self.arrived()?;
            } else if brought.largest >= LARGE_BYTES {
                self.hold(brought.largest)?;
            }
        } else {
            self.received.add(self.framing.unfinished - before)?;
        }
        Ok(())
    }

    /// Counts the message until the call is over.
    fn hold(&mut self, bytes: usize) -> Result<(), Error> {
        self.received.add(bytes)?;
        if let Some(place) = &self.place {
            place.keep(self.received.split());
        }
        Ok(())
    }

    fn arrived(&mut self) -> Result<(), Error> {
        self.is_whole = true;
        self.place.take().map_or(Ok(()), |place| place.arrived())
    }

    /// Ready when what is awaited has taken too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        let is_awaited = self.arrival == Arrival::One && !self.is_whole;
        if is_awaited || self.framing.unfinished > 0 {
            return self.received.poll_late(cx);
        }
        Poll::Pending
    }
}

impl<B> Body for Arriving<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let polled = this.body.poll_frame(cx);
        let Some(watch) = this.watch else {
            return polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)));
        };
        let refused = |error: Error| {
            Poll::Ready(Some(Err(Box::<Status>::from(to_status(&error)) as BoxError)))
        };
        match polled {
            Poll::Pending => match watch.poll_late(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(error) => refused(error),
            },
            Poll::Ready(Some(Ok(frame))) => {
                let checked = match frame.data_ref() {
                    Some(data) => watch.take(data),
                    None => watch.arrived(),
                };
                checked.map_or_else(refused, |()| Poll::Ready(Some(Ok(frame))))
            }
            // A message may be followed by nothing for long: before its end no handler begins.
            Poll::Ready(None) => watch.arrived().map_or_else(refused, |()| Poll::Ready(None)),
            Poll::Ready(Some(Err(error))) => {
                let error: BoxError = error.into();
                // What the gateway makes of a body is no status of the client's.
                if !error.is::<Status>() {
                    watch.received.broke_off();
                }
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // The end is where a place is taken.
        self.watch.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(bytes: usize) -> Vec<u8> {
        let length = u32::try_from(bytes).unwrap().to_be_bytes();
        [&[0][..], &length, &vec![7; bytes]].concat()
    }

    /// Cut anywhere, the same messages are found.
    #[test]
    fn messages_are_found_however_they_are_cut() {
        let sizes = [0, 1, 300, 0, 70_000];
        let stream: Vec<u8> = sizes.iter().flat_map(|size| message(*size)).collect();
        for chunk in [1, 2, 4, 5, 6, 7, 299, 305, 65_536, stream.len()] {
            let mut framing = Framing::default();
            let (mut whole, mut largest) = (0, 0);
            for bytes in stream.chunks(chunk) {
                let brought = framing.take(bytes);
                whole += usize::from(brought.is_whole);
                largest = largest.max(brought.largest);
            }
            assert!(whole >= 1 && framing.unfinished == 0, "{chunk}");
            assert_eq!(largest, 70_000 + PREFIX_BYTES, "{chunk}");
        }
    }

    #[test]
    fn what_is_not_whole_is_counted_with_its_prefix() {
        let mut framing = Framing::default();
        assert_eq!(framing.take(&message(100)[..50]), Brought::default());
        assert_eq!(framing.unfinished, 50);
        assert!(framing.take(&message(100)[50..]).is_whole);
        assert_eq!(framing.unfinished, 0);
    }
}
