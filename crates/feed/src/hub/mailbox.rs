//! The bounded queue of one subscriber.
//!
//! Every subscription has a mailbox, and most are empty most of the time. A channel of tokio's allocates room
//! for its first 32 items and two cache lines of its own, 832 bytes; this needs a tenth of that.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;
use tokio::task::coop::cooperative;

/// Where items are put in. Dropping it closes the mailbox; what lies in it can still be taken.
pub(super) struct Slot<T>(Arc<Mutex<Content<T>>>);

/// Where its one reader takes them out.
pub struct Mailbox<T>(Arc<Mutex<Content<T>>>);

struct Content<T> {
    items: VecDeque<T>,
    items_max: usize,
    closed: bool,
    reader: Option<Waker>,
}

pub(super) fn mailbox<T>(items_max: usize) -> (Slot<T>, Mailbox<T>) {
    let content = Content { items: VecDeque::new(), items_max, closed: false, reader: None };
    let shared = Arc::new(Mutex::new(content));
    (Slot(shared.clone()), Mailbox(shared))
}

impl<T> Slot<T> {
    /// Whether there was room.
    pub(super) fn put(&self, item: T) -> bool {
        let mut content = self.0.lock();
        if content.items.len() >= content.items_max {
            return false;
        }
        content.items.push_back(item);
        let reader = content.reader.take();
        drop(content);
        reader.into_iter().for_each(Waker::wake);
        true
    }
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        let mut content = self.0.lock();
        content.closed = true;
        let reader = content.reader.take();
        drop(content);
        reader.into_iter().for_each(Waker::wake);
    }
}

impl<T> Mailbox<T> {
    /// The next item; `None` once the mailbox is closed and empty. Nothing is lost when this is dropped.
    pub async fn take(&mut self) -> Option<T> {
        cooperative(poll_fn(|cx| self.poll_take(cx))).await
    }

    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut content = self.0.lock();
        match content.items.pop_front() {
            Some(item) => Poll::Ready(Some(item)),
            None if content.closed => Poll::Ready(None),
            None => {
                content.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn items_come_in_order_and_then_the_end() {
        let (slot, mut mailbox) = mailbox(3);
        assert!(mailbox.take().now_or_never().is_none());
        assert!(slot.put(1) && slot.put(2));
        assert_eq!(mailbox.take().await, Some(1));
        drop(slot);
        assert_eq!(mailbox.take().await, Some(2));
        assert_eq!(mailbox.take().await, None);
    }

    #[tokio::test]
    async fn a_full_one_takes_nothing_until_there_is_room() {
        let (slot, mut mailbox) = mailbox(2);
        assert!(slot.put(1) && slot.put(2) && !slot.put(3));
        assert_eq!(mailbox.take().await, Some(1));
        assert!(slot.put(4) && !slot.put(5));
        assert_eq!(mailbox.take().await, Some(2));
        assert_eq!(mailbox.take().await, Some(4));
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken_by_an_item_and_by_the_end() {
        let (slot, mut mailbox) = mailbox(1);
        let reader = tokio::spawn(async move { (mailbox.take().await, mailbox.take().await) });
        tokio::task::yield_now().await;
        assert!(slot.put(1));
        tokio::task::yield_now().await;
        drop(slot);
        assert_eq!(reader.await.unwrap(), (Some(1), None));
    }
}
