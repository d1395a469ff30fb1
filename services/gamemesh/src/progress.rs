//! Progress of long work, shown only when somebody watches.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// A bar over `total` units if that is known, else a running count.
pub(crate) fn bar(out: Output, total: Option<u64>, unit: &'static str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    if out.is_watched() {
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    }
    let template = match (total, unit) {
        (Some(_), "bytes") => "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}",
        (Some(_), _) => "{bar:30} {human_pos}/{human_len} {per_sec} {eta} {msg}",
        (None, _) => "{spinner} {human_pos} {per_sec} {msg}",
    };
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    bar.set_style(style);
    bar
}
