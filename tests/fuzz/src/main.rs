//! Gives each fuzz target random and mutated inputs, the same for the same seed.

use std::io::{Write as _, stdout};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use clap::Parser;
use doorward_fuzz::{give_up, named, targets};
use doorward_wire::fuzzing::{FuzzFailure, FuzzTarget, Inputs, storm};

/// How long an input may take before it counts as one that never ends.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gives each fuzz target random and mutated inputs. On one that is not stood, prints it in
/// hexadecimal and exits with 1.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many inputs each target gets.
    #[arg(long, default_value_t = 1_000_000)]
    runs: u64,
    /// What the inputs are made of.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The names of the targets; all, if none is named.
    targets: Vec<String>,
}

fn say(line: &str) {
    // Whoever does not read it has no use for it.
    drop(writeln!(stdout(), "{line}"));
}

fn main() {
    let Arguments { runs, seed, targets: names } = Arguments::parse();
    let chosen = match names.as_slice() {
        [] => targets(),
        names => names.iter().map(|name| named(name)).collect(),
    };
    let (began, mut inputs) = (Instant::now(), 0);
    for target in &chosen {
        match watched(target, seed, runs) {
            Ok(said) => say(&said),
            Err(fault) => give_up(&fault.to_string()),
        }
        inputs += runs;
    }
    say(&format!("{inputs} inputs in {:.1?}, seed {seed}", began.elapsed()));
}

/// Runs a target. An input that it does not come back from is told as well.
fn watched(target: &FuzzTarget, seed: u64, runs: u64) -> Result<String, FuzzFailure> {
    let (at, done) = (AtomicU64::new(0), AtomicBool::new(false));
    scope(|threads| {
        threads.spawn(|| {
            let (mut number, mut since) = (0, Instant::now());
            while !done.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(20));
                let now = at.load(Ordering::Relaxed);
                if now != number {
                    (number, since) = (now, Instant::now());
                } else if since.elapsed() > PATIENCE {
                    let input = Inputs::new((target.corpus)(), seed).at(number);
                    let fault = FuzzFailure { target: target.name, made: (seed, number), input };
                    give_up(&format!("it does not end: {fault}"));
                }
            }
        });
        let ran = storm(target, seed, runs, &at);
        done.store(true, Ordering::Relaxed);
        ran.map(|ran| format!("{:<10} {ran}", target.name))
    })
}
