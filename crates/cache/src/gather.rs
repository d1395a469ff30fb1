//! Questions that come together go together.
//!
//! A question that comes while others are on their way waits until one of them is back, and then goes
//! with all that wait, in one group. The round trip is the timer: nobody waits for a clock, and a
//! question that is alone waits for nobody.
//!
//! A question joins only a group that has not been sent, so nobody is answered with what was read
//! before he asked.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Who answers the questions of a group.
pub trait Answers: Send + Sync + 'static {
    type Question: Send + 'static;
    type Answer: Send + 'static;

    /// An answer to each question, in their order.
    fn answer_each(
        &self,
        questions: Vec<Self::Question>,
    ) -> impl Future<Output = Vec<Self::Answer>> + Send;
}

/// Bounds of a [`Gatherer`].
#[derive(Debug, Clone, Copy)]
pub struct GatherLimits {
    /// Questions or groups on their way before a question waits for company.
    pub on_the_way: usize,
    /// Questions in a group: others should not wait for long behind many.
    pub together: usize,
    /// Questions that wait.
    pub waiting: usize,
}

/// Questions on their way, and those that wait for company.
pub struct Gatherer<A: Answers> {
    answers: A,
    limits: GatherLimits,
    runtime: Handle,
    gathering: Mutex<Gathering<A>>,
}

struct Gathering<A: Answers> {
    on_the_way: usize,
    waiting: VecDeque<Waiting<A>>,
    refused_total: u64,
}

struct Waiting<A: Answers> {
    question: A::Question,
    reply: oneshot::Sender<A::Answer>,
}

/// What becomes of a question.
pub enum Gathered<A: Answers> {
    /// Whoever asks goes by himself, and keeps this until he is back or gives up.
    Alone(OnTheWay<A>),
    /// The answer comes, or an error if nobody is left to bring it.
    Together(oneshot::Receiver<A::Answer>),
    /// As many wait as may.
    Refused,
}

/// One question or group on its way. When this is dropped, those who wait go.
pub struct OnTheWay<A: Answers>(Arc<Gatherer<A>>);

impl<A: Answers> Gathering<A> {
    fn forget_those_gone(&mut self) {
        self.waiting.retain(|waiting| !waiting.reply.is_closed());
    }
}

impl<A: Answers> Gatherer<A> {
    /// Must be called on the runtime that answers.
    pub fn new(answers: A, limits: GatherLimits) -> Arc<Self> {
        let gathering =
            Mutex::new(Gathering { on_the_way: 0, waiting: VecDeque::new(), refused_total: 0 });
        Arc::new(Self { answers, limits, runtime: Handle::current(), gathering })
    }

    /// What is to become of a question, which is called for only if it waits.
    pub fn join(self: &Arc<Self>, question: impl FnOnce() -> A::Question) -> Gathered<A> {
        let mut gathering = self.gathering.lock();
        if gathering.on_the_way < self.limits.on_the_way {
            gathering.on_the_way += 1;
            return Gathered::Alone(OnTheWay(self.clone()));
        }
        if gathering.waiting.len() >= self.limits.waiting {
            gathering.forget_those_gone();
        }
        if gathering.waiting.len() < self.limits.waiting {
            let (reply, answer) = oneshot::channel();
            gathering.waiting.push_back(Waiting { question: question(), reply });
            Gathered::Together(answer)
        } else {
            gathering.refused_total += 1;
            Gathered::Refused
        }
    }

    /// Questions and groups on their way.
    pub fn on_the_way(&self) -> usize {
        self.gathering.lock().on_the_way
    }

    /// Questions that wait.
    pub fn waiting(&self) -> usize {
        self.gathering.lock().waiting.len()
    }

    pub fn refused_total(&self) -> u64 {
        self.gathering.lock().refused_total
    }

    async fn answer(&self, waiting: Vec<Waiting<A>>) {
        let (questions, replies): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|Waiting { question, reply }| (question, reply)).unzip();
        for (reply, answer) in replies.into_iter().zip(self.answers.answer_each(questions).await) {
            // Whoever asked may have gone away.
            let _ = reply.send(answer);
        }
    }
}

