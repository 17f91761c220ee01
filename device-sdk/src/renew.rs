use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::Api;
use crate::enrol::{Answer, identity, new_key, request};
use crate::error::Error;
use crate::identity::{Identity, IdentityDir, Validity};

/// What a renewal came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Less than two thirds of the certificate's life are over.
    NotDue(Validity),
    /// There is a new identity.
    Renewed(Validity),
}

/// Renews the identity in `dir` if two thirds of its life are over at `now`.
///
/// # Errors
/// As [`renew`].
pub async fn renew_if_due(dir: &IdentityDir, now: Timestamp) -> Result<Renewal, Error> {
    let validity = dir.load()?.validity()?;
    if now < validity.renewal() {
        return Ok(Renewal::NotDue(validity));
    }
    let _replacing = dir.replacing().await?;
    // Another process may have renewed it meanwhile.
    let validity = dir.load()?.validity()?;
    if now < validity.renewal() { Ok(Renewal::Renewed(validity)) } else { renew_alone(dir).await }
}

/// Renews the identity in `dir` with its live certificate, in two phases: the new one is
/// written beside the present one, tried at the gateway, and only then put in its place.
///
/// # Errors
/// When there is no identity, or the gateway is not reached or refuses. The present identity
/// stays then.
pub async fn renew(dir: &IdentityDir) -> Result<Renewal, Error> {
    let _replacing = dir.replacing().await?;
    renew_alone(dir).await
}

async fn renew_alone(dir: &IdentityDir) -> Result<Renewal, Error> {
    let present = dir.load()?;
    let (url, code) = (present.facts.url.clone(), present.facts.code);
    let key = new_key()?;
    let body = json!({ "csr": request(&key)? });
    let answer = Api::new(&url, &present).request(Method::POST, "/v1/renew", Some(&body)).await?;
    let answer: Answer = answer.json().await?;
    let renewed = identity(answer, &key, url, code);
    dir.stage(&renewed)?;
    if let Err(error) = try_out(&renewed).await {
        dir.unstage()?;
        return Err(Error::NotAccepted(Box::new(error)));
    }
    dir.promote()?;
    Ok(Renewal::Renewed(renewed.validity()?))
}

/// Whether the gateway knows the identity's holder by it.
async fn try_out(identity: &Identity) -> Result<(), Error> {
    let api = Api::new(&identity.gateway().url, identity);
    let answer: Value = api.request(Method::GET, "/v1/self", None).await?.json().await?;
    let expected = identity.gateway().subject.to_string();
    match answer.get("subject").and_then(Value::as_str) {
        Some(subject) if subject == expected => Ok(()),
        _ => Err(Error::Answer("the gateway takes this identity for another's".to_owned())),
    }
}
