//! An identity: key, certificate, and the gateway that they are for.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::str;

use doorward_model::{Domain, Fingerprint, Secret, Subject};
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use crate::error::Error;
use crate::files::{private_dir, read, remove_dir, rename, sync_dir, write_new};

/// What is known of the gateway that an identity is for: `gateway.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayFacts {
    /// Where it is reached, as `https://HOST:PORT`.
    pub url: String,
    /// Where it is administered.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub management: Option<String>,
    /// Its domain.
    pub domain: Domain,
    /// Its own subject.
    pub gateway: Subject,
    /// Whom the identity identifies.
    pub subject: Subject,
    /// SHA-256 of the secret of the code that it was enrolled with, so that the same code given
    /// again is known to have done its work.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<Fingerprint>,
}

/// An identity: what an identity directory holds.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) key: Secret,
    pub(crate) chain: String,
    pub(crate) anchors: String,
    pub(crate) facts: GatewayFacts,
}

/// From when until when a certificate is valid, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Validity {
    /// Its first instant.
    pub not_before: Timestamp,
    /// Its last instant.
    pub not_after: Timestamp,
}

impl Validity {
    /// That of a certificate.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let (_, read) = X509Certificate::from_der(certificate).map_err(|_| unreadable())?;
        let instant = |time: &x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp());
        let validity = read.validity();
        Ok(Self {
            not_before: instant(&validity.not_before).map_err(|_| unreadable())?,
            not_after: instant(&validity.not_after).map_err(|_| unreadable())?,
        })
    }

    /// When two thirds of the life are over, and the certificate is to be renewed.
    #[must_use]
    pub fn renewal(&self) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        self.not_after.saturating_sub(life / 3).unwrap_or(self.not_before)
    }
}

impl Identity {
    /// What is known of its gateway.
    #[must_use]
    pub fn gateway(&self) -> &GatewayFacts {
        &self.facts
    }

    /// From when until when its certificate is valid.
    ///
    /// # Errors
    /// When the certificate does not read.
    pub fn validity(&self) -> Result<Validity, Error> {
        let leaf = self.certificates()?;
        let leaf = leaf.first().ok_or_else(|| Error::Answer("no certificate".to_owned()))?;
        Validity::of(leaf)
    }

    /// The SPIFFE ID in its certificate.
    ///
    /// # Errors
    /// When the certificate does not read, or names nobody.
    pub fn spiffe_id(&self) -> Result<String, Error> {
        let leaf = self.certificates()?;
        let leaf = leaf.first().ok_or_else(unreadable)?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| unreadable())?;
        let names = leaf.subject_alternative_name().ok().flatten().ok_or_else(unreadable)?;
        let uri = names.value.general_names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            _ => None,
        });
        uri.ok_or_else(unreadable)
    }

    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        certificates(&self.chain)
    }

    pub(crate) fn anchors(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        certificates(&self.anchors)
    }

    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(self.key.expose()).map_err(|_| Error::Crypto("read the key"))
    }
}

fn unreadable() -> Error {
    Error::Answer("a certificate that cannot be read".to_owned())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let all = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    all.ok().filter(|all| !all.is_empty()).ok_or_else(unreadable)
}

/// A directory that holds an identity: `key.pem`, `cert.pem` (the leaf, then the issuing
/// authority), `ca.pem` (the trust anchor) and `gateway.json`; beside them `time`, the last time
/// that the gateway has told.
///
/// A new identity is written whole into `.new`, tried, and promoted: `.new` is renamed to
/// `.promote`, and its files are moved over the former ones. Whoever finds `.promote` finishes
/// the move, so a crash at any point leaves the former identity or the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityDir {
    path: PathBuf,
}

/// Held while the files are moved or read, which takes no time.
const MOVING: &str = ".moving.lock";
/// Held while a new identity is made, tried and promoted.
const REPLACING: &str = ".replacing.lock";
const KEY: &str = "key.pem";
const CHAIN: &str = "cert.pem";
const ANCHORS: &str = "ca.pem";
const FACTS: &str = "gateway.json";
const FILES: [&str; 4] = [KEY, CHAIN, ANCHORS, FACTS];

