//! Ticks: time goes on, and everybody is shown what has changed.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use gamemesh_contracts::combat::v1 as pb;
use gamemesh_domain::combat::{Command, Status};
use prost::Message as _;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;

use super::{Hosted, KEYFRAME_EVERY_S};
use crate::convert;
use crate::shard::delay::Taking;
use crate::shard::events::FRAME_EVENTS_BYTES_MAX;
use crate::shard::traces;
use crate::shard::view::View;
use crate::socket::close;
use crate::socket::outlet::{Closing, Put, STALLED_MAX, too_slow};
use crate::spectate::FRAMES_HZ;

impl Hosted {
    /// Makes a tick that is due.
    pub(in crate::shard) fn tick(&mut self, now: Instant) {
        let late = self.pace.made(now);
        self.shared.metrics.tick_lateness_seconds.observe(late.as_secs_f64());
        self.beats += 1;
        let at_us = self.at_us(now);
        let hz = u64::from(self.state.created.rules.tick_hz);
        if self.state.status == Status::Active {
            self.execute(&Command::Tick, at_us, now, None);
            if u64::from(self.state.tick.0).is_multiple_of(hz) {
                self.journal.push_hash(&self.state);
            }
            if self.state.tick.0 - self.keyframed_at >= hz as u32 * KEYFRAME_EVERY_S {
                self.keyframe();
            }
        }
        if self.beats.is_multiple_of(hz) {
            self.look_after_seats(now);
        }
        self.live.ticked(self.state.tick.0, now);
        let mut view = std::mem::take(&mut self.view);
        self.update_view(&mut view);
        self.view = view;
        let spans = traces::fan_out(&self.id, self.state.tick.0, &std::mem::take(&mut self.causes));
        let clients = self.show_players(now);
        self.show_spectators(now);
        self.tell_subscribers();
        for span in &spans {
            span.record("clients", clients);
        }
        if self.is_over() && !self.live.is_over() {
            self.finish();
        }
    }

    fn keyframe(&mut self) {
        self.keyframed_at = self.state.tick.0;
        self.is_changed = true;
        self.journal.push_keyframe(&self.state, self.events.last(), self.verdicts.as_ref());
    }

    pub(super) fn update_view(&self, view: &mut View) {
        let named = self.named();
        let players = self.state.players.iter().map(|player| convert::session::seen(named, player));
        view.update(self.state.tick.0, players, &self.state.team_scores);
    }

    /// Sends everybody who takes it his picture; how many that are.
    fn show_players(&mut self, now: Instant) -> u64 {
        let mut clients = 0;
        let mut encoded: HashMap<(Option<u32>, u64), (Bytes, u64)> = HashMap::new();
        let mut members = std::mem::take(&mut self.members);
        let metrics = self.shared.metrics.clone();
        for member in members.values_mut() {
            let Some(outlet) = member.outlet.clone() else { continue };
            // A connection that broke while it was let in could not say so itself.
            if outlet.is_over() {
                member.disconnect(now);
                continue;
            }
            if outlet.waiting(now) > STALLED_MAX {
                outlet.close(too_slow());
                member.disconnect(now);
                continue;
            }
            if !self.beats.is_multiple_of(u64::from(member.every)) {
                continue;
            }
            if !outlet.is_free() {
                metrics.conflated.inc();
                continue;
            }
            let key = (member.baseline, member.told);
            let (frame, told) = encoded.entry(key).or_insert_with(|| {
                metrics.frames_encoded.inc();
                let frame = self.frame(member.baseline, member.told);
                (frame.encode_to_vec().into(), frame.event_seq)
            });
            metrics.frame_bytes.inc_by(frame.len() as u64);
            match outlet.put_shared(frame.clone()) {
                Put::Taken => {
                    metrics.frames.inc();
                    clients += 1;
                    member.handed(self.state.tick.0);
                    member.baseline = Some(self.view.number());
                    member.told = *told;
                }
                Put::Conflated => {
                    metrics.conflated.inc();
                }
                Put::Over => {
                    member.disconnect(now);
                }
            }
        }
        self.members = members;
        clients
    }

    /// What has changed since a picture, and what happened since an event, as far as one frame has room for
    /// it: `event_seq` says how far.
    fn frame(&self, baseline: Option<u32>, told: u64) -> pb::ServerFrame {
        let missed = self.events.page(told, self.events_room());
        let skipped = missed.is_none();
        let (events, last) = missed.unwrap_or_else(|| (Vec::new(), self.events.last()));
        // Without the events in between, the picture must stand alone.
        let mut snapshot = self.view.since(if skipped { None } else { baseline });
        snapshot.projectiles = convert::session::flying(self.named());
        pb::ServerFrame {
            event_seq: last,
            snapshot: Some(snapshot),
            events,
            events_skipped: skipped,
            ..self.own_frame()
        }
    }

    /// Bytes of events in one frame. The last frames of a session have all that is left: nothing follows them.
    pub(super) fn events_room(&self) -> usize {
        if self.is_over() { usize::MAX } else { FRAME_EVENTS_BYTES_MAX }
    }

    fn show_spectators(&mut self, now: Instant) {
        let hz = self.state.created.rules.tick_hz;
        let every = u64::from((hz / FRAMES_HZ).max(1));
        if !self.beats.is_multiple_of(every) && !self.is_over() {
            return;
        }
        let (now_us, tick) = (self.live.now_us(now), self.state.tick.0);
        let live = self.live.clone();
        live.record(|recording, delay_us| {
            recording.keep(now_us, delay_us);
            let is_key = recording.wants_key();
            let (baseline, told) = recording.shown(is_key);
            let frame = self.frame(baseline, told.unwrap_or(self.events.last()));
            let up_to = frame.event_seq;
            recording.shows(self.view.number(), up_to);
            let after = told.unwrap_or(self.events.last());
            let taking = Taking { time_us: now_us, tick, is_key, after, up_to };
            recording.record(taking, frame.encode_to_vec().into());
        });
    }

    fn tell_subscribers(&mut self) {
        let last = self.events.last();
        let events = &self.events;
        self.subscribers.retain_mut(|subscriber| {
            if subscriber.told == last {
                return !subscriber.events.is_closed();
            }
            let Some(missed) = events.since(subscriber.told) else { return false };
            let message = pb::Events { events: missed.cloned().collect() };
            match subscriber.events.try_send(Arc::new(message)) {
                Ok(()) => {
                    subscriber.told = last;
                    true
                }
                // The next message says what this one would have said, while it is still known.
                Err(TrySendError::Full(_)) => true,
                Err(TrySendError::Closed(_)) => false,
            }
        });
    }

    /// The session is over: connections are closed when they have got the last frame.
    fn finish(&mut self) {
        self.keyframe();
        self.journal.hurry();
        let closing = Closing {
            code: close::ENDED,
            reason: "the session is over".to_owned(),
            retry_after_ms: 0,
        };
        for member in self.members.values_mut() {
            if let Some(outlet) = member.outlet.take() {
                outlet.close(closing.clone());
            }
        }
        self.subscribers.clear();
        self.live.finish();
    }
}
