//! Running sums of numbers that change one at a time.

#[derive(Debug, Clone, Default)]
pub(super) struct Fenwick {
    /// Entry `i` is the sum of the numbers `i & (i + 1)` to `i`.
    sums: Vec<usize>,
    total: usize,
}

impl Fenwick {
    pub(super) fn of(numbers: impl Iterator<Item = usize>) -> Self {
        let mut sums: Vec<usize> = numbers.collect();
        let total = sums.iter().sum();
        for at in 0..sums.len() {
            let parent = at | (at + 1);
            if parent < sums.len() {
                sums[parent] += sums[at];
            }
        }
        Self { sums, total }
    }

    pub(super) fn total(&self) -> usize {
        self.total
    }

    pub(super) fn add(&mut self, mut at: usize, change: i64) {
        self.total = self.total.wrapping_add_signed(change as isize);
        while at < self.sums.len() {
            self.sums[at] = self.sums[at].wrapping_add_signed(change as isize);
            at |= at + 1;
        }
    }

    /// The sum of the numbers before one.
    pub(super) fn before(&self, mut at: usize) -> usize {
        let mut sum = 0;
        while at > 0 {
            sum += self.sums[at - 1];
            at &= at - 1;
        }
        sum
    }

    /// The number within which the sum passes a value below the total, and how far within.
    pub(super) fn find(&self, mut value: usize) -> (usize, usize) {
        let mut at = 0;
        let mut step = self.sums.len().next_power_of_two();
        while step > 0 {
            if let Some(&sum) = self.sums.get(at + step - 1)
                && sum <= value
            {
                value -= sum;
                at += step;
            }
            step /= 2;
        }
        (at, value)
    }
}
