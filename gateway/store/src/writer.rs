//! The one task that changes the state.

use std::pin::Pin;
use std::sync::Arc;

use doorward_model::{Clock, Epoch, Revision};
use doorward_policies::{Bundle, Commit, Observer, Snapshot, Touched};
use sqlx::Connection as _;
use tokio::sync::{mpsc, oneshot, watch};

use crate::ballast::Ballast;
use crate::change::{Actor, Change, Committed};
use crate::database::{WriteConnection, micros};
use crate::error::{OpenError, StoreError};
use crate::facts;
use crate::load;
use crate::suspension;

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
    connection: WriteConnection,
    snapshots: watch::Sender<Arc<Snapshot>>,
    observers: Vec<Arc<dyn Observer>>,
    clock: Arc<dyn Clock>,
    ballast: Ballast,
    trouble: watch::Sender<Option<String>>,
}

impl StateWriter {
    pub(crate) fn start(
        connection: WriteConnection,
        snapshots: watch::Sender<Arc<Snapshot>>,
        clock: Arc<dyn Clock>,
        ballast: Ballast,
        trouble: watch::Sender<Option<String>>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let mut state =
            WriterTask { connection, snapshots, observers: vec![], clock, ballast, trouble };
        let task = tokio::spawn(async move {
            while let Some(job) = queue.recv().await {
                job(&mut state).await;
            }
            if let Err(error) = state.connection.close().await {
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
                let result = match state.make_room(urgent).await {
                    Ok(()) => state.commit(&actor, &what, bundle, change).await,
                    Err(error) => Err(error),
                };
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
    pub(crate) async fn reload(&self) -> Result<usize, OpenError> {
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
    /// Makes room for a change. If the disk is full, an urgent change gets the reserved disk space. The
    /// disk counts as full when it reports hardly any space, or when a probe fails, because the change
    /// itself can be tried only once. While the reserved space is in use, only urgent changes are made.
    async fn make_room(&mut self, urgent: bool) -> Result<(), StoreError> {
        if !urgent {
            let is_in_use = self.ballast.is_given_up() && !self.ballast.is_kept();
            return if is_in_use { Err(StoreError::Full) } else { Ok(()) };
        }
        let doubt = self.trouble.borrow().is_some() || self.ballast.is_short();
        let is_full = doubt
            && (self.ballast.is_spent() || matches!(self.probe().await, Err(StoreError::Full)));
        if is_full {
            self.connection.give_up().await;
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
        let mut transaction = self.connection.get().await?.begin_with("BEGIN IMMEDIATE").await?;
        facts::note_probe(&mut transaction, now).await?;
        Ok(transaction.commit().await?)
    }

    async fn commit<T>(
        &mut self,
        actor: &Actor,
        what: &str,
        bundle: Option<Arc<Bundle>>,
        change: Change<T>,
    ) -> Result<Committed<T>, StoreError> {
        let before = self.snapshots.borrow().clone();
        let now = self.clock.now();
        let outcome = self.transact(&before, actor, what, bundle, now, change).await;
        match &outcome {
            Err(error @ (StoreError::Full | StoreError::Database(_))) => {
                self.trouble.send_replace(Some(error.to_string()));
                self.start_over(&before).await;
            }
            Ok(_) if self.trouble.borrow().is_some() => drop(self.trouble.send_replace(None)),
            Ok(_) | Err(_) => {}
        }
        let (value, touched, after) = outcome?;
        let Some(snapshot) = after else {
            return Ok(Committed { value, epoch: before.epoch(), ended: 0 });
        };
        let commit = Commit { epoch: snapshot.epoch(), touched };
        let ended = self.publish(&commit, snapshot);
        Ok(Committed { value, epoch: commit.epoch, ended })
    }

    /// Publishes a snapshot, and then calls the observers. In this order every decision is made by
    /// the new state before the flows of the old one are asked again.
    fn publish(&self, commit: &Commit, snapshot: Arc<Snapshot>) -> usize {
        self.snapshots.send_replace(Arc::clone(&snapshot));
        self.observers.iter().map(|one| one.committed(commit, &snapshot)).sum()
    }

    async fn suspend(&mut self, revision: Revision, lines: &[usize]) -> usize {
        let before = self.snapshots.borrow().clone();
        if before.revision() != revision {
            return 0;
        }
        let commit = Commit {
            epoch: before.epoch(),
            touched: Touched { bundle: true, ..Touched::default() },
        };
        // The rules are suspended whether or not that can be written.
        let ended = self.publish(&commit, Arc::new(Snapshot::clone(&before).suspending(lines)));
        if let Err(error) = self.note_suspended(revision, lines).await {
            tracing::error!(%error, ?lines, "the suspension could not be stored; it holds until the next start");
            self.connection.give_up().await;
        }
        ended
    }

    async fn note_suspended(
        &mut self,
        revision: Revision,
        lines: &[usize],
    ) -> Result<(), StoreError> {
        suspension::note(self.connection.get().await?, revision, lines).await
    }

    /// Starts over on a new connection, after the database has refused. If the refused change is on
    /// disk all the same, the state is read again, so that every decision is made by it.
    async fn start_over(&mut self, before: &Snapshot) {
        self.connection.give_up().await;
        let ended = match self.has_moved_on(before).await {
            Ok(false) => return,
            Ok(true) => self.reload().await,
            Err(error) => Err(error.into()),
        };
        match ended {
            Ok(ended) => {
                tracing::warn!(
                    ended,
                    "a change that the database refused is on disk; it is in force"
                );
            }
            Err(error) => tracing::error!(%error, "the state cannot be read"),
        }
    }

    async fn reload(&mut self) -> Result<usize, OpenError> {
        let before = self.snapshots.borrow().clone();
        let connection = self.connection.get().await?;
        let domain = before.domain().clone();
        let snapshot = load::all(connection, domain, self.clock.now()).await?;
        let snapshot = snapshot.suspended_like(&before);
        let touched = Touched { bundle: true, ..Touched::default() };
        let commit = Commit { epoch: snapshot.epoch(), touched };
        Ok(self.publish(&commit, Arc::new(snapshot)))
    }

    async fn has_moved_on(&mut self, before: &Snapshot) -> Result<bool, StoreError> {
        let connection = self.connection.get().await?;
        let epoch = sqlx::query_scalar::<_, i64>("SELECT max(epoch) FROM epochs");
        Ok(epoch.fetch_one(connection).await? != before.epoch().0)
    }

    async fn transact<T>(
        &mut self,
        before: &Arc<Snapshot>,
        actor: &Actor,
        what: &str,
        bundle: Option<Arc<Bundle>>,
        now: jiff::Timestamp,
        change: Change<T>,
    ) -> Result<(T, Touched, Option<Arc<Snapshot>>), StoreError> {
        let connection = self.connection.get().await?;
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        let (value, touched) = change(&mut transaction).await?;
        if touched.is_empty() {
            transaction.commit().await?;
            return Ok((value, touched, None));
        }
        let epoch = Epoch(before.epoch().0 + 1);
        let listed =
            serde_json::to_string(&touched).map_err(|error| StoreError::Row(error.to_string()))?;
        sqlx::query("INSERT INTO epochs (epoch, at, actor, what, touched) VALUES (?, ?, ?, ?, ?)")
            .bind(epoch.0)
            .bind(micros(now))
            .bind(actor.to_string())
            .bind(what)
            .bind(listed)
            .execute(&mut *transaction)
            .await?;
        let before = Snapshot::clone(before);
        let after = load::again(&mut transaction, before, &touched, bundle, now).await?;
        transaction.commit().await?;
        Ok((value, touched, Some(Arc::new(after.at(epoch)))))
    }
}
