//! Verifies only the leaf of the certificate chain that a client shows.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// The most certificates that a client may show above its leaf.
const ABOVE: usize = 8;
/// The longest leaf, in bytes. The gateway's own leaves have less than one thousand.
const LEAF: usize = 16 * 1024;

/// A verifier that tries only the direct path from the leaf to an anchor. The authorities that sign
/// leaves are the anchors themselves, so there is no other path. A search among the certificates
/// that a stranger shows would cost up to a hundred signature checks in each handshake.
#[derive(Debug)]
pub(crate) struct Direct(Arc<dyn ClientCertVerifier>);

impl Direct {
    pub(crate) fn new(verifier: Arc<dyn ClientCertVerifier>) -> Arc<Self> {
        Arc::new(Self(verifier))
    }
}

impl ClientCertVerifier for Direct {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if above.len() > ABOVE || leaf.len() > LEAF {
            return Err(CertificateError::BadEncoding.into());
        }
        self.0.verify_client_cert(leaf, &[], now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, leaf, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, leaf, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A verifier that notes how many certificates above the leaf it is given, and accepts.
    #[derive(Debug, Default)]
    struct Given(Mutex<Vec<usize>>);

    impl ClientCertVerifier for Given {
        fn root_hint_subjects(&self) -> &[DistinguishedName] {
            &[]
        }

        fn verify_client_cert(
            &self,
            _: &CertificateDer<'_>,
            above: &[CertificateDer<'_>],
            _: UnixTime,
        ) -> Result<ClientCertVerified, Error> {
            self.0.lock().unwrap().push(above.len());
            Ok(ClientCertVerified::assertion())
        }

        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Ok(HandshakeSignatureValid::assertion())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![]
        }
    }

    #[test]
    fn what_stands_above_the_leaf_is_not_searched_and_has_a_bound() {
        let given = Arc::new(Given::default());
        let direct = Direct::new(Arc::clone(&given) as _);
        let now = UnixTime::since_unix_epoch(std::time::Duration::ZERO);
        let of = |length: usize| CertificateDer::from(vec![0; length]);
        let verify =
            |leaf, above| direct.verify_client_cert(&of(leaf), &vec![of(1); above], now).is_ok();
        assert!(verify(LEAF, 0) && verify(1, ABOVE));
        assert!(!verify(LEAF + 1, 0) && !verify(1, ABOVE + 1) && !verify(1, 10_000));
        assert_eq!(*given.0.lock().unwrap(), [0, 0], "only leaves are looked at");
    }
}
