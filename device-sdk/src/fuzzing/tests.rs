//! Runs the SDK's targets on a share of a million inputs.

use doorward_wire::fuzzing::share;

use super::TARGETS;

/// This crate's share of a million inputs.
#[test]
fn targets_stand_what_comes() {
    let faults = share(TARGETS, 60_000, |said| println!("{said}"));
    assert!(faults.is_empty(), "{faults:#?}");
}
