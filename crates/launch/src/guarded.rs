//! A connection's socket together with its place among the open connections.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// After the last byte was sent, what the client still sends is read and thrown away for so long: a
/// socket that is closed with something unread in it resets the connection, and takes along the answers
/// that the client has not read yet.
const LINGER_MAX: Duration = Duration::from_secs(1);

const DISCARDED_BYTES: usize = 4 << 10;

pin_project! {
    /// The place is given back when the socket closes, also when a WebSocket has taken it over and
    /// the connection's own task has long ended.
    pub(crate) struct Guarded<S, G> {
        #[pin]
        stream: S,
        guard: G,
        // Made when the sending half is shut down.
        linger: Option<Pin<Box<Sleep>>>,
    }
}

impl<S, G> Guarded<S, G> {
    pub(crate) fn new(stream: S, guard: G) -> Self {
        Self { stream, guard, linger: None }
    }
}

impl<S: AsyncRead, G> AsyncRead for Guarded<S, G> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().stream.poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite, G> AsyncWrite for Guarded<S, G> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().stream.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        let linger = match this.linger {
            Some(linger) => linger,
            None => {
                ready!(this.stream.as_mut().poll_shutdown(cx))?;
                this.linger.insert(Box::pin(sleep(LINGER_MAX)))
            }
        };
        loop {
            if linger.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut bytes = [0; DISCARDED_BYTES];
            let mut discarded = ReadBuf::new(&mut bytes);
            let read = ready!(this.stream.as_mut().poll_read(cx, &mut discarded));
            if read.is_err() || discarded.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().stream.poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
