//! The facts that are fixed at first start.

use doorward_model::{Domain, Name};
use doorward_policies::Touched;
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

use crate::change::{Actor, change};
use crate::database::micros;
use crate::error::StoreError;
use crate::open::Store;

/// The facts that are fixed at first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The DNS suffix and trust domain.
    pub domain: Domain,
    /// The gateway's own name. Its subject is `gateway/<name>`.
    pub name: Name,
}

pub(crate) async fn set(
    connection: &mut SqliteConnection,
    name: &'static str,
    value: String,
) -> Result<(), StoreError> {
    sqlx::query("INSERT INTO facts (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING")
        .bind(name)
        .bind(value)
        .execute(connection)
        .await?;
    Ok(())
}

async fn get(
    connection: &mut SqliteConnection,
    name: &'static str,
) -> Result<Option<String>, StoreError> {
    let value = sqlx::query_scalar("SELECT value FROM facts WHERE name = ?")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(value)
}

pub(crate) async fn read(connection: &mut SqliteConnection) -> Result<Facts, StoreError> {
    let missing = |name: &str| StoreError::Row(format!("no fact '{name}'"));
    let wrong = |error: &dyn std::fmt::Display| StoreError::Row(error.to_string());
    let domain = get(connection, "domain").await?.ok_or_else(|| missing("domain"))?;
    let name = get(connection, "name").await?.ok_or_else(|| missing("name"))?;
    Ok(Facts {
        domain: domain.parse().map_err(|error: doorward_model::DomainError| wrong(&error))?,
        name: name.parse().map_err(|error: doorward_model::NameError| wrong(&error))?,
    })
}

pub(crate) async fn set_claimed(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<(), StoreError> {
    set(connection, "claimed", micros(now).to_string()).await
}

pub(crate) async fn is_claimed(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    Ok(get(connection, "claimed").await?.is_some())
}

/// Writes a meaningless row, to find out whether the database can be written.
pub(crate) async fn note_probe(
    connection: &mut SqliteConnection,
    now: Timestamp,
) -> Result<(), StoreError> {
    set(connection, "probed", micros(now).to_string()).await
}

/// Returns the address that the gateway advertised when it last started.
pub(crate) async fn advertised(
    connection: &mut SqliteConnection,
) -> Result<Option<String>, StoreError> {
    get(connection, "advertise").await
}

impl Store {
    /// Stores the gateway's address, for codes that are made while the gateway does not run.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn advertise(&self, address: String) -> Result<(), StoreError> {
        let change = change!(|connection| {
            sqlx::query(
                "INSERT INTO facts (name, value) VALUES ('advertise', ?) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            )
            .bind(address)
            .execute(connection)
            .await?;
            Ok(((), Touched::default()))
        });
        self.commit(Actor::Gateway, "advertise", change).await.map(drop)
    }
}
