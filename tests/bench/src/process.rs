//! What a process holds and has done, from `/proc`.

use std::fs;

use crate::Failure;
use rustix::param::clock_ticks_per_second;
use serde::Serialize;

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Holding {
    /// Resident memory, in KiB.
    pub rss_kib: u64,
    /// The same, with what is shared counted by its share, in KiB.
    pub pss_kib: u64,
    /// Open files, sockets included.
    pub files: usize,
    /// Seconds of processors since it began.
    pub cpu_s: f64,
}

/// What a process holds now.
///
/// # Errors
/// When there is no such process.
pub fn holding(id: u32) -> Result<Holding, Failure> {
    let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup"))?;
    let kib = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim_end_matches("kB").trim().parse().ok()).unwrap_or(0)
    };
    let files = fs::read_dir(format!("/proc/{id}/fd"))?.count();
    Ok(Holding { rss_kib: kib("Rss:"), pss_kib: kib("Pss:"), files, cpu_s: cpu(id)? })
}

fn cpu(id: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name in brackets may hold blanks. What follows begins with the third field.
    let (_, fields) = stat.rsplit_once(')').ok_or("no fields in stat")?;
    let ticks = |at: usize| fields.split_whitespace().nth(at - 3)?.parse::<u64>().ok();
    let (user, system) = ticks(14).zip(ticks(15)).ok_or("no times in stat")?;
    Ok((user + system) as f64 / clock_ticks_per_second() as f64)
}
