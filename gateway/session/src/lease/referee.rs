//! What the compiled form decides alone is looked at later, in part, by a referee that finds its
//! rules without it.

use std::collections::HashSet;
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use doorward_model::{Action, FlowId, Revision};
use doorward_policies::{
    Class, Decision, Differ, Event, Journal, Outcome, Record, Refusal, Request, Snapshot,
};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::mpsc;

use super::Leases;

/// Answers that wait for the referee. What does not fit is counted, and not looked at.
const QUEUE: usize = 256;
/// Of answers of a kind that has been seen, one in so many is looked at.
const SAMPLE: u64 = 64;
/// How many kinds are told apart before all are new again.
const KINDS: usize = 4096;
/// The referee works for one part of a core in so many.
const SHARE: u32 = 100;

/// An answer that waits for the referee.
struct Sample {
    flow: FlowId,
    request: Request,
    snapshot: Arc<Snapshot>,
    now: Timestamp,
    /// The lines about which the judges have differed already, at an admission.
    differed: Option<Vec<usize>>,
}

/// Answers that look alike: the revision, what was to be done, and what decided.
type Kind = (Revision, Action, Option<Refusal>, Option<usize>);

/// Picks answers for the referee.
#[derive(Default)]
pub(super) struct Samples {
    queue: OnceLock<mpsc::Sender<Sample>>,
    kinds: Mutex<HashSet<Kind>>,
    count: AtomicU64,
    figures: Figures,
}

#[derive(Default)]
struct Figures {
    decided: AtomicU64,
    differed: AtomicU64,
    skipped: AtomicU64,
}

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

impl Samples {
    /// Offers an answer that the compiled form has given alone.
    pub(super) fn offer(
        &self,
        flow: FlowId,
        request: &Request,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
        decision: &Decision,
    ) {
        let opinion = match decision {
            Decision::Permit(permit) => permit.opinion(),
            Decision::Denial(denial) => denial.opinion(),
        };
        let kind = (
            opinion.revision,
            request.question.action,
            opinion.refusal,
            opinion.rules.iter().next(),
        );
        if self.queue.get().is_none() || !(self.is_new(kind) || self.is_its_turn()) {
            return;
        }
        self.send(flow, request, snapshot, now, None);
    }

    /// Hands over an admission about which the judges have differed.
    pub(super) fn differed(
        &self,
        flow: FlowId,
        request: &Request,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
        lines: Vec<usize>,
    ) {
        self.send(flow, request, snapshot, now, Some(lines));
    }

    fn send(
        &self,
        flow: FlowId,
        request: &Request,
        snapshot: &Arc<Snapshot>,
        now: Timestamp,
        differed: Option<Vec<usize>>,
    ) {
        let Some(queue) = self.queue.get() else { return };
        let (request, snapshot) = (request.clone(), Arc::clone(snapshot));
        if queue.try_send(Sample { flow, request, snapshot, now, differed }).is_err() {
            self.figures.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_new(&self, kind: Kind) -> bool {
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() >= KINDS {
            kinds.clear();
        }
        kinds.insert(kind)
    }

    fn is_its_turn(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed).is_multiple_of(SAMPLE)
    }
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
            let (request, snapshot, now) =
                (sample.request.clone(), Arc::clone(&sample.snapshot), sample.now);
            let work = tokio::task::spawn_blocking(move || {
                let begin = Instant::now();
                (snapshot.referee(&request, now), begin.elapsed())
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
        let revision = sample.snapshot.revision();
        tracing::error!(%question, ?lines, revision = revision.0, "the judges differ");
        if !self.leases.cut_differing(sample.flow) {
            tracing::debug!("the flow has ended already");
        }
        let question_asked = &sample.request.question;
        let mut record =
            Record::new(sample.now, Event::Alarm).ended(Outcome::Done, "judges-differ");
        record.subject = Some(question_asked.subject.clone());
        record.action = Some(question_asked.action);
        record.device = Some(question_asked.resource.device.clone());
        record.rules.clone_from(&lines);
        record.revision = Some(revision);
        record.flow = Some(sample.flow);
        let ended = match lines.is_empty() {
            true => 0,
            false => self.suspend.suspend(revision, lines).await,
        };
        let detail = format!("{question}; {ended} flows ended");
        let record = record.detail(&detail);
        if let Err(error) = self.journal.write(Class::Administration, record).await {
            tracing::error!(%error, "that the judges differ was not recorded");
        }
    }
}

impl fmt::Debug for Referee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Referee")
    }
}
