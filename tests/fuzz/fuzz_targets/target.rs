//! Runs the target that the variable `DOORWARD_FUZZ` names under libFuzzer.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
static TARGET: std::sync::LazyLock<doorward_wire::fuzzing::FuzzTarget> =
    std::sync::LazyLock::new(|| {
        doorward_fuzz::named(&std::env::var("DOORWARD_FUZZ").unwrap_or_default())
    });

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));

/// Without libFuzzer there is `storm`.
#[cfg(not(fuzzing))]
fn main() {}
