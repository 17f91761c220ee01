//! Certificates: how they are renewed, found and listed.

use doorward_model::{CertificateId, Fingerprint, Serial, Subject, SubjectId};
use doorward_policies::Touched;
use jiff::Timestamp;

use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::port::{StoredRow, readable, values};
use crate::rows::allowance::{Allowance, recent};
use crate::rows::issuances::{
    LEFT_LIVE, Redeemed, certificate_id, insert, live, revoke_all, revoke_left_behind, with_chain,
};
use crate::rows::subjects::known;
use crate::signature::{OneSignature, Sign};
use crate::store::Store;

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
        let recent = recent(&mut self.read().await?, subject, self.now()).await?;
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
        let mut reading = self.read().await?;
        let rows = reading
            .all(
                "SELECT i.issuer, i.serial, i.not_after, i.certificate, \
                     s.id, s.kind || '/' || s.name AS subject, \
                     (SELECT count(*) FROM issuances later \
                      WHERE later.first = coalesce(i.first, i.id) \
                          AND later.id > i.id) AS later \
                 FROM issuances i JOIN subjects s ON s.id = i.subject \
                 WHERE i.serial = $1 AND i.revoked IS NULL",
                values![serial.to_string()],
            )
            .await?;
        for row in rows {
            let gone_on = row.get::<i64>("later")? > LEFT_LIVE;
            if gone_on || row.get::<Vec<u8>>("certificate")? != der {
                continue;
            }
            return Ok(Some(FoundCertificate {
                id: certificate_id(&row)?,
                subject: row.parse("subject")?,
                number: SubjectId(row.get("id")?),
                not_after: row.get("not_after")?,
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
        let signature = OneSignature::new(sign);
        let captured = (subject, certificate, alive_at);
        let change = change!((captured, number, allowance, now, signature), |tx| {
            let (subject, certificate, alive_at) = captured;
            let (number, now) = (*number, *now);
            if known(tx, subject).await? != number {
                return Err(StoreError::NoSubject(subject.clone()));
            }
            let found = live(tx, number, certificate, *alive_at).await?;
            let (asking, first) = found.ok_or(StoreError::Ended)?;
            // Checked again here, in the one task that makes changes: the number may have grown
            // since the first check.
            if !allowance.permits(recent(tx, number, now).await?) {
                return Err(StoreError::TooOften);
            }
            let issued = signature.issued()?;
            let issuance = insert(tx, number, Some(first), &issued, now).await?;
            let present = [asking, issuance];
            let mut certificates = revoke_left_behind(tx, first, present, now).await?;
            let redeemed = with_chain(tx, issuance, subject, true).await?;
            certificates.push(issued.id().clone());
            Ok((redeemed, Touched { certificates, ..Touched::default() }))
        });
        self.commit(actor, what, change).await
    }

    /// Stores new certificates for the gateway itself, and revokes those that they replace. Nobody
    /// reaches a gateway without them, so this may use the reserved disk space.
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
        let signatures: Vec<OneSignature> = signs.into_iter().map(OneSignature::new).collect();
        let change = change!((gateway, signatures, now), |tx| {
            let id = known(tx, gateway).await?;
            let mut certificates = revoke_all(tx, id, *now).await?;
            let mut issued = Vec::with_capacity(signatures.len());
            for signature in signatures {
                let one = signature.issued()?;
                insert(tx, id, None, &one, *now).await?;
                certificates.push(one.id().clone());
                issued.push(one.der().to_vec());
            }
            Ok((issued, Touched { certificates, ..Touched::default() }))
        });
        self.commit_urgently(Actor::Gateway, what, change).await
    }

    /// Returns the certificates of the present subject of that name, the newest first, at most 200.
    ///
    /// # Errors
    /// When there is no such subject, or the database refuses.
    pub async fn certificates(&self, subject: &Subject) -> Result<Vec<IssuanceRow>, StoreError> {
        let mut reading = self.list().await?;
        let id = known(&mut reading, subject).await?;
        let rows = reading
            .all(
                "SELECT * FROM issuances WHERE subject = $1 ORDER BY id DESC LIMIT 200",
                values![id.0],
            )
            .await?;
        let read = |row: &StoredRow| {
            Ok::<_, StoreError>(IssuanceRow {
                serial: row.parse("serial")?,
                key: row.parse("key")?,
                not_before: row.get("not_before")?,
                not_after: row.get("not_after")?,
                issued: row.get("issued")?,
                revoked: row.get("revoked")?,
                certificate: row.get("certificate")?,
            })
        };
        let mut found = Vec::new();
        for row in &rows {
            found.extend(readable(read(row), || format!("a certificate of {subject}"))?);
        }
        Ok(found)
    }
}
