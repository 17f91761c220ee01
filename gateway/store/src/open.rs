//! How a state is founded and opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorward_ca::IssuingCa;
use doorward_model::{Clock, Domain, Fingerprint, Kind, Name, Subject};
use doorward_policies::{Bundle, Touched};
use jiff::Timestamp;
use tokio::task::JoinHandle;

use crate::ballast::Ballast;
use crate::change::Actor;
use crate::error::{OpenError, StoreError};
use crate::load;
use crate::port::{Database, StatePlace, Tx};
use crate::rows::bundles::{self, Applying};
use crate::rows::epochs::{self, ChangeEntry, ChangeId};
use crate::rows::facts::{self, Facts};
use crate::rows::{issuances, subjects};
use crate::store::Store;

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
    /// Returns whether a place holds a state.
    #[must_use]
    pub fn exists(place: &StatePlace) -> bool {
        Database::exists(place)
    }

    /// Creates a state, whole or not at all.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn found(
        place: &StatePlace,
        founding: Founding,
        now: Timestamp,
    ) -> Result<(), OpenError> {
        let database = Database::create(place).await?;
        let mut tx = database.begin_ordered().await?;
        fill(&mut tx, founding, now).await?;
        tx.commit().await.into_result()?;
        database.publish(place).await
    }

    /// Opens the state that a place holds, and starts the task that makes changes. The gateway's
    /// data directory `dir` keeps some space for them; on a full disk, opening uses that space.
    ///
    /// # Errors
    /// See [`OpenError`]. Then nothing was changed, except perhaps the schema's version.
    pub async fn open(
        place: &StatePlace,
        dir: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<OpenedStore, OpenError> {
        let ballast = Ballast::new(ballast_path(dir));
        ballast.release_if_spent();
        let now = clock.now();
        let read = async || -> Result<_, OpenError> {
            let database = Database::open(place).await?;
            let mut reading = database.read_at_once().await?;
            let facts = facts::read(&mut reading).await?;
            let authority = issuances::authority_in_use(&mut reading).await?;
            let snapshot = load::all(&mut reading, facts.domain.clone(), now).await?;
            reading.end().await;
            Ok((database, facts, authority, snapshot))
        };
        let found = ballast.open_with_room(read).await;
        let (database, facts, authority, snapshot) =
            found.map_err(|error| of_place(place, error))?;
        ballast.take_at_start();
        let (store, task) = Self::start(database, snapshot, ballast, clock);
        Ok(OpenedStore { store, facts, authority, task })
    }
}

/// Names the place in the error of a row that cannot be read.
pub(crate) fn of_place(place: &StatePlace, error: OpenError) -> OpenError {
    if let OpenError::Store(StoreError::Row(why)) = error {
        Database::damaged(place, why)
    } else {
        error
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
