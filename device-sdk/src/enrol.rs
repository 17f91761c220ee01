//! Enrolment: turns a code and a new key into an identity.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use doorward_model::{Code, Domain, Fingerprint, Method, Secret, Subject};
use http::Method as HttpMethod;
use rcgen::{CertificateParams, KeyPair};
use serde::Deserialize;
use serde_json::json;

use crate::api::Api;
use crate::crypto::sha256;
use crate::error::Error;
use crate::files::{private_dir, read, remove_dir, rename, sync_dir, write_new};
use crate::identity::{GatewayFacts, Identity, IdentityDir};

/// The gateway's answer to an enrolment, a renewal or a recovery.
#[derive(Debug, Deserialize)]
pub(crate) struct EnrolmentAnswer {
    pub(crate) subject: Subject,
    /// The leaf, then the issuing authority, as PEM.
    pub(crate) certificate: String,
    /// The trust anchors, as PEM.
    pub(crate) anchors: String,
    pub(crate) domain: Domain,
    pub(crate) gateway: Subject,
    pub(crate) management: Option<String>,
}

/// The result of an enrolment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// The subject of the new identity.
    pub subject: Subject,
}

/// The gateway named by a code, for a person to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The gateway's address.
    pub url: String,
    /// The SHA-256 of its trust anchor.
    pub anchor: Fingerprint,
}

/// Returns what a code says about its gateway. Sends nothing.
#[must_use]
pub fn greet(code: &Code) -> Greeting {
    Greeting { url: code.url.clone(), anchor: code.anchor }
}

/// Returns the subject of the identity in `dir` if it was enrolled with this very code.
#[must_use]
pub fn enrolled_with(dir: &IdentityDir, code: &Code) -> Option<Subject> {
    let facts = dir.load().ok()?.facts;
    (facts.code == Some(mark(code))).then_some(facts.subject)
}

/// Redeems a code for an identity in `dir`.
///
/// The key is on disk before the request is sent, so that after a crash the same code gives the
/// same certificate again. A code that was redeemed in `dir` before returns at once; with
/// `replace`, the gateway is asked for that certificate again.
///
/// # Errors
/// Fails when there is an identity and `replace` is false, or when the gateway is not reached, is
/// not the one the code names, or refuses.
pub async fn enrol(dir: &IdentityDir, code: &Code, replace: bool) -> Result<Enrolled, Error> {
    if !replace {
        if let Some(subject) = enrolled_with(dir, code) {
            remove_dir(&dir.pending())?;
            return Ok(Enrolled { subject });
        }
        if dir.is_taken() {
            return Err(Error::IdentityExists(dir.path().to_owned()));
        }
    }
    let _replacing = dir.replacing().await?;
    let key = pending_key(dir, code)?;
    let path = match code.method {
        Method::Claim => "/v1/claim",
        Method::Enrol => "/v1/enrol",
    };
    let body = json!({
        "secret": URL_SAFE_NO_PAD.encode(code.secret.expose()),
        "csr": request(&key)?,
    });
    let api = Api::with_code(&code.url, code.anchor);
    let answer: EnrolmentAnswer =
        api.request(HttpMethod::POST, path, Some(&body)).await?.json().await?;
    let subject = answer.subject.clone();
    dir.stage(&identity(answer, &key, code.url.clone(), Some(mark(code))))?;
    dir.promote()?;
    crate::time::forget(dir)?;
    remove_dir(&dir.pending())?;
    Ok(Enrolled { subject })
}

/// Builds an identity from the gateway's answer and a key.
pub(crate) fn identity(
    answer: EnrolmentAnswer,
    key: &KeyPair,
    url: String,
    code: Option<Fingerprint>,
) -> Identity {
    let EnrolmentAnswer { subject, certificate, anchors, domain, gateway, management } = answer;
    Identity {
        key: Secret::new(key.serialize_pem().into_bytes()),
        chain: certificate,
        anchors,
        facts: GatewayFacts { url, management, domain, gateway, subject, code },
    }
}

/// Returns the fingerprint by which a code is recognized later.
fn mark(code: &Code) -> Fingerprint {
    Fingerprint::new(sha256(code.secret.expose()))
}

