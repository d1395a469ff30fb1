//! The answers to appends that were pushed together: whoever waits for them is woken once.

use std::sync::Arc;

use gamemesh_repository::{AppendError, Appended};
use parking_lot::Mutex;
use tokio::sync::oneshot;

type Answer = Result<Appended, AppendError>;

/// In the order of the appends; `None` where a reply was dropped.
pub(crate) type Answers = Vec<Option<Answer>>;

/// Where one append is answered.
pub(crate) struct Reply {
    group: Arc<Mutex<Group>>,
    at: usize,
}

struct Group {
    answers: Answers,
    /// Replies that are neither sent nor dropped.
    open: usize,
    waiter: Option<oneshot::Sender<Answers>>,
}

/// A reply for each of so many appends, and what they come to. Without appends it never comes.
pub(crate) fn replies(count: usize) -> (impl Iterator<Item = Reply>, oneshot::Receiver<Answers>) {
    let (waiter, answered) = oneshot::channel();
    let answers = (0..count).map(|_| None).collect();
    let group = Arc::new(Mutex::new(Group { answers, open: count, waiter: Some(waiter) }));
    ((0..count).map(move |at| Reply { group: group.clone(), at }), answered)
}

impl Reply {
    /// Who went away needs no answer.
    pub(crate) fn send(self, answer: Answer) {
        self.group.lock().answers[self.at] = Some(answer);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        let mut group = self.group.lock();
        group.open -= 1;
        if group.open == 0
            && let Some(waiter) = group.waiter.take()
        {
            let _ = waiter.send(std::mem::take(&mut group.answers));
        }
    }
}

#[cfg(test)]
mod tests {
    use gamemesh_repository::LogError;

    use super::*;

    #[tokio::test]
    async fn all_are_told_at_once_and_in_order() {
        let (replies, mut answered) = replies(3);
        let mut replies: Vec<Reply> = replies.collect();
        let appended = |time_us| Appended { streams: vec![], time_us, repeated: false };
        replies.pop().unwrap().send(Ok(appended(2)));
        drop(replies.pop());
        assert!(answered.try_recv().is_err(), "one is open");
        replies.pop().unwrap().send(Err(LogError::Overloaded.into()));
        let answers = answered.await.unwrap();
        let [Some(Err(AppendError::Log(LogError::Overloaded))), None, Some(Ok(last))] =
            &answers[..]
        else {
            panic!("{answers:?}");
        };
        assert_eq!(last.time_us, 2);
    }
}
