//! Named points at which a test can end or disturb the process.
//!
//! `GAMEMESH_FAULT` arms one point: `point` or `point:n` for its n-th passing. `GAMEMESH_DEFECT` names a
//! defect, for a test that wants to see that another test finds it. Release builds contain nothing of
//! this.

/// Ends the process here, as a power cut would, if the point is armed.
#[inline]
pub fn fault_point(point: &str) {
    if fault_fails(point) {
        std::process::abort();
    }
}

/// Whether the step at this point must pretend that it failed: true once, if the point is armed.
#[inline]
pub fn fault_fails(point: &str) -> bool {
    #[cfg(debug_assertions)]
    {
        armed::pass(point)
    }
    #[cfg(not(debug_assertions))]
    {
        let _ = point;
        false
    }
}

/// Whether what stands here is to be done wrongly. Every defect is found by a test that is named with
/// it: `defects.rs` beside the tests of each crate.
#[inline]
pub fn seeded_defect(name: &str) -> bool {
    #[cfg(debug_assertions)]
    {
        armed::DEFECT.as_deref() == Some(name)
    }
    #[cfg(not(debug_assertions))]
    {
        let _ = name;
        false
    }
}

#[cfg(debug_assertions)]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Armed {
        point: String,
        passes_left: AtomicU64,
    }

    static ARMED: LazyLock<Option<Armed>> = LazyLock::new(|| {
        let fault = std::env::var("GAMEMESH_FAULT").ok()?;
        let (point, passes) = match fault.split_once(':') {
            Some((point, n)) => (point, n.parse().unwrap_or(1)),
            None => (fault.as_str(), 1),
        };
        Some(Armed { point: point.to_owned(), passes_left: AtomicU64::new(passes) })
    });

    pub(super) static DEFECT: LazyLock<Option<String>> =
        LazyLock::new(|| std::env::var("GAMEMESH_DEFECT").ok());

    pub(super) fn pass(point: &str) -> bool {
        ARMED
            .as_ref()
            .filter(|armed| armed.point == point)
            .is_some_and(|armed| armed.passes_left.fetch_sub(1, Ordering::SeqCst) == 1)
    }
}
