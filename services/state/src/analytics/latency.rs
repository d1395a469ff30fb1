//! Latencies in buckets of powers of two, each split in four: quantiles are at most a quarter off.

const STEPS: usize = 4;
const BUCKETS: usize = 40 * STEPS;

#[derive(Clone)]
pub(crate) struct Latencies {
    buckets: Box<[u32; BUCKETS]>,
    count: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { buckets: Box::new([0; BUCKETS]), count: 0 }
    }
}

impl Latencies {
    /// Counts so many that took as long as this.
    pub(crate) fn add(&mut self, took_us: u64, count: usize) {
        let bucket = &mut self.buckets[bucket(took_us)];
        *bucket = bucket.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        self.count += count as u64;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (bucket, other) in self.buckets.iter_mut().zip(other.buckets.iter()) {
            *bucket = bucket.saturating_add(*other);
        }
        self.count += other.count;
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// An upper bound, in microseconds, of the latency that a share of all did not exceed.
    pub(crate) fn quantile_us(&self, share: f64) -> u64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut passed = 0;
        for (at, count) in self.buckets.iter().enumerate() {
            passed += u64::from(*count);
            if *count > 0 && passed >= wanted {
                return upper_us(at);
            }
        }
        0
    }
}

fn bucket(took_us: u64) -> usize {
    let took = took_us.max(STEPS as u64);
    let power = took.ilog2() as usize;
    let step = (took >> (power - 2)) as usize & (STEPS - 1);
    ((power - 2) * STEPS + step).min(BUCKETS - 1)
}

/// The greatest latency of a bucket.
fn upper_us(bucket: usize) -> u64 {
    let (power, step) = (bucket / STEPS, (bucket % STEPS) as u64);
    ((STEPS as u64 + step + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_at_most_a_quarter_above() {
        for us in [4, 5, 7, 8, 100, 999, 1_000, 65_535, 1_000_000, 60_000_000] {
            let mut latencies = Latencies::default();
            latencies.add(us, 1);
            let told = latencies.quantile_us(0.99);
            assert!(told >= us && told <= us + us / 4 + 1, "{us} told as {told}");
        }
    }

    #[test]
    fn shares_are_of_all() {
        let mut latencies = Latencies::default();
        for _ in 0..99 {
            latencies.add(100, 1);
        }
        latencies.add(100_000, 1);
        assert!(latencies.quantile_us(0.99) < 130);
        assert!(latencies.quantile_us(1.0) >= 100_000);
    }
}
