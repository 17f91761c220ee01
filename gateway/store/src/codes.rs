//! Enrolment codes in the state.

use doorward_ca::IssuingCa;
use doorward_ca::enrolment::{CodeRefused, CodeRow, CodeVerdict, judge};
use doorward_model::{CertificateId, Fingerprint, Role, Subject, SubjectId};
use doorward_policies::{Member, Touched};
use jiff::Timestamp;

use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::facts;
use crate::issuances::{self, with_chain};
use crate::load::read_subject;
use crate::open::Store;
use crate::port::{Reading, StoredRow, Tx, values};
use crate::signature::{OneSignature, Sign};
use crate::subjects;

/// A code to be stored: the digest of its secret, and when the code expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCode {
    /// The SHA-256 hash of the secret.
    pub digest: Fingerprint,
    /// When the code expires.
    pub expires: Timestamp,
}

/// A code that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCode {
    /// The code.
    pub row: CodeRow,
    /// The subject that will be enrolled; `None` for an owner's code.
    pub subject: Option<Subject>,
}

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
struct Row {
    code: CodeRow,
    subject: Option<(SubjectId, Subject)>,
    issuance: Option<i64>,
}

async fn find(reading: &mut Reading, digest: Fingerprint) -> Result<Option<Row>, StoreError> {
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

impl Store {
    /// Stores a code for a subject, and cancels the subject's other codes. `seen` is the subject as
    /// it was when the maker's rights were checked.
    ///
    /// # Errors
    /// When there is no such subject, it differs from `seen`, or the database refuses.
    pub async fn new_code(
        &self,
        actor: Actor,
        subject: Subject,
        seen: Member,
        code: NewCode,
    ) -> Result<Committed<()>, StoreError> {
        let now = self.now();
        let what = format!("new code for {subject}");
        let maker = actor.clone();
        let change = change!((subject, seen, maker, code, now), |tx| {
            let id = subjects::unchanged(tx, subject, seen).await?;
            cancel_all(tx, Some(id)).await?;
            insert(tx, Some(id), maker, code, *now).await?;
            Ok(((), Touched::default()))
        });
        self.commit(actor, what, change).await
    }

    /// Stores an owner's code, and cancels all other owner's codes.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn new_owner_code(&self, code: NewCode) -> Result<Committed<()>, StoreError> {
        let now = self.now();
        let change = change!((code, now), |tx| {
            cancel_all(tx, None).await?;
            insert(tx, None, &Actor::Gateway, code, *now).await?;
            Ok(((), Touched::default()))
        });
        self.commit(Actor::Gateway, "new owner code", change).await
    }

    /// Returns when the valid owner's code expires; `None` if there is none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn owner_code(&self) -> Result<Option<Timestamp>, StoreError> {
        let mut reading = self.read().await?;
        let row = reading
            .one(
                "SELECT max(expires) AS last FROM codes WHERE subject IS NULL \
                     AND cancelled = FALSE AND redeemed_by IS NULL AND expires > $1",
                values![self.now()],
            )
            .await?;
        row.get("last")
    }

    /// Looks up a code.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn find_code(&self, digest: Fingerprint) -> Result<Option<FoundCode>, StoreError> {
        let found = find(&mut self.read().await?, digest).await?;
        Ok(found.map(|row| FoundCode {
            row: row.code,
            subject: row.subject.map(|(_, subject)| subject),
        }))
    }

    /// Returns what a code led to that the holder of `key` has redeemed before; `None` if it has
    /// not. Writes nothing.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn redeemed(
        &self,
        digest: Fingerprint,
        key: Fingerprint,
    ) -> Result<Option<Redeemed>, StoreError> {
        let mut reading = self.read().await?;
        let Some(row) = find(&mut reading, digest).await? else { return Ok(None) };
        let again = matches!(judge(&row.code, key, self.now()), Ok(CodeVerdict::Again));
        let subject = match (row.subject, row.issuance) {
            (Some((_, subject)), _) => Some(subject),
            // An owner's code names no subject. The certificate of its issuance does.
            (None, Some(issuance)) => Some(issuances::subject_of(&mut reading, issuance).await?),
            (None, None) => None,
        };
        match (again, subject, row.issuance) {
            (true, Some(subject), Some(issuance)) => {
                Ok(Some(with_chain(&mut reading, issuance, &subject, false).await?))
            }
            (false, ..) | (_, None, _) | (.., None) => Ok(None),
        }
    }

    /// Redeems a code for the holder of `key`. One transaction checks the code, signs and stores
    /// the certificate, and spends the code. The same key gets the same certificate again.
    ///
    /// # Errors
    /// When the code is not valid, or signing or the database refuses. Then the code stays as it
    /// was.
    pub async fn redeem(
        &self,
        digest: Fingerprint,
        key: Fingerprint,
        sign: Sign,
    ) -> Result<Committed<Redeemed>, StoreError> {
        let now = self.now();
        let signature = OneSignature::new(sign);
        let change = change!((digest, key, signature, now), |tx| {
            let (digest, key, now) = (*digest, *key, *now);
            let row = find(tx, digest).await?.ok_or(CodeRefused::Unknown)?;
            let (id, subject) = row.subject.ok_or(CodeRefused::Unknown)?;
            let verdict = judge(&row.code, key, now)?;
            if let (CodeVerdict::Again, Some(issuance)) = (verdict, row.issuance) {
                let again = with_chain(tx, issuance, &subject, false).await?;
                return Ok((again, Touched::default()));
            }
            let issued = signature.issued()?;
            let issuance = issuances::insert(tx, id, None, &issued, now).await?;
            spend(tx, digest, key, issuance).await?;
            let redeemed = with_chain(tx, issuance, &subject, true).await?;
            let certificates = vec![issued.id().clone()];
            Ok((redeemed, Touched { certificates, ..Touched::default() }))
        });
        self.commit(Actor::Gateway, "redeem code", change).await
    }

    /// Redeems an owner's code. Besides, `owner` becomes a subject with `role`, and the owner's
    /// former certificates are revoked and its codes cancelled.
    ///
    /// # Errors
    /// When the code is not valid, or signing or the database refuses. Then nothing is changed.
    pub async fn claim(
        &self,
        digest: Fingerprint,
        key: Fingerprint,
        owner: Subject,
        role: Role,
        sign: Sign,
    ) -> Result<Committed<Redeemed>, StoreError> {
        let now = self.now();
        let signature = OneSignature::new(sign);
        let change = change!((digest, key, owner, role, signature, now), |tx| {
            let (digest, key, now) = (*digest, *key, *now);
            let row = find(tx, digest).await?.ok_or(CodeRefused::Unknown)?;
            if row.subject.is_some() {
                return Err(CodeRefused::Unknown.into());
            }
            let verdict = judge(&row.code, key, now)?;
            if let (CodeVerdict::Again, Some(issuance)) = (verdict, row.issuance) {
                let again = with_chain(tx, issuance, owner, false).await?;
                return Ok((again, Touched::default()));
            }
            let id = match subjects::number(tx, owner).await? {
                Some(id) => id,
                None => subjects::insert(tx, owner, false, now).await?.id,
            };
            tx.run("UPDATE subjects SET enabled = TRUE WHERE id = $1", values![id.0]).await?;
            subjects::grant(tx, id, role, None).await?;
            let mut certificates = issuances::revoke_all(tx, id, now).await?;
            // A code that a thief has made for the lost identity must not survive.
            cancel_all(tx, Some(id)).await?;
            let issued = signature.issued()?;
            let issuance = issuances::insert(tx, id, None, &issued, now).await?;
            certificates.push(issued.id().clone());
            spend(tx, digest, key, issuance).await?;
            facts::set_claimed(tx, now).await?;
            let redeemed = with_chain(tx, issuance, owner, true).await?;
            let subjects = vec![owner.clone()];
            Ok((redeemed, Touched { subjects, certificates, ..Touched::default() }))
        });
        self.commit(Actor::Gateway, "claim", change).await
    }
}
