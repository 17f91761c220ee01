//! Counts what decisions allocate: `allocations SHAPE RULES` prints how many allocations a decision
//! by the compiled form makes, a cached one, and a cached one with a certificate that never ends. A
//! program of its own, because counting makes every allocation a little slower, and the others
//! allocate much.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;

use doorward_bench::{Asked, Ending, Failure};
use doorward_policies::{Bundle, Shape};

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let (Some(shape), Some(rules)) = (args.next(), args.next()) else {
        return Err("allocations SHAPE RULES".into());
    };
    let (shape, rules): (Shape, usize) = (shape.parse()?, rules.parse()?);
    let bundle = Arc::new(Bundle::parse(shape.text(rules))?);
    let asked = Asked::about(&bundle, shape)?;
    let mut ending = Ending::of(&asked)?;
    let Asked { mut bench, numbers } = asked;
    // Once to warm up, once to count.
    let mut counted = [0; 3];
    for _ in 0..2 {
        let uncached = allocation_counter::measure(|| {
            for number in &numbers {
                black_box(bench.uncached(*number));
            }
        });
        let cached = allocation_counter::measure(|| {
            for at in 0..numbers.len() {
                black_box(ending.cached(at));
            }
        });
        let endless = allocation_counter::measure(|| {
            for number in &numbers {
                black_box(bench.cached(*number));
            }
        });
        counted = [uncached, cached, endless].map(|info| info.count_total);
    }
    let each = counted.map(|count| (count as f64 / numbers.len() as f64).to_string());
    writeln!(std::io::stdout(), "{}", each.join(" "))?;
    Ok(())
}
