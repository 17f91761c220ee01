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

/// The state of the gateway. Cheap to clone; every clone is the same state.
#[derive(Clone)]
pub struct Store {
    writer: StateWriter,
    /// For what enrols and renews.
    readers: SqlitePool,
    /// For lists and bundles, for which nobody who renews is to wait.
    listers: SqlitePool,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    trouble: watch::Receiver<Option<String>>,
    ballast: Ballast,
    clock: Arc<dyn Clock>,
}

/// What a new gateway starts from.
pub struct Founding {
    /// DNS suffix and trust domain.
    pub domain: Domain,
    /// The gateway's own name.
    pub name: Name,
    /// Its issuing authority.
    pub authority: IssuingCa,
    /// SHA-256 of the authority's public key.
    pub authority_key: Fingerprint,
    /// The bundle that it starts with.
    pub bundle: Bundle,
}

/// A state that has been opened.
pub struct Opened {
    /// The state.
    pub store: Store,
    /// What was fixed at first start.
    pub facts: Facts,
    /// The issuing authority in use.
    pub authority: IssuingCa,
    /// The task that makes changes; it ends when every clone of the store is gone.
    pub task: JoinHandle<()>,
}

impl Store {
    /// Whether a state is in `dir`.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        dir.join(FILE).exists()
    }

    /// Founds a state in `dir`: all of it, or none.
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
        // Without a log beside it, the file can be renamed when it is whole.
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

    /// Opens the state in `dir` and starts the task that makes changes.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing has been changed then but the schema's version.
    pub async fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Opened, OpenError> {
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
        Ok(Opened { store, facts, authority, task })
    }

    /// Who must hear of every commit from now on.
    ///
    /// # Errors
    /// When the gateway is stopping.
    pub async fn observe(&self, observer: Arc<dyn Observer>) -> Result<(), StoreError> {
        self.writer.observe(observer).await
    }

    /// Why the last change could not be written, if it could not; and every later change of that.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.clone()
    }

    /// Reads the whole state anew: what was left out because it was over may not be, after the
    /// clock has been set back. Returns how many live flows that ended.
    ///
    /// # Errors
    /// When the database refuses; then the present snapshot stays.
    pub async fn reload(&self) -> Result<usize, OpenError> {
        self.writer.reload().await
    }

    /// Tries whether changes can be written again.
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

    /// Whether room is kept on the disk for an administrator to make more. Room that was given
    /// up is taken again when there is enough of it.
    #[must_use]
    pub fn keeps_room(&self) -> bool {
        self.ballast.is_kept()
    }

    pub(crate) fn ballast(&self) -> &Ballast {
        &self.ballast
    }

    /// The present snapshot, and every later one.
    #[must_use]
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A connection for what may be much.
    pub(crate) async fn list(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        Ok(self.listers.acquire().await?)
    }

    /// A connection for a look at somebody's identity.
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

    /// Makes a change that takes rights away: it may use the room on the disk that is kept for it.
    pub(crate) async fn commit_urgently<T: Send + 'static>(
        &self,
        actor: Actor,
        what: impl Into<String>,
        change: Change<T>,
    ) -> Result<Committed<T>, StoreError> {
        self.writer.commit(actor, what.into(), true, None, change).await
    }

    /// Makes a change that puts `bundle` in force, which need not be read again for that.
    pub(crate) async fn commit_bundle<T: Send + 'static>(
        &self,
        actor: Actor,
        what: impl Into<String>,
        bundle: Arc<Bundle>,
        change: Change<T>,
    ) -> Result<Committed<T>, StoreError> {
        self.writer.commit(actor, what.into(), false, Some(bundle), change).await
    }

    /// Suspends lines of the bundle of that number, if it is still in force: what they allow is
    /// denied until the next bundle, also after a start. Returns how many live flows that ended.
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

/// Looks at everything in `dir` before anything is written there.
pub(crate) async fn inspect(dir: &Path) -> Result<(), OpenError> {
    database::inspect(&dir.join(FILE), SCHEMA.len()).await?;
    let audit = dir.join(audit::FILE);
    if audit.exists() { database::inspect(&audit, audit::SCHEMA.len()).await } else { Ok(()) }
}

pub(crate) fn ballast_path(dir: &Path) -> PathBuf {
    dir.join("reserve")
}

impl Facts {
    /// Whether the state is the one that the operator asked for.
    ///
    /// # Errors
    /// When it was founded for another domain or under another name.
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
