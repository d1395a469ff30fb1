//! The generation of a group, which the wrapper of librdkafka keeps to itself.

use gamemesh_bus::Generation;
use rdkafka::bindings;
use rdkafka::consumer::{Consumer as _, StreamConsumer};

use crate::rebalances::Rebalances;

/// The generation in which the member has its partitions; 0 if it is in no group.
#[expect(unsafe_code, reason = "the wrapper has no accessor for the generation")]
pub(crate) fn generation(consumer: &StreamConsumer<Rebalances>) -> Generation {
    let client = consumer.client().native_ptr();
    // SAFETY: the client lives as long as `consumer`, which is borrowed. The metadata is this function's
    // own: it is read while it exists, and destroyed once.
    let generation = unsafe {
        let metadata = bindings::rd_kafka_consumer_group_metadata(client);
        if metadata.is_null() {
            return Generation(0);
        }
        let generation = bindings::rd_kafka_consumer_group_metadata_generation_id(metadata);
        bindings::rd_kafka_consumer_group_metadata_destroy(metadata);
        generation
    };
    Generation(u64::try_from(generation).unwrap_or(0))
}
