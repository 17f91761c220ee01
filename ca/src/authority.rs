//! The issuing authority: its certificate, its chain, and the signing of prepared certificates.

use std::net::IpAddr;
use std::sync::Arc;

use doorward_model::{CertificateId, Domain, Fingerprint, Kind, Serial, SpiffeId, Subject};
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
    SigningKey, SubjectPublicKeyInfo,
};
use thiserror::Error;

use crate::issue::{IssueError, Issued, LeafFacts, Prepared};
use crate::lint::{Expected, LintError, lint};
use crate::ports::{Algorithm, KeyError, Keys, Signer, Slot};
use crate::profile::Profiles;
use crate::random::random;
use crate::x509::{certificate_fingerprint, date, instant, key_fingerprint, parse, subject_key_id};

/// The certificates of an issuing authority: its own and those above it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuingCa {
    /// The authority's certificate, DER.
    pub certificate: Vec<u8>,
    /// The certificates between it and the root, DER, the nearest first. Usually there are none.
    pub intermediates: Vec<Vec<u8>>,
    /// The root, DER: the trust anchor that clients get.
    pub root: Vec<u8>,
}

impl IssuingCa {
    /// Returns the SHA-256 of the root's DER, which codes carry and owners compare.
    #[must_use]
    pub fn anchor(&self) -> Fingerprint {
        certificate_fingerprint(&self.root)
    }

    /// Returns the certificates that the holder of a leaf sends after it: the issuing authority and
    /// those between it and the root.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        [&self.certificate].into_iter().chain(&self.intermediates).map(Vec::as_slice)
    }
}

/// The issuing authority with its key, which signs certificates.
pub struct Authority {
    public: IssuingCa,
    domain: Domain,
    signer: Arc<dyn Signer>,
    /// A key of the same kind. It is never stored, and nothing that it signs leaves this process.
    throwaway: KeyPair,
    key: Fingerprint,
    key_id: Vec<u8>,
    name: Vec<u8>,
    not_after: Timestamp,
}

/// Why an authority cannot be created or opened.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// A key is missing or cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The slot has no key.
    #[error("the {0} key is missing; restore the keys from a backup")]
    NoKey(Slot),
    /// The key in the slot does not belong to the certificate.
    #[error("the {0} key is not the one that the certificate names")]
    OtherKey(Slot),
    /// The certificate cannot be parsed.
    #[error("the certificate of the issuing authority cannot be read")]
    Certificate,
    /// The certificate cannot be built. The fault of this program.
    #[error("the certificate cannot be built: {0}")]
    Build(#[from] rcgen::Error),
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// Creates a root, and an issuing authority signed by it, each with a new key.
///
/// The root is valid for 20 years and signs authorities only. The issuing authority is valid for 5
/// years and signs leaves only.
///
/// # Errors
/// # Errors
/// See [`AuthorityError`].
pub fn found(
    keys: &dyn Keys,
    domain: &Domain,
    kind: Algorithm,
    now: Timestamp,
) -> Result<IssuingCa, AuthorityError> {
    const YEAR: i64 = 366 * 24 * 3600;
    let root_key = keys.create(Slot::Root, kind)?;
    let root_key = RcgenKey::new(root_key.as_ref())?;
    let root = authority_params(&format!("{domain} root"), None, now, 20 * YEAR)?;
    let root_certificate = root.self_signed(&root_key)?;
    let issuing_key = keys.create(Slot::Issuing, kind)?;
    let issuing_key = RcgenKey::new(issuing_key.as_ref())?;
    let issuing = authority_params(&format!("{domain} issuing"), Some(0), now, 5 * YEAR)?;
    let certificate = issuing.signed_by(&issuing_key, &Issuer::new(root, root_key))?;
    Ok(IssuingCa {
        certificate: certificate.der().to_vec(),
        intermediates: vec![],
        root: root_certificate.der().to_vec(),
    })
}

fn authority_params(
    name: &str,
    path_length: Option<u8>,
    now: Timestamp,
    seconds: i64,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Doorward");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(match path_length {
        Some(length) => BasicConstraints::Constrained(length),
        None => BasicConstraints::Unconstrained,
    });
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = path_length.is_some();
    params.serial_number = Some(SerialNumber::from_slice(new_serial()?.as_bytes()));
    params.not_before = date(now.saturating_sub(SignedDuration::from_mins(5)).unwrap_or(now));
    params.not_after = date(now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now));
    Ok(params)
}

