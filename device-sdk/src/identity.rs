//! An identity: a key, its certificate, and the gateway they are for.

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

/// The facts about the gateway of an identity: the file `gateway.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayFacts {
    /// The gateway's URL, `https://HOST:PORT`.
    pub url: String,
    /// The URL of its administration.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub management: Option<String>,
    /// Its domain.
    pub domain: Domain,
    /// The gateway's own subject.
    pub gateway: Subject,
    /// The subject of the identity.
    pub subject: Subject,
    /// The SHA-256 of the secret of the code used for the enrolment. The same code given again is
    /// thus recognized as redeemed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<Fingerprint>,
}

/// An identity, as an identity directory holds it.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(crate) key: Secret,
    pub(crate) chain: String,
    pub(crate) anchors: String,
    pub(crate) facts: GatewayFacts,
}

/// The validity period of a certificate. Both ends are included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Validity {
    /// The first instant.
    pub not_before: Timestamp,
    /// The last instant.
    pub not_after: Timestamp,
}

impl Validity {
    /// Returns the validity of a certificate.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let (_, read) = X509Certificate::from_der(certificate).map_err(|_| unreadable())?;
        let instant = |time: &x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp());
        let validity = read.validity();
        Ok(Self {
            not_before: instant(&validity.not_before).map_err(|_| unreadable())?,
            not_after: instant(&validity.not_after).map_err(|_| unreadable())?,
        })
    }

    /// Returns when two thirds of the period are over and the certificate is to be renewed.
    #[must_use]
    pub fn renewal(&self) -> Timestamp {
        let life = self.not_after.duration_since(self.not_before);
        self.not_after.saturating_sub(life / 3).unwrap_or(self.not_before)
    }
}

impl Identity {
    /// Returns the facts about the identity's gateway.
    #[must_use]
    pub fn gateway(&self) -> &GatewayFacts {
        &self.facts
    }

    /// Returns the validity of the certificate.
    ///
    /// # Errors
    /// Fails when the certificate cannot be read.
    pub fn validity(&self) -> Result<Validity, Error> {
        let leaf = self.certificates()?;
        let leaf = leaf.first().ok_or_else(|| Error::Answer("no certificate".to_owned()))?;
        Validity::of(leaf)
    }

    /// Returns the SPIFFE ID in the certificate.
    ///
    /// # Errors
    /// Fails when the certificate cannot be read or has no URI name.
    pub fn spiffe_id(&self) -> Result<String, Error> {
        let leaf = self.certificates()?;
        let leaf = leaf.first().ok_or_else(unreadable)?;
        let (_, leaf) = X509Certificate::from_der(leaf).map_err(|_| unreadable())?;
        let names = leaf.subject_alternative_name().ok().flatten().ok_or_else(unreadable)?;
        let uri = names.value.general_names.iter().find_map(|name| {
            if let GeneralName::URI(uri) = name { Some((*uri).to_owned()) } else { None }
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
/// authority), `ca.pem` (the trust anchor) and `gateway.json`. The file `time` beside them holds
/// the latest time received from the gateway.
///
/// A new identity is written completely into `.new`, tried, and promoted: `.new` is renamed to
/// `.promote`, and its files replace the former ones. A process that finds `.promote` finishes the
/// move. So a crash at any point leaves either the former identity or the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityDir {
    path: PathBuf,
}

/// The lock for moving or reading the files, which is held only briefly.
const MOVING: &str = ".moving.lock";
/// The lock for making, trying and promoting a new identity.
const REPLACING: &str = ".replacing.lock";
const KEY: &str = "key.pem";
const CHAIN: &str = "cert.pem";
const ANCHORS: &str = "ca.pem";
const FACTS: &str = "gateway.json";
const FILES: [&str; 4] = [KEY, CHAIN, ANCHORS, FACTS];

impl IdentityDir {
    /// Names the directory at `path`, which need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the path of the directory.
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

    /// Returns whether the directory holds an identity.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.path.join(KEY).exists() || self.path.join(CHAIN).exists() || self.promoting().exists()
    }

    /// Loads the identity.
    ///
    /// # Errors
    /// Fails when there is none, or when one of its files cannot be read.
    pub fn load(&self) -> Result<Identity, Error> {
        // A reader may lack the right to write the lock file. Then it promotes nothing either.
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
            found.ok_or_else(|| Error::IdentityFile { path, why: "the file is missing".to_owned() })
        };
        let text = |name: &str| {
            String::from_utf8(file(name)?).map_err(|_| Error::IdentityFile {
                path: dir.join(name),
                why: "the file is not text".to_owned(),
            })
        };
        let facts = serde_json::from_slice(&file(FACTS)?).map_err(|error| Error::IdentityFile {
            path: dir.join(FACTS),
            why: error.to_string(),
        })?;
        let (key, chain, anchors) = (Secret::new(file(KEY)?), text(CHAIN)?, text(ANCHORS)?);
        Ok(Identity { key, chain, anchors, facts })
    }

    /// Writes an identity completely, beside the present one.
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

    /// Replaces the present identity by the staged one.
    pub(crate) fn promote(&self) -> Result<(), Error> {
        let _moving = self.lock(MOVING)?;
        self.finish_promotion()?;
        rename(&self.staged(), &self.promoting())?;
        sync_dir(&self.path)?;
        self.finish_promotion()
    }

    /// Locks the identity against replacement by other processes until the result is dropped.
    pub(crate) async fn replacing(&self) -> Result<File, Error> {
        private_dir(&self.path)?;
        let dir = self.clone();
        match tokio::task::spawn_blocking(move || dir.lock(REPLACING)).await {
            Ok(lock) => lock,
            Err(_) => Err(Error::Answer("the task that locks the identity failed".to_owned())),
        }
    }

    fn lock(&self, name: &str) -> Result<File, Error> {
        let path = self.path.join(name);
        let mut options = OpenOptions::new();
        let lock = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
        let lock = lock.and_then(|file| file.lock().map(|()| file));
        lock.map_err(|error| Error::File { path, error })
    }

    /// Removes the staged identity, even if it was written only in part.
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
