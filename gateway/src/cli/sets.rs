//! `policy bench --sets`: measures questions about sets with a growing number of rules that deny.

use doorward_model::Clock as _;
use doorward_policies::{SetBench, SetShape};
use serde::Serialize;

use super::bench::{keep_faster, spread};
use super::output::Output;
use crate::clock::SystemClock;
use crate::failure::CommandFailure;

/// The numbers of deny rules with which to measure each question.
const DENIES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// The reason of a refusal because too many rules would have to be compared.
const TOO_BROAD: &str = "too-broad";
/// How many rounds to measure; the fastest counts.
const ROUNDS: usize = 10;
/// How many decisions to time in a round.
const TIMED: usize = 500;

#[derive(Serialize)]
struct Totals {
    /// The highest growth of any question.
    growth: f64,
    questions: Vec<MeasuredQuestion>,
}

#[derive(Serialize)]
struct MeasuredQuestion {
    /// The shape of the deny rules.
    shape: &'static str,
    question: String,
    beside: Vec<Beside>,
    /// The cost with the most deny rules divided by the cost with the fewest; absent if one of these
    /// answers is `too-broad`.
    growth: Option<f64>,
}

#[derive(Serialize)]
struct Beside {
    denies: usize,
    p50_ns: u64,
    /// `permit`, or the reason of the refusal.
    answer: &'static str,
}

pub(super) fn run(out: &Output) -> Result<(), CommandFailure> {
    let mut questions = Vec::new();
    for shape in SetShape::ALL {
        questions.extend(measure(shape)?);
    }
    let growth = questions.iter().filter_map(|asked| asked.growth).fold(0.0, f64::max);
    out.print(&Totals { growth, questions }, |totals| shown(totals, out))
}

fn measure(shape: SetShape) -> Result<Vec<MeasuredQuestion>, CommandFailure> {
    let now = SystemClock.now();
    let bench = |denies: usize| {
        let none = || CommandFailure::new("the made-up rules are no bundle".to_owned());
        SetBench::new(shape, denies, now).map(|bench| (denies, bench)).ok_or_else(none)
    };
    let benches = DENIES.into_iter().map(bench).collect::<Result<Vec<_>, _>>()?;
    let count = benches.first().map_or(0, |(_, bench)| bench.len());
    let asked = |number: usize| {
        let question = benches.first().map(|(_, bench)| bench.shown(number)).unwrap_or_default();
        let beside: Vec<Beside> = benches
            .iter()
            .map(|(denies, bench)| {
                let mut best = None;
                for _ in 0..ROUNDS {
                    keep_faster(&mut best, spread(TIMED, 1, |_| bench.ask(number).is_some()));
                }
                let answer = bench.ask(number).and_then(|opinion| opinion.refusal);
                let answer = answer.map_or("permit", |refusal| refusal.as_str());
                Beside { denies: *denies, p50_ns: best.map_or(0, |best| best.p50), answer }
            })
            .collect();
        let cost = |one: &Beside| (one.answer != TOO_BROAD).then_some(one.p50_ns.max(1) as f64);
        let (few, many) = (beside.first().and_then(cost), beside.last().and_then(cost));
        let growth = few.zip(many).map(|(few, many)| many / few);
        MeasuredQuestion { shape: shape.as_str(), question, beside, growth }
    };
    Ok((0..count).map(asked).collect())
}

fn shown(totals: &Totals, out: &Output) -> String {
    let row = |asked: &MeasuredQuestion| {
        let mut row = vec![asked.shape.to_owned(), asked.question.clone()];
        row.extend(asked.beside.iter().map(|one| match one.answer {
            TOO_BROAD => format!("{} too broad", one.p50_ns),
            _ => one.p50_ns.to_string(),
        }));
        row.push(asked.growth.map_or("refused".to_owned(), |growth| format!("×{growth:.1}")));
        row
    };
    let rows: Vec<Vec<String>> = totals.questions.iter().map(row).collect();
    let counts = DENIES.map(|denies| format!("{denies} DENIES ns"));
    let mut heads = vec!["SHAPE", "QUESTION"];
    heads.extend(counts.iter().map(String::as_str));
    heads.push("GROWS BY");
    out.table(&heads, &rows)
}
