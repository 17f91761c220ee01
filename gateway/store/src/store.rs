//! The store: a handle of the state for readers, and for those who change it.

use std::path::Path;
use std::sync::Arc;

use doorward_model::{Clock, Revision};
use doorward_policies::{Bundle, Observer, Snapshot, Touched};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ballast::Ballast;
use crate::change::{Actor, Change, Committed, change};
use crate::error::{OpenError, StoreError};
use crate::follow;
use crate::port::{Database, Reading};
use crate::rows::facts;
use crate::sqlite::audit::{AuditLog, AuditSettings};
use crate::writer::{StateWriter, WriterTask};

/// The state of the gateway. Clones are cheap and share one state.
#[derive(Clone)]
pub struct Store {
    writer: StateWriter,
    database: Database,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    trouble: watch::Receiver<Option<String>>,
    ballast: Ballast,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Starts the task that makes changes in `database`, whose present snapshot is `snapshot`.
    pub(crate) fn start(
        database: Database,
        snapshot: Snapshot,
        ballast: Ballast,
        clock: Arc<dyn Clock>,
    ) -> (Self, JoinHandle<()>) {
        let (publish, snapshots) = watch::channel(Arc::new(snapshot));
        let (tell_trouble, trouble) = watch::channel(None);
        let (writer, task) = StateWriter::start(WriterTask {
            database: database.clone(),
            snapshots: publish,
            observers: vec![],
            clock: Arc::clone(&clock),
            ballast: ballast.clone(),
            trouble: tell_trouble,
        });
        (Self { writer, database, snapshots, trouble, ballast, clock }, task)
    }

    /// Adds an observer that must hear of every later commit.
    ///
    /// # Errors
    /// When the gateway is stopping.
    pub async fn observe(&self, observer: Arc<dyn Observer>) -> Result<(), StoreError> {
        self.writer.observe(observer).await
    }

    /// Returns a receiver of why the last change could not be written; `None` while changes can be
    /// written.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.clone()
    }

    /// Reads the whole state again. The snapshot leaves out what has expired; after the clock was
    /// set back, that may be valid again. Returns how many live flows this ended.
    ///
    /// # Errors
    /// When the database refuses. Then the present snapshot stays.
    pub async fn reload(&self) -> Result<usize, StoreError> {
        self.writer.reload().await
    }

    /// Checks whether changes can be written again.
    ///
    /// # Errors
    /// When they cannot.
    pub async fn probe(&self) -> Result<(), StoreError> {
        let now = self.now();
        let change = change!((now), |tx| {
            facts::note_probe(tx, *now).await?;
            Ok(((), Touched::default()))
        });
        self.commit(Actor::Gateway, "probe", change).await.map(drop)
    }

    /// Returns whether disk space is reserved for an administrator who makes room. Reserves it
    /// again when the disk has enough space.
    #[must_use]
    pub fn keeps_room(&self) -> bool {
        self.ballast.is_kept()
    }

    /// Opens the audit log in `dir`, creates it if it is not there, and starts the task that writes
    /// it. The task ends when every clone of the log is gone.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open_audit(
        &self,
        dir: &Path,
        settings: AuditSettings,
    ) -> Result<(AuditLog, JoinHandle<()>), OpenError> {
        AuditLog::open(dir, settings, Arc::clone(&self.clock), self.ballast.clone()).await
    }

    /// Returns a receiver of the present snapshot and of every later one.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    #[cfg(test)]
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns a connection for reads that may be large.
    pub(crate) async fn list(&self) -> Result<Reading, StoreError> {
        self.database.list().await
    }

    /// Returns a connection for short reads about one identity.
    pub(crate) async fn read(&self) -> Result<Reading, StoreError> {
        self.database.read().await
    }

    pub(crate) async fn commit<T: Send + 'static>(
        &self,
        actor: Actor,
        what: impl Into<String>,
        change: Change<T>,
    ) -> Result<Committed<T>, StoreError> {
        self.writer.commit(actor, what.into(), false, None, change).await
    }

    /// Makes a change that takes rights away, and that may therefore use the reserved disk space.
    pub(crate) async fn commit_urgently<T: Send + 'static>(
        &self,
        actor: Actor,
        what: impl Into<String>,
        change: Change<T>,
    ) -> Result<Committed<T>, StoreError> {
        self.writer.commit(actor, what.into(), true, None, change).await
    }

    /// Makes a change that puts `bundle` into force. The bundle is not parsed again.
    pub(crate) async fn commit_bundle<T: Send + 'static>(
        &self,
        actor: Actor,
        what: impl Into<String>,
        bundle: Arc<Bundle>,
        change: Change<T>,
    ) -> Result<Committed<T>, StoreError> {
        self.writer.commit(actor, what.into(), false, Some(bundle), change).await
    }

    /// Suspends lines of the bundle `revision`, if it is in force: these rules permit nothing until
    /// the next bundle, also after a restart. Returns how many live flows this ended.
    ///
    /// # Errors
    /// When the store is closed.
    pub async fn suspend(
        &self,
        revision: Revision,
        lines: Vec<usize>,
    ) -> Result<usize, StoreError> {
        self.writer.suspend(revision, lines).await
    }

    /// Returns the snapshot of the last change, given the one of an earlier change. It reads only
    /// what the changes since have touched, in one read transaction.
    ///
    /// # Errors
    /// When the database refuses, when a change since touched something that this version does not
    /// know, or when the database has not got to `before` yet.
    pub async fn catch_up(&self, before: &Snapshot) -> Result<Snapshot, StoreError> {
        let mut reading = self.database.read_at_once().await?;
        let caught_up = follow::catch_up(&mut reading, before, self.now()).await;
        reading.end().await;
        Ok(caught_up?.map_or_else(|| before.clone(), |caught_up| caught_up.snapshot))
    }
}
