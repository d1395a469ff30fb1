mod owners;

use std::sync::Arc;

use async_stream::try_stream;
use futures::Stream;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::combat_event::Event as Happened;
use gamemesh_contracts::combat::v1::game_server_request::Command as Asked;
use gamemesh_contracts::combat::v1::game_server_response::Message as Told;
use gamemesh_domain::combat::LeaveReason;
use gamemesh_domain::{Code, Error, Result};
use gamemesh_ownership::ForwardContext;
use gamemesh_rpc::trace::Correlation;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use self::owners::Owners;
use crate::caller::Caller;
use crate::edge::Edge;
use crate::ids::{PlayerId, SessionId};
use crate::shard::command::{Act, Answers, Input, Join, Origin, What};

/// Answers that wait for the game server to read them. One that does not read loses its stream.
const ANSWERS_MAX: usize = 4_096;

/// Messages of events that wait, for each session.
const EVENTS_MAX: usize = 64;

#[expect(clippy::unused_async, reason = "those that answer with a stream are awaited")]
pub(super) async fn handle(
    edge: Arc<Edge>,
    caller: Caller,
    mut requests: Streaming<pb::GameServerRequest>,
    context: Option<ForwardContext>,
) -> Result<impl Stream<Item = Result<pb::GameServerResponse>>> {
    let (sender, mut answered) = mpsc::channel(ANSWERS_MAX);
    let answers = Answers { sender, overflow: CancellationToken::new() };
    let overflow = answers.overflow.clone();
    let (breaks, mut broken) = mpsc::channel(1);
    // What another instance has passed on is worked on here, or refused.
    let owners = match (context, edge.forwarder.clone()) {
        (Some(ForwardContext { call, is_forwarded: false }), Some(forwarder)) => {
            Some(Owners::new(forwarder, call, answers.sender.clone(), breaks.clone()))
        }
        _ => None,
    };
    let mut server = Server { edge, caller, answers, owners };
    let reading = async move {
        while let Ok(Some(request)) = requests.message().await {
            server.take(request).await;
        }
    };
    // What it asks for is part of this call's trace.
    let reading = match Correlation::current() {
        Some(call) => tokio::spawn(call.scope(reading)),
        None => tokio::spawn(reading),
    };
    let guard = AbortOnDrop(reading);
    Ok(try_stream! {
        let _guard = guard;
        // Kept, so that it says nothing as long as nothing is broken.
        let _breaks = breaks;
        loop {
            let answer = tokio::select! {
                biased;
                () = overflow.cancelled() => Err(too_slow()),
                Some(error) = broken.recv() => Err(error),
                answer = answered.recv() => Ok(answer),
            };
            let Some(answer) = answer? else { break };
            yield answer;
        }
    })
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Server {
    edge: Arc<Edge>,
    caller: Caller,
    answers: Answers,
    /// Absent where no call is passed on.
    owners: Option<Owners>,
}

fn too_slow() -> Error {
    let what = format!("{ANSWERS_MAX} answers were not read; subscribe again from the last event");
    Error::new(Code::Overloaded, what)
}

impl Server {
    async fn take(&mut self, request: pb::GameServerRequest) {
        let request = match &mut self.owners {
            Some(owners) => match owners.pass(request).await {
                Some(request) => request,
                None => return,
            },
            None => request,
        };
        let (command_id, session_id) = (request.command_id, request.session_id.clone());
        if let Err(error) = self.perform(request).await {
            self.edge.metrics.refused(error.code);
            self.tell(command_id, session_id, Told::Fault(fault(&error))).await;
        }
    }

    async fn perform(&self, request: pb::GameServerRequest) -> Result<()> {
        let pb::GameServerRequest { command_id, session_id, player_id, client_time_us, command } =
            request;
        let session = SessionId::parse("sessionId", &session_id)?;
        let command = command.ok_or_else(|| Error::invalid("command", "is required"))?;
        let player = || self.caller.player("playerId", &player_id);
        let input = match command {
            Asked::Subscribe(subscribe) => {
                return self.subscribe(command_id, session, subscribe).await;
            }
            Asked::Join(seat) => return self.join(command_id, session, player()?, seat.team).await,
            Asked::Leave(_) => {
                let player = player()?;
                // The game server gives a seat up for its player: that is how he leaves.
                let why = LeaveReason::Left;
                let ask = |reply| What::Leave { player, why, reply };
                let left = self.edge.shards.ask(session, ask).await?;
                self.done(command_id, session_id, &player_id, "leave", left.event_seq).await;
                return Ok(());
            }
            Asked::Move(r#move) => Input::Move(r#move),
            Asked::Shot(shot) => Input::Shot(shot),
            Asked::Action(action) => Input::Action(action),
            Asked::Reload(reload) => Input::Reload(reload),
            Asked::Equip(equip) => Input::Equip(equip),
            Asked::CorrectionAck(ack) => Input::CorrectionAck(ack.correction_id),
        };
        let act = Act {
            player: player()?,
            input,
            client_time_us,
            snapshot_ack: 0,
            arrived: Instant::now(),
            origin: Origin::Stream { command_id, session_id, answers: self.answers.clone() },
        };
        let what = What::Act(Box::new(act));
        if self.edge.shards.offer(session, what, Correlation::current()) {
            Ok(())
        } else {
            Err(Error::new(Code::Overloaded, "the session's owner is busy"))
        }
    }

    async fn join(
        &self,
        command_id: u64,
        session: SessionId,
        player: PlayerId,
        team: u32,
    ) -> Result<()> {
        let join = Join { player: player.clone(), team };
        let joined = self.edge.shards.ask(session.clone(), |reply| What::Join(join, reply)).await?;
        let (id, seq) = (session.as_str().to_owned(), joined.session.event_seq);
        self.done(command_id, id, player.as_str(), "join", seq).await;
        Ok(())
    }

    async fn subscribe(
        &self,
        command_id: u64,
        session: SessionId,
        subscribe: pb::Subscribe,
    ) -> Result<()> {
        let (events, mut told) = mpsc::channel::<Arc<pb::Events>>(EVENTS_MAX);
        let after = subscribe.last_event_seq;
        let ask = |reply| What::Subscribe { after, events, reply };
        self.edge.shards.ask(session.clone(), ask).await?;
        let session_id = session.as_str().to_owned();
        self.done(command_id, session_id.clone(), "", "subscribe", after.unwrap_or(0)).await;
        let answers = self.answers.clone();
        tokio::spawn(async move {
            let mut is_over = false;
            while let Some(events) = told.recv().await {
                is_over |= events.events.iter().any(ends);
                let answer = pb::GameServerResponse {
                    command_id: 0,
                    session_id: session_id.clone(),
                    message: Some(Told::Events(pb::Events::clone(&events))),
                };
                if answers.sender.send(answer).await.is_err() {
                    return;
                }
            }
            if !is_over {
                let what = "the events end here, as the session moves; subscribe again";
                let message = Told::Fault(fault(&Error::new(Code::NotServing, what)));
                let message = Some(message);
                let answer = pb::GameServerResponse { command_id: 0, session_id, message };
                let _ = answers.sender.send(answer).await;
            }
        });
        Ok(())
    }

    async fn done(
        &self,
        command_id: u64,
        session_id: String,
        player_id: &str,
        kind: &str,
        event_seq: u64,
    ) {
        let verdict = pb::Verdict {
            player_id: player_id.to_owned(),
            kind: kind.to_owned(),
            accepted: true,
            reason: "ACCEPTED".to_owned(),
            ..pb::Verdict::default()
        };
        let result = pb::CommandResult {
            verdict: Some(verdict),
            ack: pb::AckClass::Durable.into(),
            event_seq,
            ..pb::CommandResult::default()
        };
        self.tell(command_id, session_id, Told::Result(result)).await;
    }

    async fn tell(&self, command_id: u64, session_id: String, message: Told) {
        let answer = pb::GameServerResponse { command_id, session_id, message: Some(message) };
        let _ = self.answers.sender.send(answer).await;
    }
}

/// Whether nothing follows an event.
fn ends(event: &pb::CombatEvent) -> bool {
    matches!(&event.event, Some(Happened::Status(status)) if matches!(&*status.to, "ended" | "aborted"))
}

fn fault(error: &Error) -> pb::Fault {
    pb::Fault {
        reason: error.code.reason().to_owned(),
        message: error.message.clone(),
        ..pb::Fault::default()
    }
}
