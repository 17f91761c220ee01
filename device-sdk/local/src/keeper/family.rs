//! Ends all descendants of this process.
//!
//! This process is a subreaper: a descendant whose parent ends becomes its child. So no descendant
//! is left once this process has no children.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, pidfd_open, pidfd_send_signal, wait,
};

/// How long ending all descendants may take.
const BOUND: Duration = Duration::from_secs(3);

/// For how long of [`BOUND`] descendants are stopped first. After it they are killed even if some
/// still run.
const STANDSTILL: Duration = Duration::from_secs(1);

/// A descendant of this process.
#[derive(Clone, Copy, Debug)]
struct Descendant {
    id: Pid,
    parent: Pid,
}

/// Ends all descendants. Returns how many are left. The number is 0 unless some cannot be ended in
/// time, because they run as another user or wait in the kernel.
///
/// It stops descendants before it kills them. A kill frees a process slot, so a program that starts
/// processes faster than this function finds them would never end.
pub(super) fn end() -> io::Result<u32> {
    let begin = Instant::now();
    loop {
        let found = stop(begin + STANDSTILL);
        // Kills children before their parents: a stopped parent cannot reap, so no other process
        // can get the child's id.
        for descendant in found.iter().rev() {
            send(descendant, Signal::KILL);
        }
        if reap()? {
            return Ok(0);
        }
        if begin.elapsed() > BOUND {
            let left = descendants(&mut |_| {}).len();
            return Ok(u32::try_from(left.max(1)).unwrap_or(u32::MAX));
        }
        sleep(Duration::from_millis(1));
    }
}

/// Stops all descendants until none runs that could start another, or until `until`.
fn stop(until: Instant) -> Vec<Descendant> {
    let mut signalled = HashSet::new();
    loop {
        let mut running = false;
        let found = descendants(&mut |descendant| {
            // Stops a new one before it looks at its state: it may be about to fork and exit.
            if signalled.insert(descendant.id) || !is_stopped_or_ended(descendant.id) {
                running = true;
                send(descendant, Signal::STOP);
            }
        });
        if !running || Instant::now() > until {
            return found;
        }
        // A signalled process is stopped by the next round, unless it waits in the kernel.
        std::thread::yield_now();
    }
}

/// Reaps children that have ended. Returns whether none is left.
fn reap() -> io::Result<bool> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return Ok(false),
            Err(Errno::CHILD) => return Ok(true),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends a signal to a descendant, and never to another process.
fn send(descendant: &Descendant, signal: Signal) {
    let sent = if descendant.parent == getpid() {
        // Only this process reaps its children, so the id still belongs to that child.
        kill_process(descendant.id, signal)
    } else {
        // Opens the process first and then checks its parent. If the id has been reused, the
        // parent differs or the opened process is gone, and nobody gets the signal.
        pidfd_open(descendant.id, PidfdFlags::empty()).and_then(|opened| {
            match parent_of(descendant.id) {
                Some(parent) if parent == descendant.parent => pidfd_send_signal(opened, signal),
                Some(_) | None => Err(Errno::SRCH),
            }
        })
    };
    if let Err(error) = sent {
        tracing::trace!(?descendant, %error, "could not signal a descendant");
    }
}

/// Returns all descendants, parents before their children. Calls `each` for every descendant before
/// it looks for that descendant's children.
fn descendants(each: &mut impl FnMut(&Descendant)) -> Vec<Descendant> {
    let own = getpid();
    let scan = if lists_children(own) { None } else { Some(all_processes()) };
    let children = |parent: Pid| match &scan {
        None => children_of(parent),
        Some(all) => all.iter().filter(|one| one.parent == parent).map(|one| one.id).collect(),
    };
    let (mut found, mut known) = (Vec::new(), HashSet::from([own]));
    let mut parents = vec![own];
    while let Some(parent) = parents.pop() {
        for id in children(parent) {
            // A descendant that has just lost its parent can appear twice.
            if known.insert(id) {
                let descendant = Descendant { id, parent };
                each(&descendant);
                found.push(descendant);
                parents.push(id);
            }
        }
    }
    found
}

/// Returns whether the kernel lists the children of each process.
fn lists_children(own: Pid) -> bool {
    let path = format!("/proc/{own}/task/{own}/children");
    fs::exists(path).unwrap_or(false)
}

/// Returns the children of all threads of a process, as the kernel lists them.
fn children_of(parent: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { return vec![] };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(list.split_ascii_whitespace().filter_map(number));
    }
    found
}

/// Returns every process with its parent.
fn all_processes() -> Vec<Descendant> {
    let Ok(processes) = fs::read_dir("/proc") else { return vec![] };
    let ids = processes.flatten().filter_map(|one| number(one.file_name().to_str()?));
    ids.filter_map(|id| Some(Descendant { id, parent: parent_of(id)? })).collect()
}

fn number(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}

/// Returns the fields of `/proc/ID/stat` from the third on. The second, a name in parentheses, may
/// hold any character.
fn stat(id: Pid) -> Option<String> {
    let path = PathBuf::from(format!("/proc/{id}/stat"));
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    text.rsplit_once(')').map(|(_, rest)| rest.trim_start().to_owned())
}

fn parent_of(id: Pid) -> Option<Pid> {
    number(stat(id)?.split(' ').nth(1)?)
}

/// Returns whether a process has ended or is stopped, so that it cannot fork.
fn is_stopped_or_ended(id: Pid) -> bool {
    let state = stat(id).and_then(|stat| stat.chars().next());
    matches!(state, None | Some('T' | 't' | 'Z' | 'X'))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_child_is_found_in_both_ways_and_told_only_as_the_child_of_its_parent() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let (id, own) = (number(&child.id().to_string()).unwrap(), getpid());
        assert!(children_of(own).contains(&id));
        assert!(all_processes().iter().any(|one| (one.id, one.parent) == (id, own)));
        assert_eq!(parent_of(id), Some(own));
        // A process with another parent than the expected one gets no signal.
        let init = Pid::from_raw(1).unwrap();
        send(&Descendant { id, parent: init }, Signal::KILL);
        assert!(!is_stopped_or_ended(id) && child.try_wait().unwrap().is_none());
        send(&Descendant { id, parent: own }, Signal::STOP);
        let begin = Instant::now();
        while !is_stopped_or_ended(id) {
            assert!(begin.elapsed() < BOUND, "the child is stopped");
            sleep(Duration::from_millis(1));
        }
        send(&Descendant { id, parent: own }, Signal::KILL);
        child.wait().unwrap();
        assert!(is_stopped_or_ended(id), "the child has ended");
    }
}
