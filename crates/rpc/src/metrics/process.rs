//! Metrics of the operating-system process, read from `/proc` at each scrape.

use std::fs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Linux reports processor time in units of `USER_HZ`, which its interface fixes at 100.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Debug)]
pub(super) struct Process {
    started: Instant,
    started_at_seconds: f64,
}

impl Process {
    pub(super) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_at_seconds: since_epoch.as_secs_f64() }
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mut gauge = |name: &str, help: &str, value: Option<f64>| match value {
            // What the system does not tell is left out: a zero would be a lie.
            None => Ok(()),
            Some(value) => {
                let gauge = ConstGauge::new(value);
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
            }
        };
        gauge(
            "process_resident_memory_bytes",
            "Memory in use",
            status_number(&status, "VmRSS:").map(|kib| kib * 1024.0),
        )?;
        gauge(
            "process_virtual_memory_bytes",
            "Address space in use",
            status_number(&status, "VmSize:").map(|kib| kib * 1024.0),
        )?;
        gauge("process_threads", "Threads", status_number(&status, "Threads:"))?;
        gauge("process_open_fds", "Open files and sockets", open_files())?;
        gauge("process_max_fds", "Limit of open files and sockets", open_files_max())?;
        gauge(
            "process_start_time_seconds",
            "Start, in seconds since the Unix epoch",
            Some(self.started_at_seconds),
        )?;
        gauge(
            "process_uptime_seconds",
            "Time since the start",
            Some(self.started.elapsed().as_secs_f64()),
        )?;
        if let Some(seconds) = cpu_seconds() {
            let counter = ConstCounter::new(seconds);
            counter.encode(encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time, user and system",
                None,
                counter.metric_type(),
            )?)?;
        }
        Ok(())
    }
}

fn status_number(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

#[expect(clippy::cast_precision_loss, reason = "a process has fewer than 2^52 files")]
fn open_files() -> Option<f64> {
    fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64)
}

fn open_files_max() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Fields 14 and 15 of `/proc/self/stat`; the command name before them may contain spaces.
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}
