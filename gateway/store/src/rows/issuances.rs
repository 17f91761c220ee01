//! The rows of issued certificates, and of the authorities that have issued them.

use doorward_ca::{Issued, IssuingCa};
use doorward_model::{CertificateId, Fingerprint, Subject, SubjectId};
use doorward_policies::Certificate;
use jiff::Timestamp;

use crate::error::StoreError;
use crate::port::{Reading, StoredRow, Tx, readable, values};
use crate::rows::subjects::read_subject;

/// How many live certificates of one enrolment remain besides the one that asks for a renewal and
/// the renewed one. A renewal that never arrives must neither lock its holder out nor make
/// certificates pile up.
pub(crate) const LEFT_LIVE: i64 = 2;

/// The certificate that a code or a renewal led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redeemed {
    /// The subject of the certificate.
    pub subject: Subject,
    /// The certificate's id.
    pub id: CertificateId,
    /// The last instant at which the certificate is valid.
    pub not_after: Timestamp,
    /// The certificate, in DER.
    pub certificate: Vec<u8>,
    /// The authority that issued it.
    pub authority: IssuingCa,
    /// Whether the certificate was issued just now, and not returned again.
    pub fresh: bool,
}

pub(crate) fn certificate_id(row: &StoredRow) -> Result<CertificateId, StoreError> {
    Ok(CertificateId { issuer: row.parse("issuer")?, serial: row.parse("serial")? })
}

pub(crate) async fn certificate(
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

/// Stores a certificate, and returns its number. `first` is the first certificate of the enrolment
/// that this one renews.
pub(crate) async fn insert(
    tx: &mut Tx,
    subject: SubjectId,
    first: Option<i64>,
    issued: &Issued,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let row = tx
        .one(
            "INSERT INTO issuances \
             (issuer, serial, key, subject, first, not_before, not_after, issued, certificate) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
            values![
                issued.id().issuer.to_string(),
                issued.serial().to_string(),
                issued.key().to_string(),
                subject.0,
                first,
                issued.not_before(),
                issued.not_after(),
                now,
                issued.der().to_vec(),
            ],
        )
        .await?;
    row.get("id")
}

/// Revokes all certificates of a subject, also expired ones, because their keys could still recover
/// the identity. Returns the certificates that were live.
pub(crate) async fn revoke_all(
    tx: &mut Tx,
    subject: SubjectId,
    now: Timestamp,
) -> Result<Vec<CertificateId>, StoreError> {
    let rows = tx
        .all(
            "UPDATE issuances SET revoked = $1 WHERE subject = $2 AND revoked IS NULL \
             RETURNING issuer, serial, not_after",
            values![now, subject.0],
        )
        .await?;
    let mut live = Vec::new();
    for row in rows {
        if row.get::<i64>("not_after")? >= now.as_microsecond() {
            // The snapshot has none that cannot be read.
            let id = readable(certificate_id(&row), || format!("a certificate of {}", subject.0));
            live.extend(id?);
        }
    }
    Ok(live)
}

/// Returns the number of a live certificate, and that of the first certificate of its enrolment.
pub(crate) async fn live(
    reading: &mut Reading,
    subject: SubjectId,
    certificate: &CertificateId,
    now: Timestamp,
) -> Result<Option<(i64, i64)>, StoreError> {
    let row =
        reading
            .optional(
                "SELECT id, coalesce(first, id) AS enrolment FROM issuances \
             WHERE issuer = $1 AND serial = $2 AND subject = $3 \
                 AND revoked IS NULL AND not_after >= $4",
                values![
                    certificate.issuer.to_string(),
                    certificate.serial.to_string(),
                    subject.0,
                    now,
                ],
            )
            .await?;
    row.map(|row| Ok((row.get("id")?, row.get("enrolment")?))).transpose()
}

/// Revokes the old certificates of an enrolment: all live ones, except the two of the present
/// renewal and the newest [`LEFT_LIVE`] of the others.
pub(crate) async fn revoke_left_behind(
    tx: &mut Tx,
    first: i64,
    present: [i64; 2],
    now: Timestamp,
) -> Result<Vec<CertificateId>, StoreError> {
    let rows = tx
        .all(
            "UPDATE issuances SET revoked = $1 WHERE id IN ( \
                 SELECT id FROM issuances \
                 WHERE (id = $2 OR first = $2) AND id NOT IN ($3, $4) \
                     AND revoked IS NULL AND not_after >= $1 \
                 ORDER BY id DESC LIMIT $6 OFFSET $5 \
             ) RETURNING issuer, serial",
            values![now, first, present[0], present[1], LEFT_LIVE, i64::MAX],
        )
        .await?;
    rows.iter().map(certificate_id).collect()
}

/// Returns the certificate of an issuance, with the chain of its authority.
pub(crate) async fn with_chain(
    reading: &mut Reading,
    issuance: i64,
    subject: &Subject,
    fresh: bool,
) -> Result<Redeemed, StoreError> {
    let row = reading
        .one(
            "SELECT i.certificate AS leaf, i.issuer, i.serial, i.not_after, \
                 a.certificate, a.intermediates, a.root \
             FROM issuances i JOIN authorities a ON a.key = i.issuer WHERE i.id = $1",
            values![issuance],
        )
        .await?;
    Ok(Redeemed {
        subject: subject.clone(),
        id: certificate_id(&row)?,
        not_after: row.get("not_after")?,
        certificate: row.get("leaf")?,
        authority: authority(&row)?,
        fresh,
    })
}

/// Returns the subject of an issuance.
pub(crate) async fn subject_of(
    reading: &mut Reading,
    issuance: i64,
) -> Result<Subject, StoreError> {
    let row = reading
        .one(
            "SELECT s.kind, s.name FROM issuances i JOIN subjects s ON s.id = i.subject \
             WHERE i.id = $1",
            values![issuance],
        )
        .await?;
    read_subject(&row)
}

fn authority(row: &StoredRow) -> Result<IssuingCa, StoreError> {
    let intermediates: String = row.get("intermediates")?;
    let intermediates = serde_json::from_str(&intermediates)
        .map_err(|error| StoreError::Row(format!("intermediates: {error}")))?;
    Ok(IssuingCa { certificate: row.get("certificate")?, intermediates, root: row.get("root")? })
}

pub(crate) async fn insert_authority(
    tx: &mut Tx,
    slot: &str,
    key: Fingerprint,
    authority: &IssuingCa,
    now: Timestamp,
) -> Result<(), StoreError> {
    let intermediates = serde_json::to_string(&authority.intermediates)
        .map_err(|error| StoreError::Row(error.to_string()))?;
    tx.run(
        "INSERT INTO authorities (key, slot, certificate, intermediates, root, created) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        values![
            key.to_string(),
            slot,
            authority.certificate.clone(),
            intermediates,
            authority.root.clone(),
            now,
        ],
    )
    .await?;
    Ok(())
}

/// Returns the issuing authority in use.
pub(crate) async fn authority_in_use(reading: &mut Reading) -> Result<IssuingCa, StoreError> {
    let row = reading
        .one(
            "SELECT certificate, intermediates, root FROM authorities WHERE slot = 'issuing'",
            values![],
        )
        .await?;
    authority(&row)
}
