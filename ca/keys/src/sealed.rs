//! Private keys in sealed files: the `Keys` port of `doorward-ca` on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use doorward_ca::{Algorithm, KeyError, Keys, Signer, Slot};
use zeroize::Zeroizing;

use crate::file::{private_dir, read_private, replace};
use crate::key::Key;

/// Keys in files of one directory, sealed under a key file.
///
/// A sealed file consists of the line `doorward-key-1`, a nonce of 12 bytes, and the key as PKCS #8
/// encrypted with AES-256-GCM. That line and the slot's name are the associated data.
pub struct SealedKeys {
    dir: PathBuf,
    key_file: PathBuf,
    sealing: RandomizedNonceKey,
}

/// A private key that an owner brings along, before it is stored.
pub struct ImportedKey(Key);

impl ImportedKey {
    /// Parses an unencrypted private key in PEM: PKCS #8, SEC 1 or PKCS #1.
    ///
    /// # Errors
    /// Fails when the text is none of those.
    pub fn read(pem: &[u8]) -> Result<Self, KeyError> {
        let wrong = |why: &str| KeyError::Place(format!("the key file {why}"));
        let blocks = pem::parse_many(pem).map_err(|_| wrong("is not PEM"))?;
        let is_key = |block: &&pem::Pem| block.tag().ends_with("PRIVATE KEY");
        let Some(block) = blocks.iter().find(is_key) else {
            return Err(wrong("holds no private key"));
        };
        let encrypted = block.tag() == "ENCRYPTED PRIVATE KEY"
            || block.headers().iter().any(|(name, _)| name == "DEK-Info");
        if encrypted {
            return Err(wrong("is encrypted; decrypt it first, for example with `openssl pkey`"));
        }
        let key = Key::from_der(block.contents()).ok_or_else(|| {
            wrong("holds none of ECDSA P-256, ECDSA P-384, Ed25519, RSA of 2048 to 4096 bits")
        })?;
        Ok(Self(key))
    }

    /// Returns the public key as a DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.0.public_key()
    }
}

const HEAD: &[u8] = b"doorward-key-1\n";
const LIMIT: u64 = 16 * 1024;

fn at(path: &Path, error: &io::Error) -> KeyError {
    KeyError::Place(format!("{}: {error}", path.display()))
}

