//! Doorward itself.

use std::sync::Arc;

use doorward_policies::{Bundle, Shape};
use serde::Serialize;

use crate::timing::{Spent, Spread, spent, spread};
use crate::{Asked, Failure};

/// How often everything is timed; what counts is the round in which the machine was quietest.
const ROUNDS: usize = 20;
/// How many decisions are timed one by one in a round.
const TIMED: usize = 10_000;
/// How many admissions: Casbin takes its time.
const ADMISSIONS: usize = 2_000;
/// How many admissions are asked in turn, so that their slices stay ready.
const KEPT: usize = 100;
/// How many cached decisions are timed at once, since one is too short.
const ROW: usize = 32;

/// What was measured.
#[derive(Debug, Serialize)]
pub struct Measured {
    /// Of the questions, how many the rules permit.
    pub permitted: f64,
    /// To read and compile the bundle.
    pub load: Spent,
    /// What the bundle holds in memory, its text included.
    pub bytes_per_rule: f64,
    /// A decision by the compiled form.
    pub decision_ns: Spread,
    /// All of these.
    pub decisions: Spent,
    /// One that is given again.
    pub cached_ns: Spread,
    /// All of these.
    pub cached: Spent,
    /// One by the compiled form and by Casbin on the rules that bear on it; absent if no question
    /// is permitted.
    pub admission_ns: Option<Spread>,
    /// All of these.
    pub admissions: Spent,
}

/// Reads a bundle of that shape and size, and asks.
///
/// # Errors
/// When the bundle is refused, or no question can be made.
pub fn measure(shape: Shape, rules: usize) -> Result<(Asked, Measured), Failure> {
    let text = shape.text(rules);
    let (bundle, load) = spent(|| Bundle::parse(text));
    let bundle = Arc::new(bundle?);
    let mut asked = Asked::about(&bundle, shape)?;
    let numbers = asked.numbers.clone();
    let number = |at: usize| numbers.get(at % numbers.len()).copied().unwrap_or_default();

    let bench = &asked.bench;
    let permitted: Vec<usize> =
        numbers.iter().copied().filter(|number| bench.uncached(*number)).collect();
    let kept = permitted.get(..KEPT).unwrap_or(&permitted);
    let bench = &mut asked.bench;
    let (mut decision, mut cached, mut admission) = <(Timed, Timed, Timed)>::default();
    for _ in 0..ROUNDS {
        decision.round(|| spread(TIMED, 1, |at| bench.uncached(number(at))));
        if !kept.is_empty() {
            admission.round(|| {
                spread(ADMISSIONS, 1, |at| {
                    kept.get(at % kept.len()).is_some_and(|number| bench.admission(*number))
                })
            });
        }
        cached.round(|| spread(TIMED, ROW, |at| bench.cached(number(at))));
    }
    let measured = Measured {
        permitted: permitted.len() as f64 / numbers.len() as f64,
        load,
        bytes_per_rule: bundle.bytes() as f64 / bundle.len() as f64,
        decision_ns: decision.quietest.ok_or("no round")?,
        decisions: decision.spent,
        cached_ns: cached.quietest.ok_or("no round")?,
        cached: cached.spent,
        admission_ns: admission.quietest,
        admissions: admission.spent,
    };
    Ok((asked, measured))
}

/// What was timed in rounds.
#[derive(Default)]
struct Timed {
    /// The quietest of them.
    quietest: Option<Spread>,
    /// All of them.
    spent: Spent,
}

impl Timed {
    fn round(&mut self, round: impl FnOnce() -> Spread) {
        let (next, spent) = spent(round);
        self.spent.add(spent);
        if self.quietest.as_ref().is_none_or(|quietest| next.p50 < quietest.p50) {
            self.quietest = Some(next);
        }
    }
}
