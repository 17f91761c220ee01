//! `bench`: decisions of Doorward, casbin-rs and Cedar, side by side.

use std::io::{Write as _, stderr, stdout};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Parser;
use doorward_bench::cedars::Cedar;
use doorward_bench::doorwards::{self, Measured};
use doorward_bench::timing::{Spent, Spread, glance, nanos, spent};
use doorward_bench::{Asked, Failure, casbins};
use doorward_policies::Shape;
use serde::Serialize;

/// Measures decisions of Doorward, casbin-rs and Cedar on made-up bundles.
#[derive(Parser)]
#[command(name = "tests/bench/run")]
struct Args {
    /// How many rules a bundle has; may be given more than once
    #[arg(long, value_name = "N", default_values_t = [10, 1000, 100_000, 1_000_000])]
    rules: Vec<usize>,
    /// The shape of the bundle: spread, one-cell, ranges or many-roles; may be given more than
    /// once [default: all]
    #[arg(long)]
    shape: Vec<Shape>,
    /// Above that many rules Doorward is measured alone
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    peers_up_to: usize,
    /// How long each of the others is asked, in seconds; up to ten times as long for two dozen
    /// questions
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    patience: f64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// As many questions each of the others is asked, if it takes no more than ten times its time.
const FEWEST: usize = 24;
/// So many are enough.
const MOST: usize = 10_000;

/// What was measured of one of the others.
#[derive(Serialize)]
struct Peer {
    /// To read the bundle and the memberships.
    load: Spent,
    /// Half of the decisions take less, in nanoseconds; absent if no answer was Doorward's.
    p50_ns: Option<u64>,
    /// How many decisions were timed.
    timed: usize,
    /// How many different questions were asked.
    asked: usize,
    /// Of these, how many answers were Doorward's. Cedar is timed on these only.
    agreed: usize,
    /// The first question whose answer was not.
    differs_on: Option<String>,
    /// All of the asking.
    asking: Spent,
    /// How many times as long as Doorward's decision it takes, half against half.
    times_decision: Option<f64>,
    /// The same against Doorward's admission.
    times_admission: Option<f64>,
}

#[derive(Serialize)]
struct Allocations {
    per_decision: f64,
    per_cached: f64,
}

#[derive(Serialize)]
struct Row {
    shape: &'static str,
    rules: usize,
    questions: usize,
    doorward: Measured,
    allocations: Allocations,
    /// The whole bundle, on Doorward's model.
    casbin: Option<Peer>,
    /// The whole bundle, on the model of Casbin's examples: asked less.
    casbin_key_match: Option<Peer>,
    cedar: Option<Peer>,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let shapes = if args.shape.is_empty() { Shape::ALL.to_vec() } else { args.shape.clone() };
    let mut rows = Vec::new();
    for rules in &args.rules {
        for shape in &shapes {
            writeln!(stderr(), "{shape}, {rules} rules")?;
            rows.push(measure(*shape, *rules, &args)?);
        }
    }
    if args.json {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&rows)?)?;
    } else {
        show(&rows)?;
    }
    Ok(())
}

fn measure(shape: Shape, rules: usize, args: &Args) -> Result<Row, Failure> {
    let allocations = allocations(shape, rules)?;
    let (asked, doorward) = doorwards::measure(shape, rules)?;
    let (mut casbin, mut casbin_key_match, mut cedar) = (None, None, None);
    if rules <= args.peers_up_to {
        let ask = Asking { asked: &asked, doorward: &doorward, args };
        // One after the other: each is gone before the next one comes.
        let (plain, load) = spent(|| casbins::plain(&asked));
        let plain = plain?;
        casbin = Some(ask.peer(load, Differing::Fails, |at| plain.ask(at))?);
        drop(plain);
        let (key_match, load) = spent(|| casbins::key_match(&asked));
        let key_match = key_match?;
        casbin_key_match = Some(ask.peer(load, Differing::Timed, |at| key_match.ask(at))?);
        drop(key_match);
        let (translated, load) = spent(|| Cedar::new(&asked));
        let translated = translated?;
        cedar = Some(ask.peer(load, Differing::LeftOut, |at| translated.ask(at))?);
    }
    let (shape, questions) = (shape.as_str(), asked.numbers.len());
    Ok(Row { shape, rules, questions, doorward, allocations, casbin, casbin_key_match, cedar })
}

