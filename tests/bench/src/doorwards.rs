//! Doorward itself.

use std::hint::black_box;
use std::sync::Arc;

use doorward_policies::{Bundle, Shape};
use serde::Serialize;

use crate::timing::{Spent, Spread, spent, spread};
use crate::{Asked, Ending, Failure};

/// How many decisions are timed one by one.
const TIMED: usize = 20_000;
/// How many admissions are timed: Casbin takes its time.
const ADMISSIONS: usize = 5_000;
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
    /// One that is given again, with a certificate that ends.
    pub cached_ns: Spread,
    /// The same with a certificate that never ends: what `doorward policy bench` measures.
    pub cached_endless_ns: Spread,
    /// Of the cached ones, how many are permits: at a raw interface nothing but connecting is.
    pub cached_permitted: f64,
    /// All of those with a certificate that ends.
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
    let (decision_ns, decisions) = spent(|| spread(TIMED, 1, |at| bench.uncached(number(at))));
    let kept = permitted.get(..KEPT).unwrap_or(&permitted);
    let (admission_ns, admissions) = spent(|| {
        (!kept.is_empty()).then(|| {
            let ask = |at: usize| {
                kept.get(at % kept.len()).is_some_and(|number| bench.admission(*number))
            };
            for at in 0..kept.len() {
                black_box(ask(at));
            }
            spread(ADMISSIONS, 1, ask)
        })
    });
    let mut ending = Ending::of(&asked)?;
    for at in 0..numbers.len() {
        black_box(ending.cached(at));
    }
    let (cached_ns, cached) = spent(|| spread(TIMED, ROW, |at| ending.cached(at)));
    drop(ending);
    let bench = &mut asked.bench;
    let again = numbers.iter().filter(|number| bench.cached(**number)).count();
    let cached_endless_ns = spread(TIMED, ROW, |at| bench.cached(number(at)));
    let of_all = |some: usize| some as f64 / numbers.len() as f64;
    let measured = Measured {
        permitted: of_all(permitted.len()),
        load,
        bytes_per_rule: bundle.bytes() as f64 / bundle.len() as f64,
        decision_ns,
        decisions,
        cached_ns,
        cached_endless_ns,
        cached_permitted: of_all(again),
        cached,
        admission_ns,
        admissions,
    };
    Ok((asked, measured))
}
