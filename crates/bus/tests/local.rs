//! The laws on the bus of one process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use async_trait::async_trait;
use gamemesh_bus::conformance::Fixture;
use gamemesh_bus::{LocalBus, Message, Publisher, Subscription};

struct Local {
    bus: LocalBus,
    reader: Subscription,
}

#[async_trait]
impl Fixture for Local {
    async fn fresh() -> Self {
        let bus = LocalBus::new();
        let reader = bus.subscribe("t");
        Self { bus, reader }
    }

    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(self.bus.clone())
    }

    fn topic(&self) -> Arc<str> {
        "t".into()
    }

    async fn next(&mut self) -> Message {
        self.reader.next().await.unwrap().as_ref().clone()
    }
}

gamemesh_bus::conformance_suite!(Local);
