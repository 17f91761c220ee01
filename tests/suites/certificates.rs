//! What the authority issues, as other implementations judge it: OpenSSL, Python's
//! `cryptography`, and pkilint.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use doorward_tests::gateway::doorward;
use doorward_tests::tools::{program, python, script};
use doorward_tests::{Gateway, Ran};
use serde_json::Value;

const DOMAIN: &str = "doorward.home.arpa";

/// Whether a finding is one that is known and right as it is: pkilint takes no URI whose scheme
/// is not in a list of its own, no host name of one label, such as `localhost` and that of the
/// machine, which the gateway's own certificate names, and no wildcard, which RFC 9525 knows and
/// RFC 5280 does not.
fn is_known(finding: &Value) -> bool {
    let (code, message) = (&finding["code"], finding["message"].as_str().unwrap_or_default());
    let quoted = message.split('"').nth(1).unwrap_or_default();
    (code == "pkix.invalid_uri_syntax" && quoted.starts_with("spiffe://"))
        || (code == "pkix.invalid_domain_name_syntax"
            && (!quoted.contains('.') || quoted == format!("*.{DOMAIN}")))
}

fn run(command: &mut Command) -> Ran {
    Ran::of(command.output().unwrap())
}

/// The certificates of a PEM file, each in a file of its own.
fn split(pem: &str, dir: &Path, name: &str) -> Vec<PathBuf> {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----\n");
    let parts = pem.split(begin).skip(1).enumerate().map(|(number, part)| {
        let part = &part[..part.find(end).unwrap() + end.len()];
        let path = dir.join(format!("{name}-{number}.pem"));
        fs::write(&path, format!("{begin}{part}")).unwrap();
        path
    });
    parts.collect()
}

/// The chain that a server shows.
fn shown(gateway: &Gateway, name: &str) -> String {
    let mut openssl = Command::new(program("openssl"));
    openssl.args(["s_client", "-showcerts", "-connect", &gateway.listen.to_string()]);
    openssl.args(["-servername", name]);
    run(&mut openssl).out
}

/// What pkilint finds that is an error, without what is known.
fn lint(certificate: &Path) -> Vec<String> {
    let mut lint = Command::new(python().with_file_name("lint_pkix_cert"));
    lint.args(["lint", "--severity", "ERROR", "--format", "JSON"]).arg(certificate);
    // Its status is how much it found.
    let found: Value = serde_json::from_str(&run(&mut lint).out).expect("findings");
    let results = found["results"].as_array().expect("results").iter();
    let findings = results.flat_map(|one| one["finding_descriptions"].as_array().unwrap());
    let codes = findings.filter(|one| !is_known(one)).map(|one| one["code"].as_str().unwrap());
    codes.map(str::to_owned).collect()
}

/// What OpenSSL says of a leaf under the root, for a purpose.
fn openssl_verify(leaf: &Path, issuing: &Path, root: &Path, purpose: &str) -> Ran {
    let mut openssl = Command::new(program("openssl"));
    openssl.args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"]).arg(root);
    openssl.arg("-untrusted").arg(issuing).arg(leaf);
    run(&mut openssl)
}

/// What Python's `cryptography` says of a chain.
fn python_verify(role: &str, chain: &Path, root: &Path, name: Option<&str>) -> Ran {
    let mut command = Command::new(python());
    command.arg(script("verify_chain.py")).arg(role).arg(chain).arg(root).args(name);
    run(&mut command)
}

