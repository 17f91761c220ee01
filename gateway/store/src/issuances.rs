//! Issued certificates in the state.

use doorward_ca::{Issued, IssuingCa};
use doorward_model::{CertificateId, Fingerprint, Serial, Subject, SubjectId};
use doorward_policies::Touched;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::allowance::{Allowance, recent};
use crate::change::{Actor, Committed, change};
use crate::codes::{Redeemed, Sign};
use crate::database::{micros, timestamp, word};
use crate::error::StoreError;
use crate::load::read_subject;
use crate::open::Store;
use crate::subjects::known;

/// How many live certificates of one enrolment remain besides the one that asks for a renewal and
/// the renewed one. A renewal that never arrives must neither lock its holder out nor make
/// certificates pile up.
const LEFT_LIVE: i64 = 2;

/// An issued certificate, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuanceRow {
    /// The certificate's serial number.
    pub serial: Serial,
    /// The SHA-256 hash of the certificate's public key.
    pub key: Fingerprint,
    /// The first instant at which the certificate is valid.
    pub not_before: Timestamp,
    /// The last instant at which the certificate is valid.
    pub not_after: Timestamp,
    /// When it was issued.
    pub issued: Timestamp,
    /// When the certificate was revoked, if it was.
    pub revoked: Option<Timestamp>,
    /// The certificate, in DER.
    pub certificate: Vec<u8>,
}

/// Stores a certificate, and returns its number. `first` is the first certificate of the enrolment
/// that this one renews.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    subject: SubjectId,
    first: Option<i64>,
    issued: &Issued,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let id = sqlx::query_scalar(
        "INSERT INTO issuances \
         (issuer, serial, key, subject, first, not_before, not_after, issued, certificate) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
    )
    .bind(issued.id().issuer.to_string())
    .bind(issued.serial().to_string())
    .bind(issued.key().to_string())
    .bind(subject.0)
    .bind(first)
    .bind(micros(issued.not_before()))
    .bind(micros(issued.not_after()))
    .bind(micros(now))
    .bind(issued.der().to_vec())
    .fetch_one(connection)
    .await?;
    Ok(id)
}

/// Revokes all certificates of a subject, also expired ones, because their keys could still recover
/// the identity. Returns the certificates that were live.
pub(crate) async fn revoke_all(
    connection: &mut SqliteConnection,
    subject: SubjectId,
    now: Timestamp,
) -> Result<Vec<CertificateId>, StoreError> {
    let rows = sqlx::query(
        "UPDATE issuances SET revoked = ? WHERE subject = ? AND revoked IS NULL \
         RETURNING issuer, serial, not_after",
    )
    .bind(micros(now))
    .bind(subject.0)
    .fetch_all(connection)
    .await?;
    let mut live = Vec::new();
    for row in rows {
        if row.try_get::<i64, _>("not_after")? >= micros(now) {
            live.push(certificate_id(&row)?);
        }
    }
    Ok(live)
}

/// A certificate that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCertificate {
    /// The certificate's id.
    pub id: CertificateId,
    /// The subject of the certificate.
    pub subject: Subject,
    /// The immutable number of the subject.
    pub number: SubjectId,
    /// When the certificate expires or has expired.
    pub not_after: Timestamp,
}

pub(crate) fn certificate_id(row: &SqliteRow) -> Result<CertificateId, StoreError> {
    Ok(CertificateId { issuer: word(row, "issuer")?, serial: word(row, "serial")? })
}

/// Returns the certificate of an issuance, with the chain of its authority.
pub(crate) async fn with_chain(
    connection: &mut SqliteConnection,
    issuance: i64,
    subject: &Subject,
    fresh: bool,
) -> Result<Redeemed, StoreError> {
    let row = sqlx::query(
        "SELECT i.certificate AS leaf, i.issuer, i.serial, i.not_after, a.certificate, a.intermediates, a.root \
         FROM issuances i JOIN authorities a ON a.key = i.issuer WHERE i.id = ?",
    )
    .bind(issuance)
    .fetch_one(connection)
    .await?;
    Ok(Redeemed {
        subject: subject.clone(),
        id: CertificateId { issuer: word(&row, "issuer")?, serial: word(&row, "serial")? },
        not_after: timestamp(row.try_get("not_after")?)?,
        certificate: row.try_get("leaf")?,
        authority: authority(&row)?,
        fresh,
    })
}

/// Returns the subject of an issuance.
pub(crate) async fn subject_of(
    connection: &mut SqliteConnection,
    issuance: i64,
) -> Result<Subject, StoreError> {
    let row = sqlx::query(
        "SELECT s.kind, s.name FROM issuances i JOIN subjects s ON s.id = i.subject WHERE i.id = ?",
    )
    .bind(issuance)
    .fetch_one(connection)
    .await?;
    read_subject(&row)
}

