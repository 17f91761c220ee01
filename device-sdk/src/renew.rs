//! Renewal of an identity in two phases: the new one is stored and tried, then it replaces the
//! present one.

use std::sync::Arc;
use std::time::Duration;

use doorward_model::Secret;
use doorward_wire::Control;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::api::Api;
use crate::enrol::{EnrolmentAnswer, identity, new_key, request};
use crate::error::Error;
use crate::identity::{Identity, IdentityDir, Validity};
use crate::live::{FlowGuard, LiveConnection};
use crate::shared::ClientShared;

/// How long to wait for another program that is replacing the identity.
pub(crate) const LOCKING: Duration = Duration::from_secs(60);

/// The result of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Less than two thirds of the certificate's validity are over.
    NotDue(Validity),
    /// The identity was renewed.
    Renewed(Validity),
}

/// Renews the identity in `dir` if two thirds of its validity are over at `now`.
///
/// # Errors
/// See [`renew`].
pub async fn renew_if_due(dir: &IdentityDir, now: Timestamp) -> Result<Renewal, Error> {
    let validity = dir.load()?.validity()?;
    if now < validity.renewal() {
        return Ok(Renewal::NotDue(validity));
    }
    let _replacing = dir.replacing().await?;
    // Another process may have renewed it while this one waited for the lock.
    let validity = dir.load()?.validity()?;
    if now < validity.renewal() { Ok(Renewal::Renewed(validity)) } else { renew_alone(dir).await }
}

/// Renews the identity in `dir`, authenticating with its present certificate. The new identity is
/// stored beside the present one, tried at the gateway, and only then replaces it.
///
/// # Errors
/// Fails when there is no identity, or when the gateway is not reached or refuses. The present
/// identity then stays in use.
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
    let answer: EnrolmentAnswer = answer.json().await?;
    let renewed = identity(answer, &key, url, code);
    dir.stage(&renewed)?;
    if let Err(error) = try_out(Api::new(&renewed.facts.url, &renewed), &renewed).await {
        dir.unstage()?;
        return Err(Error::NotAccepted(Box::new(error)));
    }
    dir.promote()?;
    Ok(Renewal::Renewed(renewed.validity()?))
}

/// The result of a renewal on the control stream.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RenewalOutcome {
    /// The identity was renewed, and the session uses the new certificate.
    Renewed(Validity),
    /// Another program has stored a new identity.
    ByAnother(Validity),
}

/// Renews the identity over the live connection, whose certificate has the validity `former`, in
/// two phases as [`renew`] does. Unless `anyway` is set, it does not renew an identity that another
/// program has renewed meanwhile.
pub(crate) async fn renew_on(
    shared: Arc<ClientShared>,
    live: Arc<LiveConnection>,
    former: Validity,
    anyway: bool,
) -> Result<RenewalOutcome, Error> {
    // The guard keeps a retired connection open until the renewal is over.
    let guard = FlowGuard::new(&live);
    let locked = timeout(LOCKING, shared.dir.replacing()).await;
    let busy = |_| Error::Broken("another program is replacing the identity".to_owned());
    let _replacing = locked.map_err(busy)??;
    let present = shared.dir.load()?;
    let found = present.validity()?;
    if !anyway && found != former && found.not_after > former.not_after {
        return Ok(RenewalOutcome::ByAnother(found));
    }
    let key = new_key()?;
    let (id, issued) = live.renew(request(&key)?).await?;
    let renewed = Identity {
        key: Secret::new(key.serialize_pem().into_bytes()),
        chain: issued.certificate,
        anchors: issued.anchors,
        facts: present.facts.clone(),
    };
    let validity = replace(&shared, &renewed).await?;
    // If this fails, the gateway learns of the new certificate at the next handshake.
    drop(live.outgoing.send(Control::Kept(id)).await);
    drop(guard);
    Ok(RenewalOutcome::Renewed(validity))
}

/// Tries a new identity and then replaces the present one with it.
pub(crate) async fn replace(shared: &ClientShared, renewed: &Identity) -> Result<Validity, Error> {
    let tried = async {
        let validity = renewed.validity()?;
        shared.dir.stage(renewed)?;
        let url = renewed.gateway().url.as_str();
        let api = Api::with(url, shared.credentials(renewed, true)?);
        let tried = try_out(api, renewed).await;
        tried.map_err(|error| Error::NotAccepted(Box::new(error)))?;
        Ok(validity)
    };
    match tried.await {
        Ok(validity) => shared.dir.promote().map(|()| validity),
        Err(error) => {
            // The first error matters more. The next `stage` removes what is left behind.
            drop(shared.dir.unstage());
            Err(error)
        }
    }
}

/// Checks that the gateway identifies the holder of an identity as its subject.
async fn try_out(api: Api<'_>, identity: &Identity) -> Result<(), Error> {
    let answer: Value = api.request(Method::GET, "/v1/self", None).await?.json().await?;
    let expected = identity.gateway().subject.to_string();
    match answer.get("subject").and_then(Value::as_str) {
        Some(subject) if subject == expected => Ok(()),
        _ => {
            Err(Error::Answer("the gateway identifies another subject by this identity".to_owned()))
        }
    }
}