/// Returns a serial number of 128 random bits. The first byte is never 0, so that all serial
/// numbers have the same length and none is zero.
fn new_serial() -> Result<Serial, AuthorityError> {
    loop {
        let bytes: [u8; 16] = random().map_err(|_| AuthorityError::Random)?;
        if bytes.first() != Some(&0) {
            return Serial::new(&bytes).ok_or(AuthorityError::Random);
        }
    }
}

impl Authority {
    /// Opens the issuing authority whose certificates are `public`, with its key from `slot`.
    ///
    /// # Errors
    /// Fails when the key is missing, cannot be opened, or does not belong to the certificate.
    pub fn open(
        keys: &dyn Keys,
        slot: Slot,
        public: IssuingCa,
        domain: Domain,
    ) -> Result<Self, AuthorityError> {
        let signer = keys.open(slot)?.ok_or(AuthorityError::NoKey(slot))?;
        let certificate = parse(&public.certificate).ok_or(AuthorityError::Certificate)?;
        if certificate.public_key().raw != signer.public_key() {
            return Err(AuthorityError::OtherKey(slot));
        }
        let key_id = subject_key_id(&certificate).ok_or(AuthorityError::Certificate)?.to_vec();
        let name = certificate.subject().as_raw().to_vec();
        let not_after = instant(&certificate.validity().not_after);
        let throwaway = KeyPair::generate_for(rcgen_algorithm(signer.algorithm()))?;
        let key = key_fingerprint(signer.public_key());
        Ok(Self { public, domain, signer, throwaway, key, key_id, name, not_after })
    }

    /// Returns the authority's certificate and those above it.
    #[must_use]
    pub fn public(&self) -> &IssuingCa {
        &self.public
    }

    /// Returns the SHA-256 of its SubjectPublicKeyInfo: the issuer in its [`CertificateId`]s.
    #[must_use]
    pub fn key(&self) -> Fingerprint {
        self.key
    }

