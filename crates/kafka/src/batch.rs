//! What has become of the messages of one batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gamemesh_bus::{PublishError, Refused};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// A batch on its way.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Messages without a report, and one for the caller while he hands them over.
    open: AtomicUsize,
    refused: Mutex<Option<(usize, PublishError)>>,
    done: Notify,
}

/// One message of a batch, by its index.
#[derive(Debug)]
pub(crate) struct Ticket {
    batch: Arc<Batch>,
    index: usize,
}

impl Batch {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { open: AtomicUsize::new(1), refused: Mutex::new(None), done: Notify::new() })
    }

    pub(crate) fn ticket(self: &Arc<Self>, index: usize) -> Ticket {
        self.open.fetch_add(1, Ordering::Relaxed);
        Ticket { batch: self.clone(), index }
    }

    /// Nothing more is handed over; `refused` says where and why, if it stopped early.
    pub(crate) fn handed_over(&self, refused: Option<(usize, PublishError)>) {
        if let Some((index, error)) = refused {
            self.refuse(index, error);
        }
        self.close_one();
    }

    /// Every message has its report.
    pub(crate) async fn reported(&self) {
        // One waiter: a permit that comes early is kept for it.
        if self.open.load(Ordering::Acquire) > 0 {
            self.done.notified().await;
        }
    }

    pub(crate) fn outcome(&self) -> Result<(), Refused> {
        match self.refused.lock().clone() {
            None => Ok(()),
            Some((acknowledged, error)) => Err(Refused { acknowledged, error }),
        }
    }

    /// The first refused message ends the acknowledged prefix. A message that was only purged with
    /// the others does not tell why.
    fn refuse(&self, index: usize, error: PublishError) {
        let mut refused = self.refused.lock();
        *refused = Some(match refused.take() {
            None => (index, error),
            Some((first, PublishError::Over)) => (first.min(index), error),
            Some((first, cause)) => (first.min(index), cause),
        });
    }

    fn close_one(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }
}

impl Ticket {
    pub(crate) fn report(self, result: Result<(), PublishError>) {
        if let Err(error) = result {
            self.batch.refuse(self.index, error);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.batch.close_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_refused_message_ends_the_prefix() {
        let batch = Batch::new();
        let mut tickets: Vec<_> = (0..5).map(|index| batch.ticket(index)).collect();
        tickets.remove(4).report(Err(PublishError::Over));
        tickets.remove(2).report(Err(PublishError::TooLarge));
        tickets.remove(2).report(Err(PublishError::Over));
        batch.handed_over(None);
        for ticket in tickets {
            ticket.report(Ok(()));
        }
        batch.reported().await;
        let refused = batch.outcome().unwrap_err();
        assert_eq!(refused, Refused { acknowledged: 2, error: PublishError::TooLarge });
    }
}
