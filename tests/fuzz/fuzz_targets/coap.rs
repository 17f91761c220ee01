//! `doorward_proxy::fuzzing::coap` under libFuzzer.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| doorward_proxy::fuzzing::coap(bytes));

/// Without libFuzzer there is `storm`.
#[cfg(not(fuzzing))]
fn main() {}
