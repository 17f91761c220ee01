//! The rows of single facts about the gateway.

use doorward_model::{Domain, Name};
use jiff::Timestamp;

use crate::error::{OpenError, StoreError};
use crate::port::{Reading, Tx, values};

/// The facts that are fixed at first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The DNS suffix and trust domain.
    pub domain: Domain,
    /// The gateway's own name. Its subject is `gateway/<name>`.
    pub name: Name,
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

/// Stores the address that the gateway advertises.
pub(crate) async fn set_advertised(tx: &mut Tx, address: &str) -> Result<(), StoreError> {
    put(tx, "advertise", address.to_owned()).await
}
