//! Reads rows into a snapshot. A change reads what it touched in the same way as the start reads
//! everything.

use std::sync::Arc;

use doorward_model::{Domain, Kind};
use doorward_policies::{Bundle, Snapshot, Touched};
use jiff::Timestamp;

use crate::error::StoreError;
use crate::port::{Reading, readable, values};
use crate::rows::issuances::{certificate, certificate_id};
use crate::rows::subjects::{member, read_subject};
use crate::rows::{bundles, epochs, facts, interfaces, postures, suspension};

/// Reads the whole snapshot of the last change. All reads must be in one transaction. Certificates
/// that have expired before `now` are left out; so the snapshot depends on the instant as well as
/// on its number, until certificates have a place of their own.
pub(crate) async fn all(
    reading: &mut Reading,
    domain: Domain,
    now: Timestamp,
) -> Result<Snapshot, StoreError> {
    let in_force = bundles::in_force(reading).await?;
    let bundle = in_force.parse()?;
    let mut snapshot = Snapshot::new(domain, in_force.revision, Arc::new(bundle));
    snapshot = snapshot.with_suspended(&suspension::of(reading, in_force.revision).await?);

    let subjects =
        reading.all("SELECT kind, name FROM subjects WHERE removed IS NULL", values![]).await?;
    let certificates = reading
        .all(
            "SELECT id, issuer, serial FROM issuances WHERE revoked IS NULL AND not_after >= $1",
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
        let number: i64 = row.get("id")?;
        let id = readable(certificate_id(row), || format!("the certificate number {number}"))?;
        touched.certificates.extend(id);
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
            let bundle = in_force.parse()?;
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
        let posture = match &member {
            Some(member) if subject.kind() == Kind::Device => {
                postures::of(reading, subject, member.id).await?
            }
            Some(_) | None => None,
        };
        snapshot = snapshot.with_member(subject.clone(), member).with_posture(subject, posture);
    }
    for device in &touched.devices {
        let interfaces = interfaces::of_device(reading, device).await?;
        snapshot = snapshot.with_interfaces(device.clone(), interfaces);
    }
    for id in &touched.certificates {
        let found = certificate(reading, id, now).await;
        let found = readable(found, || format!("the certificate {}", id.serial))?;
        snapshot = snapshot.with_certificate(id.clone(), found.flatten());
    }
    Ok(snapshot)
}
