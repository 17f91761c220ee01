//! `policy bench`: measures the speed of decisions on this machine.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward_api::{BundleProposal, BundleView, endpoint};
use doorward_model::Clock as _;
use doorward_policies::{Bench, Bundle, BundleText, Shape};
use serde::Serialize;

use super::bundle_files::read;
use super::client::AdminClient;
use super::output::Output;
use crate::clock::SystemClock;
use crate::failure::CommandFailure;

/// How many generated requests a bundle has to decide in turn.
const REQUESTS: usize = 2048;
/// How many rounds to measure. The fastest round counts, because other work on the machine only
/// slows a round down.
const ROUNDS: usize = 20;
/// How many decisions to time one by one in a round.
const TIMED: usize = 10_000;
/// How many admissions to time in a round. Fewer than decisions, because Casbin is slower.
const ADMISSIONS: usize = 2_000;
/// How many different admissions to ask in turn: as many as Casbin caches slices for.
const CACHED_SLICES: usize = 100;
/// How many cached decisions to time together, since a single one is too short to time.
const BATCH: usize = 32;

#[derive(Clone, Serialize)]
pub(super) struct Spread {
    pub(super) p50: u64,
    p99: u64,
}

#[derive(Clone, Serialize)]
struct Measured {
    /// The shape of a generated bundle; absent for a given bundle.
    #[serde(skip_serializing_if = "Option::is_none")]
    shape: Option<&'static str>,
    rules: usize,
    /// The time of a decision by the compiled form.
    uncached_ns: Spread,
    /// The time of a decision from the cache.
    cached_ns: Spread,
    /// The time of a decision by the compiled form and by Casbin; absent if the rules permit no
    /// request.
    admission_ns: Option<Spread>,
    /// The fraction of the requests that the rules permit.
    permitted: f64,
    /// The time to parse and compile the bundle.
    load_ms: f64,
    /// The memory of the bundle, including its text.
    bytes_per_rule: f64,
    /// The growth of the process's resident memory.
    resident_bytes_per_rule: f64,
    /// The time from a parsed change of one rule to the first decision that uses it: the slower of
    /// adding and removing a rule.
    edit_ms: f64,
}

#[derive(Serialize)]
struct Totals {
    rules: usize,
    uncached_ns: Spread,
    cached_ns: Spread,
    admission_ns: Option<Spread>,
    load_ms: f64,
    bytes_per_rule: f64,
    edit_ms: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shapes: Vec<Measured>,
}

pub(super) async fn run(
    bundle: Option<&Path>,
    rules: Option<u32>,
    shape: Option<Shape>,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    let rules = rules.and_then(|rules| usize::try_from(rules).ok());
    let measured = match (bundle, rules) {
        (None, Some(rules)) => {
            let shapes = shape.map_or(Shape::ALL.to_vec(), |shape| vec![shape]);
            shapes
                .into_iter()
                .map(|shape| measure(shape.text(rules), Some(shape)))
                .collect::<Result<Vec<_>, _>>()?
        }
        (Some(path), rules) => {
            let mut text = text(read(path)?);
            if let Some(rules) = rules {
                let own = Bundle::parse(text.clone()).map_err(refused)?.len();
                let more = shape.unwrap_or(Shape::Spread).text(rules.saturating_sub(own)).policy;
                text.policy.push('\n');
                text.policy.push_str(&more);
            }
            vec![measure(text, None)?]
        }
        (None, None) => {
            let bundle = client.call::<endpoint::ShowPolicy>(&[], &()).await?;
            let BundleView { model, policy, roles, groups, tests, .. } = bundle;
            vec![measure(BundleText { model, policy, roles, groups, tests }, None)?]
        }
    };
    let totals = totals(measured)?;
    out.print(&totals, |totals| shown(totals, out))
}