impl<A: Answers> Drop for OnTheWay<A> {
    fn drop(&mut self) {
        let Self(gatherer) = self;
        let waiting: Vec<_> = {
            let mut gathering = gatherer.gathering.lock();
            // First of all: behind those who have gone away, others may wait.
            gathering.forget_those_gone();
            if gathering.waiting.is_empty() {
                gathering.on_the_way -= 1;
                return;
            }
            let together = gathering.waiting.len().min(gatherer.limits.together);
            gathering.waiting.drain(..together).collect()
        };
        let group = Self(gatherer.clone());
        // In a task of its own: none of those who wait may take the others with him when he goes away.
        gatherer.runtime.spawn(async move { group.0.answer(waiting).await });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;

    use super::*;

    const LIMITS: GatherLimits = GatherLimits { on_the_way: 2, together: 4, waiting: 6 };

    /// Doubles what it is asked, when it is let, and remembers the groups.
    struct Doubling {
        let_go: Semaphore,
        groups: Mutex<Vec<Vec<u32>>>,
    }

    impl Answers for Arc<Doubling> {
        type Question = u32;
        type Answer = u32;

        async fn answer_each(&self, questions: Vec<u32>) -> Vec<u32> {
            self.groups.lock().push(questions.clone());
            self.let_go.acquire().await.unwrap().forget();
            questions.into_iter().map(|question| 2 * question).collect()
        }
    }

    fn gatherer() -> (Arc<Doubling>, Arc<Gatherer<Arc<Doubling>>>) {
        let doubling = Arc::new(Doubling { let_go: Semaphore::new(0), groups: Mutex::default() });
        (doubling.clone(), Gatherer::new(doubling, LIMITS))
    }

    fn alone<A: Answers<Question = u32>>(gatherer: &Arc<Gatherer<A>>) -> OnTheWay<A> {
        match gatherer.join(|| 0) {
            Gathered::Alone(way) => way,
            _ => panic!("others are on their way"),
        }
    }

    fn together(gatherer: &Arc<Gatherer<Arc<Doubling>>>, question: u32) -> JoinHandle<Option<u32>> {
        match gatherer.join(|| question) {
            Gathered::Together(answer) => tokio::spawn(async move { answer.await.ok() }),
            _ => panic!("it does not wait"),
        }
    }

    async fn until(holds: impl Fn() -> bool) {
        let wait = async {
            while !holds() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.unwrap();
    }

    #[tokio::test]
    async fn who_comes_while_others_are_on_their_way_goes_with_the_rest_when_one_is_back() {
        let (doubling, gatherer) = gatherer();
        let (first, second) = (alone(&gatherer), alone(&gatherer));
        let waiting: Vec<_> = (1..=6).map(|question| together(&gatherer, question)).collect();
        assert!(matches!(gatherer.join(|| 7), Gathered::Refused));
        assert_eq!((gatherer.waiting(), gatherer.refused_total()), (6, 1));
        drop(first);
        drop(second);
        until(|| doubling.groups.lock().len() == 2).await;
        assert_eq!(*doubling.groups.lock(), [vec![1, 2, 3, 4], vec![5, 6]]);
        assert_eq!((gatherer.on_the_way(), gatherer.waiting()), (2, 0));
        doubling.let_go.add_permits(2);
        for (question, answer) in (1..).zip(waiting) {
            assert_eq!(answer.await.unwrap(), Some(2 * question));
        }
        until(|| gatherer.on_the_way() == 0).await;
    }

    #[tokio::test]
    async fn a_group_that_has_been_sent_takes_nobody_in() {
        let (doubling, gatherer) = gatherer();
        let ways = (alone(&gatherer), alone(&gatherer));
        let early = together(&gatherer, 1);
        drop(ways.0);
        until(|| doubling.groups.lock().len() == 1).await;
        let late = together(&gatherer, 2);
        doubling.let_go.add_permits(2);
        assert_eq!((early.await.unwrap(), late.await.unwrap()), (Some(2), Some(4)));
        assert_eq!(*doubling.groups.lock(), [[1], [2]]);
    }

    #[tokio::test]
    async fn those_who_have_gone_away_are_not_asked_for_and_hold_up_nobody() {
        let (doubling, gatherer) = gatherer();
        let ways = (alone(&gatherer), alone(&gatherer));
        let gone: Vec<_> = (1..=5).map(|question| together(&gatherer, question)).collect();
        let last = together(&gatherer, 6);
        for gone in gone {
            gone.abort();
            assert!(gone.await.unwrap_err().is_cancelled());
        }
        doubling.let_go.add_permits(1);
        drop(ways);
        assert_eq!(last.await.unwrap(), Some(12));
        assert_eq!(*doubling.groups.lock(), [[6]]);
        until(|| gatherer.on_the_way() == 0).await;
    }

    #[tokio::test]
    async fn those_who_have_gone_away_take_no_place() {
        let (doubling, gatherer) = gatherer();
        let ways = (alone(&gatherer), alone(&gatherer));
        for gone in (1..=6).map(|question| together(&gatherer, question)).collect::<Vec<_>>() {
            gone.abort();
            assert!(gone.await.unwrap_err().is_cancelled());
        }
        let stays = together(&gatherer, 7);
        doubling.let_go.add_permits(1);
        drop(ways);
        assert_eq!(stays.await.unwrap(), Some(14));
        assert_eq!(gatherer.refused_total(), 0);
    }
}
