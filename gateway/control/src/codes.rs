//! Makes enrolment codes and owner codes.

use std::time::Duration;

use doorward_ca::enrolment::{CLAIM_LIFE, LONGEST, digest_of, new_secret};
use doorward_model::{Code, Fingerprint, Method};
use doorward_store::{NewCode, Store, StoreError};
use jiff::Timestamp;
use thiserror::Error;

/// Makes codes that lead to this gateway.
#[derive(Clone, Debug)]
pub struct CodeMaker {
    url: String,
    anchor: Fingerprint,
}

/// A code that has been made, and what of it is to be kept.
#[derive(Debug)]
pub struct OwnerCode {
    /// The code. It goes to its owner, and nowhere else.
    pub code: Code,
    /// What the store keeps.
    pub row: NewCode,
}

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, Error)]
#[error("the system gives no random bytes")]
pub(crate) struct NoSecret;

/// How long a code lives unless asked otherwise.
pub(crate) const USUAL: Duration = Duration::from_secs(3600);

impl CodeMaker {
    /// Codes for the gateway at `url`, whose chain leads to `anchor`.
    #[must_use]
    pub fn new(url: String, anchor: Fingerprint) -> Self {
        Self { url, anchor }
    }

    /// A code that is good for `life`, at most [`LONGEST`].
    pub(crate) fn enrolment(
        &self,
        life: Duration,
        now: Timestamp,
    ) -> Result<(Code, NewCode), NoSecret> {
        self.make(Method::Enrol, life.min(LONGEST), now)
    }

    /// A code that makes an owner, good for an hour.
    ///
    /// # Errors
    /// When the system gives no random bytes.
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
        // A code tells its end in whole seconds; the store keeps the same instant.
        let end = now.saturating_add(life).unwrap_or(now).as_second();
        let expires = Timestamp::from_second(end).unwrap_or(now);
        let code = Code { method, expires, anchor: self.anchor, url: self.url.clone(), secret };
        Ok((code, NewCode { digest, expires }))
    }

    /// A code that makes an owner, not kept anywhere yet.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn owner_code(&self, now: Timestamp) -> Result<OwnerCode, StoreError> {
        let (code, row) = self.claim(now).map_err(|error| StoreError::Row(error.to_string()))?;
        Ok(OwnerCode { code, row })
    }
}

/// Makes a code for an owner and keeps it, in place of those that there were.
///
/// # Errors
/// When the store refuses.
pub async fn owner_code(
    maker: &CodeMaker,
    store: &Store,
    now: Timestamp,
) -> Result<Code, StoreError> {
    let OwnerCode { code, row } = maker.owner_code(now)?;
    store.new_owner_code(row).await?;
    Ok(code)
}
