//! Renews an identity, in two phases.

use std::sync::Arc;
use std::time::Duration;

use doorward_model::Secret;
use doorward_wire::Control;
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::api::Api;
use crate::enrol::{Answer, identity, new_key, request};
use crate::error::Error;
use crate::identity::{Identity, IdentityDir, Validity};
use crate::live::{Counted, Live};
use crate::shared::Shared;

/// How long another program may be replacing the identity.
pub(crate) const LOCKING: Duration = Duration::from_secs(60);

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
    if let Err(error) = try_out(Api::new(&renewed.facts.url, &renewed), &renewed).await {
        dir.unstage()?;
        return Err(Error::NotAccepted(Box::new(error)));
    }
    dir.promote()?;
    Ok(Renewal::Renewed(renewed.validity()?))
}

/// What a renewal on the control stream came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {
    /// There is a new identity, and the session stands on it.
    Renewed(Validity),
    /// Another program has put a new one into the directory.
    ByAnother(Validity),
}

/// Renews the identity over the connection `live`, which stands on one of validity `former`, in
/// two phases as [`renew`] does. Unless it is to be done `anyway`, what another program has
/// renewed meanwhile is not renewed again.
pub(crate) async fn renew_on(
    shared: Arc<Shared>,
    live: Arc<Live>,
    former: Validity,
    anyway: bool,
) -> Result<Over, Error> {
    // A connection that is retired waits for it.
    let counted = Counted::new(&live);
    let locked = timeout(LOCKING, shared.dir.replacing()).await;
    let busy = |_| Error::Broken("another program is replacing the identity".to_owned());
    let _replacing = locked.map_err(busy)??;
    let present = shared.dir.load()?;
    let found = present.validity()?;
    if !anyway && found != former && found.not_after > former.not_after {
        return Ok(Over::ByAnother(found));
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
    // If it cannot be said, the next connection says it by what it shows.
    drop(live.words.send(Control::Kept(id)).await);
    drop(counted);
    Ok(Over::Renewed(validity))
}

/// Puts a new identity in the place of the present one, after it has been tried.
pub(crate) async fn replace(shared: &Shared, renewed: &Identity) -> Result<Validity, Error> {
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
            // The reason is worth more than what is left behind: the next stage clears it.
            drop(shared.dir.unstage());
            Err(error)
        }
    }
}

/// Whether the gateway knows the identity's holder by it.
async fn try_out(api: Api<'_>, identity: &Identity) -> Result<(), Error> {
    let answer: Value = api.request(Method::GET, "/v1/self", None).await?.json().await?;
    let expected = identity.gateway().subject.to_string();
    match answer.get("subject").and_then(Value::as_str) {
        Some(subject) if subject == expected => Ok(()),
        _ => Err(Error::Answer("the gateway takes this identity for another's".to_owned())),
    }
}
