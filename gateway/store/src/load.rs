//! Reads rows into parts of a snapshot. A change reads what it touched in the same way as the start
//! reads everything.

use std::sync::Arc;

use doorward_model::{
    CertificateId, Domain, InterfaceId, Kind, Name, Revision, Subject, SubjectId, Target,
};
use doorward_policies::{Bundle, Certificate, Interface, Member, Membership, Snapshot, Touched};
use jiff::Timestamp;

use crate::bundles;
use crate::epochs;
use crate::error::{OpenError, StoreError};
use crate::facts;
use crate::port::{Reading, StoredRow, values};
use crate::suspension;

/// Reads the whole snapshot of the last change. All reads must be in one transaction. Certificates
/// that have expired before `now` are left out; so the snapshot depends on the instant as well as
/// on its number, until certificates have a place of their own.
pub(crate) async fn all(
    reading: &mut Reading,
    domain: Domain,
    now: Timestamp,
) -> Result<Snapshot, OpenError> {
    let in_force = bundles::in_force(reading).await?;
    let bundle = in_force.parse()?;
    let mut snapshot = Snapshot::new(domain, in_force.revision, Arc::new(bundle));
    snapshot = snapshot.with_suspended(&suspension::of(reading, in_force.revision).await?);

    let subjects =
        reading.all("SELECT kind, name FROM subjects WHERE removed IS NULL", values![]).await?;
    let certificates = reading
        .all(
            "SELECT issuer, serial FROM issuances WHERE revoked IS NULL AND not_after >= $1",
            values![now],
        )
        .await?;
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
    snapshot = again(reading, snapshot, &touched, None, now).await?;
    Ok(snapshot.at(epochs::last(reading).await?))
}

/// Returns `snapshot` with everything that was touched read again.
pub(crate) async fn again(
    reading: &mut Reading,
    mut snapshot: Snapshot,
    touched: &Touched,
    bundle: Option<Arc<Bundle>>,
    now: Timestamp,
) -> Result<Snapshot, StoreError> {
    match bundle {
        // The caller has parsed the bundle already.
        Some(bundle) if touched.bundle => {
            snapshot = snapshot.with_bundle(bundles::last(reading).await?, bundle);
        }
        None if touched.bundle => {
            let in_force = bundles::in_force(reading).await?;
            let bundle = in_force.parse().map_err(|error| StoreError::Row(error.to_string()))?;
            snapshot = snapshot.with_bundle(in_force.revision, Arc::new(bundle));
        }
        Some(_) | None => {}
    }
    if touched.bundle || touched.suspensions {
        let lines = suspension::of(reading, snapshot.revision()).await?;
        snapshot = snapshot.with_suspended(&lines);
    }
    if !touched.subjects.is_empty() {
        snapshot = snapshot.with_claimed(facts::is_claimed(reading).await?);
    }
    for subject in &touched.subjects {
        let member = member(reading, subject).await?;
        snapshot = snapshot.with_member(subject.clone(), member);
    }
    for device in &touched.devices {
        let interfaces = interfaces(reading, device).await?;
        snapshot = snapshot.with_interfaces(device.clone(), interfaces);
    }
    for id in &touched.certificates {
        let certificate = certificate(reading, id, now).await?;
        snapshot = snapshot.with_certificate(id.clone(), certificate);
    }
    Ok(snapshot)
}

pub(crate) fn read_subject(row: &StoredRow) -> Result<Subject, StoreError> {
    let (kind, name): (String, String) = (row.get("kind")?, row.get("name")?);
    format!("{kind}/{name}").parse().map_err(|error| StoreError::Row(format!("subject: {error}")))
}

pub(crate) fn certificate_id(row: &StoredRow) -> Result<CertificateId, StoreError> {
    Ok(CertificateId { issuer: row.parse("issuer")?, serial: row.parse("serial")? })
}

pub(crate) async fn member(
    reading: &mut Reading,
    subject: &Subject,
) -> Result<Option<Member>, StoreError> {
    let found = reading
        .optional(
            "SELECT id, enabled FROM subjects \
         WHERE kind = $1 AND name = $2 AND removed IS NULL",
            values![subject.kind().as_str(), subject.name().as_str()],
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    let (id, enabled): (i64, bool) = (row.get("id")?, row.get("enabled")?);
    let roles = reading
        .all("SELECT role, until_time FROM roles WHERE subject = $1 ORDER BY role", values![id])
        .await?;
    let groups = reading
        .all(
            "SELECT group_name, until_time FROM device_groups \
             WHERE subject = $1 ORDER BY group_name",
            values![id],
        )
        .await?;
    Ok(Some(Member {
        id: SubjectId(id),
        enabled,
        roles: memberships(&roles, "role")?,
        groups: memberships(&groups, "group_name")?,
    }))
}

fn memberships<T>(
    rows: &[StoredRow],
    column: &'static str,
) -> Result<Vec<Membership<T>>, StoreError>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let read =
        |row: &StoredRow| Ok(Membership { of: row.parse(column)?, until: row.get("until_time")? });
    rows.iter().map(read).collect()
}

/// Returns the interfaces of a present device, by name.
pub(crate) async fn interfaces(
    reading: &mut Reading,
    device: &Name,
) -> Result<Vec<Interface>, StoreError> {
    let rows = reading
        .all(
            "SELECT i.id, i.name, i.url, i.enabled, i.network FROM interfaces i \
         JOIN subjects s ON s.id = i.device \
         WHERE s.kind = 'device' AND s.name = $1 AND s.removed IS NULL ORDER BY i.name",
            values![device.as_str()],
        )
        .await?;
    let read = |row: &StoredRow| {
        let target: Target = row.parse("url")?;
        let network: Option<String> = row.get("network")?;
        let network = network.map(|_| row.parse("network")).transpose()?;
        Ok(Interface {
            id: InterfaceId(row.get("id")?),
            name: row.parse("name")?,
            target,
            network,
            enabled: row.get("enabled")?,
        })
    };
    rows.iter().map(read).collect()
}

async fn certificate(
    reading: &mut Reading,
    id: &CertificateId,
    now: Timestamp,
) -> Result<Option<Certificate>, StoreError> {
    let found = reading
        .optional(
            "SELECT key, subject, not_before, not_after FROM issuances \
         WHERE issuer = $1 AND serial = $2 AND revoked IS NULL AND not_after >= $3",
            values![id.issuer.to_string(), id.serial.to_string(), now],
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(Certificate {
        subject: SubjectId(row.get("subject")?),
        key: row.parse("key")?,
        not_before: row.get("not_before")?,
        not_after: row.get("not_after")?,
    }))
}

pub(crate) fn revision(row: &StoredRow) -> Result<Revision, StoreError> {
    Ok(Revision(row.get("revision")?))
}