pub(crate) fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate().map_err(|_| Error::Crypto("make a key"))
}

/// Returns a certification request for a key, as PEM. The gateway uses only the public key in it.
pub(crate) fn request(key: &KeyPair) -> Result<String, Error> {
    let request = CertificateParams::default().serialize_request(key);
    request.and_then(|request| request.pem()).map_err(|_| Error::Crypto("write a request"))
}

/// Returns the key for a code: that of the identity which the code has led to, the one from an earlier
/// attempt, or a new one that is durably stored.
fn pending_key(dir: &IdentityDir, code: &Code) -> Result<KeyPair, Error> {
    let pending = dir.pending();
    let mark = mark(code).to_string();
    // The identity comes first: a crash may have left its pending key removed in part.
    let left = if enrolled_with(dir, code).is_some() {
        Some(dir.load()?.key)
    } else if read(&pending.join("code"))?.is_some_and(|found| found == mark.as_bytes()) {
        read(&pending.join("key.pem"))?.map(Secret::new)
    } else {
        None
    };
    if let Some(pem) = left
        && let Ok(pem) = std::str::from_utf8(pem.expose())
        && let Ok(key) = KeyPair::from_pem(pem)
    {
        return Ok(key);
    }
    let fresh = dir.path().join(".enrol.tmp");
    remove_dir(&fresh)?;
    remove_dir(&pending)?;
    private_dir(&fresh)?;
    let key = new_key()?;
    write_new(&fresh.join("key.pem"), Secret::new(key.serialize_pem().into_bytes()).expose())?;
    write_new(&fresh.join("code"), mark.as_bytes())?;
    sync_dir(&fresh)?;
    rename(&fresh, &pending)?;
    sync_dir(dir.path())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(secret: u8) -> Code {
        Code {
            method: Method::Enrol,
            expires: jiff::Timestamp::MAX,
            anchor: Fingerprint::new([0; 32]),
            url: "https://127.0.0.1:1".to_owned(),
            secret: Secret::new(vec![secret; 20]),
        }
    }

    #[test]
    fn a_second_try_with_the_same_code_uses_the_same_key() {
        let temp = tempfile::tempdir().unwrap();
        let dir = IdentityDir::new(temp.path());
        let first = pending_key(&dir, &code(1)).unwrap();
        let again = pending_key(&dir, &code(1)).unwrap();
        assert_eq!(first.serialize_der(), again.serialize_der());
        let other = pending_key(&dir, &code(2)).unwrap();
        assert_ne!(first.serialize_der(), other.serialize_der());
    }

    #[test]
    fn an_identity_keeps_its_key_whatever_a_crash_left_of_the_pending_one() {
        let temp = tempfile::tempdir().unwrap();
        let dir = IdentityDir::new(temp.path());
        let key = pending_key(&dir, &code(1)).unwrap();
        let facts = GatewayFacts {
            url: "https://127.0.0.1:1".to_owned(),
            management: None,
            domain: "doorward.home.arpa".parse().unwrap(),
            gateway: "gateway/main".parse().unwrap(),
            subject: "device/plc".parse().unwrap(),
            code: Some(mark(&code(1))),
        };
        let pem = Secret::new(key.serialize_pem().into_bytes());
        let (chain, anchors) = ("chain".to_owned(), "anchors".to_owned());
        dir.stage(&Identity { key: pem, chain, anchors, facts }).unwrap();
        dir.promote().unwrap();
        // The process is killed while it removes the pending key.
        std::fs::remove_file(dir.pending().join("key.pem")).unwrap();
        let again = pending_key(&dir, &code(1)).unwrap();
        assert_eq!(key.serialize_der(), again.serialize_der());
    }

    #[tokio::test]
    async fn an_identity_is_not_replaced_without_leave() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("key.pem"), "mine").unwrap();
        let dir = IdentityDir::new(temp.path());
        let error = enrol(&dir, &code(1), false).await.unwrap_err();
        assert!(matches!(error, Error::IdentityExists(_)));
        // With `replace`, the identity is not changed before the gateway has answered.
        let error = enrol(&dir, &code(1), true).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }));
        assert_eq!(std::fs::read_to_string(temp.path().join("key.pem")).unwrap(), "mine");
    }
}