    /// Returns the end of its validity.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Builds and lints a certificate for a person or a device. The request has proven possession
    /// of the key.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub fn prepare(
        &self,
        profiles: &Profiles,
        subject: &Subject,
        csr: &crate::VerifiedCsr,
        now: Timestamp,
    ) -> Result<Prepared, IssueError> {
        self.build(profiles, subject, csr.public_key(), &[], &[], now)
    }

    /// Builds and lints a certificate with which the gateway itself serves TLS, for a key that it
    /// holds.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub fn prepare_server(
        &self,
        profiles: &Profiles,
        subject: &Subject,
        key: &dyn Signer,
        dns: &[String],
        addresses: &[IpAddr],
        now: Timestamp,
    ) -> Result<Prepared, IssueError> {
        self.build(profiles, subject, key.public_key(), dns, addresses, now)
    }

    fn build(
        &self,
        profiles: &Profiles,
        subject: &Subject,
        spki: &[u8],
        dns: &[String],
        addresses: &[IpAddr],
        now: Timestamp,
    ) -> Result<Prepared, IssueError> {
        let profile = profiles.of(subject.kind());
        let serves = subject.kind() == Kind::Gateway;
        let second = |time: Timestamp| Timestamp::from_second(time.as_second()).unwrap_or(time);
        let not_before = second(now.saturating_sub(profile.backdate()).unwrap_or(now));
        let end = second(now.saturating_add(profile.life()).unwrap_or(now));
        let not_after = end.min(self.not_after);
        if not_after <= now {
            return Err(IssueError::AuthorityEnds(self.not_after));
        }
        let serial = new_serial().map_err(|_| KeyError::Crypto("give random bytes"))?;
        let name = SpiffeId::new(self.domain.clone(), subject.clone());

        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, subject.to_string());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if serves {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from_slice(serial.as_bytes()));
        params.not_before = date(not_before);
        params.not_after = date(not_after);
        params.subject_alt_names = names(&name, dns, addresses)?;

        let throwaway = self.issuer(&self.throwaway)?;
        let public_key = SubjectPublicKeyInfo::from_der(spki)?;
        let probe = params.signed_by(&public_key, &throwaway)?;
        let expected = Expected {
            issuer_name: &self.name,
            issuer_key_id: &self.key_id,
            serial: &serial,
            spki,
            not_before,
            not_after,
            id: &name,
            dns,
            addresses,
            serves,
        };
        lint(probe.der(), &expected)?;
        let tbs = tbs(probe.der())?;
        let id = CertificateId { issuer: self.key, serial };
        let key = key_fingerprint(spki);
        let facts = LeafFacts { id, name, key, not_before, not_after };
        Ok(Prepared { params, tbs, spki: spki.to_vec(), facts })
    }

    /// Signs a prepared certificate, once. Call it inside the transaction that stores the row.
    ///
    /// # Errors
    /// Fails when the key cannot sign, or when the signed bytes differ from the linted ones.
    pub fn redeem(&self, prepared: Prepared) -> Result<Issued, IssueError> {
        let Prepared { params, tbs: linted, spki, facts } = prepared;
        let issuer = self.issuer(RcgenKey::new(self.signer.as_ref())?)?;
        let certificate = params.signed_by(&SubjectPublicKeyInfo::from_der(&spki)?, &issuer)?;
        if tbs(certificate.der())? != linted {
            return Err(LintError("content, which differs from the linted one").into());
        }
        Ok(Issued { der: certificate.der().to_vec(), facts })
    }

    fn issuer<S: SigningKey>(&self, key: S) -> Result<Issuer<'_, S>, rcgen::Error> {
        let certificate = self.public.certificate.as_slice().into();
        Issuer::from_ca_cert_der(&certificate, key)
    }
}

fn names(
    name: &SpiffeId,
    dns: &[String],
    addresses: &[IpAddr],
) -> Result<Vec<SanType>, IssueError> {
    let text = |text: &str| text.to_owned().try_into().map_err(|_| IssueError::Name(text.into()));
    let mut names = vec![SanType::URI(text(&name.to_string())?)];
    for host in dns {
        names.push(SanType::DnsName(text(host)?));
    }
    names.extend(addresses.iter().copied().map(SanType::IpAddress));
    Ok(names)
}

fn tbs(der: &[u8]) -> Result<Vec<u8>, LintError> {
    let certificate = parse(der).ok_or(LintError("encoding"))?;
    Ok(certificate.tbs_certificate.as_ref().to_vec())
}

/// Adapts a [`Signer`] to rcgen's key trait.
struct RcgenKey<'a> {
    signer: &'a dyn Signer,
    public_key: SubjectPublicKeyInfo,
}

impl<'a> RcgenKey<'a> {
    fn new(signer: &'a dyn Signer) -> Result<Self, rcgen::Error> {
        Ok(Self { signer, public_key: SubjectPublicKeyInfo::from_der(signer.public_key())? })
    }
}

impl PublicKeyData for RcgenKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.public_key.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        rcgen_algorithm(self.signer.algorithm())
    }
}

impl SigningKey for RcgenKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.signer.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

fn rcgen_algorithm(algorithm: Algorithm) -> &'static SignatureAlgorithm {
    match algorithm {
        Algorithm::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
        Algorithm::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
        Algorithm::Ed25519 => &rcgen::PKCS_ED25519,
        Algorithm::Rsa => &rcgen::PKCS_RSA_SHA256,
    }
}
