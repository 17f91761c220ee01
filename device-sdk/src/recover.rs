//! Recovery: gets a new identity for an expired one.
//!
//! The expired certificate opens no connection, but its key still proves whose it was. The client
//! sends `POST /v1/recover` to the gateway's own name, over TLS 1.3 without a client certificate:
//!
//! ```json
//! { "certificate": "PEM of the expired leaf", "csr": "PEM of a request with a new key",
//!   "signature": "base64url without padding" }
//! ```
//!
//! The signature is ECDSA with SHA-256 (ASN.1 DER) by the old key. It covers 64 bytes: 32 bytes
//! exported from this TLS connection (RFC 8446 section 7.5) with the label
//! `EXPORTER-doorward-recover` and no context, and the SHA-256 of the new key's
//! SubjectPublicKeyInfo in DER. So it is valid only on this connection and for this new key. The
//! answer is the same as for `/v1/renew`.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward_wire::RECOVERY;
use http::Method;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _, SigningKey as _};
use serde_json::json;
use tokio::time::timeout;

use crate::api::Api;
use crate::crypto::sha256;
use crate::enrol::{EnrolmentAnswer, identity, new_key};
use crate::error::Error;
use crate::identity::{Identity, Validity};
use crate::renew::{LOCKING, replace};
use crate::shared::ClientShared;

/// Requests a new identity with the key of the expired one, tries it, and then replaces the expired
/// one, as a renewal does.
pub(crate) async fn recover(shared: Arc<ClientShared>) -> Result<Validity, Error> {
    let before = shared.dir.load()?;
    let locked = timeout(LOCKING, shared.dir.replacing()).await;
    let busy = |_| Error::Broken("another program is replacing the identity".to_owned());
    let _replacing = locked.map_err(busy)??;
    let present = shared.dir.load()?;
    if present.chain != before.chain {
        // Another program has replaced it meanwhile.
        return present.validity();
    }
    let key = new_key()?;
    let answer = ask(&shared, &present, &key).await?;
    let (url, code) = (present.facts.url.clone(), present.facts.code);
    let recovered = identity(answer, &key, url, code);
    if recovered.facts.subject != present.facts.subject {
        return Err(Error::Answer("the gateway issued an identity for another subject".to_owned()));
    }
    replace(&shared, &recovered).await
}

async fn ask(
    shared: &ClientShared,
    present: &Identity,
    key: &KeyPair,
) -> Result<EnrolmentAnswer, Error> {
    let request = CertificateParams::default().serialize_request(key);
    let request = request.map_err(|_| Error::Crypto("write a request"))?;
    let pem = request.pem().map_err(|_| Error::Crypto("write a request"))?;
    let leaf = present.certificates()?;
    let leaf = leaf.first().ok_or_else(|| Error::Answer("no certificate".to_owned()))?;
    let api = Api::with(&present.facts.url, shared.credentials(present, false)?);
    let stream = api.open().await?;
    let (_, session) = stream.get_ref();
    let exported = session.export_keying_material([0; 32], RECOVERY, None);
    let exported = exported.map_err(|_| Error::Crypto("bind a proof to a connection"))?;
    let message = [exported, sha256(&key.subject_public_key_info())].concat();
    let old = std::str::from_utf8(present.key.expose()).ok();
    let old = old.and_then(|pem| KeyPair::from_pem(pem).ok());
    let old = old.ok_or(Error::Crypto("read the key"))?;
    let signature = old.sign(&message).map_err(|_| Error::Crypto("sign"))?;
    let body = json!({
        "certificate": pem::encode(&pem::Pem::new("CERTIFICATE", leaf.to_vec())),
        "csr": pem,
        "signature": URL_SAFE_NO_PAD.encode(signature),
    });
    api.exchange(stream, Method::POST, "/v1/recover", Some(&body)).await?.json().await
}
