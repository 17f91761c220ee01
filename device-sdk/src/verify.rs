//! Verifies a gateway on a machine whose clock may be wrong.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};

use crate::identity::Validity;

/// A verifier for a machine whose clock may be wrong. If a certificate is not valid at the local
/// time, it is verified at a time within its own validity, which must not end before `low`.
/// Everything else is verified as usual.
///
/// The caller then checks the gateway's time with [`crate::time::judge`].
#[derive(Debug)]
pub(crate) struct Timeless {
    inner: Arc<WebPkiServerVerifier>,
    /// A lower bound of the present time.
    low: Timestamp,
}

impl Timeless {
    pub(crate) fn new(
        roots: RootCertStore,
        low: Timestamp,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| TlsError::General(error.to_string()))?;
        Ok(Self { inner, low })
    }
}

fn is_about_time(error: &TlsError) -> bool {
    matches!(
        error,
        TlsError::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    )
}

pub(crate) fn unix_time(time: Timestamp) -> UnixTime {
    let since = u64::try_from(time.as_second()).unwrap_or_default();
    UnixTime::since_unix_epoch(Duration::from_secs(since))
}

impl ServerCertVerifier for Timeless {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let over = || TlsError::InvalidCertificate(CertificateError::Expired);
        let life = Validity::of(leaf)
            .map_err(|_| TlsError::InvalidCertificate(CertificateError::BadEncoding))?;
        if life.not_after < self.low {
            return Err(over());
        }
        match self.inner.verify_server_cert(leaf, above, name, ocsp, now) {
            Err(error) if is_about_time(&error) => {
                let inside = unix_time(life.not_before.max(self.low));
                self.inner.verify_server_cert(leaf, above, name, ocsp, inside)
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.inner.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};

    use super::*;

    struct Certificate {
        roots: RootCertStore,
        leaf: CertificateDer<'static>,
    }

    /// Creates a gateway's certificate for 2026, under an authority for 2020 to 2039.
    fn certificates() -> Certificate {
        let mut authority = CertificateParams::new(vec![]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.not_before = date_time_ymd(2020, 1, 1);
        authority.not_after = date_time_ymd(2040, 1, 1);
        let key = KeyPair::generate().unwrap();
        let anchor = authority.self_signed(&key).unwrap();
        let mut leaf = CertificateParams::new(vec!["gateway.test".to_owned()]).unwrap();
        leaf.not_before = date_time_ymd(2026, 1, 1);
        leaf.not_after = date_time_ymd(2027, 1, 1);
        let issuer = Issuer::new(authority, key);
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(anchor.der().clone()).unwrap();
        Certificate { roots, leaf: leaf.der().clone() }
    }

    fn verify(
        certificates: &Certificate,
        name: &str,
        low: &str,
        now: &str,
    ) -> Result<(), TlsError> {
        let provider = crate::crypto::provider();
        let verifier =
            Timeless::new(certificates.roots.clone(), low.parse().unwrap(), provider).unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let now = unix_time(now.parse().unwrap());
        verifier.verify_server_cert(&certificates.leaf, &[], &name, &[], now).map(drop)
    }

    #[test]
    fn a_clock_that_is_wrong_by_years_keeps_nobody_out() {
        let certificates = certificates();
        let low = "2026-03-01T00:00:00Z";
        for now in ["1970-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2060-01-01T00:00:00Z"] {
            verify(&certificates, "gateway.test", low, now).unwrap();
            assert!(verify(&certificates, "other.test", low, now).is_err(), "{now}");
        }
    }

    #[test]
    fn what_was_over_before_the_time_that_is_known_is_refused_whatever_the_clock_says() {
        let certificates = certificates();
        let low = "2027-02-01T00:00:00Z";
        for now in ["1970-01-01T00:00:00Z", "2026-06-01T00:00:00Z", "2060-01-01T00:00:00Z"] {
            assert!(
                is_about_time(&verify(&certificates, "gateway.test", low, now).unwrap_err()),
                "{now}"
            );
        }
    }

    #[test]
    fn another_authority_is_refused_at_any_time() {
        let ours = Certificate { roots: certificates().roots, leaf: certificates().leaf };
        for now in ["1970-01-01T00:00:00Z", "2026-06-01T00:00:00Z"] {
            let refused = verify(&ours, "gateway.test", "2026-03-01T00:00:00Z", now);
            assert!(refused.is_err(), "{now}");
        }
    }

    proptest! {
        #[test]
        fn the_clock_decides_nothing_and_what_is_known_of_the_time_all(
            now in 0i64..4_000_000_000, low in 0i64..4_000_000_000,
        ) {
            static SHOWN: std::sync::OnceLock<Certificate> = std::sync::OnceLock::new();
            let certificates = SHOWN.get_or_init(certificates);
            let [low, now] = [low, now].map(|second| Timestamp::from_second(second).unwrap());
            let over: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
            let verified = verify(certificates, "gateway.test", &low.to_string(), &now.to_string());
            prop_assert_eq!(verified.is_ok(), low <= over, "{:?}", verified);
        }
    }
}
