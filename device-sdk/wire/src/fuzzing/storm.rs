//! Runs a fuzz target on many inputs.

use std::fmt;
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{FuzzTarget, Inputs};

/// The result of a run without a failure.
#[derive(Clone, Copy, Debug)]
pub struct FuzzRun {
    /// How many inputs ran.
    pub inputs: u64,
    /// How long the run took.
    pub took: Duration,
    /// How long the slowest input took, and its number.
    pub slowest: (Duration, u64),
}

impl fmt::Display for FuzzRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let second = self.inputs as f64 / self.took.as_secs_f64().max(1e-9);
        let Self { inputs, took, slowest: (slowest, number) } = self;
        write!(
            f,
            "{inputs} inputs in {took:.1?}, {second:.0}/s, the slowest (number {number}) {slowest:.1?}"
        )
    }
}

/// An input on which a target panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FuzzFailure {
    /// The name of the target.
    pub target: &'static str,
    /// The seed and the number that the input was made from.
    pub made: (u64, u64),
    /// The input.
    pub input: Vec<u8>,
}

impl fmt::Display for FuzzFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seed, number) = self.made;
        write!(f, "{}: panicked on input {number} of seed {seed}, in hexadecimal: ", self.target)?;
        self.input.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Runs a target on its corpus and then on `runs` inputs. Stores the number of the current input
/// in `at`.
///
/// # Errors
/// Returns the first input on which the target panicked.
pub fn storm(
    target: &FuzzTarget,
    seed: u64,
    runs: u64,
    at: &AtomicU64,
) -> Result<FuzzRun, FuzzFailure> {
    let corpus = (target.corpus)();
    let fault = |number, input: &[u8]| FuzzFailure {
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
    Ok(FuzzRun { inputs: runs, took: began.elapsed(), slowest })
}

/// Runs each of `targets` on `runs` inputs, few enough for a unit test. Passes a summary of each
/// run to `say`. Returns the failures.
pub fn share(targets: &[FuzzTarget], runs: u64, mut say: impl FnMut(String)) -> Vec<String> {
    let mut faults = vec![];
    for target in targets {
        match storm(target, 1, runs, &AtomicU64::new(0)) {
            Ok(ran) => say(format!("{}: {ran}", target.name)),
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    faults
}
