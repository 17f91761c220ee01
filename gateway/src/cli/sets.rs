//! `policy bench --sets`: questions about sets, measured beside more and more rules that deny.

use doorward_model::Clock as _;
use doorward_policies::{SetBench, SetShape};
use serde::Serialize;

use super::bench::{quieter, spread};
use super::output::Output;
use crate::clock::SystemClock;
use crate::failure::CommandFailure;

/// Beside how many rules that deny each question is asked.
const DENIES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// The word of a refusal because too many rules would have to be looked at.
const TOO_BROAD: &str = "too-broad";
/// How often each is timed; what counts is the round in which the machine was quietest.
const ROUNDS: usize = 10;
/// How many decisions are timed in a round.
const TIMED: usize = 500;

#[derive(Serialize)]
struct Totals {
    /// The most that the cost of a question grows.
    growth: f64,
    questions: Vec<Asked>,
}

#[derive(Serialize)]
struct Asked {
    /// How the rules lie that deny.
    shape: &'static str,
    question: String,
    beside: Vec<Beside>,
    /// By how much it costs more beside the most rules than beside the fewest; absent if it is too
    /// broad there.
    growth: Option<f64>,
}

#[derive(Serialize)]
struct Beside {
    denies: usize,
    p50_ns: u64,
    /// `permit`, or why not.
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

fn measure(shape: SetShape) -> Result<Vec<Asked>, CommandFailure> {
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
                    quieter(&mut best, spread(TIMED, 1, |_| bench.ask(number).is_some()));
                }
                let answer = bench.ask(number).and_then(|opinion| opinion.refusal);
                let answer = answer.map_or("permit", |refusal| refusal.as_str());
                Beside { denies: *denies, p50_ns: best.map_or(0, |best| best.p50), answer }
            })
            .collect();
        let cost = |one: &Beside| (one.answer != TOO_BROAD).then_some(one.p50_ns.max(1) as f64);
        let (few, many) = (beside.first().and_then(cost), beside.last().and_then(cost));
        let growth = few.zip(many).map(|(few, many)| many / few);
        Asked { shape: shape.as_str(), question, beside, growth }
    };
    Ok((0..count).map(asked).collect())
}

fn shown(totals: &Totals, out: &Output) -> String {
    let row = |asked: &Asked| {
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
