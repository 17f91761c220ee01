//! The one task that makes changes and publishes snapshots.

use std::pin::Pin;
use std::sync::Arc;

use doorward_model::{Clock, Revision};
use doorward_policies::{Bundle, Commit, Observer, Snapshot, Touched};
use tokio::sync::{mpsc, oneshot, watch};

use crate::ballast::Ballast;
use crate::change::{Actor, Change, Committed, change};
use crate::error::StoreError;
use crate::port::Database;
use crate::rows::{bundles, facts, suspension};
use crate::{follow, load};

/// The most changes that wait for their turn.
const QUEUE: usize = 256;

type Job = Box<
    dyn for<'d> FnOnce(&'d mut WriterTask) -> Pin<Box<dyn Future<Output = ()> + Send + 'd>> + Send,
>;

/// A handle of the task that makes changes.
#[derive(Clone)]
pub(crate) struct StateWriter {
    jobs: mpsc::Sender<Job>,
}

/// The state of the task that makes changes.
pub(crate) struct WriterTask {
    pub(crate) database: Database,
    pub(crate) snapshots: watch::Sender<Arc<Snapshot>>,
    pub(crate) observers: Vec<Arc<dyn Observer>>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ballast: Ballast,
    pub(crate) trouble: watch::Sender<Option<String>>,
}

impl StateWriter {
    pub(crate) fn start(mut state: WriterTask) -> (Self, tokio::task::JoinHandle<()>) {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let task = tokio::spawn(async move {
            while let Some(job) = queue.recv().await {
                job(&mut state).await;
                state.number_held().await;
            }
            if let Err(error) = state.database.close().await {
                tracing::warn!(%error, "the state was not closed cleanly");
            }
        });
        (Self { jobs }, task)
    }