impl SealedKeys {
    /// Opens the keys in `dir`, sealed under `key_file`. If there are no keys and no key file, it
    /// creates the key file.
    ///
    /// # Errors
    /// Fails when the key file is missing although there are keys, when it is not 32 bytes long or
    /// readable by other users, or when it cannot be created.
    pub fn open(dir: PathBuf, key_file: PathBuf) -> Result<Self, KeyError> {
        private_dir(&dir).map_err(|error| at(&dir, &error))?;
        let found = read_private(&key_file, 32).map_err(|error| at(&key_file, &error))?;
        let bytes = match found {
            Some(bytes) => bytes,
            None if Self::holds_keys(&dir)? => {
                return Err(KeyError::Place(format!(
                    "the key file {} is gone, and without it the keys in {} cannot be opened; \
                     put it back from your backup",
                    key_file.display(),
                    dir.display()
                )));
            }
            None => {
                let fresh = doorward_ca::random::<32>();
                let fresh = fresh.map_err(|_| KeyError::Crypto("give random bytes"))?;
                let fresh = Zeroizing::new(fresh.to_vec());
                if let Some(parent) = key_file.parent() {
                    private_dir(parent).map_err(|error| at(parent, &error))?;
                }
                replace(&key_file, &fresh).map_err(|error| at(&key_file, &error))?;
                fresh
            }
        };
        let sealing = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| {
            KeyError::Place(format!("the key file {} is not 32 bytes long", key_file.display()))
        })?;
        Ok(Self { dir, key_file, sealing })
    }

    fn holds_keys(dir: &Path) -> Result<bool, KeyError> {
        let entries = fs::read_dir(dir).map_err(|error| at(dir, &error))?;
        let sealed =
            |name: &std::ffi::OsStr| Path::new(name).extension() == Some("sealed".as_ref());
        for entry in entries {
            if sealed(&entry.map_err(|error| at(dir, &error))?.file_name()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Stores an imported private key.
    ///
    /// # Errors
    /// Fails when the key cannot be stored.
    pub fn import(&self, slot: Slot, key: ImportedKey) -> Result<Arc<dyn Signer>, KeyError> {
        self.keep(slot, &key.0)?;
        Ok(Arc::new(key.0))
    }

    fn path(&self, slot: Slot) -> PathBuf {
        self.dir.join(format!("{slot}.sealed"))
    }

    fn associated(slot: Slot) -> Aad<Vec<u8>> {
        Aad::from([HEAD, slot.as_str().as_bytes()].concat())
    }

    fn keep(&self, slot: Slot, key: &Key) -> Result<(), KeyError> {
        let mut bytes = key.to_pkcs8()?;
        let sealed = self.sealing.seal_in_place_append_tag(Self::associated(slot), &mut *bytes);
        let nonce = sealed.map_err(|_| KeyError::Crypto("seal a key"))?;
        let file = [HEAD, nonce.as_ref().as_slice(), bytes.as_slice()].concat();
        let path = self.path(slot);
        replace(&path, &file).map_err(|error| at(&path, &error))
    }
}

impl Keys for SealedKeys {
    fn create(&self, slot: Slot, algorithm: Algorithm) -> Result<Arc<dyn Signer>, KeyError> {
        let key = Key::generate(algorithm)?;
        self.keep(slot, &key)?;
        Ok(Arc::new(key))
    }

    fn open(&self, slot: Slot) -> Result<Option<Arc<dyn Signer>>, KeyError> {
        let path = self.path(slot);
        let found = read_private(&path, LIMIT).map_err(|error| at(&path, &error))?;
        let Some(file) = found else { return Ok(None) };
        let unreadable = || {
            KeyError::Place(format!(
                "{} cannot be opened with the key file {}: the two do not belong together, or one \
                 is damaged; restore both from the same backup",
                path.display(),
                self.key_file.display()
            ))
        };
        let rest = file.strip_prefix(HEAD).ok_or_else(unreadable)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or_else(unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| unreadable())?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let opened = self.sealing.open_in_place(nonce, Self::associated(slot), &mut bytes);
        let opened = opened.map_err(|_| unreadable())?;
        let key = Key::from_der(opened).ok_or_else(unreadable)?;
        Ok(Some(Arc::new(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorward_ca::{Authority, IssueError, Profile, Profiles, VerifiedCsr, found, import};
    use doorward_model::Domain;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::Duration;

    const NOW: &str = "2026-11-23T12:00:00Z";

    fn domain() -> Domain {
        "doorward.home.arpa".parse().unwrap()
    }

    fn keys(dir: &Path) -> SealedKeys {
        SealedKeys::open(dir.join("keys"), dir.join("seal/key")).unwrap()
    }

    fn csr() -> VerifiedCsr {
        let key = rcgen::KeyPair::generate().unwrap();
        let request = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
        VerifiedCsr::read(request.der()).unwrap()
    }

    #[test]
    fn a_key_opens_only_in_its_slot_and_only_with_its_key_file() {
        let dir = tempfile::tempdir().unwrap();
        let made = keys(dir.path()).create(Slot::Issuing, Algorithm::P256).unwrap();
        let again = keys(dir.path()).open(Slot::Issuing).unwrap().unwrap();
        assert_eq!(made.public_key(), again.public_key());
        assert!(keys(dir.path()).open(Slot::Root).unwrap().is_none());

        let file = dir.path().join("keys/issuing.sealed");
        fs::copy(&file, dir.path().join("keys/root.sealed")).unwrap();
        let error = keys(dir.path()).open(Slot::Root).err().unwrap().to_string();
        assert!(error.contains("restore both"), "{error}");

        let mut bytes = fs::read(&file).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            fs::write(&file, &bytes).unwrap();
            assert!(keys(dir.path()).open(Slot::Issuing).is_err(), "byte {at}");
            bytes[at] ^= 1;
        }

        fs::remove_file(dir.path().join("seal/key")).unwrap();
        let lost = SealedKeys::open(dir.path().join("keys"), dir.path().join("seal/key"));
        let error = lost.err().unwrap().to_string();
        assert!(error.contains("is gone") && error.contains("backup"), "{error}");
        assert!(!dir.path().join("seal/key").exists(), "no new key file is created");
    }

    #[test]
    fn files_are_the_owners_alone_and_hold_no_key_in_the_clear() {
        let dir = tempfile::tempdir().unwrap();
        let key = Key::generate(Algorithm::P256).unwrap();
        keys(dir.path()).keep(Slot::Server, &key).unwrap();
        for (file, mode) in [("keys", 0o700), ("keys/server.sealed", 0o600), ("seal/key", 0o600)] {
            let found = fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
            assert_eq!(found & 0o777, mode, "{file}");
        }
        let clear = key.to_pkcs8().unwrap();
        let sealed = fs::read(dir.path().join("keys/server.sealed")).unwrap();
        assert!(!sealed.windows(16).any(|window| window == &clear[40..56]));

        fs::set_permissions(dir.path().join("seal/key"), fs::Permissions::from_mode(0o644))
            .unwrap();
        let open = SealedKeys::open(dir.path().join("keys"), dir.path().join("seal/key"));
        assert!(open.err().unwrap().to_string().contains("chmod 600"));
    }

    #[test]
    fn an_authority_issues_what_was_linted_for_every_kind_of_key() {
        for kind in [Algorithm::P256, Algorithm::P384, Algorithm::Ed25519, Algorithm::Rsa] {
            let dir = tempfile::tempdir().unwrap();
            let keys = keys(dir.path());
            let now = NOW.parse().unwrap();
            let public = found(&keys, &domain(), kind, now).unwrap();
            let ca = Authority::open(&keys, Slot::Issuing, public, domain()).unwrap();
            let subject = "user/alice".parse().unwrap();
            let prepared = ca.prepare(&Profiles::default(), &subject, &csr(), now).unwrap();
            let id = prepared.id().clone();
            let issued = ca.redeem(prepared).unwrap();
            assert_eq!(issued.id(), &id);
            assert_eq!(issued.subject(), &subject);
            assert_eq!(issued.not_after() - now, jiff::SignedDuration::from_hours(90 * 24));
        }
    }

    #[test]
    fn a_leaf_never_outlives_its_authority() {
        let dir = tempfile::tempdir().unwrap();
        let keys = keys(dir.path());
        let founded: jiff::Timestamp = NOW.parse().unwrap();
        let public = found(&keys, &domain(), Algorithm::P256, founded).unwrap();
        let ca = Authority::open(&keys, Slot::Issuing, public, domain()).unwrap();
        let subject = "user/alice".parse().unwrap();
        let late = ca.not_after() - Duration::from_secs(60);
        let issued = ca.prepare(&Profiles::default(), &subject, &csr(), late);
        assert_eq!(ca.redeem(issued.unwrap()).unwrap().not_after(), ca.not_after());
        let refused = ca.prepare(&Profiles::default(), &subject, &csr(), ca.not_after());
        assert!(matches!(refused, Err(IssueError::AuthorityEnds(_))));
    }

    #[test]
    fn profiles_are_bounded_once() {
        assert!(Profile::new(Duration::from_secs(4)).is_err());
        assert!(Profile::new(Duration::from_secs(5)).is_ok());
        assert!(Profile::new(Duration::from_secs(826 * 86400)).is_err());
    }

    #[test]
    fn an_authority_opens_only_with_its_own_key() {
        let dir = tempfile::tempdir().unwrap();
        let keys = keys(dir.path());
        let public = found(&keys, &domain(), Algorithm::P256, NOW.parse().unwrap()).unwrap();
        keys.create(Slot::Issuing, Algorithm::P256).unwrap();
        let error = Authority::open(&keys, Slot::Issuing, public, domain()).err().unwrap();
        assert!(error.to_string().contains("not the one that the certificate names"));
    }

    #[test]
    fn an_authority_that_exists_is_imported_and_a_wrong_one_refused() {
        use rcgen::{BasicConstraints, IsCa, KeyUsagePurpose};
        let now = NOW.parse().unwrap();
        let authority = |name: &str| {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
            params
        };
        let root_key = rcgen::KeyPair::generate().unwrap();
        let root = authority("root").self_signed(&root_key).unwrap();
        let issuing_key = rcgen::KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::new(authority("root"), &root_key);
        let signed =
            |params: &rcgen::CertificateParams| params.signed_by(&issuing_key, &issuer).unwrap();

        let dir = tempfile::tempdir().unwrap();
        let keys = keys(dir.path());
        let key = ImportedKey::read(issuing_key.serialize_pem().as_bytes()).unwrap();
        let signer = keys.import(Slot::Issuing, key).unwrap();
        let issuing = signed(&authority("issuing"));
        let check = |certificate: &str, root: &str| {
            import(certificate.as_bytes(), root.as_bytes(), signer.public_key(), now)
        };
        let public = check(&issuing.pem(), &root.pem()).unwrap();
        assert_eq!(check(&(issuing.pem() + &root.pem()), &root.pem()).unwrap(), public);
        let ca = Authority::open(&keys, Slot::Issuing, public, domain()).unwrap();
        let subject = "device/plc".parse().unwrap();
        let prepared = ca.prepare(&Profiles::default(), &subject, &csr(), now).unwrap();
        let issued = ca.redeem(prepared).unwrap();
        assert_eq!(issued.subject(), &subject);

        let mut leaf = authority("issuing");
        leaf.is_ca = IsCa::ExplicitNoCa;
        let mut old = authority("issuing");
        old.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let stranger_key = rcgen::KeyPair::generate().unwrap();
        let stranger = authority("root").self_signed(&stranger_key).unwrap();
        for (certificate, root, why) in [
            ("", root.pem(), "holds no PEM certificate"),
            (&*signed(&leaf).pem(), root.pem(), "may not sign others"),
            (&*signed(&old).pem(), root.pem(), "which is not now"),
            (&*issuing.pem(), stranger.pem(), "a signature does not verify"),
            (&*issuing.pem(), issuing.pem(), "name is not the next certificate's"),
            (&*root.pem(), root.pem(), "does not belong to the certificate"),
            (&*issuing.pem(), root.pem() + &stranger.pem(), "more than one"),
        ] {
            let error = check(certificate, &root).unwrap_err().to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        for (key, why) in [
            ("".to_owned(), "holds no private key"),
            (issuing.pem(), "holds no private key"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".into(), "holds none of"),
            (
                "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n".into(),
                "decrypt it first",
            ),
        ] {
            let error = ImportedKey::read(key.as_bytes()).err().unwrap().to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