/// Everything that a gateway with keys of that kind issues.
fn judge(algorithm: &str) {
    let gateway = Gateway::with(&format!("[keys]\nalgorithm = \"{algorithm}\"\n"));
    gateway.enrol("user/alice", &["--role", "operator"]);
    gateway.enrol("device/plc", &[]);
    let dir = gateway.dir().join("judged");
    fs::create_dir(&dir).unwrap();

    let root = gateway.identity("alice").join("ca.pem");
    assert_eq!(split(&fs::read_to_string(&root).unwrap(), &dir, "root").len(), 1, "one anchor");
    let mut all = vec![root.clone()];
    for (who, id) in [("owner", "user/owner"), ("alice", "user/alice"), ("plc", "device/plc")] {
        let pem = gateway.identity(who).join("cert.pem");
        let [leaf, issuing] =
            split(&fs::read_to_string(&pem).unwrap(), &dir, who).try_into().unwrap();
        openssl_verify(&leaf, &issuing, &root, "sslclient").ok();
        // What is for a client is not for a server.
        let refused = openssl_verify(&leaf, &issuing, &root, "sslserver");
        assert_ne!(refused.status, Some(0), "{refused:?}");
        // `cryptography` takes no Ed25519 anywhere in a chain, whoever made it.
        if algorithm != "ed25519" {
            let proved = python_verify("client", &pem, &root, None).ok();
            assert_eq!(proved.trim(), format!("spiffe://{DOMAIN}/{id}"));
        }
        all.extend([leaf, issuing]);
    }
    let port = gateway.listen.ip().to_string();
    for (name, judged) in [
        (DOMAIN, &[DOMAIN, "localhost", &port][..]),
        ("web--plc.doorward.home.arpa", &["web--plc.doorward.home.arpa"]),
    ] {
        let certificates = split(&shown(&gateway, name), &dir, name);
        let [leaf, issuing] = [&certificates[0], &certificates[1]];
        openssl_verify(leaf, issuing, &root, "sslserver").ok();
        if algorithm != "ed25519" {
            let chain = dir.join(format!("{name}.pem"));
            let pem: String = [leaf, issuing].map(|one| fs::read_to_string(one).unwrap()).concat();
            fs::write(&chain, pem).unwrap();
            for name in judged {
                python_verify("server", &chain, &root, Some(name)).ok();
            }
            let other = python_verify("server", &chain, &root, Some("web--plc.example.com"));
            assert_eq!(other.status, Some(1), "{other:?}");
        }
        all.extend([leaf.clone(), issuing.clone()]);
    }
    for certificate in all {
        let found = lint(&certificate);
        assert!(found.is_empty(), "{}: {found:?}", certificate.display());
    }
}

#[test]
fn other_implementations_accept_what_is_issued() {
    judge("p256");
}

#[test]
fn other_implementations_accept_keys_of_other_kinds() {
    judge("p384");
    judge("ed25519");
}

#[test]
fn the_linter_finds_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.pem");
    let mut openssl = Command::new(program("openssl"));
    openssl.args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "/dev/null"]);
    openssl.args(["-subj", "/CN=bad", "-addext", "subjectAltName=URI:relative", "-out"]);
    run(openssl.arg(&path)).ok();
    assert_eq!(lint(&path), ["pkix.invalid_uri_syntax", "pkix.ca_certificate_no_ku_extension"]);
}

/// Imports an authority whose root and issuing certificate are changed.
fn import(
    change: impl FnOnce(&mut rcgen::CertificateParams, &mut rcgen::CertificateParams),
) -> Ran {
    use rcgen::{
        BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    };
    let params = |name: &str| {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    };
    let (mut root, mut issuing) = (params("root"), params("issuing"));
    change(&mut root, &mut issuing);
    let (root_key, issuing_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let issuer = Issuer::from_params(&root, &root_key);
    let certificate = issuing.signed_by(&issuing_key, &issuer).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut command = doorward();
    command.args(["ca", "import", "--data"]).arg(dir.path().join("data"));
    for (option, text) in [
        ("--root", root.self_signed(&root_key).unwrap().pem()),
        ("--cert", certificate.pem()),
        ("--key", issuing_key.serialize_pem()),
    ] {
        let path = dir.path().join(&option[2..]);
        fs::write(&path, text).unwrap();
        command.arg(option).arg(path);
    }
    run(&mut command)
}

#[test]
fn an_authority_whose_leaves_nobody_would_accept_is_not_imported() {
    use rcgen::{BasicConstraints, GeneralSubtree, IsCa, NameConstraints};
    import(|_, _| {}).ok();
    import(|root, issuing| {
        root.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
        issuing.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    })
    .ok();
    let short = import(|root, _| root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0))).failed();
    assert!(short.contains("a path length in the chain allows no authorities"), "{short}");
    let constrained = import(|_, issuing| {
        issuing.name_constraints = Some(NameConstraints {
            permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".to_owned())],
            excluded_subtrees: vec![],
        });
    });
    assert!(constrained.failed().contains("has name constraints"));
    let leaf = import(|_, issuing| issuing.is_ca = IsCa::ExplicitNoCa).failed();
    assert!(leaf.contains("may not sign others"), "{leaf}");
}
