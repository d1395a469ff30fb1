//! The connection of somebody who looks on.

use std::sync::Arc;
use std::time::Duration;

use gamemesh_contracts::combat::v1 as pb;
use gamemesh_contracts::combat::v1::client_frame::Message as Said;
use gamemesh_domain::{Code, Error};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::expiry::Expiry;
use super::greeting::SpectatorHello;
use super::limits::{FRAME_BYTES_MAX, Kind, Limits};
use super::outlet::{Closing, Outlet};
use super::player::{Source, receive};
use super::{Client, close, refused, restart};
use crate::shard::command::{Present, What};
use crate::shard::live::Spectating;
use crate::spectate::{FRAMES_HZ, Filter, Follower};
use crate::token::Holder;

pub(super) async fn serve(
    client: &Client,
    hello: SpectatorHello,
    source: &mut Source,
    outlet: &Arc<Outlet>,
    draining: &CancellationToken,
) -> Result<(), Closing> {
    let Client { edge, session, .. } = client;
    let present: Present =
        edge.shards.ask(session.clone(), What::Get).await.map_err(|error| refused(&error))?;
    let _open = edge.metrics.opened("spectator");
    outlet.shows(present.live.clone());
    let spectating = Spectating::enter(present.live).map_err(|error| refused(&error))?;
    let live = spectating.live();
    let mut follower = Follower::new(Filter::following(hello.follow), hello.last_event_seq);
    let (delay, period_us) = (live.delay(), live.period_us());
    outlet.put_own(welcome(client, present.session, delay, period_us, live.epoch()));

    let hz = if hello.frames_max_hz == 0 { FRAMES_HZ } else { hello.frames_max_hz.min(FRAMES_HZ) };
    let mut beat = interval(Duration::from_secs(1) / hz);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut limits = Limits::new();
    let base = Instant::now();
    let mut expiry = Expiry::of(hello.permit, &edge.clock);
    loop {
        tokio::select! {
            frame = receive(source, FRAME_BYTES_MAX) => {
                let frame = frame?;
                let now_us = base.elapsed().as_micros() as u64;
                match client.codec.read(&frame) {
                    Ok(None) => {}
                    Ok(Some(said)) if limits.admits(Kind::Control, 0, now_us) => {
                        if let Some(Said::Refresh(refresh)) = &said.message {
                            expiry.renew(client, &refresh.token)?;
                        } else {
                            answer(outlet, &said, &spectating)?;
                        }
                    }
                    Ok(Some(_)) => {}
                    Err(_) if limits.bears_malformed(now_us) => {}
                    Err(error) => return Err(refused(&error)),
                }
            }
            _ = beat.tick() => {
                if outlet.is_free() {
                    if let Some(frame) = follower.next(edge, session, live).await {
                        outlet.put_shared(frame);
                    } else if live.has_moved() {
                        return Err(moved());
                    } else if live.is_over() {
                        return Err(over());
                    }
                } else if outlet.waiting(Instant::now()) > super::outlet::STALLED_MAX {
                    return Err(super::outlet::too_slow());
                } else {
                    follower.skip(live);
                }
            }
            closing = expiry.reached() => return Err(closing),
            () = draining.cancelled() => return Err(restart(session.spread())),
        }
    }
}

/// Who looks on can ask for the time, leave, and nothing else.
fn answer(
    outlet: &Outlet,
    frame: &pb::ClientFrame,
    spectating: &Spectating,
) -> Result<(), Closing> {
    let live = spectating.live();
    match &frame.message {
        Some(Said::Ping(ping)) => {
            let pong = pb::Pong {
                client_time_us: ping.client_time_us,
                server_time_us: live.now_us(Instant::now()),
                tick_q8: 0,
            };
            outlet.put_own(pb::ServerFrame { pong: Some(pong), ..pb::ServerFrame::default() });
            Ok(())
        }
        Some(Said::Leave(_)) => Err(Closing {
            code: close::NORMAL,
            reason: "the place was given up".to_owned(),
            retry_after_ms: 0,
        }),
        Some(
            Said::Move(_) | Said::Shot(_) | Said::Action(_) | Said::Reload(_) | Said::Equip(_),
        ) => {
            let error = Error::new(Code::PermissionDenied, "who looks on cannot act");
            let fault = pb::Fault {
                seq: frame.seq,
                reason: error.code.reason().to_owned(),
                message: error.message,
                ..pb::Fault::default()
            };
            outlet.put_own(pb::ServerFrame { fault: Some(fault), ..pb::ServerFrame::default() });
            Ok(())
        }
        _ => Ok(()),
    }
}

fn welcome(
    client: &Client,
    session: pb::Session,
    delay: Duration,
    period_us: u64,
    epoch: u64,
) -> pb::ServerFrame {
    let now_us = client.edge.clock.now_micros();
    let session = crate::spectate::as_seen_from_afar(session, delay);
    let welcome = pb::Welcome {
        participants: session.participants.clone(),
        session: Some(session),
        resume_token: client.edge.tokens.resume(&client.session, &Holder::Spectator, epoch, now_us),
        tick_us: period_us as u32,
        delay_s: delay.as_secs() as u32,
        ..pb::Welcome::default()
    };
    pb::ServerFrame { welcome: Some(welcome), ..pb::ServerFrame::default() }
}

fn moved() -> Closing {
    Closing {
        code: close::RESTART,
        reason: "the session has moved; come back with the resume token".to_owned(),
        retry_after_ms: 500,
    }
}

fn over() -> Closing {
    Closing { code: close::ENDED, reason: "the session is over".to_owned(), retry_after_ms: 0 }
}
