//! Forgers: authorities of our own, and certificates that no gateway would issue.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An issuing authority under a root, with both keys.
pub struct Authority {
    root: CertificateParams,
    root_key: KeyPair,
    issuing: CertificateParams,
    issuing_key: KeyPair,
    /// The root's certificate, PEM.
    pub root_pem: String,
    /// The issuing authority's certificate, PEM.
    pub issuing_pem: String,
    issuing_der: CertificateDer<'static>,
}

/// What somebody shows in a handshake.
pub struct Credentials {
    /// The leaf, then the issuing authority.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key of the leaf.
    pub key: PrivateKeyDer<'static>,
}

impl Clone for Credentials {
    fn clone(&self) -> Self {
        Self { chain: self.chain.clone(), key: self.key.clone_key() }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// What a sound leaf looks like; forgeries are changes of it.
pub fn leaf(uri: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "leaf");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    let mut serial = [0; 16];
    let fresh = KeyPair::generate().unwrap();
    serial.copy_from_slice(&fresh.public_key_raw()[1..17]);
    serial[0] = serial[0] & 0x7f | 1;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params
}

/// A list of names with raw bytes as its one URI, as no library writes it.
pub fn raw_uri(bytes: &[u8]) -> CustomExtension {
    let mut name = vec![0x86, u8::try_from(bytes.len()).unwrap()];
    name.extend(bytes);
    let mut names = vec![0x30, u8::try_from(name.len()).unwrap()];
    names.extend(name);
    CustomExtension::from_oid_content(&[2, 5, 29, 17], names)
}

impl Authority {
    /// An authority of its own.
    pub fn new(name: &str) -> Self {
        let root = authority(&format!("{name} root"));
        let root_key = KeyPair::generate().unwrap();
        let root_certificate = root.self_signed(&root_key).unwrap();
        let issuing = authority(&format!("{name} issuing"));
        let issuing_key = KeyPair::generate().unwrap();
        let certificate =
            issuing.signed_by(&issuing_key, &Issuer::from_params(&root, &root_key)).unwrap();
        Self {
            root_pem: root_certificate.pem(),
            issuing_pem: certificate.pem(),
            issuing_der: certificate.der().clone(),
            root,
            root_key,
            issuing,
            issuing_key,
        }
    }

    /// Another issuing authority under the same root.
    pub fn sibling(&self, name: &str) -> Self {
        let issuing = authority(name);
        let issuing_key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.root, &self.root_key);
        let certificate = issuing.signed_by(&issuing_key, &issuer).unwrap();
        Self {
            root: self.root.clone(),
            root_key: KeyPair::from_pem(&self.root_key.serialize_pem()).unwrap(),
            root_pem: self.root_pem.clone(),
            issuing_pem: certificate.pem(),
            issuing_der: certificate.der().clone(),
            issuing,
            issuing_key,
        }
    }

    /// Writes what `doorward ca import` takes: cert.pem, key.pem, root.pem.
    pub fn write(&self, dir: &Path) {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(dir.join("cert.pem"), &self.issuing_pem).unwrap();
        std::fs::write(dir.join("key.pem"), self.issuing_key.serialize_pem()).unwrap();
        std::fs::write(dir.join("root.pem"), &self.root_pem).unwrap();
    }

    /// Signs whatever it is given.
    pub fn sign(&self, params: &CertificateParams) -> Forged {
        use rcgen::PublicKeyData as _;
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.issuing, &self.issuing_key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Forged {
            credentials: Credentials {
                chain: vec![certificate.der().clone(), self.issuing_der.clone()],
                key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            },
            serial: hex(params.serial_number.as_ref().unwrap().to_bytes()),
            key: sha256(&key.subject_public_key_info()),
            issuer: self.key(),
        }
    }

    /// SHA-256 of the issuing authority's public key, as rows name it.
    pub fn key(&self) -> String {
        use rcgen::PublicKeyData as _;
        hex(rustls_digest(&self.issuing_key.subject_public_key_info()))
    }
}

fn rustls_digest(bytes: &[u8]) -> Vec<u8> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let suite = provider.cipher_suites.iter().find_map(|suite| suite.tls13()).unwrap();
    let suite = provider
        .cipher_suites
        .iter()
        .filter_map(|suite| suite.tls13())
        .find(|suite| suite.common.hash_provider.output_len() == 32)
        .unwrap_or(suite);
    suite.common.hash_provider.hash(bytes).as_ref().to_vec()
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    hex(rustls_digest(bytes))
}

fn hex(bytes: Vec<u8>) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A certificate that no gateway issued, and what a row of one would say.
pub struct Forged {
    /// What its holder shows.
    pub credentials: Credentials,
    serial: String,
    key: String,
    issuer: String,
}

impl Forged {
    /// Writes the row that the gateway would have written, for a subject that it knows. The
    /// gateway must not be running.
    pub async fn smuggle(&self, data: &Path, subject: &str) {
        use sqlx::{ConnectOptions as _, Connection as _};
        let (kind, name) = subject.split_once('/').unwrap();
        let mut connection = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(data.join("state.db"))
            .connect()
            .await
            .unwrap();
        let done = sqlx::query(
            "INSERT INTO issuances (issuer, serial, key, subject, not_before, not_after, issued, certificate) \
             SELECT ?, ?, ?, id, 0, 4000000000000000, 0, ? FROM subjects \
             WHERE kind = ? AND name = ? AND removed IS NULL",
        )
        .bind(&self.issuer)
        .bind(&self.serial)
        .bind(&self.key)
        .bind(self.credentials.chain[0].to_vec())
        .bind(kind)
        .bind(name)
        .execute(&mut connection)
        .await
        .unwrap();
        assert_eq!(done.rows_affected(), 1, "{subject} is known");
        connection.close().await.unwrap();
    }
}

impl Credentials {
    /// What an identity directory holds.
    pub fn read(dir: &Path) -> Self {
        use rustls::pki_types::pem::PemObject as _;
        let pem = std::fs::read(dir.join("cert.pem")).unwrap();
        let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap();
        Self { chain, key }
    }

    /// Writes an identity directory, with the rest of another one.
    pub fn write(&self, dir: &Path, other: &Path) {
        std::fs::create_dir_all(dir).unwrap();
        for file in ["ca.pem", "gateway.json"] {
            std::fs::copy(other.join(file), dir.join(file)).unwrap();
        }
        let pem = |tag: &str, der: &[u8]| {
            use base64::Engine as _;
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            let lines: Vec<&str> =
                text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            format!("-----BEGIN {tag}-----\n{}\n-----END {tag}-----\n", lines.join("\n"))
        };
        let chain: String = self.chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        std::fs::write(dir.join("cert.pem"), chain).unwrap();
        std::fs::write(dir.join("key.pem"), pem("PRIVATE KEY", self.key.secret_der())).unwrap();
    }
}
