//! A test authority that issues certificates.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::Clock;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
    SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::identity::{GatewayFacts, Identity, IdentityDir};

pub(super) const SUBJECT: &str = "device/plc-3";

/// A clock that shows the system's time plus some seconds.
pub(super) struct ShiftedClock(pub(super) i64);

impl Clock for ShiftedClock {
    #[expect(clippy::disallowed_methods, reason = "the fake gateway lives at the present")]
    fn now(&self) -> Timestamp {
        Timestamp::from_second(Timestamp::now().as_second() + self.0).unwrap()
    }
}

pub(super) fn now() -> i64 {
    ShiftedClock(0).now().as_second()
}

/// A validity as two offsets in seconds from now.
pub(super) type Life = (i64, i64);
pub(super) const DAY: Life = (-60, 86_400);

pub(super) struct TestAuthority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) anchor: String,
    der: CertificateDer<'static>,
}

fn live(params: &mut CertificateParams, (from, until): Life) {
    let at = |second: i64| {
        date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(now() + second).unwrap())
    };
    (params.not_before, params.not_after) = (at(from), at(until));
}

impl TestAuthority {
    pub(super) fn new() -> Arc<Self> {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        live(&mut params, (-1_000_000, 1_000_000));
        let key = KeyPair::generate().unwrap();
        let anchor = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        Arc::new(Self { issuer, anchor: anchor.pem(), der: anchor.der().clone() })
    }

    pub(super) fn sign(&self, request: &str, life: Life) -> String {
        let mut request = CertificateSigningRequestParams::from_pem(request).unwrap();
        request.params.subject_alt_names =
            vec![SanType::URI(format!("spiffe://home.arpa/{SUBJECT}").try_into().unwrap())];
        live(&mut request.params, life);
        request.signed_by(&self.issuer).unwrap().pem()
    }

    /// Stores an identity with this validity in a directory.
    pub(super) fn enrol(&self, path: &Path, url: &str, life: Life) -> IdentityDir {
        let key = KeyPair::generate().unwrap();
        let request = CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap();
        let dir = IdentityDir::new(path);
        dir.stage(&Identity {
            key: doorward_model::Secret::new(key.serialize_pem().into_bytes()),
            chain: self.sign(&request, life),
            anchors: self.anchor.clone(),
            facts: GatewayFacts {
                url: url.to_owned(),
                management: None,
                domain: "home.arpa".parse().unwrap(),
                gateway: "gateway/main".parse().unwrap(),
                subject: SUBJECT.parse().unwrap(),
                code: None,
            },
        })
        .unwrap();
        dir.promote().unwrap();
        dir
    }

    /// Returns the gateway's TLS configuration.
    pub(super) fn server(&self, life: Life, quic: bool) -> ServerConfig {
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        live(&mut params, life);
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = crate::crypto::provider();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = if quic { verifier } else { verifier.allow_unauthenticated() };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.send_tls13_tickets = 0;
        config.alpn_protocols = vec![doorward_wire::ALPN.to_vec()];
        if !quic {
            config.alpn_protocols.push(b"http/1.1".to_vec());
        }
        config
    }
}
