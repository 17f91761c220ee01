//! Makes a new owner code, also for a gateway that does not run.

use std::path::Path;

use doorward_ca::IssuingCa;
use doorward_model::Domain;
use doorward_policies::{Event, Outcome, Record};
use jiff::Timestamp;
use sqlx::Connection as _;
use thiserror::Error;

use crate::audit;
use crate::change::Actor;
use crate::codes::{self, NewCode};
use crate::database;
use crate::error::{OpenError, StoreError};
use crate::open::{SCHEMA, Store, inspect};
use crate::{facts, issuances};

/// Why no owner code could be made. The operator can repair it.
#[derive(Debug, Error)]
#[non_exhaustive]
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

/// Stores an owner's code in the state in `dir`, whether or not the gateway runs, and records it
/// with an alarm. Anybody who may write the data directory may do this, and nobody else.
///
/// # Errors
/// See [`RecoverError`].
pub async fn recover(dir: &Path, code: NewCode, now: Timestamp) -> Result<Recovered, RecoverError> {
    if !Store::exists(dir) {
        return Err(RecoverError::Nothing(dir.to_owned()));
    }
    inspect(dir).await?;
    let path = dir.join("state.db");
    let mut connection = database::open(&path, SCHEMA, false).await?;
    let found = facts::read(&mut connection).await?;
    let authority = issuances::authority_in_use(&mut connection).await?;
    let advertise = facts::advertised(&mut connection).await?;

    let mut audit = database::open(&dir.join(audit::FILE), audit::SCHEMA, true).await?;
    for event in [Event::Recovery, Event::Alarm] {
        let detail = "an owner code was made at the machine";
        let record = Record::new(now, event).ended(Outcome::Done, "recover").detail(detail);
        audit::insert(&mut audit, &record).await?;
    }
    audit.close().await.map_err(StoreError::from)?;

    let mut transaction =
        connection.begin_with("BEGIN IMMEDIATE").await.map_err(StoreError::from)?;
    codes::cancel_all(&mut transaction, None).await?;
    codes::insert(&mut transaction, None, &Actor::Local, &code, now).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    connection.close().await.map_err(StoreError::from)?;
    Ok(Recovered { domain: found.domain, authority, advertise })
}
