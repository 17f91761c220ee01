//! Decisions measured side by side: Doorward's, those of casbin-rs, and those of Cedar, on the
//! same bundles and the same questions, in one run.

pub mod casbins;
pub mod cedars;
pub mod doorwards;
pub mod timing;

use std::error::Error;
use std::sync::Arc;

use doorward_model::{Path, Segment};
use doorward_policies::{
    Bench, Bundle, Cache, Certificate, Decision, Question, Request, Shape, Snapshot,
};
use jiff::{SignedDuration, Timestamp};

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

/// The same state and requests, with certificates that end.
///
/// Those of [`Bench`] are good until the end of time, and one instant later there is none: to find
/// that out, each decision makes an error and drops it, which is an allocation. No certificate that
/// ends comes to that.
#[derive(Debug)]
pub struct Ending {
    snapshot: Snapshot,
    requests: Vec<Request>,
    cache: Cache,
    now: Timestamp,
}

impl Ending {
    /// As in `asked`.
    ///
    /// # Errors
    /// When a certificate is missing.
    pub fn of(asked: &Asked) -> Result<Self, Failure> {
        let now = now()?;
        let not_after = now.checked_add(SignedDuration::from_hours(24 * 90))?;
        let mut snapshot = asked.bench.snapshot().clone();
        let of = |at| Some(asked.request(at)?.1.clone());
        let requests: Vec<Request> = (0..asked.numbers.len()).filter_map(of).collect();
        for Request { certificate, .. } in &requests {
            let row = snapshot.certificate(certificate).cloned().ok_or("no certificate")?;
            let row = Certificate { not_after, ..row };
            snapshot = snapshot.with_certificate(certificate.clone(), Some(row));
        }
        Ok(Self { snapshot, requests, cache: Cache::new(), now })
    }

    /// Decides the question at a place with answers that are kept, as [`Bench::cached`] does.
    pub fn cached(&mut self, at: usize) -> bool {
        let Self { snapshot, requests, cache, now } = self;
        let request = requests.get(at % requests.len().max(1));
        request.is_some_and(|request| {
            matches!(cache.decide_again(snapshot, request, *now), Decision::Permit(_))
        })
    }
}

/// Whether a path is plain text or a range of Modbus addresses. MQTT's filters are left out, and
/// its topics that begin with a `$`: the others have no notion of these.
fn is_plain(path: &Path) -> bool {
    !path.is_open()
        && path.segments().iter().enumerate().all(|(at, segment)| match segment {
            Segment::Any => false,
            Segment::Text(text) => !(path.is_topic_root(at) && text.starts_with('$')),
            Segment::Unit(_) | Segment::Range(..) => true,
        })
}
