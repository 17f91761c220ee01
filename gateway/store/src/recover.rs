//! Makes a new owner code, also for a gateway that does not run.

use std::path::Path;

use doorward_ca::IssuingCa;
use doorward_model::Domain;
use doorward_policies::{Event, Outcome, Record, Touched};
use jiff::Timestamp;
use thiserror::Error;

use crate::ballast::Ballast;
use crate::change::{Actor, change};
use crate::error::{OpenError, StoreError};
use crate::open::{ballast_path, of_place};
use crate::port::{Database, StatePlace};
use crate::rows::codes::{self, NewCode};
use crate::rows::{facts, issuances};
use crate::sqlite::audit;
use crate::store::Store;

/// Why no owner code could be made. The operator can repair it.
#[derive(Debug, Error)]
pub enum RecoverError {
    /// The directory holds no gateway.
    #[error("there is no gateway in {0}; name its data directory with --data")]
    Nothing(std::path::PathBuf),
    /// The state cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The state refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The facts that an owner code contains.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The gateway's domain.
    pub domain: Domain,
    /// The authority that the code leads to.
    pub authority: IssuingCa,
    /// The address that the gateway last advertised.
    pub advertise: Option<String>,
}

impl Store {
    /// Stores the gateway's address, for codes that are made while the gateway does not run.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn advertise(&self, address: String) -> Result<(), StoreError> {
        let change = change!((address), |tx| {
            facts::set_advertised(tx, address).await?;
            Ok(((), Touched::default()))
        });
        self.commit(Actor::Gateway, "advertise", change).await.map(drop)
    }
}

/// Stores an owner's code in the state that a place holds, whether or not the gateway runs, and
/// records it with an alarm in the data directory `dir`. Anybody who may write the data directory
/// may do this, and nobody else.
///
/// # Errors
/// See [`RecoverError`].
pub async fn recover(
    place: &StatePlace,
    dir: &Path,
    code: NewCode,
    now: Timestamp,
) -> Result<Recovered, RecoverError> {
    if !Store::exists(place) {
        return Err(RecoverError::Nothing(dir.to_owned()));
    }
    // Without the owner's identity, no command of the administration can make room on the disk.
    let ballast = Ballast::new(ballast_path(dir));
    ballast.release_if_spent();
    let read = async || -> Result<_, OpenError> {
        let database = Database::open(place).await?;
        let mut reading = database.read_at_once().await?;
        let facts = facts::read(&mut reading).await?;
        let authority = issuances::authority_in_use(&mut reading).await?;
        let advertise = facts::advertised(&mut reading).await?;
        reading.end().await;
        Ok((database, facts, authority, advertise))
    };
    let found = ballast.open_with_room(read).await;
    let (database, found, authority, advertise) = found.map_err(|error| of_place(place, error))?;

    let detail = "an owner code was made at the machine";
    let record = |event| Record::new(now, event).ended(Outcome::Done, "recover").detail(detail);
    let records = [Event::Recovery, Event::Alarm].map(record);
    ballast.open_with_room(async || audit::insert_alone(dir, &records).await).await?;

    let insert = async || -> Result<_, OpenError> {
        let mut tx = database.begin().await?;
        codes::cancel_all(&mut tx, None).await?;
        codes::insert(&mut tx, None, &Actor::Local, &code, now).await?;
        Ok(tx.commit().await.into_result()?)
    };
    ballast.open_with_room(insert).await?;
    database.close().await?;
    Ok(Recovered { domain: found.domain, authority, advertise })
}