/// Counted by the program beside this one.
fn allocations(shape: Shape, rules: usize) -> Result<Allocations, Failure> {
    let program = std::env::current_exe()?.with_file_name("allocations");
    let output = Command::new(program).args([shape.as_str(), &rules.to_string()]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let counted: Vec<f64> = text.split_whitespace().filter_map(|one| one.parse().ok()).collect();
    let &[per_decision, per_cached] = counted.as_slice() else {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("counting allocations failed: {error}").into());
    };
    if per_cached > 0.0 {
        return Err(format!("{shape}, {rules} rules: a cached decision allocates").into());
    }
    Ok(Allocations { per_decision, per_cached })
}

/// What becomes of an answer that is not Doorward's.
#[derive(Clone, Copy, PartialEq)]
enum Differing {
    /// It ends the run: one of the two is wrong.
    Fails,
    /// It is timed all the same: nothing else was to be expected.
    Timed,
    /// It is not timed.
    LeftOut,
}

struct Asking<'a> {
    asked: &'a Asked,
    doorward: &'a Measured,
    args: &'a Args,
}

impl Asking<'_> {
    fn peer(
        &self,
        load: Spent,
        differing: Differing,
        ask: impl Fn(usize) -> Result<bool, Failure>,
    ) -> Result<Peer, Failure> {
        let patience = Duration::from_secs_f64(self.args.patience);
        let (glance, questions) = (glance(), self.asked.numbers.len());
        let (mut took, mut asked, mut agreed, mut differs_on) = (Vec::new(), 0, 0, None);
        let (done, asking) = spent(|| -> Result<(), Failure> {
            // The first few warm up.
            for at in 0..2 {
                ask(at)?;
            }
            let begin = Instant::now();
            for at in 0..MOST {
                let elapsed = begin.elapsed();
                if elapsed > patience && (at >= FEWEST || elapsed > patience * 10) {
                    break;
                }
                let asking = Instant::now();
                let answer = ask(at)?;
                let nanos = nanos(asking.elapsed()).saturating_sub(glance);
                let alike = answer == self.asked.expected(at);
                if at < questions {
                    asked += 1;
                    agreed += usize::from(alike);
                }
                if !alike && differs_on.is_none() {
                    let request = self.asked.request(at).map(|(_, request)| request);
                    let question = request.map(|request| format!("{:?}", request.question));
                    let question = question.unwrap_or_default();
                    if differing == Differing::Fails {
                        return Err(format!("casbin: {answer}, Doorward: not; {question}").into());
                    }
                    differs_on = Some(format!("{answer}: {question}"));
                }
                if alike || differing == Differing::Timed {
                    took.push(nanos);
                }
            }
            Ok(())
        });
        done?;
        let timed = took.len();
        let p50_ns = (timed > 0).then(|| Spread::of(took).p50);
        let times = |ours: Option<u64>| Some(p50_ns? as f64 / ours?.max(1) as f64);
        let times_decision = times(Some(self.doorward.decision_ns.p50));
        let times_admission = times(self.doorward.admission_ns.as_ref().map(|one| one.p50));
        Ok(Peer {
            load,
            p50_ns,
            timed,
            asked,
            agreed,
            differs_on,
            asking,
            times_decision,
            times_admission,
        })
    }
}

