//! Enrolment codes: how they are made and redeemed.

use doorward_ca::enrolment::{CodeRefused, CodeRow, CodeVerdict, judge};
use doorward_model::{Fingerprint, Role, Subject};
use doorward_policies::{Member, Touched};
use jiff::Timestamp;

use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::port::values;
use crate::rows::codes::{NewCode, cancel_all, find, insert, spend};
use crate::rows::issuances::{self, Redeemed, with_chain};
use crate::rows::{facts, subjects};
use crate::signature::{OneSignature, Sign};
use crate::store::Store;

/// A code that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundCode {
    /// The code.
    pub row: CodeRow,
    /// The subject that will be enrolled; `None` for an owner's code.
    pub subject: Option<Subject>,
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