fn authority(row: &SqliteRow) -> Result<IssuingCa, StoreError> {
    let intermediates: String = row.try_get("intermediates")?;
    let intermediates = serde_json::from_str(&intermediates)
        .map_err(|error| StoreError::Row(format!("intermediates: {error}")))?;
    Ok(IssuingCa {
        certificate: row.try_get("certificate")?,
        intermediates,
        root: row.try_get("root")?,
    })
}

pub(crate) async fn insert_authority(
    connection: &mut SqliteConnection,
    slot: &str,
    key: Fingerprint,
    authority: &IssuingCa,
    now: Timestamp,
) -> Result<(), StoreError> {
    let intermediates = serde_json::to_string(&authority.intermediates)
        .map_err(|error| StoreError::Row(error.to_string()))?;
    sqlx::query(
        "INSERT INTO authorities (key, slot, certificate, intermediates, root, created) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(key.to_string())
    .bind(slot)
    .bind(authority.certificate.clone())
    .bind(intermediates)
    .bind(authority.root.clone())
    .bind(micros(now))
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the issuing authority in use.
pub(crate) async fn authority_in_use(
    connection: &mut SqliteConnection,
) -> Result<IssuingCa, StoreError> {
    let row = sqlx::query(
        "SELECT certificate, intermediates, root FROM authorities WHERE slot = 'issuing'",
    )
    .fetch_one(connection)
    .await?;
    authority(&row)
}

/// Returns the number of a live certificate, and that of the first certificate of its enrolment.
async fn live(
    connection: &mut SqliteConnection,
    subject: SubjectId,
    certificate: &CertificateId,
    now: Timestamp,
) -> Result<Option<(i64, i64)>, StoreError> {
    let found = sqlx::query_as(
        "SELECT id, coalesce(first, id) FROM issuances \
         WHERE issuer = ? AND serial = ? AND subject = ? AND revoked IS NULL AND not_after >= ?",
    )
    .bind(certificate.issuer.to_string())
    .bind(certificate.serial.to_string())
    .bind(subject.0)
    .bind(micros(now))
    .fetch_optional(connection)
    .await?;
    Ok(found)
}

/// Revokes the old certificates of an enrolment: all live ones, except the two of the present
/// renewal and the newest [`LEFT_LIVE`] of the others.
async fn revoke_left_behind(
    connection: &mut SqliteConnection,
    first: i64,
    present: [i64; 2],
    now: Timestamp,
) -> Result<Vec<CertificateId>, StoreError> {
    let rows = sqlx::query(
        "UPDATE issuances SET revoked = ?1 WHERE id IN ( \
             SELECT id FROM issuances \
             WHERE (id = ?2 OR first = ?2) AND id NOT IN (?3, ?4) \
                 AND revoked IS NULL AND not_after >= ?1 \
             ORDER BY id DESC LIMIT -1 OFFSET ?5 \
         ) RETURNING issuer, serial",
    )
    .bind(micros(now))
    .bind(first)
    .bind(present[0])
    .bind(present[1])
    .bind(LEFT_LIVE)
    .fetch_all(connection)
    .await?;
    rows.iter().map(certificate_id).collect()
}

impl Store {
    /// Returns whether a subject may be issued one more certificate now. [`Store::renew`] checks
    /// again.
    ///
    /// # Errors
    /// When the allowance is used up, or the database refuses.
    pub async fn may_renew(
        &self,
        subject: SubjectId,
        allowance: Allowance,
    ) -> Result<(), StoreError> {
        let recent = recent(&mut *self.read().await?, subject, self.now()).await?;
        if allowance.permits(recent) { Ok(()) } else { Err(StoreError::TooOften) }
    }

    /// Returns the issuance of exactly this certificate, unless it was revoked, or its enrolment
    /// has since been renewed more than [`LEFT_LIVE`] times. So a key in an old copy, long renewed
    /// away, identifies nobody.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn find_certificate(
        &self,
        serial: &Serial,
        der: &[u8],
    ) -> Result<Option<FoundCertificate>, StoreError> {
        let rows = sqlx::query(
            "SELECT i.issuer, i.serial, i.not_after, i.certificate, s.id, s.kind || '/' || s.name AS subject, \
                 (SELECT count(*) FROM issuances later \
                  WHERE later.first = coalesce(i.first, i.id) \
                      AND later.id > i.id) AS later \
             FROM issuances i JOIN subjects s ON s.id = i.subject \
             WHERE i.serial = ? AND i.revoked IS NULL",
        )
        .bind(serial.to_string())
        .fetch_all(&mut *self.read().await?)
        .await?;
        for row in rows {
            let gone_on = row.try_get::<i64, _>("later")? > LEFT_LIVE;
            if gone_on || row.try_get::<Vec<u8>, _>("certificate")? != der {
                continue;
            }
            return Ok(Some(FoundCertificate {
                id: certificate_id(&row)?,
                subject: word(&row, "subject")?,
                number: SubjectId(row.try_get("id")?),
                not_after: timestamp(row.try_get("not_after")?)?,
            }));
        }
        Ok(None)
    }

    /// Issues one more certificate to the holder of a live one. Compares the subject's number, so
    /// that a new subject with a used name inherits nothing. Revokes older renewals of the same
    /// enrolment beyond [`LEFT_LIVE`], so that nobody has to wait until they expire.
    ///
    /// `alive_at` is the instant at which the certificate must still have been live: the present
    /// for a renewal, an earlier instant for a recovery.
    ///
    /// # Errors
    /// When the subject was removed or the certificate has ended, when the allowance is used up, or
    /// when signing or the database refuses. Then nothing is issued.
    pub async fn renew(
        &self,
        subject: Subject,
        number: SubjectId,
        certificate: CertificateId,
        alive_at: Timestamp,
        allowance: Allowance,
        sign: Sign,
    ) -> Result<Committed<Redeemed>, StoreError> {
        let now = self.now();
        let actor = Actor::Subject(subject.clone());
        let what = format!("renew {subject}");
        let change = change!(|connection| {
            if known(connection, &subject).await? != number {
                return Err(StoreError::NoSubject(subject));
            }
            let found = live(connection, number, &certificate, alive_at).await?;
            let (asking, first) = found.ok_or(StoreError::Ended)?;
            // Checked again here, in the one task that makes changes: the number may have grown
            // since the first check.
            if !allowance.permits(recent(connection, number, now).await?) {
                return Err(StoreError::TooOften);
            }
            let issued = sign()?;
            let issuance = insert(connection, number, Some(first), &issued, now).await?;
            let present = [asking, issuance];
            let mut certificates = revoke_left_behind(connection, first, present, now).await?;
            let redeemed = with_chain(connection, issuance, &subject, true).await?;
            certificates.push(issued.id().clone());
            Ok((redeemed, Touched { certificates, ..Touched::default() }))
        });
        self.commit(actor, what, change).await
    }

    /// Stores new certificates for the gateway itself, and revokes those that they replace.
    ///
    /// # Errors
    /// When signing or the database refuses. Then the former certificates stay.
    pub async fn issue_own(
        &self,
        gateway: Subject,
        signs: Vec<Sign>,
    ) -> Result<Committed<Vec<Vec<u8>>>, StoreError> {
        let now = self.now();
        let what = format!("issue to {gateway}");
        let change = change!(|connection| {
            let id = known(connection, &gateway).await?;
            let mut certificates = revoke_all(connection, id, now).await?;
            let mut issued = Vec::with_capacity(signs.len());
            for sign in signs {
                let one = sign()?;
                insert(connection, id, None, &one, now).await?;
                certificates.push(one.id().clone());
                issued.push(one.der().to_vec());
            }
            Ok((issued, Touched { certificates, ..Touched::default() }))
        });
        self.commit(Actor::Gateway, what, change).await
    }

    /// Returns the certificates of the present subject of that name, the newest first, at most 200.
    ///
    /// # Errors
    /// When there is no such subject, or the database refuses.
    pub async fn certificates(&self, subject: &Subject) -> Result<Vec<IssuanceRow>, StoreError> {
        let mut connection = self.list().await?;
        let id = known(&mut connection, subject).await?;
        let rows =
            sqlx::query("SELECT * FROM issuances WHERE subject = ? ORDER BY id DESC LIMIT 200")
                .bind(id.0)
                .fetch_all(&mut *connection)
                .await?;
        let read = |row: &SqliteRow| {
            let revoked: Option<i64> = row.try_get("revoked")?;
            Ok(IssuanceRow {
                serial: word(row, "serial")?,
                key: word(row, "key")?,
                not_before: timestamp(row.try_get("not_before")?)?,
                not_after: timestamp(row.try_get("not_after")?)?,
                issued: timestamp(row.try_get("issued")?)?,
                revoked: revoked.map(timestamp).transpose()?,
                certificate: row.try_get("certificate")?,
            })
        };
        rows.iter().map(read).collect()
    }
}
