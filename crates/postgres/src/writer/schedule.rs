//! Which appends make the next batch: the rule alone, without tasks.
//!
//! Each lane has a line. An append over several lanes stands in all of their lines and is taken when
//! it is first in each; so the appends of a lane, and those of one caller over any lanes, are decided
//! in the order in which they came. It also ends all waiting: the oldest append over several lanes is
//! first in each of its lines as soon as those before it are done.
//!
//! An append with the idempotency key of another that is not done yet also stands in the lines of
//! that one: which of them is the first is decided by the order in which they came.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::queue::{Lanes, Queued};

/// A batch with fewer events takes in what waits for other lanes that are free. Small appends cost
/// the sync of a commit more than anything else: one for all of them beats one for each lane. Large
/// ones cost work, which lanes share out over the server's processors.
const JOINT_EVENTS_MAX: usize = 256;

/// With fewer events waiting, a lane does not begin a batch while another is at work.
const BESIDE_EVENTS_MIN: usize = 96;

/// A batch takes no further append once it has this many.
const BATCH_COMMANDS_MAX: usize = 4_096;

/// A batch takes no further append once it has this many events.
const BATCH_EVENTS_MAX: usize = 4_096;

/// A batch takes no further append once it has this many bytes.
const BATCH_BYTES_MAX: usize = 8 << 20;

pub(super) struct Schedule {
    lanes: Vec<Line>,
    /// Appends over several lanes, by the ticket that stands for them in the lines.
    shared: HashMap<u64, Queued>,
    next_ticket: u64,
    /// Idempotency keys of the appends that wait or are at work.
    keys: HashMap<String, Keyed>,
    /// Where to look first, so that no lane comes last every time.
    turn: usize,
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<Waiting>,
    /// Events of those that wait.
    events: usize,
    at_work: bool,
    /// Whether other instances write to this lane: then it is not joined with others, or whoever
    /// waits for one of them waits for all.
    contended: bool,
}

enum Waiting {
    Own(Queued),
    Shared(u64),
}

#[derive(Default)]
struct Keyed {
    appends: usize,
    lanes: BTreeSet<u16>,
}

/// Appends that are decided together, with their lanes in ascending order.
pub(super) struct Started {
    pub(super) lanes: Vec<u16>,
    pub(super) commands: Vec<Queued>,
    /// Whether one of the lanes is.
    pub(super) contended: bool,
}

/// What of a batch is at work until it is done.
pub(super) struct AtWork {
    lanes: Vec<u16>,
    keys: Vec<String>,
    commands: usize,
}

#[derive(Default)]
struct Gathered {
    lanes: BTreeSet<u16>,
    commands: Vec<Queued>,
    events: usize,
    bytes: usize,
}

impl Schedule {
    pub(super) fn new(lanes: u16) -> Self {
        Self {
            lanes: (0..lanes).map(|_| Line::default()).collect(),
            shared: HashMap::new(),
            next_ticket: 0,
            keys: HashMap::new(),
            turn: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|line| line.waiting.is_empty())
    }

    pub(super) fn push(&mut self, mut queued: Queued) {
        if let Some(key) = queued.key() {
            let keyed = self.keys.entry(key.to_owned()).or_default();
            keyed.appends += 1;
            keyed.lanes.extend(queued.lanes.as_slice());
            queued.lanes = Lanes::of(keyed.lanes.iter().copied().collect());
        }
        match &queued.lanes {
            Lanes::One(lane) => {
                let line = &mut self.lanes[usize::from(*lane)];
                line.events += queued.events;
                line.waiting.push_back(Waiting::Own(queued));
            }
            Lanes::Many(lanes) => {
                for lane in lanes {
                    let line = &mut self.lanes[usize::from(*lane)];
                    line.events += queued.events;
                    line.waiting.push_back(Waiting::Shared(self.next_ticket));
                }
                self.shared.insert(self.next_ticket, queued);
                self.next_ticket += 1;
            }
        }
    }

    /// Whether something waits that no batch at work stands in the way of.
    pub(super) fn can_start(&self) -> bool {
        self.lanes.iter().any(|line| !line.at_work && !line.waiting.is_empty())
    }

    pub(super) fn set_contended(&mut self, lane: u16, contended: bool) {
        self.lanes[usize::from(lane)].contended = contended;
    }

