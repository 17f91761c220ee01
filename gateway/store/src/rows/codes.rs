//! The rows of enrolment codes.

use doorward_ca::enrolment::{CodeRefused, CodeRow};
use doorward_model::{Fingerprint, Subject, SubjectId};
use jiff::Timestamp;

use crate::change::Actor;
use crate::error::StoreError;
use crate::port::{Reading, StoredRow, Tx, values};
use crate::rows::subjects::read_subject;

/// A code to be stored: the digest of its secret, and when the code expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCode {
    /// The SHA-256 hash of the secret.
    pub digest: Fingerprint,
    /// When the code expires.
    pub expires: Timestamp,
}

pub(crate) async fn insert(
    tx: &mut Tx,
    subject: Option<SubjectId>,
    maker: &Actor,
    code: &NewCode,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO codes (maker, digest, subject, created, expires) \
         VALUES ($1, $2, $3, $4, $5)",
        values![
            maker.to_string(),
            code.digest.to_string(),
            subject.map(|id| id.0),
            now,
            code.expires,
        ],
    )
    .await?;
    Ok(())
}

/// Cancels all codes of a subject, or all owner's codes.
pub(crate) async fn cancel_all(tx: &mut Tx, subject: Option<SubjectId>) -> Result<(), StoreError> {
    tx.run(
        "UPDATE codes SET cancelled = TRUE \
         WHERE subject IS NOT DISTINCT FROM $1 AND cancelled = FALSE",
        values![subject.map(|id| id.0)],
    )
    .await?;
    Ok(())
}

/// Cancels the unredeemed codes of a subject that another actor has made. Whoever gives the subject
/// more rights must not thereby give them to holders of other actors' codes. Returns how many codes
/// were cancelled.
pub(crate) async fn cancel_of_others(
    tx: &mut Tx,
    subject: SubjectId,
    actor: &Actor,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.run(
        "UPDATE codes SET cancelled = TRUE \
         WHERE subject = $1 AND maker <> $2 AND cancelled = FALSE \
             AND redeemed_by IS NULL AND expires > $3",
        values![subject.0, actor.to_string(), now],
    )
    .await
}

/// The row of a code, with the subject's number and the issuance that the code was redeemed for.
pub(crate) struct Row {
    pub(crate) code: CodeRow,
    pub(crate) subject: Option<(SubjectId, Subject)>,
    pub(crate) issuance: Option<i64>,
}

pub(crate) async fn find(
    reading: &mut Reading,
    digest: Fingerprint,
) -> Result<Option<Row>, StoreError> {
    let found = reading
        .optional(
            "SELECT c.*, s.kind, s.name, s.enabled, s.removed FROM codes c \
             LEFT JOIN subjects s ON s.id = c.subject WHERE c.digest = $1",
            values![digest.to_string()],
        )
        .await?;
    found.as_ref().map(read).transpose()
}

fn read(row: &StoredRow) -> Result<Row, StoreError> {
    let id: Option<i64> = row.get("subject")?;
    let subject = match id {
        Some(id) => Some((SubjectId(id), read_subject(row)?)),
        None => None,
    };
    // A code does not work after its subject was removed, nor while the subject is off.
    let standing = match id {
        Some(_) => {
            let removed: Option<i64> = row.get("removed")?;
            removed.is_none() && row.get("enabled")?
        }
        None => true,
    };
    let redeemed: Option<String> = row.get("redeemed_by")?;
    let redeemed_by = match redeemed {
        Some(_) => Some(row.parse("redeemed_by")?),
        None => None,
    };
    let cancelled: bool = row.get("cancelled")?;
    Ok(Row {
        code: CodeRow {
            digest: row.parse("digest")?,
            expires: row.get("expires")?,
            redeemed_by,
            cancelled: cancelled || !standing,
        },
        subject,
        issuance: row.get("issuance")?,
    })
}

/// Notes that `key` has redeemed a code. Refuses a code that was redeemed before, whatever the
/// caller has read.
pub(crate) async fn spend(
    tx: &mut Tx,
    digest: Fingerprint,
    key: Fingerprint,
    issuance: i64,
) -> Result<(), StoreError> {
    let spent = tx
        .run(
            "UPDATE codes SET redeemed_by = $1, issuance = $2 \
             WHERE digest = $3 AND redeemed_by IS NULL",
            values![key.to_string(), issuance, digest.to_string()],
        )
        .await?;
    if spent == 1 { Ok(()) } else { Err(CodeRefused::Used.into()) }
}