/// Returns the slowest value of each measurement.
fn totals(measured: Vec<Measured>) -> Result<Totals, CommandFailure> {
    let nothing = || CommandFailure::new("there is nothing to measure".to_owned());
    let worst = |of: &dyn Fn(&Measured) -> Option<Spread>| {
        let all: Vec<Spread> = measured.iter().filter_map(of).collect();
        let max = |of: fn(&Spread) -> u64| all.iter().map(of).max();
        Some(Spread { p50: max(|spread| spread.p50)?, p99: max(|spread| spread.p99)? })
    };
    let most = |of: fn(&Measured) -> f64| measured.iter().map(of).fold(0.0, f64::max);
    Ok(Totals {
        rules: measured.first().map(|one| one.rules).ok_or_else(nothing)?,
        uncached_ns: worst(&|one| Some(one.uncached_ns.clone())).ok_or_else(nothing)?,
        cached_ns: worst(&|one| Some(one.cached_ns.clone())).ok_or_else(nothing)?,
        admission_ns: worst(&|one| one.admission_ns.clone()),
        load_ms: most(|one| one.load_ms),
        bytes_per_rule: most(|one| one.bytes_per_rule),
        edit_ms: most(|one| one.edit_ms),
        shapes: if measured.len() > 1 || measured.iter().any(|one| one.shape.is_some()) {
            measured
        } else {
            vec![]
        },
    })
}

/// Returns the text of a bundle. Missing files are empty; a missing model is the default.
fn text(files: BundleProposal) -> BundleText {
    BundleText {
        model: files.model.unwrap_or_else(|| BundleText::MODEL.to_owned()),
        policy: files.policy.unwrap_or_default(),
        roles: files.roles.unwrap_or_default(),
        groups: files.groups.unwrap_or_default(),
        tests: files.tests.unwrap_or_default(),
    }
}

fn refused(errors: impl std::fmt::Display) -> CommandFailure {
    CommandFailure::new(errors.to_string())
}

fn measure(text: BundleText, shape: Option<Shape>) -> Result<Measured, CommandFailure> {
    let before = resident().saturating_sub(text.policy.len());
    let begin = Instant::now();
    let bundle = Arc::new(Bundle::parse(text).map_err(refused)?);
    let load_ms = millis(begin.elapsed());
    let grown = resident().saturating_sub(before);
    let per_rule = |bytes: usize| bytes as f64 / bundle.len() as f64;

    let none = || CommandFailure::new("no request could be made up for this bundle".to_owned());
    let now = SystemClock.now();
    let mut bench = Bench::new(&bundle, shape, REQUESTS, now).ok_or_else(none)?;
    let permitted: Vec<usize> = (0..bench.len()).filter(|number| bench.uncached(*number)).collect();
    let kept: Vec<usize> = permitted.iter().take(CACHED_SLICES).copied().collect();
    let (mut uncached, mut cached, mut admission) = (None, None, None);
    for _ in 0..ROUNDS {
        keep_faster(&mut uncached, spread(TIMED, 1, |number| bench.uncached(number)));
        if !kept.is_empty() {
            let ask = |number: usize| {
                kept.get(number % kept.len()).is_some_and(|number| bench.admission(*number))
            };
            keep_faster(&mut admission, spread(ADMISSIONS, 1, ask));
        }
        keep_faster(&mut cached, spread(TIMED, BATCH, |number| bench.cached(number)));
    }
    let (uncached_ns, cached_ns) = uncached.zip(cached).ok_or_else(none)?;
    let edit_ms = edit(&bench, true)?.max(edit(&bench, false)?);
    Ok(Measured {
        shape: shape.map(Shape::as_str),
        rules: bundle.len(),
        uncached_ns,
        cached_ns,
        admission_ns: admission,
        permitted: permitted.len() as f64 / bench.len() as f64,
        load_ms,
        bytes_per_rule: per_rule(bundle.bytes()),
        resident_bytes_per_rule: per_rule(grown),
        edit_ms,
    })
}

