//! The runtime of a process, and the processors that its threads run on.
//!
//! A scheduler that has little to choose from puts a thread that is woken where it ran last, although another
//! runs there and the next processor has nothing to do. A thread that keeps to a processor of its own is
//! never put behind another one of the same runtime.

use std::io;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::runtime::{Builder, Runtime};

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// Others run on these processors, and a thread that cannot leave waits for them.
    #[error(
        "pin-threads=on: this process may use the time of {usable} processors and runs on {processors}, none of \
         which is its own"
    )]
    SharedProcessors { usable: usize, processors: usize },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A runtime of one thread for each processor that this process may use; pinned, each of these threads has a
/// processor of its own. That is refused where the process has only a share of its processors' time.
pub fn runtime(is_pinned: bool) -> Result<Runtime, RuntimeError> {
    if is_pinned { pinned() } else { Ok(Runtime::new()?) }
}

fn pinned() -> Result<Runtime, RuntimeError> {
    let all = sched_getaffinity(None).map_err(io::Error::from)?;
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|n| all.is_set(*n)).collect();
    let usable = available_parallelism().map_or(1, NonZero::get);
    if usable != processors.len() {
        return Err(RuntimeError::SharedProcessors { usable, processors: processors.len() });
    }
    let started = AtomicUsize::new(0);
    let place = move || {
        // The runtime begins with these threads. What blocks has later ones, each of which begins where the
        // thread is that needed it.
        let own = processors.get(started.fetch_add(1, Ordering::Relaxed));
        let place = own.map_or(all, |own| {
            let mut place = CpuSet::new();
            place.set(*own);
            place
        });
        if let Err(error) = sched_setaffinity(None, &place) {
            tracing::warn!(%error, key = "PIN_THREADS", "a thread stays free");
        }
    };
    let mut builder = Builder::new_multi_thread();
    Ok(builder.worker_threads(usable).on_thread_start(place).enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    fn processors() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).filter(|n| set.is_set(*n)).collect()
    }

    #[test]
    fn each_thread_has_a_processor_and_what_blocks_has_all() {
        let all = processors();
        if available_parallelism().unwrap().get() != all.len() {
            assert!(pinned().is_err());
            return;
        }
        let runtime = pinned().unwrap();
        let mut own = BTreeSet::new();
        runtime.block_on(async {
            // Each holds its thread, so that the next runs on another.
            for _ in 0..200 {
                let tasks = (0..all.len()).map(|_| {
                    tokio::spawn(async {
                        std::thread::sleep(Duration::from_millis(5));
                        processors()
                    })
                });
                for task in tasks.collect::<Vec<_>>() {
                    own.insert(task.await.unwrap());
                }
                if own.len() == all.len() {
                    break;
                }
            }
            let blocking = tokio::spawn(async { tokio::task::spawn_blocking(processors).await });
            assert_eq!(blocking.await.unwrap().unwrap(), all);
        });
        assert_eq!(own, all.iter().map(|n| vec![*n]).collect());
        assert_eq!(processors(), all);
    }
}
