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

/// Changes that wait for their turn.
const QUEUE: usize = 256;

type Job = Box<
    dyn for<'d> FnOnce(&'d mut WriterTask) -> Pin<Box<dyn Future<Output = ()> + Send + 'd>> + Send,
>;

/// The way to the one task that makes changes.
#[derive(Clone)]
pub(crate) struct StateWriter {
    jobs: mpsc::Sender<Job>,
}

/// What that task has on its task.
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

    /// Makes a change. It is made even if the caller stops waiting. One that is `urgent` takes
    /// rights away, and may use the room on the disk that is kept for that.
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
                // Whoever asked may be gone; the change stands all the same.
                drop(reply.send(result));
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Suspends rules of a bundle, if it is still the one in force, and publishes that. Returns
    /// how many live flows it ended.
    pub(crate) async fn suspend(
        &self,
        revision: Revision,
        lines: Vec<usize>,
    ) -> Result<usize, StoreError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |state| {
            Box::pin(async move {
                // Whoever asked may be gone; it is suspended all the same.
                reply.send(state.suspend(revision, &lines).await).unwrap_or_default();
            })
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)
    }

    /// Reads the whole state anew, at the present instant, and publishes it.
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
    /// Makes sure that a change finds room on the disk. An urgent change gets the room that is kept
    /// for it when the disk is full: when it says so itself, or when a small write fails. A change
    /// can be tried only once, so this does not wait for the change itself to fail. While the kept
    /// room is in use, only urgent changes are made.
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
                    "the disk is full; the room that was kept for this has been given up"
                );
            }
        }
        Ok(())
    }

    /// Tries whether something can be written.
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
            _ => {}
        }
        let (value, touched, after) = outcome?;
        let Some(snapshot) = after else {
            return Ok(Committed { value, epoch: before.epoch(), ended: 0 });
        };
        let commit = Commit { epoch: snapshot.epoch(), touched };
        let ended = self.publish(&commit, snapshot);
        Ok(Committed { value, epoch: commit.epoch, ended })
    }

    /// The order is the promise: first everyone decides by the new state, then those who were let
    /// in by the old one are asked again.
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
        // It holds whether or not it can be written.
        let ended = self.publish(&commit, Arc::new(Snapshot::clone(&before).suspending(lines)));
        if let Err(error) = self.note_suspended(revision, lines).await {
            tracing::error!(%error, ?lines, "they are suspended until the next start only");
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

    /// After the database has refused: the next change begins on a new connection. Should the
    /// refused one be on disk after all, everyone decides by it from now on.
    async fn start_over(&mut self, before: &Snapshot) {
        self.connection.give_up().await;
        let ended = match self.has_moved_on(before).await {
            Ok(false) => return,
            Ok(true) => self.reload().await,
            Err(error) => Err(error.into()),
        };
        match ended {
            Ok(ended) => tracing::warn!(ended, "a change that was refused is on disk, and holds"),
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
