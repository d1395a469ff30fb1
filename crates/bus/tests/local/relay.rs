//! A log in memory and a relay that brings it to the bus, as an outbox does.

use std::sync::Arc;

use bytes::Bytes;
use gamemesh_bus::{LocalBus, Message, PublishError, Publisher};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(super) struct Relayed {
    pub(super) bus: LocalBus,
    log: Arc<Log>,
    /// Ends with the fixture.
    _relays: JoinSet<()>,
}

#[derive(Default)]
struct Log {
    lanes: Vec<Mutex<Vec<Message>>>,
    appended: watch::Sender<()>,
}

impl Relayed {
    pub(super) fn new(lanes: u16) -> Self {
        let bus = LocalBus::new();
        let log = Log { lanes: (0..lanes).map(|_| Mutex::default()).collect(), ..Log::default() };
        Self::over(bus, Arc::new(log))
    }

    fn over(bus: LocalBus, log: Arc<Log>) -> Self {
        let mut relays = JoinSet::new();
        for lane in 0..log.lanes.len() as u16 {
            relays.spawn(relay(bus.clone(), log.clone(), lane));
        }
        Self { bus, log, _relays: relays }
    }

    /// The same log under another process: a bus that knows nothing.
    pub(super) fn restarted(self) -> Self {
        Self::over(LocalBus::new(), self.log)
    }

    pub(super) fn append(&self, key: Bytes, payload: Bytes) {
        let sum: usize = key.iter().map(|byte| usize::from(*byte)).sum();
        let lane = sum % self.log.lanes.len();
        let mut messages = self.log.lanes[lane].lock();
        let position = messages.len() as u64 + 1;
        messages.push(Message {
            topic: "t".into(),
            key,
            payload,
            headers: vec![],
            lane: lane as u16,
            position,
        });
        self.log.appended.send_replace(());
    }
}

async fn relay(bus: LocalBus, log: Arc<Log>, lane: u16) {
    let mut appended = log.appended.subscribe();
    let mut is_read = bus.has_subscribers(&["t".into()]);
    loop {
        is_read.wait_for(|is_read| *is_read).await.unwrap();
        let mut session = bus.session().await.unwrap();
        let head = log.lanes[usize::from(lane)].lock().len() as u64;
        let mut after = session.resume_after("t", lane, head) as usize;
        while *is_read.borrow() {
            let batch: Vec<Message> = log.lanes[usize::from(lane)].lock()[after..].to_vec();
            after += batch.len();
            match session.publish(batch).await.await {
                Ok(()) => {}
                Err(refused) if refused.error == PublishError::Rewound => break,
                Err(refused) => panic!("{refused}"),
            }
            tokio::select! {
                appended = appended.changed() => appended.unwrap(),
                () = session.rewound() => break,
                _ = is_read.changed() => {}
            }
        }
    }
}
