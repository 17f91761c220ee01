//! Runs a target on many inputs.

use std::fmt;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Inputs, Target};

/// What a target has stood.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// How many inputs.
    pub inputs: u64,
    /// How long it took.
    pub took: Duration,
    /// How long the slowest input took, and its number.
    pub slowest: (Duration, u64),
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.inputs as f64 / self.took.as_secs_f64().max(1e-9);
        let Self { inputs, took, slowest: (slowest, number) } = self;
        write!(
            f,
            "{inputs} inputs in {took:.1?}, {second:.0}/s, the slowest (number {number}) {slowest:.1?}"
        )
    }
}

/// An input that a target has not stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which target.
    pub target: &'static str,
    /// The seed, and the number of the input, of which it was made.
    pub made: (u64, u64),
    /// The input.
    pub input: Vec<u8>,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, number) = self.made;
        write!(
            f,
            "{}: input {number} of seed {seed} was not stood, in hexadecimal: ",
            self.target
        )?;
        self.input.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Gives a target `runs` inputs, after those of its corpus; `at` is the number of the one that
/// it has.
///
/// # Errors
/// With the first input on which it panicked.
pub fn storm(target: &Target, seed: u64, runs: u64, at: &AtomicU64) -> Result<Ran, Fault> {
    let corpus = (target.corpus)();
    let fault = |number, input: &[u8]| Fault {
        target: target.name,
        made: (seed, number),
        input: input.to_vec(),
    };
    for input in &corpus {
        catch_unwind(|| (target.run)(input)).map_err(|_| fault(0, input))?;
    }
    let inputs = Inputs::new(corpus, seed);
    let began = Instant::now();
    let (mut before, mut slowest) = (Duration::ZERO, (Duration::ZERO, 0));
    for number in 0..runs {
        at.store(number, Ordering::Relaxed);
        let input = inputs.at(number);
        catch_unwind(|| (target.run)(&input)).map_err(|_| fault(number, &input))?;
        let now = began.elapsed();
        slowest = slowest.max((now.saturating_sub(before), number));
        before = now;
    }
    Ok(Ran { inputs: runs, took: began.elapsed(), slowest })
}

/// Gives each of `targets` a share of the inputs that a test has time for, tells `say` what came
/// of it, and answers what was not stood.
pub fn share(targets: &[Target], runs: u64, mut say: impl FnMut(String)) -> Vec<String> {
    let mut faults = vec![];
    for target in targets {
        match storm(target, 1, runs, &AtomicU64::new(0)) {
            Ok(ran) => say(format!("{}: {ran}", target.name)),
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    faults
}
