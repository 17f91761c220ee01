//! The store, and how it is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward_ca::IssuingCa;
use doorward_model::{Clock, Domain, Fingerprint, Kind, Name, Revision, Subject};
use doorward_policies::{Bundle, Observer, Snapshot, Touched};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ballast::Ballast;
use crate::bundles::Applying;
use crate::change::{Actor, Change, Committed, change};
use crate::epochs::{self, ChangeEntry, ChangeId};
use crate::error::{OpenError, StoreError};
use crate::facts::{self, Facts};
use crate::port::{Database, Reading, Tx};
use crate::writer::{StateWriter, WriterTask};
use crate::{bundles, issuances, load, subjects};

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

/// What a new gateway starts with.
pub struct Founding {
    /// The DNS suffix and trust domain.
    pub domain: Domain,
    /// The gateway's own name.
    pub name: Name,
    /// The issuing authority.
    pub authority: IssuingCa,
    /// The SHA-256 hash of the authority's public key.
    pub authority_key: Fingerprint,
    /// The first bundle.
    pub bundle: Bundle,
}

/// An opened state.
pub struct OpenedStore {
    /// The state.
    pub store: Store,
    /// The facts that were fixed at first start.
    pub facts: Facts,
    /// The issuing authority in use.
    pub authority: IssuingCa,
    /// The task that makes changes. It ends when every clone of the store is gone.
    pub task: JoinHandle<()>,
}

impl Store {
    /// Returns whether `dir` holds a state.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        Database::exists(dir)
    }

    /// Creates a state in `dir`, whole or not at all.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn found(dir: &Path, founding: Founding, now: Timestamp) -> Result<(), OpenError> {
        let database = Database::create(dir).await?;
        let mut tx = database.begin_ordered().await?;
        fill(&mut tx, founding, now).await?;
        tx.commit().await.into_result()?;
        database.publish(dir).await
    }

    /// Opens the state in `dir`, and starts the task that makes changes.
    ///
    /// # Errors
    /// See [`OpenError`]. Then nothing was changed, except perhaps the schema's version.
    pub async fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<OpenedStore, OpenError> {
        let database = Database::open(dir).await?;
        let mut reading = database.read_at_once().await?;
        let facts = facts::read(&mut reading).await?;
        let authority = issuances::authority_in_use(&mut reading).await?;
        let snapshot = load::all(&mut reading, facts.domain.clone(), clock.now()).await?;
        reading.end().await;
        let (publish, snapshots) = watch::channel(Arc::new(snapshot));
        let ballast = Ballast::new(ballast_path(dir));
        ballast.take();
        let (tell_trouble, trouble) = watch::channel(None);
        let (writer, task) = StateWriter::start(WriterTask {
            database: database.clone(),
            snapshots: publish,
            observers: vec![],
            clock: Arc::clone(&clock),
            ballast: ballast.clone(),
            trouble: tell_trouble,
        });
        let store = Self { writer, database, snapshots, trouble, ballast, clock };
        Ok(OpenedStore { store, facts, authority, task })
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
    pub async fn reload(&self) -> Result<usize, OpenError> {
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

    pub(crate) fn ballast(&self) -> &Ballast {
        &self.ballast
    }

    /// Returns a receiver of the present snapshot and of every later one.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

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
}

/// Writes the first rows of a state, as its first change.
async fn fill(tx: &mut Tx, founding: Founding, now: Timestamp) -> Result<(), StoreError> {
    facts::set(tx, "domain", founding.domain.to_string()).await?;
    facts::set(tx, "name", founding.name.to_string()).await?;
    let gateway = Subject::new(Kind::Gateway, founding.name);
    subjects::insert(tx, &gateway, true, now).await?;
    let (key, authority) = (founding.authority_key, &founding.authority);
    issuances::insert_authority(tx, "issuing", key, authority, now).await?;
    let applying = Applying { reason: "first start".to_owned(), ..Applying::default() };
    bundles::insert(tx, &Actor::Gateway, &founding.bundle, &applying, now).await?;
    let (actor, what) = (Actor::Gateway, "found".to_owned());
    let entry = ChangeEntry { id: ChangeId::random()?, at: now, actor, what };
    let touched = Touched { bundle: true, ..Touched::default() };
    epochs::number(tx, &entry, &touched).await?;
    Ok(())
}

pub(crate) fn ballast_path(dir: &Path) -> PathBuf {
    dir.join("reserve")
}

impl Facts {
    /// Checks that the state is the one that the operator asked for.
    ///
    /// # Errors
    /// When the state has another domain or another name.
    pub fn check(&self, domain: Option<&Domain>, name: Option<&Name>) -> Result<(), OpenError> {
        if let Some(asked) = domain.filter(|asked| **asked != self.domain) {
            let (found, asked) = (self.domain.to_string(), asked.to_string());
            return Err(OpenError::Domain { found, asked });
        }
        if let Some(asked) = name.filter(|asked| **asked != self.name) {
            let (found, asked) = (self.name.to_string(), asked.to_string());
            return Err(OpenError::Name { found, asked });
        }
        Ok(())
    }
}