    /// Makes a change, even if the caller stops waiting. An `urgent` change takes rights away, and
    /// may use the reserved disk space.
    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        actor: Actor,
        what: String,
        urgent: bool,
        bundle: Option<Arc<Bundle>>,
        change: Change<T>,
    ) -> Result<Committed<T>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |state| {
            Box::pin(async move {
                let result = state.commit(actor, what, urgent, bundle, change).await;
                // The caller may be gone. The change stands all the same.
                drop(reply.send(result));
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Suspends rules of the bundle `revision`, if it is in force, and publishes the new snapshot.
    /// Returns how many live flows this ended.
    pub(crate) async fn suspend(
        &self,
        revision: Revision,
        lines: Vec<usize>,
    ) -> Result<usize, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |state| {
            Box::pin(async move {
                // The caller may be gone. The rules are suspended all the same.
                reply.send(state.suspend(revision, &lines).await).unwrap_or_default();
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }

    /// Reads the whole state again, at the present instant, and publishes it.
    pub(crate) async fn reload(&self) -> Result<usize, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |state| {
            Box::pin(async move {
                drop(reply.send(state.reload().await));
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    pub(crate) async fn observe(&self, observer: Arc<dyn Observer>) -> Result<(), StoreError> {
        let job: Job = Box::new(move |state| {
            state.observers.push(observer);
            Box::pin(async {})
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)
    }
}

impl WriterTask {
    /// Makes room for a change. If the disk is full, an urgent change gets the reserved disk space.
    /// The disk counts as full when it reports hardly any space, or when a probe fails. While the
    /// reserved space is in use, only urgent changes are made.
    async fn make_room(&mut self, urgent: bool) -> Result<(), StoreError> {
        if !urgent {
            let is_in_use = self.ballast.is_given_up() && !self.ballast.is_kept();
            return if is_in_use { Err(StoreError::Full) } else { Ok(()) };
        }
        let doubt = self.trouble.borrow().is_some() || self.ballast.is_short();
        let is_full = doubt
            && (self.ballast.is_spent() || matches!(self.probe().await, Err(StoreError::Full)));
        if is_full {
            self.database.give_up().await;
            if self.ballast.release() {
                tracing::error!(
                    "the disk is full; the reserved disk space has been released for urgent changes"
                );
            }
        }
        Ok(())
    }

    /// Checks whether the database can be written.
    async fn probe(&mut self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut tx = self.database.begin().await?;
        match facts::note_probe(&mut tx, now).await {
            Ok(()) => tx.commit().await.into_result(),
            Err(error) => {
                tx.roll_back().await;
                Err(error)
            }
        }
    }

    async fn commit<T>(
        &mut self,
        actor: Actor,
        what: String,
        urgent: bool,
        bundle: Option<Arc<Bundle>>,
        change: Change<T>,
    ) -> Result<Committed<T>, StoreError> {
        self.make_room(urgent).await?;
        let outcome = self.make(actor, what, bundle, change).await;
        match &outcome {
            Err(error) if error.is_of_the_database() => {
                self.trouble.send_replace(Some(error.to_string()));
                self.start_over().await;
            }
            Ok(_) if self.trouble.borrow().is_some() => drop(self.trouble.send_replace(None)),
            Ok(_) | Err(_) => {}
        }
        outcome
    }

    /// Publishes a snapshot, and then calls the observers. In this order every decision is made by
    /// the new state before the flows of the old one are asked again.
    pub(crate) fn publish(&self, touched: Touched, snapshot: Snapshot) -> usize {
        let (commit, snapshot) = (Commit { epoch: snapshot.epoch(), touched }, Arc::new(snapshot));
        self.snapshots.send_replace(Arc::clone(&snapshot));
        self.observers.iter().map(|one| one.committed(&commit, &snapshot)).sum()
    }

    /// Holds rules at once, whether or not that can be written, and then writes it.
    async fn suspend(&mut self, revision: Revision, lines: &[usize]) -> usize {
        let before = self.snapshots.borrow().clone();
        if before.revision() != revision {
            return 0;
        }
        let touched = Touched { suspensions: true, ..Touched::default() };
        let ended = self.publish(touched, Snapshot::clone(&before).holding(lines));
        ended + self.number_held().await
    }

    /// Makes an ordered change of the rules that are only held, unless changes cannot be written
    /// now. Returns how many live flows this ended.
    async fn number_held(&mut self) -> usize {
        let present = self.snapshots.borrow().clone();
        if present.held().is_empty() || self.trouble.borrow().is_some() {
            return 0;
        }
        let lines: Vec<usize> = present.held().iter().copied().collect();
        let what = format!("suspend lines {lines:?}");
        let change = suspension(present.revision(), lines);
        match self.commit(Actor::Gateway, what, true, None, change).await {
            Ok(committed) => committed.ended,
            Err(error) => {
                tracing::error!(%error, "suspended rules could not be stored; they are suspended until the next start, and stored when the database takes changes again");
                0
            }
        }
    }

    /// Starts over on a new connection, after the database has refused. If a change is on disk that
    /// this task does not know, it is read, so that every decision is made by it.
    async fn start_over(&mut self) {
        self.database.give_up().await;
        match self.follow().await {
            Ok(None) => {}
            Ok(Some(ended)) => tracing::warn!(
                ended,
                "a change that the database refused is on disk; it is in force"
            ),
            Err(error) => tracing::error!(%error, "the state cannot be read"),
        }
    }

    /// Publishes what was changed since the present snapshot, if anything was. Returns how many
    /// live flows this ended.
    async fn follow(&mut self) -> Result<Option<usize>, StoreError> {
        let before = self.snapshots.borrow().clone();
        let mut reading = self.database.read_at_once().await?;
        let caught_up = follow::catch_up(&mut reading, &before, self.clock.now()).await;
        reading.end().await;
        Ok(caught_up?.map(|caught_up| self.publish(caught_up.touched, caught_up.snapshot)))
    }

    async fn reload(&mut self) -> Result<usize, StoreError> {
        let before = self.snapshots.borrow().clone();
        let domain = before.domain().clone();
        let mut reading = self.database.read_at_once().await?;
        let snapshot = load::all(&mut reading, domain, self.clock.now()).await;
        reading.end().await;
        let touched = Touched { bundle: true, ..Touched::default() };
        Ok(self.publish(touched, snapshot?.holding_like(&before)))
    }
}

/// Returns the change that suspends lines of a revision. It does nothing if another bundle is in
/// force, because the next bundle ends a suspension.
fn suspension(revision: Revision, lines: Vec<usize>) -> Change<()> {
    change!((revision, lines), |tx| {
        if bundles::last(tx).await? != *revision {
            return Ok(((), Touched::default()));
        }
        suspension::insert(tx, *revision, lines).await?;
        Ok(((), Touched { suspensions: true, ..Touched::default() }))
    })
}
