//! The fuzz targets of all crates.

use std::io::{Write as _, stderr};
use std::process::exit;

use doorward_wire::fuzzing::FuzzTarget;

/// Returns the targets of all crates.
#[must_use]
pub fn targets() -> Vec<FuzzTarget> {
    [
        doorward_wire::fuzzing::TARGETS,
        doorward_sdk::fuzzing::TARGETS,
        doorward_agent::fuzzing::TARGETS,
        &doorward_proxy::fuzzing::targets(),
    ]
    .concat()
}

/// Returns the target of that name. Ends the process if there is none.
#[must_use]
pub fn named(name: &str) -> FuzzTarget {
    let all = targets();
    all.iter().find(|target| target.name == name).copied().unwrap_or_else(|| {
        let known: Vec<&str> = all.iter().map(|target| target.name).collect();
        give_up(&format!("'{name}' is no target; there are: {}", known.join(" ")))
    })
}

/// Prints a line on standard error, and ends the process with 1.
pub fn give_up(line: &str) -> ! {
    drop(writeln!(stderr(), "{line}"));
    exit(1)
}
