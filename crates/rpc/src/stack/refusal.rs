//! What a refused call brought along.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::time::Duration;

use bytes::Buf as _;
use http_body::Body;

/// Bytes that are read. Who brings more is cut off.
const BYTES_MAX: usize = 64 << 10;

/// How long they are waited for.
const WAIT_MAX: Duration = Duration::from_millis(50);

pub(super) type ReadOut = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Reads the body of a request that is refused, to its end if that is near.
///
/// An answer before the request's end resets the stream, and the caller's side takes the stream for ended
/// before this side does: the next one that he opens can be one too many for the connection, and with a
/// thousand of those the connection is ended.
pub(super) fn read_out<B>(body: Option<B>) -> ReadOut
where
    B: Body + Send + 'static,
{
    let Some(body) = body else { return Box::pin(std::future::ready(())) };
    Box::pin(async move {
        let reading = async {
            let (mut body, mut bytes) = (pin!(body), 0);
            while let Some(Ok(frame)) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                bytes += frame.data_ref().map_or(0, |data| data.remaining());
                if bytes > BYTES_MAX {
                    break;
                }
            }
        };
        // If it does not come in time, so be it.
        let _ = tokio::time::timeout(WAIT_MAX, reading).await;
    })
}
