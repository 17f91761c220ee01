//! The store, and how it is opened.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward_ca::IssuingCa;
use doorward_model::{Clock, Domain, Fingerprint, Kind, Name, Revision, Subject};
use doorward_policies::{Bundle, Observer, Snapshot, Touched};
use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteJournalMode, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Sqlite, SqlitePool};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ballast::Ballast;
use crate::bundles::Applying;
use crate::change::{Actor, Change, Committed, change};
use crate::database::{self, WriteConnection, micros, reading, writing};
use crate::error::{OpenError, StoreError};
use crate::facts::{self, Facts};
use crate::writer::StateWriter;
use crate::{audit, bundles, issuances, load, subjects};

pub(crate) const SCHEMA: &[(&str, &str)] = &[
    ("state", include_str!("state.sql")),
    ("state-2", include_str!("state-2.sql")),
    ("state-3", include_str!("state-3.sql")),
    ("state-4", include_str!("state-4.sql")),
];
const FILE: &str = "state.db";

/// The state of the gateway. Clones are cheap and share one state.
#[derive(Clone)]
pub struct Store {
    writer: StateWriter,
    /// For enrolments and renewals.
    readers: SqlitePool,
    /// For lists and bundles, so that enrolments and renewals do not wait for these.
    listers: SqlitePool,
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
        dir.join(FILE).exists()
    }

    /// Creates a state in `dir`, whole or not at all.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn found(dir: &Path, founding: Founding, now: Timestamp) -> Result<(), OpenError> {
        let path = dir.join("state.db.new");
        let unopenable = |error| OpenError::Unopenable { path: path.clone(), error };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(unopenable(sqlx::Error::Io(error)));
            }
            _ => {}
        }
        // Without a WAL file beside it, the complete file can be renamed.
        drop(database::open(&path, SCHEMA, true).await?.close().await);
        let plain = writing(&path).journal_mode(SqliteJournalMode::Delete);
        let mut connection = plain.connect().await.map_err(unopenable)?;
        let mut transaction = connection.begin().await.map_err(unopenable)?;
        facts::set(&mut transaction, "domain", founding.domain.to_string()).await?;
        facts::set(&mut transaction, "name", founding.name.to_string()).await?;
        let gateway = Subject::new(Kind::Gateway, founding.name);
        subjects::insert(&mut transaction, &gateway, true, now).await?;
        let (key, authority) = (founding.authority_key, &founding.authority);
        issuances::insert_authority(&mut transaction, "issuing", key, authority, now).await?;
        let applying = Applying { reason: "first start".to_owned(), ..Applying::default() };
        let (author, bundle) = (Actor::Gateway, &founding.bundle);
        bundles::insert(&mut transaction, &author, bundle, &applying, now).await?;
        sqlx::query("INSERT INTO epochs (epoch, at, actor, what, touched) VALUES (1, ?, ?, ?, ?)")
            .bind(micros(now))
            .bind(Actor::Gateway.to_string())
            .bind("found")
            .bind("{\"bundle\":true}")
            .execute(&mut *transaction)
            .await
            .map_err(StoreError::from)?;
        transaction.commit().await.map_err(StoreError::from)?;
        connection.close().await.map_err(unopenable)?;
        let finish = || -> std::io::Result<()> {
            fs::File::open(&path)?.sync_all()?;
            fs::rename(&path, dir.join(FILE))?;
            fs::File::open(dir)?.sync_all()
        };
        finish().map_err(|error| unopenable(sqlx::Error::Io(error)))
    }

    /// Opens the state in `dir`, and starts the task that makes changes.
    ///
    /// # Errors
    /// See [`OpenError`]. Then nothing was changed, except perhaps the schema's version.
    pub async fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<OpenedStore, OpenError> {
        inspect(dir).await?;
        let path = dir.join(FILE);
        let mut connection = database::open(&path, SCHEMA, false).await?;
        let facts = facts::read(&mut connection).await?;
        let authority = issuances::authority_in_use(&mut connection).await?;
        let snapshot = load::all(&mut connection, facts.domain.clone(), clock.now()).await?;
        let (publish, snapshots) = watch::channel(Arc::new(snapshot));
        let ballast = Ballast::new(ballast_path(dir));
        ballast.take();
        let (tell_trouble, trouble) = watch::channel(None);
        let connection = WriteConnection::new(&path, connection);
        let (writer, task) = StateWriter::start(
            connection,
            publish,
            Arc::clone(&clock),
            ballast.clone(),
            tell_trouble,
        );
        let pool = |count| {
            SqlitePoolOptions::new().max_connections(count).connect_lazy_with(reading(&path))
        };
        let (readers, listers) = (pool(2), pool(2));
        let store = Self { writer, readers, listers, snapshots, trouble, ballast, clock };
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
        let change = change!(|connection| {
            facts::note_probe(connection, now).await?;
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

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Returns a connection for reads that may be large.
    pub(crate) async fn list(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.listers.acquire().await?)
    }

    /// Returns a connection for short reads about one identity.
    pub(crate) async fn read(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.readers.acquire().await?)
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

/// Checks all databases in `dir` before anything is written there.
pub(crate) async fn inspect(dir: &Path) -> Result<(), OpenError> {
    database::inspect(&dir.join(FILE), SCHEMA.len()).await?;
    let audit = dir.join(audit::FILE);
    if audit.exists() { database::inspect(&audit, audit::SCHEMA.len()).await } else { Ok(()) }
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
