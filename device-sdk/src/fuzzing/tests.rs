//! Runs the SDK's targets on their share of a million inputs.

use doorward_wire::fuzzing::share;

use super::TARGETS;

#[test]
fn targets_stand_what_comes() {
    let faults = share(TARGETS, 60_000, |line| println!("{line}"));
    assert!(faults.is_empty(), "{faults:#?}");
}
