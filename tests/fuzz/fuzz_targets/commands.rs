//! `doorward_proxy::fuzzing::commands` under libFuzzer.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| doorward_proxy::fuzzing::commands(bytes));

/// Without libFuzzer there is `storm`.
#[cfg(not(fuzzing))]
fn main() {}
