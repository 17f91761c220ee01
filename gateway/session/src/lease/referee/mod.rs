//! The referee checks samples of what the compiled form has decided alone, with rules that it finds
//! without the compiled form.

mod samples;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use doorward_api::RefereeView;
use doorward_model::Revision;
use doorward_policies::{Differ, Event, Journal, Outcome, Record};
use tokio::sync::mpsc;

use samples::Sample;
pub(super) use samples::Samples;

use super::leases::Leases;
use crate::note::note;

/// The longest queue of samples. A sample that does not fit is counted as skipped.
const QUEUE: usize = 256;
/// The referee works at most this fraction of the time on one core: one part in 100.
const SHARE: u32 = 100;

/// The port by which the referee suspends rules. The state's owner implements it.
pub trait Suspend: Send + Sync {
    /// Suspends the rules on these lines of that revision, and ends the flows that rest on them.
    /// Returns the number of those flows, when that is done.
    fn suspend(
        &self,
        revision: Revision,
        lines: Vec<usize>,
    ) -> Pin<Box<dyn Future<Output = usize> + Send + '_>>;
}

/// The task that checks samples.
pub struct Referee {
    samples: mpsc::Receiver<Sample>,
    leases: Leases,
    suspend: Arc<dyn Suspend>,
    journal: Arc<dyn Journal>,
}

impl Leases {
    /// Returns the referee of these leases; `None` if they already have one.
    #[must_use]
    pub fn referee(&self, suspend: Arc<dyn Suspend>, journal: Arc<dyn Journal>) -> Option<Referee> {
        let (queue, samples) = mpsc::channel(QUEUE);
        self.0.samples.queue.set(queue).ok()?;
        Some(Referee { samples, leases: self.clone(), suspend, journal })
    }

    /// Returns the referee's counters.
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
    /// Checks one sample after the other, as long as there are leases. Rests ninety-nine times as
    /// long as it works.
    pub async fn run(mut self) {
        while let Some(sample) = self.samples.recv().await {
            let (question, permitted) = (sample.question.clone(), sample.permitted);
            let bundle = sample.bundle.upgrade();
            let work = tokio::task::spawn_blocking(move || {
                let begin = Instant::now();
                (bundle.and_then(|bundle| bundle.referee(&question, permitted)), begin.elapsed())
            });
            let Ok((ruling, took)) = work.await else {
                tracing::error!("the referee's task failed");
                continue;
            };
            self.settle(sample, ruling).await;
            tokio::time::sleep(took * (SHARE - 1)).await;
        }
    }

    async fn settle(&self, sample: Sample, ruling: Option<Result<(), Differ>>) {
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

    /// Raises the alarm that the judges disagree, which is a fault of this program. Cuts the flow,
    /// and suspends the rules until there is another bundle.
    async fn alarm(&self, sample: &Sample, lines: Vec<usize>, detail: &str) {
        let (revision, asked) = (sample.revision, &sample.question);
        tracing::error!(question = %detail, ?lines, revision = revision.0, "the judges differ");
        if !self.leases.cut_differing(sample.flow) {
            tracing::debug!("the judges differ about a flow that has ended already");
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
        let detail = format!("{detail}; {ended} flows ended");
        note(&*self.journal, record.detail(&detail)).await;
    }
}

impl fmt::Debug for Referee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Referee")
    }
}
