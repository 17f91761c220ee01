//! Counts what decisions allocate: `allocations SHAPE RULES` prints how many allocations a decision
//! by the compiled form makes, and a cached one. A program of its own, because counting makes every
//! allocation a little slower, and the others allocate much.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use doorward_bench::{Asked, Failure};
use doorward_policies::{Bundle, Shape};

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let (Some(shape), Some(rules)) = (args.next(), args.next()) else {
        return Err("allocations SHAPE RULES".into());
    };
    let (shape, rules): (Shape, usize) = (shape.parse()?, rules.parse()?);
    let bundle = Arc::new(Bundle::parse(shape.text(rules))?);
    let Asked { mut bench, numbers } = Asked::about(&bundle, shape)?;
    // Once to warm up, once to count.
    let mut counted = [0; 2];
    for _ in 0..2 {
        let uncached = allocation_counter::measure(|| {
            for number in &numbers {
                black_box(bench.uncached(*number));
            }
        });
        let cached = allocation_counter::measure(|| {
            for number in &numbers {
                black_box(bench.cached(*number));
            }
        });
        counted = [uncached, cached].map(|info| info.count_total);
    }
    let each = counted.map(|count| (count as f64 / numbers.len() as f64).to_string());
    writeln!(std::io::stdout(), "{}", each.join(" "))?;
    Ok(())
}