/// Returns the time of the fastest of five edits, in milliseconds.
fn edit(bench: &Bench, add: bool) -> Result<f64, CommandFailure> {
    let mut best: Option<Duration> = None;
    for _ in 0..5 {
        let mut marks = Vec::with_capacity(2);
        match bench.edit(add, || marks.push(Instant::now())) {
            Some(true) => {}
            // A bundle without its only rule is no bundle.
            None if !add => return Ok(0.0),
            Some(false) | None => {
                return Err(CommandFailure::new(
                    "an edit was not seen by the next decision".to_owned(),
                ));
            }
        }
        let &[begin, end] = marks.as_slice() else { continue };
        let took = end - begin;
        best = Some(best.map_or(took, |best| best.min(took)));
    }
    Ok(millis(best.unwrap_or_default()))
}

/// Replaces `best` if the next round was faster.
pub(super) fn keep_faster(best: &mut Option<Spread>, next: Spread) {
    if best.as_ref().is_none_or(|best| next.p50 < best.p50) {
        *best = Some(next);
    }
}

/// Times `ask`, `batch` calls together. Returns nanoseconds for one call.
pub(super) fn spread(times: usize, batch: usize, mut ask: impl FnMut(usize) -> bool) -> Spread {
    let mut took: Vec<u64> = Vec::with_capacity(times);
    let mut number = 0;
    // Subtract the time that reading the clock takes.
    let clock_cost = (0..1000).map(|_| nanos(Instant::now().elapsed())).min().unwrap_or(0);
    for round in 0..times + times / 10 {
        let begin = Instant::now();
        for _ in 0..batch {
            std::hint::black_box(ask(number));
            number += 1;
        }
        let nanos = nanos(begin.elapsed()).saturating_sub(clock_cost);
        // The first tenth warms up the caches.
        if round >= times / 10 {
            took.push(nanos / batch as u64);
        }
    }
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).copied().unwrap_or(0);
    Spread { p50: at(50), p99: at(99) }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Returns the resident memory of this process in bytes, or 0 if the system does not report it.
fn resident() -> usize {
    let pages = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0_usize);
    pages * rustix::param::page_size()
}

fn shown(totals: &Totals, out: &Output) -> String {
    let row = |name: &str, rules: usize, times: [&Spread; 2], admission: Option<&Spread>, rest| {
        let ([uncached, cached], [load, bytes, edit]): (_, [f64; 3]) = (times, rest);
        vec![
            name.to_owned(),
            rules.to_string(),
            format!("{} / {}", uncached.p50, uncached.p99),
            cached.p50.to_string(),
            admission.map_or("-".to_owned(), |one| format!("{} / {}", one.p50, one.p99)),
            format!("{load:.0}"),
            format!("{bytes:.0}"),
            format!("{edit:.3}"),
        ]
    };
    let mut rows: Vec<Vec<String>> = Vec::new();
    for one in &totals.shapes {
        let rest = [one.load_ms, one.bytes_per_rule, one.edit_ms];
        let times = [&one.uncached_ns, &one.cached_ns];
        rows.push(row(one.shape.unwrap_or(""), one.rules, times, one.admission_ns.as_ref(), rest));
    }
    if rows.len() != 1 {
        let rest = [totals.load_ms, totals.bytes_per_rule, totals.edit_ms];
        let times = [&totals.uncached_ns, &totals.cached_ns];
        let name = if rows.is_empty() { "bundle" } else { "slowest" };
        rows.push(row(name, totals.rules, times, totals.admission_ns.as_ref(), rest));
    }
    let heads = [
        "",
        "RULES",
        "DECISION p50 / p99 ns",
        "CACHED ns",
        "ADMISSION p50 / p99 ns",
        "LOAD ms",
        "BYTES/RULE",
        "EDIT ms",
    ];
    out.table(&heads, &rows)
}