impl IdentityDir {
    /// The directory at `path`, whether or not it is there.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn staging(&self) -> PathBuf {
        self.path.join(".new.tmp")
    }

    fn staged(&self) -> PathBuf {
        self.path.join(".new")
    }

    fn promoting(&self) -> PathBuf {
        self.path.join(".promote")
    }

    pub(crate) fn pending(&self) -> PathBuf {
        self.path.join(".enrol")
    }

    /// Whether an identity is in it.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.path.join(KEY).exists() || self.path.join(CHAIN).exists() || self.promoting().exists()
    }

    /// The identity in it.
    ///
    /// # Errors
    /// When there is none, or a file of it does not read.
    pub fn load(&self) -> Result<Identity, Error> {
        // Whoever only reads may not be allowed to write a lock; nothing is promoted then either.
        let _moving = self.lock(MOVING).ok();
        self.finish_promotion()?;
        if !self.path.join(CHAIN).exists() && !self.path.join(KEY).exists() {
            return Err(Error::NoIdentity(self.path.clone()));
        }
        self.load_from(&self.path)
    }

    fn load_from(&self, dir: &Path) -> Result<Identity, Error> {
        let file = |name: &str| {
            let path = dir.join(name);
            let found = read(&path)?;
            found.ok_or_else(|| Error::IdentityFile { path, why: "it is missing".to_owned() })
        };
        let text = |name: &str| {
            String::from_utf8(file(name)?).map_err(|_| Error::IdentityFile {
                path: dir.join(name),
                why: "it is not text".to_owned(),
            })
        };
        let facts = serde_json::from_slice(&file(FACTS)?).map_err(|error| Error::IdentityFile {
            path: dir.join(FACTS),
            why: error.to_string(),
        })?;
        let (key, chain, anchors) = (Secret::new(file(KEY)?), text(CHAIN)?, text(ANCHORS)?);
        Ok(Identity { key, chain, anchors, facts })
    }

    /// Writes an identity beside the present one, whole.
    pub(crate) fn stage(&self, identity: &Identity) -> Result<(), Error> {
        private_dir(&self.path)?;
        let (staging, staged) = (self.staging(), self.staged());
        remove_dir(&staging)?;
        remove_dir(&staged)?;
        private_dir(&staging)?;
        let facts = serde_json::to_vec_pretty(&identity.facts)
            .map_err(|error| Error::Answer(error.to_string()))?;
        let texts = [identity.key.expose(), identity.chain.as_bytes(), identity.anchors.as_bytes()];
        for (name, text) in FILES.into_iter().zip(texts.into_iter().chain([facts.as_slice()])) {
            write_new(&staging.join(name), text)?;
        }
        sync_dir(&staging)?;
        rename(&staging, &staged)?;
        sync_dir(&self.path)
    }

    /// Puts the staged identity in the place of the present one.
    pub(crate) fn promote(&self) -> Result<(), Error> {
        let _moving = self.lock(MOVING)?;
        self.finish_promotion()?;
        rename(&self.staged(), &self.promoting())?;
        sync_dir(&self.path)?;
        self.finish_promotion()
    }

    /// Keeps other processes from replacing the identity, until the value is dropped.
    pub(crate) async fn replacing(&self) -> Result<File, Error> {
        private_dir(&self.path)?;
        let dir = self.clone();
        match tokio::task::spawn_blocking(move || dir.lock(REPLACING)).await {
            Ok(lock) => lock,
            Err(_) => Err(Error::Answer("the identity's lock".to_owned())),
        }
    }

    fn lock(&self, name: &str) -> Result<File, Error> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.and_then(|file| file.lock().map(|()| file));
        lock.map_err(|error| Error::File { path, error })
    }

    /// Gives the staged identity up, also one of which only a part could be written.
    pub(crate) fn unstage(&self) -> Result<(), Error> {
        remove_dir(&self.staging())?;
        remove_dir(&self.staged())
    }

    fn finish_promotion(&self) -> Result<(), Error> {
        let promoting = self.promoting();
        if !promoting.exists() {
            return Ok(());
        }
        for name in FILES {
            let from = promoting.join(name);
            if from.exists() {
                rename(&from, &self.path.join(name))?;
            }
        }
        sync_dir(&self.path)?;
        remove_dir(&promoting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    fn identity(mark: &str) -> Identity {
        Identity {
            key: Secret::new(format!("key {mark}").into_bytes()),
            chain: format!("chain {mark}"),
            anchors: format!("anchors {mark}"),
            facts: GatewayFacts {
                url: format!("https://{mark}:8443"),
                management: None,
                domain: "doorward.home.arpa".parse().unwrap(),
                gateway: "gateway/main".parse().unwrap(),
                subject: "user/alice".parse().unwrap(),
                code: None,
            },
        }
    }

    fn marks(dir: &IdentityDir) -> Vec<String> {
        let found = dir.load().unwrap();
        let key = String::from_utf8(found.key.expose().to_vec()).unwrap();
        [key, found.chain, found.anchors, found.facts.url].to_vec()
    }

    #[test]
    fn an_identity_is_replaced_whole_or_not_at_all() {
        let temp = tempfile::tempdir().unwrap();
        let dir = IdentityDir::new(temp.path().join("identity"));
        assert!(matches!(dir.load(), Err(Error::NoIdentity(_))));
        dir.stage(&identity("one")).unwrap();
        assert!(matches!(dir.load(), Err(Error::NoIdentity(_))), "staged is not promoted");
        dir.promote().unwrap();
        let one = marks(&dir);
        assert!(one.iter().all(|mark| mark.contains("one")));
        for name in FILES {
            let mode = fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let mode = fs::metadata(dir.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        // A crash after any number of the moves.
        for moved in 0..=FILES.len() {
            dir.stage(&identity("two")).unwrap();
            assert_eq!(marks(&dir), one);
            rename(&dir.staged(), &dir.promoting()).unwrap();
            for name in FILES.iter().take(moved) {
                rename(&dir.promoting().join(name), &dir.path().join(name)).unwrap();
            }
            assert!(marks(&dir).iter().all(|mark| mark.contains("two")), "after {moved} moves");
            dir.stage(&identity("one")).unwrap();
            dir.promote().unwrap();
        }
    }

    #[test]
    fn renewal_is_due_after_two_thirds() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let validity = Validity { not_before: at(0), not_after: at(90) };
        assert_eq!(validity.renewal(), at(60));
    }
}
