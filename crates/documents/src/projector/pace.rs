//! How long changed rows wait for more changes before they are written: the rule alone.

use std::time::Duration;

/// How long rows wait at least. Lists that need newer rows do not wait for this.
const DELAY_MIN: Duration = Duration::from_millis(100);

/// How long rows wait at most.
const DELAY_MAX: Duration = Duration::from_secs(5);

/// Of this many parts of a lane's time the writing of rows takes one.
const SHARE: u32 = 50;

/// How long rows wait after a write that took so long. Rows cost the store several times what events
/// cost it, and a row that changes often is written once for all changes that it waited for.
pub(super) fn delay(last_write: Duration) -> Duration {
    last_write.saturating_mul(SHARE).clamp(DELAY_MIN, DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dearer_the_rows_the_longer_they_wait_within_bounds() {
        let ms = Duration::from_millis;
        let cases = [(0, 100), (2, 100), (3, 150), (20, 1_000), (99, 4_950), (100, 5_000)];
        for (took, waits) in cases {
            assert_eq!(delay(ms(took)), ms(waits), "after {took} ms");
        }
        assert_eq!(delay(Duration::MAX), ms(5_000));
    }
}
