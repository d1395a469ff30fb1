//! How much of an answer there is while it is built: it stops before it is too large, and what is read
//! for it is read in parts that fit.

use gamemesh_domain::Result;
use gamemesh_repository::{Direction, Event, StreamName, Version};

use crate::Documents;

/// Bytes after which an answer is full. With one item more it is below what an answer may have.
pub const ANSWER_BYTES_MAX: usize = 12 << 20;

/// Items that are read before it is known how large they are.
const FIRST_READ: usize = 50;

/// What is read next is at most so many times what was read: a few small items say little of the others.
const GROWTH: usize = 8;

/// An answer of many items while it is built.
#[derive(Debug)]
pub struct Filling {
    items: usize,
    bytes: usize,
    bytes_max: usize,
}

impl Default for Filling {
    fn default() -> Self {
        Self::up_to(ANSWER_BYTES_MAX)
    }
}

impl Filling {
    /// Of items whose size is not that of their wire form.
    pub const fn up_to(bytes_max: usize) -> Self {
        Self { items: 0, bytes: 0, bytes_max }
    }

    pub const fn add(&mut self, bytes: usize) {
        self.items += 1;
        self.bytes += bytes;
    }

    /// Of the items so far.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    pub const fn is_full(&self) -> bool {
        self.bytes >= self.bytes_max
    }

    /// How many to read at once, of at most so many, so that they fit if they are like the others.
    pub fn next_read(&self, items_max: usize) -> usize {
        if self.items == 0 {
            return FIRST_READ.min(items_max);
        }
        let each = (self.bytes / self.items).max(1);
        let fit = self.bytes_max.saturating_sub(self.bytes) / each;
        fit.min(self.items * GROWTH).clamp(1, items_max.max(1))
    }
}

impl Documents {
    /// So many events of a stream, or as many as an answer has room for.
    pub async fn read_part(
        &self,
        stream: &StreamName,
        from: Version,
        count: usize,
        direction: Direction,
    ) -> Result<Vec<Event>> {
        let (mut events, mut filling) = (Vec::new(), Filling::default());
        let mut next = Some(from);
        while let Some(from) = next
            && events.len() < count
            && !filling.is_full()
        {
            let part = filling.next_read(count - events.len());
            let read = self.log.read_stream(stream, from, part, direction).await?;
            let Some(last) = read.last() else { break };
            next = match direction {
                Direction::Forward => last.version.checked_add(1),
                Direction::Backward => last.version.checked_sub(1).filter(|next| *next > 0),
            };
            for event in read {
                filling.add(event.data.len() + event.meta.len());
                if events.len() < count {
                    events.push(event);
                }
            }
        }
        Ok(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_fits_whatever_its_size() {
        for each in [1, 100, 10_000, 1 << 20, 16 << 20] {
            let (mut filling, mut reads) = (Filling::default(), 0);
            while !filling.is_full() && filling.items < 100_000 {
                let count = filling.next_read(1_000);
                assert!((1..=1_000).contains(&count));
                // The first read is blind.
                assert!(filling.items == 0 || count == 1 || count * each <= ANSWER_BYTES_MAX);
                (0..count).for_each(|_| filling.add(each));
                reads += 1;
            }
            assert!(reads < 200, "{each}: {reads} reads");
        }
    }
}
