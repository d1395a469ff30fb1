//! A disk that takes its time, on a machine whose disk does not: loaded into a process with
//! `LD_PRELOAD`, it makes each `fsync` and `fdatasync` take `SLOW_SYNC_US` microseconds longer. The thread
//! that called sleeps meanwhile, as it would for a disk, so the processors are free for others.

use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use libc::{SYS_fdatasync, SYS_fsync, c_int, c_long};

/// How much longer a sync takes; nothing without the variable. What is not a number ends the process:
/// a measurement on the wrong disk is worse than none.
static LONGER: LazyLock<Duration> = LazyLock::new(|| {
    let Ok(text) = std::env::var("SLOW_SYNC_US") else { return Duration::ZERO };
    let Ok(micros) = text.parse() else {
        eprintln!("SLOW_SYNC_US={text}: expected microseconds, such as 2000");
        std::process::abort();
    };
    Duration::from_micros(micros)
});

/// Stands before the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(file: c_int) -> c_int {
    slow(SYS_fsync, file)
}

/// Stands before the function of the C library.
///
/// # Safety
/// As for the function of the C library.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(file: c_int) -> c_int {
    slow(SYS_fdatasync, file)
}

fn slow(call: c_long, file: c_int) -> c_int {
    // SAFETY: both calls take one descriptor and touch no memory; a bad one is an error in `errno`.
    let result = unsafe { libc::syscall(call, file) };
    if result == 0 {
        thread::sleep(*LONGER);
    }
    result as c_int
}
