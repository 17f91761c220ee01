//! Makes enrolment codes and owner codes.

use std::time::Duration;

use doorward_ca::enrolment::{CLAIM_LIFE, digest_of, new_secret};
use doorward_model::{Code, Fingerprint, Method};
use doorward_store::{NewCode, Store, StoreError};
use jiff::Timestamp;
use thiserror::Error;

/// Makes codes that name this gateway and its fingerprint.
#[derive(Clone, Debug)]
pub struct CodeMaker {
    url: String,
    anchor: Fingerprint,
}

/// A new owner code, with the row that the store keeps of it.
#[derive(Debug)]
pub struct OwnerCode {
    /// The code. It contains the secret, so only the owner may see it.
    pub code: Code,
    /// The row for the store. It contains the digest of the secret only.
    pub row: NewCode,
}

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, Error)]
#[error("the system gives no random bytes")]
pub(crate) struct NoSecret;

/// The life of a code for which the request gives none.
pub(crate) const DEFAULT_LIFE: Duration = Duration::from_secs(3600);

impl CodeMaker {
    /// Creates a maker of codes for the gateway at `url`, whose certificate chain leads to `anchor`.
    #[must_use]
    pub fn new(url: String, anchor: Fingerprint) -> Self {
        Self { url, anchor }
    }

    /// Makes an enrolment code that is good for `life`.
    pub(crate) fn enrolment(
        &self,
        life: Duration,
        now: Timestamp,
    ) -> Result<(Code, NewCode), NoSecret> {
        self.make(Method::Enrol, life, now)
    }

    /// Makes an owner code, which is good for [`CLAIM_LIFE`].
    ///
    /// # Errors
    /// Fails if the system gives no random bytes.
    fn claim(&self, now: Timestamp) -> Result<(Code, NewCode), NoSecret> {
        self.make(Method::Claim, CLAIM_LIFE, now)
    }

    fn make(
        &self,
        method: Method,
        life: Duration,
        now: Timestamp,
    ) -> Result<(Code, NewCode), NoSecret> {
        let secret = new_secret().map_err(|_| NoSecret)?;
        let digest = digest_of(secret.expose());
        // A code carries its expiry in whole seconds; the store keeps the same instant.
        let end = now.saturating_add(life).unwrap_or(now).as_second();
        let expires = Timestamp::from_second(end).unwrap_or(now);
        let code = Code { method, expires, anchor: self.anchor, url: self.url.clone(), secret };
        Ok((code, NewCode { digest, expires }))
    }

    /// Makes an owner code. The caller stores its row.
    ///
    /// # Errors
    /// Fails if the system gives no random bytes.
    pub fn owner_code(&self, now: Timestamp) -> Result<OwnerCode, StoreError> {
        let (code, row) = self.claim(now).map_err(|error| StoreError::Row(error.to_string()))?;
        Ok(OwnerCode { code, row })
    }
}

/// Makes an owner code and stores it in the place of any former owner codes.
///
/// # Errors
/// Fails if the store refuses.
pub async fn owner_code(
    maker: &CodeMaker,
    store: &Store,
    now: Timestamp,
) -> Result<Code, StoreError> {
    let OwnerCode { code, row } = maker.owner_code(now)?;
    store.new_owner_code(row).await?;
    Ok(code)
}
