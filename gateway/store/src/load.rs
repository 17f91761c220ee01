//! Reads rows into parts of a snapshot. A change reads what it touched in the same way as the start
//! reads everything.

use std::sync::Arc;

use doorward_model::{
    CertificateId, Domain, Epoch, InterfaceId, Kind, Name, Revision, Subject, SubjectId, Target,
};
use doorward_policies::{Bundle, Certificate, Interface, Member, Membership, Snapshot, Touched};
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::bundles;
use crate::database::{micros, timestamp, word};
use crate::error::{OpenError, StoreError};
use crate::facts;
use crate::suspension;

/// Reads the whole snapshot of the last epoch.
pub(crate) async fn all(
    connection: &mut SqliteConnection,
    domain: Domain,
    now: Timestamp,
) -> Result<Snapshot, OpenError> {
    let in_force = bundles::in_force(connection).await?;
    let bundle = in_force.parse()?;
    let mut snapshot = Snapshot::new(domain, in_force.revision, Arc::new(bundle));
    let suspended = suspension::of(connection, in_force.revision).await?;
    if !suspended.is_empty() {
        snapshot = snapshot.suspending(&suspended);
    }

    let store = |error: sqlx::Error| OpenError::from(StoreError::from(error));
    let subjects: Vec<SqliteRow> =
        sqlx::query("SELECT kind, name FROM subjects WHERE removed IS NULL")
            .fetch_all(&mut *connection)
            .await
            .map_err(store)?;
    let certificates: Vec<SqliteRow> = sqlx::query(
        "SELECT issuer, serial FROM issuances WHERE revoked IS NULL AND not_after >= ?",
    )
    .bind(micros(now))
    .fetch_all(&mut *connection)
    .await
    .map_err(store)?;
    let mut touched = Touched::default();
    for row in &subjects {
        let subject = read_subject(row)?;
        if subject.kind() == Kind::Device {
            touched.devices.push(subject.name().clone());
        }
        touched.subjects.push(subject);
    }
    for row in &certificates {
        touched.certificates.push(certificate_id(row)?);
    }
    snapshot = again(connection, snapshot, &touched, None, now).await?;
    let epoch: i64 = sqlx::query_scalar("SELECT coalesce(max(epoch), 0) FROM epochs")
        .fetch_one(&mut *connection)
        .await
        .map_err(store)?;
    Ok(snapshot.at(Epoch(epoch)))
}

/// Returns `snapshot` with everything that was touched read again.
pub(crate) async fn again(
    connection: &mut SqliteConnection,
    mut snapshot: Snapshot,
    touched: &Touched,
    bundle: Option<Arc<Bundle>>,
    now: Timestamp,
) -> Result<Snapshot, StoreError> {
    match bundle {
        // The caller has parsed the bundle already.
        Some(bundle) if touched.bundle => {
            snapshot = snapshot.with_bundle(bundles::last(connection).await?, bundle);
        }
        None if touched.bundle => {
            let in_force = bundles::in_force(connection).await?;
            let bundle = in_force.parse().map_err(|error| StoreError::Row(error.to_string()))?;
            snapshot = snapshot.with_bundle(in_force.revision, Arc::new(bundle));
        }
        Some(_) | None => {}
    }
    if !touched.subjects.is_empty() {
        snapshot = snapshot.with_claimed(facts::is_claimed(connection).await?);
    }
    for subject in &touched.subjects {
        let member = member(connection, subject).await?;
        snapshot = snapshot.with_member(subject.clone(), member);
    }
    for device in &touched.devices {
        let interfaces = interfaces(connection, device).await?;
        snapshot = snapshot.with_interfaces(device.clone(), interfaces);
    }
    for id in &touched.certificates {
        let certificate = certificate(connection, id, now).await?;
        snapshot = snapshot.with_certificate(id.clone(), certificate);
    }
    Ok(snapshot)
}

pub(crate) fn read_subject(row: &SqliteRow) -> Result<Subject, StoreError> {
    let (kind, name): (String, String) = (row.try_get("kind")?, row.try_get("name")?);
    format!("{kind}/{name}").parse().map_err(|error| StoreError::Row(format!("subject: {error}")))
}

fn certificate_id(row: &SqliteRow) -> Result<CertificateId, StoreError> {
    Ok(CertificateId { issuer: word(row, "issuer")?, serial: word(row, "serial")? })
}

pub(crate) async fn member(
    connection: &mut SqliteConnection,
    subject: &Subject,
) -> Result<Option<Member>, StoreError> {
    let found = sqlx::query(
        "SELECT id, enabled FROM subjects WHERE kind = ? AND name = ? AND removed IS NULL",
    )
    .bind(subject.kind().as_str())
    .bind(subject.name().as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = found else { return Ok(None) };
    let (id, enabled): (i64, bool) = (row.try_get("id")?, row.try_get("enabled")?);
    let roles = sqlx::query("SELECT role, until_time FROM roles WHERE subject = ? ORDER BY role")
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
    let groups = sqlx::query(
        "SELECT group_name, until_time FROM device_groups WHERE subject = ? ORDER BY group_name",
    )
    .bind(id)
    .fetch_all(&mut *connection)
    .await?;
    Ok(Some(Member {
        id: SubjectId(id),
        enabled,
        roles: memberships(&roles, "role")?,
        groups: memberships(&groups, "group_name")?,
    }))
}

fn memberships<T>(
    rows: &[SqliteRow],
    column: &'static str,
) -> Result<Vec<Membership<T>>, StoreError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let read = |row: &SqliteRow| {
        let until: Option<i64> = row.try_get("until_time")?;
        Ok(Membership { of: word(row, column)?, until: until.map(timestamp).transpose()? })
    };
    rows.iter().map(read).collect()
}

/// Returns the interfaces of a present device, by name.
pub(crate) async fn interfaces(
    connection: &mut SqliteConnection,
    device: &Name,
) -> Result<Vec<Interface>, StoreError> {
    let rows = sqlx::query(
        "SELECT i.id, i.name, i.url, i.enabled, i.network FROM interfaces i \
         JOIN subjects s ON s.id = i.device \
         WHERE s.kind = 'device' AND s.name = ? AND s.removed IS NULL ORDER BY i.name",
    )
    .bind(device.as_str())
    .fetch_all(&mut *connection)
    .await?;
    let read = |row: &SqliteRow| {
        let target: Target = word(row, "url")?;
        let network: Option<String> = row.try_get("network")?;
        let network = network.map(|_| word(row, "network")).transpose()?;
        Ok(Interface {
            id: InterfaceId(row.try_get("id")?),
            name: word(row, "name")?,
            target,
            network,
            enabled: row.try_get("enabled")?,
        })
    };
    rows.iter().map(read).collect()
}

async fn certificate(
    connection: &mut SqliteConnection,
    id: &CertificateId,
    now: Timestamp,
) -> Result<Option<Certificate>, StoreError> {
    let found = sqlx::query(
        "SELECT key, subject, not_before, not_after FROM issuances \
         WHERE issuer = ? AND serial = ? AND revoked IS NULL AND not_after >= ?",
    )
    .bind(id.issuer.to_string())
    .bind(id.serial.to_string())
    .bind(micros(now))
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Certificate {
        subject: SubjectId(row.try_get("subject")?),
        key: word(&row, "key")?,
        not_before: timestamp(row.try_get("not_before")?)?,
        not_after: timestamp(row.try_get("not_after")?)?,
    }))
}

pub(crate) fn revision(row: &SqliteRow) -> Result<Revision, StoreError> {
    Ok(Revision(row.try_get("revision")?))
}
