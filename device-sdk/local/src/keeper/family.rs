//! All descendants of this process, and their end.
//!
//! This process is their subreaper: whoever loses its parent becomes its child. So there is no
//! descendant left when it has no child left.

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

/// How long it may take to end them all.
const BOUND: Duration = Duration::from_secs(3);

/// For how long of that they are stopped, before they are killed whether or not they stand still.
const STANDSTILL: Duration = Duration::from_secs(1);

/// A descendant.
#[derive(Clone, Copy, Debug)]
struct Relative {
    id: Pid,
    parent: Pid,
}

/// Ends all descendants. Answers how many there are still, which is 0 unless some cannot be ended
/// in time: they run as another user, or wait in the kernel.
///
/// They are stopped before they are killed: one that is killed makes room for another to be
/// started, and whoever starts others faster than they are found would go on for ever.
pub(super) fn end() -> io::Result<u32> {
    let begin = Instant::now();
    loop {
        let found = stop(begin + STANDSTILL);
        // Children before their parents, so that a stopped parent keeps a child's number from
        // becoming another's.
        for relative in found.iter().rev() {
            send(relative, Signal::KILL);
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

/// Stops all descendants, until none runs that could start another.
fn stop(until: Instant) -> Vec<Relative> {
    let mut told = HashSet::new();
    loop {
        let mut running = false;
        let found = descendants(&mut |relative| {
            // A new one is told before it is looked at: it may be about to start another and end.
            if told.insert(relative.id) || !stands_still(relative.id) {
                running = true;
                send(relative, Signal::STOP);
            }
        });
        if !running || Instant::now() > until {
            return found;
        }
        // Whoever was told stands still when it is looked at again, unless it waits in the kernel.
        std::thread::yield_now();
    }
}

/// Reaps what has ended. Whether nothing is left.
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

/// Sends a signal to a descendant, and to nobody else.
fn send(relative: &Relative, signal: Signal) {
    let sent = if relative.parent == getpid() {
        // Only this process reaps its children, so the number is still that child's.
        kill_process(relative.id, signal)
    } else {
        // The process behind the number is held first. If its parent is a descendant then, so is
        // it; if the number became another's since, the signal goes to nobody.
        pidfd_open(relative.id, PidfdFlags::empty()).and_then(|held| match parent_of(relative.id) {
            Some(parent) if parent == relative.parent => pidfd_send_signal(held, signal),
            Some(_) | None => Err(Errno::SRCH),
        })
    };
    if let Err(error) = sent {
        tracing::trace!(?relative, %error, "a process was not told");
    }
}

/// All descendants, parents before their children. `each` hears of one as soon as it is found,
/// before its children are looked for.
fn descendants(each: &mut impl FnMut(&Relative)) -> Vec<Relative> {
    let own = getpid();
    let scan = if lists_children(own) { None } else { Some(everybody()) };
    let children = |parent: Pid| match &scan {
        None => children_of(parent),
        Some(all) => all.iter().filter(|one| one.parent == parent).map(|one| one.id).collect(),
    };
    let (mut found, mut known) = (Vec::new(), HashSet::from([own]));
    let mut parents = vec![own];
    while let Some(parent) = parents.pop() {
        for id in children(parent) {
            // One that has just lost its parent can be met twice.
            if known.insert(id) {
                let relative = Relative { id, parent };
                each(&relative);
                found.push(relative);
                parents.push(id);
            }
        }
    }
    found
}

/// Whether the kernel lists the children of each process.
fn lists_children(own: Pid) -> bool {
    let path = format!("/proc/{own}/task/{own}/children");
    fs::exists(path).unwrap_or(false)
}

/// The children of all threads of a process, as the kernel lists them.
fn children_of(parent: Pid) -> Vec<Pid> {
    let Ok(threads) = fs::read_dir(format!("/proc/{parent}/task")) else { return vec![] };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        let list = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(list.split_ascii_whitespace().filter_map(number));
    }
    found
}

/// Every process and its parent.
fn everybody() -> Vec<Relative> {
    let Ok(processes) = fs::read_dir("/proc") else { return vec![] };
    let ids = processes.flatten().filter_map(|one| number(one.file_name().to_str()?));
    ids.filter_map(|id| Some(Relative { id, parent: parent_of(id)? })).collect()
}

fn number(text: &str) -> Option<Pid> {
    text.parse().ok().and_then(Pid::from_raw)
}

/// The fields of `/proc/ID/stat` from the third on: what stands before may hold any character.
fn stat(id: Pid) -> Option<String> {
    let path = PathBuf::from(format!("/proc/{id}/stat"));
    let text = String::from_utf8_lossy(&fs::read(path).ok()?).into_owned();
    text.rsplit_once(')').map(|(_, rest)| rest.trim_start().to_owned())
}

fn parent_of(id: Pid) -> Option<Pid> {
    number(stat(id)?.split(' ').nth(1)?)
}

/// Whether a process runs no more, or not now: it starts no other then.
fn stands_still(id: Pid) -> bool {
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
        assert!(everybody().iter().any(|one| (one.id, one.parent) == (id, own)));
        assert_eq!(parent_of(id), Some(own));
        // Whoever is no more the child of that parent is left alone.
        let init = Pid::from_raw(1).unwrap();
        send(&Relative { id, parent: init }, Signal::KILL);
        assert!(!stands_still(id) && child.try_wait().unwrap().is_none());
        send(&Relative { id, parent: own }, Signal::STOP);
        let begin = Instant::now();
        while !stands_still(id) {
            assert!(begin.elapsed() < BOUND, "it stands still");
            sleep(Duration::from_millis(1));
        }
        send(&Relative { id, parent: own }, Signal::KILL);
        child.wait().unwrap();
        assert!(stands_still(id), "it is gone");
    }
}
