//! What the compiled form decides alone is looked at later, in part, by a referee that finds its
//! rules without it.

mod samples;
#[cfg(test)]
mod tests;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use doorward_model::Revision;
use doorward_policies::{Differ, Event, Journal, Outcome, Record};
use serde::Serialize;
use tokio::sync::mpsc;

use samples::Sample;
pub(super) use samples::Samples;

use super::Leases;
use crate::note::note;

/// Answers that wait for the referee. What does not fit is counted, and not looked at.
const QUEUE: usize = 256;
/// The referee works for one part of a core in so many.
const SHARE: u32 = 100;

/// What a referee has done since the gateway started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RefereeView {
    /// Answers that it has looked at.
    pub decided: u64,
    /// Answers that it would not have given.
    pub differed: u64,
    /// Answers that were to be looked at and were not: it had no time, or too many rules bear on
    /// them.
    pub skipped: u64,
}

/// Takes rules out of force: what the referee asks of whoever keeps the state.
pub trait Suspend: Send + Sync {
    /// Lets the rules on these lines of that revision permit nothing any more, and ends the flows
    /// that live by them. Answers when that is so, with their number.
    fn suspend(
        &self,
        revision: Revision,
        lines: Vec<usize>,
    ) -> Pin<Box<dyn Future<Output = usize> + Send + '_>>;
}

/// Looks at what the compiled form has decided alone.
pub struct Referee {
    samples: mpsc::Receiver<Sample>,
    leases: Leases,
    suspend: Arc<dyn Suspend>,
    journal: Arc<dyn Journal>,
}

impl Leases {
    /// The referee of these leases. `None` if they have one.
    #[must_use]
    pub fn referee(&self, suspend: Arc<dyn Suspend>, journal: Arc<dyn Journal>) -> Option<Referee> {
        let (queue, samples) = mpsc::channel(QUEUE);
        self.0.samples.queue.set(queue).ok()?;
        Some(Referee { samples, leases: self.clone(), suspend, journal })
    }

    /// What the referee has done.
    #[must_use]
    pub fn refereed(&self) -> RefereeView {
        let figures = &self.0.samples.figures;
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        RefereeView {
            decided: read(&figures.decided),
            differed: read(&figures.differed),
            skipped: read(&figures.skipped),
        }
    }
}

impl Referee {
    /// Looks at samples, one after the other, for as long as there are leases. It rests for
    /// ninety-nine times as long as it works.
    pub async fn run(mut self) {
        while let Some(sample) = self.samples.recv().await {
            let (asked, said) = (sample.asked.clone(), sample.said);
            let bundle = sample.bundle.upgrade();
            let work = tokio::task::spawn_blocking(move || {
                let begin = Instant::now();
                (bundle.and_then(|bundle| bundle.referee(&asked, said)), begin.elapsed())
            });
            let Ok((ruling, took)) = work.await else {
                tracing::error!("the referee failed");
                continue;
            };
            self.ruled(sample, ruling).await;
            tokio::time::sleep(took * (SHARE - 1)).await;
        }
    }

    async fn ruled(&self, sample: Sample, ruling: Option<Result<(), Differ>>) {
        let figures = &self.leases.0.samples.figures;
        match (ruling, sample.differed.clone()) {
            (Some(Err(differ)), _) => {
                figures.decided.fetch_add(1, Ordering::Relaxed);
                figures.differed.fetch_add(1, Ordering::Relaxed);
                let lines = if differ.compiled { differ.rules } else { vec![] };
                self.alarm(&sample, lines, &differ.question).await;
            }
            (_, Some(lines)) => {
                figures.differed.fetch_add(1, Ordering::Relaxed);
                self.alarm(&sample, lines, "at an admission").await;
            }
            (Some(Ok(())), None) => {
                figures.decided.fetch_add(1, Ordering::Relaxed);
            }
            (None, None) => {
                figures.skipped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The judges differ: a fault of this program. What it may have let through ends, and is not
    /// let through again until there is another bundle.
    async fn alarm(&self, sample: &Sample, lines: Vec<usize>, question: &str) {
        let (revision, asked) = (sample.revision, &sample.asked);
        tracing::error!(%question, ?lines, revision = revision.0, "the judges differ");
        if !self.leases.cut_differing(sample.flow) {
            tracing::debug!("the flow has ended already");
        }
        let mut record =
            Record::new(asked.at(), Event::Alarm).ended(Outcome::Done, "judges-differ");
        record.subject = Some(asked.question().subject.clone());
        record.action = Some(asked.question().action);
        record.device = Some(asked.question().resource.device.clone());
        record.rules.clone_from(&lines);
        record.revision = Some(revision);
        record.flow = Some(sample.flow);
        let ended = match lines.is_empty() {
            true => 0,
            false => self.suspend.suspend(revision, lines).await,
        };
        let detail = format!("{question}; {ended} flows ended");
        note(&*self.journal, record.detail(&detail)).await;
    }
}

impl fmt::Debug for Referee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Referee")
    }
}
