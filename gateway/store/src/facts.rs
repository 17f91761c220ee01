//! The facts that are fixed at first start.

use doorward_model::{Domain, Name};
use doorward_policies::Touched;
use jiff::Timestamp;

use crate::change::{Actor, change};
use crate::error::StoreError;
use crate::open::Store;
use crate::port::{Reading, Tx, values};

/// The facts that are fixed at first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The DNS suffix and trust domain.
    pub domain: Domain,
    /// The gateway's own name. Its subject is `gateway/<name>`.
    pub name: Name,
}

pub(crate) async fn set(tx: &mut Tx, name: &'static str, value: String) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO facts (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING",
        values![name, value],
    )
    .await?;
    Ok(())
}

/// Stores a fact that may change.
async fn put(tx: &mut Tx, name: &'static str, value: String) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO facts (name, value) VALUES ($1, $2) \
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        values![name, value],
    )
    .await?;
    Ok(())
}

async fn get(reading: &mut Reading, name: &'static str) -> Result<Option<String>, StoreError> {
    let row = reading.optional("SELECT value FROM facts WHERE name = $1", values![name]).await?;
    row.map(|row| row.get("value")).transpose()
}

pub(crate) async fn read(reading: &mut Reading) -> Result<Facts, StoreError> {
    let missing = |name: &str| StoreError::Row(format!("no fact '{name}'"));
    let wrong = |error: &dyn std::fmt::Display| StoreError::Row(error.to_string());
    let domain = get(reading, "domain").await?.ok_or_else(|| missing("domain"))?;
    let name = get(reading, "name").await?.ok_or_else(|| missing("name"))?;
    Ok(Facts {
        domain: domain.parse().map_err(|error: doorward_model::DomainError| wrong(&error))?,
        name: name.parse().map_err(|error: doorward_model::NameError| wrong(&error))?,
    })
}

pub(crate) async fn set_claimed(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    set(tx, "claimed", now.as_microsecond().to_string()).await
}

pub(crate) async fn is_claimed(reading: &mut Reading) -> Result<bool, StoreError> {
    Ok(get(reading, "claimed").await?.is_some())
}

/// Writes a meaningless row, to find out whether the database can be written.
pub(crate) async fn note_probe(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    put(tx, "probed", now.as_microsecond().to_string()).await
}

/// Returns the address that the gateway advertised when it last started.
pub(crate) async fn advertised(reading: &mut Reading) -> Result<Option<String>, StoreError> {
    get(reading, "advertise").await
}

impl Store {
    /// Stores the gateway's address, for codes that are made while the gateway does not run.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn advertise(&self, address: String) -> Result<(), StoreError> {
        let change = change!((address), |tx| {
            put(tx, "advertise", address.clone()).await?;
            Ok(((), Touched::default()))
        });
        self.commit(Actor::Gateway, "advertise", change).await.map(drop)
    }
}