/// Prints tables: Doorward, the others, and what the processors had to do.
fn show(rows: &[Row]) -> Result<(), Failure> {
    let none = || "-".to_owned();
    let both = |spread: &Spread| format!("{} / {}", spread.p50, spread.p99);
    let name = |row: &Row| [row.shape.to_owned(), row.rules.to_string()];

    writeln!(stdout(), "\nDoorward, p50 / p99 in ns.\n")?;
    let heads = [
        "shape",
        "rules",
        "decision",
        "cached",
        "admission",
        "allocations: decision",
        "cached",
        "permitted",
        "load ms",
        "bytes per rule",
    ];
    let ours = rows.iter().map(|row| {
        let ours = &row.doorward;
        let cells = [
            both(&ours.decision_ns),
            both(&ours.cached_ns),
            ours.admission_ns.as_ref().map_or_else(none, both),
            format!("{:.2}", row.allocations.per_decision),
            row.allocations.per_cached.to_string(),
            format!("{:.0} %", ours.permitted * 100.0),
            format!("{:.1}", ours.load.wall_ms),
            format!("{:.0}", ours.bytes_per_rule),
        ];
        name(row).into_iter().chain(cells).collect()
    });
    table(&heads, ours)?;

    writeln!(
        stdout(),
        "\nThe others, p50 in ns; × is how many times Doorward's decision. Alike: of the questions \
         asked,\nhow many have Doorward's answer (casbin: all, or the run fails). keyMatch2 knows \
         no conditions and no\nranges. Cedar is translated with approximations (src/cedars.rs), \
         and timed where it is alike.\n"
    )?;
    let heads = [
        "shape",
        "rules",
        "casbin",
        "×",
        "timed",
        "casbin, keyMatch2",
        "×",
        "timed",
        "alike",
        "cedar",
        "×",
        "timed",
        "alike",
    ];
    let peer = |peer: &Option<Peer>| -> [String; 4] {
        let Some(peer) = peer else { return [none(), none(), none(), none()] };
        [
            peer.p50_ns.map_or_else(none, |nanos| nanos.to_string()),
            peer.times_decision.map_or_else(none, |times| format!("{times:.0}")),
            peer.timed.to_string(),
            format!("{} of {}", peer.agreed, peer.asked),
        ]
    };
    let compared = rows.iter().filter(|row| row.casbin.is_some()).map(|row| {
        let casbin = peer(&row.casbin).into_iter().take(3);
        let others = peer(&row.casbin_key_match).into_iter().chain(peer(&row.cedar));
        name(row).into_iter().chain(casbin).chain(others).collect()
    });
    table(&heads, compared)?;

    writeln!(stdout(), "\nSeconds of processors, to load and to ask\n")?;
    let heads = [
        "shape",
        "rules",
        "Doorward: load",
        "decisions",
        "cached",
        "admissions",
        "casbin: load",
        "ask",
        "keyMatch2: load",
        "ask",
        "cedar: load",
        "ask",
    ];
    let seconds = |spent: Spent| format!("{:.3}", spent.cpu_s);
    let spent = rows.iter().map(|row| {
        let ours = &row.doorward;
        let ours = [ours.load, ours.decisions, ours.cached, ours.admissions].map(seconds);
        let others = [&row.casbin, &row.casbin_key_match, &row.cedar].map(|peer| {
            let spent = peer.as_ref().map(|peer| [peer.load, peer.asking].map(seconds));
            spent.unwrap_or_else(|| [none(), none()])
        });
        name(row).into_iter().chain(ours).chain(others.into_iter().flatten()).collect()
    });
    table(&heads, spent)
}

/// Prints a table in Markdown.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Result<(), Failure> {
    let mut all = vec![heads.iter().map(|head| (*head).to_owned()).collect::<Vec<_>>()];
    all.push(heads.iter().map(|_| "---".to_owned()).collect());
    all.extend(rows);
    for row in all {
        writeln!(stdout(), "| {} |", row.join(" | "))?;
    }
    Ok(())
}
