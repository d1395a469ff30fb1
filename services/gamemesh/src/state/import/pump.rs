//! Lines to StreamUpdates, over breaks of the connection.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gamemesh_client::v1::batch_update_result::Result as Answer;
use gamemesh_client::v1::update_aggregate_request::Change;
use gamemesh_client::{Client, Error, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::Tally;
use super::lines::{Line, Lines};
use crate::exit::{Exit, Outcome, Problem};

/// Lines that are on their way at once; no more is read until one of them is answered. The server
/// can bring it down to `WINDOW_LEAST` by refusing lines because it is busy.
const WINDOW_MOST: usize = 1_024;
const WINDOW_LEAST: usize = 16;
/// Breaks without an answer in between, after which the import ends.
const BREAKS_MAX: u32 = 8;
/// After a break; doubles with each.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// What an answer means for its line.
enum Settled {
    Done,
    Refused(LineError),
    /// The server was too busy: the line is to be sent again, and fewer at once.
    Busy(Error),
}

/// A line that was not written.
pub(super) struct LineError {
    pub(super) line: i64,
    pub(super) problem: Problem,
}

pub(super) struct Pump<'a> {
    client: &'a Client,
    session: &'a str,
    create_only: bool,
    reason: &'a str,
    /// Sent, or to be sent again, by line: the order of the lines is kept over a break.
    unanswered: BTreeMap<i64, v1::UpdateAggregateRequest>,
    window: usize,
    pub(super) tally: Tally,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        client: &'a Client,
        session: &'a str,
        create_only: bool,
        reason: &'a str,
    ) -> Self {
        let (unanswered, tally) = (BTreeMap::new(), Tally::default());
        Self { client, session, create_only, reason, unanswered, window: WINDOW_MOST, tally }
    }

    /// Sends all lines. `report` hears of progress in bytes and of lines that were refused.
    pub(super) async fn run(
        &mut self,
        lines: &mut Lines,
        mut report: impl FnMut(u64, Option<LineError>) -> Outcome<()>,
    ) -> Outcome<()> {
        let mut breaks = 0;
        loop {
            let before = self.tally.answered();
            let Err(error) = self.connected(lines, &mut report).await? else { return Ok(()) };
            breaks = if self.tally.answered() > before { 1 } else { breaks + 1 };
            if !error.is_transient() || breaks > BREAKS_MAX {
                return Err(error.into());
            }
            tokio::time::sleep(PAUSE_FIRST * 2_u32.pow(breaks - 1)).await;
        }
    }

    /// Sends over one connection: `Ok(Ok)` when all is answered, `Ok(Err)` when it broke, or when the
    /// server was too busy for some lines. Then nothing is on its way any more, so that lines sent
    /// again do not overtake others.
    async fn connected(
        &mut self,
        lines: &mut Lines,
        report: &mut impl FnMut(u64, Option<LineError>) -> Outcome<()>,
    ) -> Outcome<Result<(), Error>> {
        let (sender, receiver) = mpsc::channel(WINDOW_MOST);
        let mut answers = match self.client.stream_updates(ReceiverStream::new(receiver)).await {
            Ok(answers) => answers,
            Err(error) => return Ok(Err(error)),
        };
        let mut again: VecDeque<i64> = self.unanswered.keys().copied().collect();
        let (mut on_the_way, mut more, mut busy) = (0, true, None);
        loop {
            while busy.is_none() && on_the_way < self.window {
                let number = match again.pop_front() {
                    Some(number) => number,
                    None if !more => break,
                    None => match lines.next().await? {
                        None => {
                            more = false;
                            break;
                        }
                        Some(Line { number, content: Err(problem) }) => {
                            self.tally.refused += 1;
                            report(lines.bytes_read(), Some(LineError { line: number, problem }))?;
                            continue;
                        }
                        Some(Line { number, content: Ok(content) }) => {
                            let update = self.update(number, content);
                            self.unanswered.insert(number, update);
                            number
                        }
                    },
                };
                // The channel has room for the whole window. If it is closed the connection broke:
                // the answers will say so, and the line is sent again.
                let _ = sender.try_send(message(number, &self.unanswered[&number]));
                on_the_way += 1;
            }
            match (on_the_way, busy.take()) {
                (0, Some(error)) => return Ok(Err(error)),
                (0, None) => return Ok(Ok(())),
                (_, still) => busy = still,
            }
            let answer = match next(&mut answers).await {
                Ok(answer) => answer,
                Err(error) => return Ok(Err(error)),
            };
            on_the_way -= 1;
            match self.settle(answer) {
                Settled::Done => report(lines.bytes_read(), None)?,
                Settled::Refused(error) => report(lines.bytes_read(), Some(error))?,
                Settled::Busy(error) => {
                    if busy.is_none() {
                        self.window = (self.window / 2).max(WINDOW_LEAST);
                    }
                    busy = Some(error);
                }
            }
        }
    }

    fn update(&self, number: i64, content: super::lines::Content) -> v1::UpdateAggregateRequest {
        v1::UpdateAggregateRequest {
            r#type: content.kind,
            id: content.id,
            change: Some(Change::Replace(content.state)),
            expected_version: self.create_only.then_some(0),
            create_missing: true,
            result_only: true,
            idempotency_key: format!("import:{}:{number}", self.session),
            reason: self.reason.to_owned(),
            ..Default::default()
        }
    }

    fn settle(&mut self, answer: v1::StreamUpdatesResponse) -> Settled {
        let problem = match answer.result.and_then(|result| result.result) {
            Some(Answer::Updated(updated)) => {
                self.unanswered.remove(&answer.sequence);
                let repeated = updated.write.is_some_and(|write| write.repeated_write);
                *(if repeated { &mut self.tally.repeated } else { &mut self.tally.written }) += 1;
                return Settled::Done;
            }
            Some(Answer::Refusal(refusal)) => {
                let error = Error::from(refusal);
                if error.is_transient() {
                    return Settled::Busy(error);
                }
                Problem::from(error)
            }
            None => Problem::new(Exit::Failed, "the server answered without a result"),
        };
        self.unanswered.remove(&answer.sequence);
        self.tally.refused += 1;
        Settled::Refused(LineError { line: answer.sequence, problem })
    }
}

fn message(sequence: i64, update: &v1::UpdateAggregateRequest) -> v1::StreamUpdatesRequest {
    v1::StreamUpdatesRequest { sequence, update: Some(update.clone()) }
}

async fn next(
    answers: &mut Streaming<v1::StreamUpdatesResponse>,
) -> Result<v1::StreamUpdatesResponse, Error> {
    match answers.message().await? {
        Some(answer) => Ok(answer),
        None => {
            Err(Error::unreachable("the server ended the stream before it answered every line"))
        }
    }
}
