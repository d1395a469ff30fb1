//! Pairs to medians, medians to a table.

use serde::Serialize;

/// One measure.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) measure: &'static str,
    /// What it is compared with, or the target.
    pub(crate) against: &'static str,
    pub(crate) unit: &'static str,
    /// What the product did, what the baseline did; one for each pair.
    pub(crate) pairs: Vec<Pair>,
    pub(crate) ours: f64,
    pub(crate) baseline: f64,
    /// Median over the pairs of product ÷ baseline.
    pub(crate) ratio: f64,
    pub(crate) ratio_min: f64,
    pub(crate) ratio_max: f64,
    pub(crate) at_least: f64,
    pub(crate) aim: f64,
    pub(crate) met: bool,
    pub(crate) aim_met: bool,
    pub(crate) note: String,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Pair {
    pub(crate) ours: f64,
    pub(crate) baseline: f64,
}

/// What a ratio must be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    /// More is better.
    AtLeast { floor: f64, aim: f64 },
    /// Less is better.
    AtMost { ceiling: f64, aim: f64 },
}

impl Row {
    pub(crate) fn new(
        measure: &'static str,
        against: &'static str,
        unit: &'static str,
        bar: Bar,
        pairs: Vec<Pair>,
    ) -> Self {
        let ratios: Vec<f64> = pairs.iter().map(|p| p.ours / p.baseline).collect();
        let ratio = median(&ratios);
        let (at_least, aim, met, aim_met) = match bar {
            Bar::AtLeast { floor, aim } => (floor, aim, ratio >= floor, ratio >= aim),
            Bar::AtMost { ceiling, aim } => (ceiling, aim, ratio <= ceiling, ratio <= aim),
        };
        Self {
            measure,
            against,
            unit,
            ours: median(&pairs.iter().map(|p| p.ours).collect::<Vec<_>>()),
            baseline: median(&pairs.iter().map(|p| p.baseline).collect::<Vec<_>>()),
            ratio,
            ratio_min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            ratio_max: ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            at_least,
            aim,
            met,
            aim_met,
            note: String::new(),
            pairs,
        }
    }

    #[must_use]
    pub(crate) fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

pub(crate) fn markdown(rows: &[Row], heading: &str) -> String {
    let mut lines = vec![
        heading.to_owned(),
        String::new(),
        "| measure | result | against | ratio (least – most) | bar | aim | |".to_owned(),
        "|---|---|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(rows.iter().map(|row| {
        format!(
            "| {} | {} {} | {} {} ({}) | **{}×** ({} – {}) | {}× | {}× | {} |",
            row.measure,
            number(row.ours),
            row.unit,
            number(row.baseline),
            row.unit,
            row.against,
            number(row.ratio),
            number(row.ratio_min),
            number(row.ratio_max),
            number(row.at_least),
            number(row.aim),
            match (row.met, row.aim_met) {
                (_, true) => "aim met",
                (true, false) => "met",
                (false, false) => "**missed**",
            },
        )
    }));
    lines.extend(
        rows.iter()
            .filter(|row| !row.note.is_empty())
            .map(|row| format!("\n{}: {}.", row.measure, row.note)),
    );
    lines.join("\n")
}

/// Three significant digits are what a measurement on a shared machine bears.
fn number(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => {
            let digits = (v.round() as u64).to_string();
            let groups: Vec<&str> = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .map(|group| std::str::from_utf8(group).unwrap_or_default())
                .collect();
            groups.join(",")
        }
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_is_the_median_of_the_pairs_not_of_the_sides() {
        let pair = |ours, baseline| Pair { ours, baseline };
        let pairs = vec![pair(10.0, 10.0), pair(50.0, 100.0), pair(4.0, 2.0)];
        let row = Row::new("m", "b", "/s", Bar::AtLeast { floor: 0.7, aim: 1.5 }, pairs);
        assert_eq!((row.ratio, row.ratio_min, row.ratio_max), (1.0, 0.5, 2.0));
        assert!(row.met && !row.aim_met);
    }

    #[test]
    fn for_memory_and_latency_less_is_better() {
        let pairs = vec![Pair { ours: 30.0, baseline: 50.0 }];
        let row = Row::new("m", "b", "KB", Bar::AtMost { ceiling: 0.5, aim: 0.24 }, pairs);
        assert!(!row.met && !row.aim_met);
    }

    #[test]
    fn numbers_are_short() {
        let shown: Vec<String> =
            [1_234_567.8, 999.4, 12.34, 1.234, 0.05].into_iter().map(number).collect();
        assert_eq!(shown, ["1,234,568", "999", "12.3", "1.23", "0.050"]);
    }
}