    /// The next batch, of which the lanes are at work from now on. `beside`: another batch is at
    /// work, which will soon be done.
    pub(super) fn next_batch(&mut self, beside: bool) -> Option<Started> {
        let count = self.lanes.len();
        for step in 0..count {
            let lane = (self.turn + step) % count;
            let line = &self.lanes[lane];
            if beside && !line.contended && line.events < BESIDE_EVENTS_MIN {
                continue;
            }
            let mut gathered = Gathered::default();
            if !self.lanes[lane].at_work
                && matches!(self.lanes[lane].waiting.front(), Some(Waiting::Own(_)))
            {
                gathered.lanes.insert(lane as u16);
            } else if !self.take_shared(lane as u16, &mut gathered) {
                continue;
            }
            self.fill(&mut gathered);
            self.turn = lane + 1;
            for lane in &gathered.lanes {
                self.lanes[usize::from(*lane)].at_work = true;
            }
            let Gathered { lanes, commands, .. } = gathered;
            let contended = lanes.iter().any(|lane| self.lanes[usize::from(*lane)].contended);
            return Some(Started { lanes: lanes.into_iter().collect(), commands, contended });
        }
        None
    }

    /// A batch is done.
    pub(super) fn release(&mut self, done: &AtWork) {
        for lane in &done.lanes {
            self.lanes[usize::from(*lane)].at_work = false;
        }
        for key in &done.keys {
            if let Some(keyed) = self.keys.get_mut(key) {
                keyed.appends -= 1;
                if keyed.appends == 0 {
                    self.keys.remove(key);
                }
            }
        }
    }

    /// Takes what is first in the lines of the gathered lanes, and with an append over several lanes
    /// those of its lanes that are free.
    fn fill(&mut self, gathered: &mut Gathered) {
        loop {
            let before = gathered.commands.len();
            for lane in gathered.lanes.clone() {
                while !gathered.is_full()
                    && (self.take_own(lane, gathered) || self.take_shared(lane, gathered))
                {
                }
            }
            let took = gathered.commands.len() > before;
            if gathered.is_full() || !(took || self.join_another(gathered)) {
                return;
            }
        }
    }

    /// Adds a lane that is free and has something of its own to do.
    fn join_another(&self, gathered: &mut Gathered) -> bool {
        let line = |lane: &u16| &self.lanes[usize::from(*lane)];
        if gathered.events >= JOINT_EVENTS_MAX
            || gathered.lanes.iter().any(|lane| line(lane).contended)
        {
            return false;
        }
        let free = (0..self.lanes.len() as u16).find(|lane| {
            let Line { waiting, at_work, contended, .. } = line(lane);
            !(*at_work || *contended || gathered.lanes.contains(lane))
                && matches!(waiting.front(), Some(Waiting::Own(_)))
        });
        free.is_some_and(|lane| gathered.lanes.insert(lane))
    }

    fn take_own(&mut self, lane: u16, gathered: &mut Gathered) -> bool {
        let waiting = &mut self.lanes[usize::from(lane)].waiting;
        let own = waiting.pop_front_if(|first| matches!(first, Waiting::Own(_)));
        let Some(Waiting::Own(queued)) = own else { return false };
        self.lanes[usize::from(lane)].events -= queued.events;
        gathered.take(queued);
        true
    }

    /// Takes the append over several lanes that is first in this line, if it is first in all of its
    /// lines and its lanes are free or gathered already.
    fn take_shared(&mut self, lane: u16, gathered: &mut Gathered) -> bool {
        let Some(Waiting::Shared(ticket)) = self.lanes[usize::from(lane)].waiting.front() else {
            return false;
        };
        let ticket = *ticket;
        let Some(Lanes::Many(lanes)) = self.shared.get(&ticket).map(|queued| &queued.lanes) else {
            return false;
        };
        let lanes = lanes.clone();
        let is_first = lanes.iter().all(|lane| {
            let line = &self.lanes[usize::from(*lane)];
            (gathered.lanes.contains(lane) || !line.at_work)
                && matches!(line.waiting.front(), Some(Waiting::Shared(first)) if *first == ticket)
        });
        if !is_first {
            return false;
        }
        for lane in &lanes {
            self.lanes[usize::from(*lane)].waiting.pop_front();
            gathered.lanes.insert(*lane);
        }
        if let Some(queued) = self.shared.remove(&ticket) {
            for lane in &lanes {
                self.lanes[usize::from(*lane)].events -= queued.events;
            }
            gathered.take(queued);
        }
        true
    }
}

impl Started {
    pub(super) fn at_work(&self) -> AtWork {
        let keys =
            self.commands.iter().filter_map(|queued| queued.key()).map(str::to_owned).collect();
        AtWork { lanes: self.lanes.clone(), keys, commands: self.commands.len() }
    }
}

impl AtWork {
    pub(super) fn lanes(&self) -> &[u16] {
        &self.lanes
    }

    pub(super) fn commands(&self) -> usize {
        self.commands
    }
}

impl Gathered {
    fn take(&mut self, queued: Queued) {
        self.events += queued.events;
        self.bytes += queued.bytes;
        self.commands.push(queued);
    }

    fn is_full(&self) -> bool {
        self.commands.len() >= BATCH_COMMANDS_MAX
            || self.events >= BATCH_EVENTS_MAX
            || self.bytes >= BATCH_BYTES_MAX
    }
}

#[cfg(test)]
mod tests;
