//! Decisions measured side by side: Doorward's, those of casbin-rs, and those of Cedar, on the
//! same bundles and the same questions, in one run. And what the real gateway costs: with many
//! agents, and with and without its inspectors.

pub mod casbins;
pub mod cedars;
pub mod doorwards;
pub mod gateway;
#[path = "../../src/port.rs"]
#[allow(clippy::unwrap_used, clippy::panic, reason = "the suites use it, too")]
pub mod port;
pub mod process;
pub mod timing;

use std::error::Error;
use std::sync::Arc;

use doorward_model::{Path, Segment};
use doorward_policies::{Bench, Bundle, Question, Request, Shape};
use jiff::Timestamp;

/// What can go wrong: it ends the run.
pub type Failure = Box<dyn Error>;

/// How many requests are made up for a bundle.
pub const REQUESTS: usize = 2048;

/// The instant of every question: a Tuesday at eleven in the morning in Berlin. It is fixed, so
/// that every run asks the same.
///
/// # Errors
/// Never, with this text.
pub fn now() -> Result<Timestamp, Failure> {
    Ok("2027-01-05T10:00:00Z".parse()?)
}

/// A bundle with a state and questions about it.
#[derive(Debug)]
pub struct Asked {
    /// Doorward, ready to be asked.
    pub bench: Bench,
    /// The numbers of the questions that everybody is asked.
    pub numbers: Vec<usize>,
}

impl Asked {
    /// Questions about a bundle of that shape.
    ///
    /// # Errors
    /// When none can be made.
    pub fn about(bundle: &Arc<Bundle>, shape: Shape) -> Result<Self, Failure> {
        let bench = Bench::new(bundle, Some(shape), REQUESTS, now()?)
            .ok_or("no request could be made up for this bundle")?;
        let numbers: Vec<usize> = (0..bench.len())
            .filter(|number| {
                let request = bench.request(*number);
                request.is_some_and(|request| is_plain(&request.question.resource.path))
            })
            .collect();
        if numbers.is_empty() {
            return Err("no question is about plain text or registers".into());
        }
        Ok(Self { bench, numbers })
    }

    /// The question at a place of [`Self::numbers`], which begin anew after the last.
    #[must_use]
    pub fn request(&self, at: usize) -> Option<(usize, &Request)> {
        let number = *self.numbers.get(at % self.numbers.len())?;
        Some((number, self.bench.request(number)?))
    }

    /// All of them.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        (0..self.numbers.len()).filter_map(|at| Some(&self.request(at)?.1.question))
    }

    /// Whether Doorward permits the question at a place.
    #[must_use]
    pub fn expected(&self, at: usize) -> bool {
        self.request(at).is_some_and(|(number, _)| self.bench.uncached(number))
    }
}

/// Whether a path is plain text or a range of Modbus addresses. MQTT's filters are left out, and
/// its topics that begin with a `$`: the others have no notion of these.
fn is_plain(path: &Path) -> bool {
    !path.is_open()
        && path.segments().iter().enumerate().all(|(at, segment)| match segment {
            Segment::Any | Segment::OneOf(_) => false,
            Segment::Text(text) => !(path.is_topic_root(at) && text.starts_with('$')),
            Segment::Unit(_) | Segment::Range(..) => true,
        })
}
