//! The allocator, and its heap profile where it can make one.

use gamemesh_rpc::pprof::HeapDump;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Sampling is on from the start, one sample for 2 MiB: at one for 512 KiB,
/// unwinding stacks took 3 % of a busy server.
///
/// An HTTP/2 connection has buffers of 4, 8 and 16 KiB, of which it mostly uses the beginning. The first two
/// come from slabs of 128 KiB, so that not each has a record of its own; the last begins with a page, and not
/// somewhere in it, where what is written could reach into a second one.
#[cfg(feature = "jemalloc")]
#[expect(unsafe_code, reason = "an exported symbol is how jemalloc takes its configuration")]
#[unsafe(export_name = "malloc_conf")]
static MALLOC_CONF: &[u8] = b"prof:true,prof_active:true,lg_prof_sample:21,\
    slab_sizes:4096-8192:32,cache_oblivious:false\0";

/// What `/debug/pprof/heap` calls; `None` if the allocator cannot sample.
pub(crate) const fn dump() -> Option<HeapDump> {
    #[cfg(feature = "jemalloc")]
    return Some(sampled::dump);
    #[cfg(not(feature = "jemalloc"))]
    None
}

#[cfg(feature = "jemalloc")]
mod sampled {
    pub(super) fn dump() -> Result<Vec<u8>, String> {
        let control = jemalloc_pprof::PROF_CTL.as_ref().ok_or("heap profiling is switched off")?;
        let mut control = control.try_lock().map_err(|_| "another heap profile is being taken")?;
        control.dump_pprof().map_err(|error| error.to_string())
    }
}
