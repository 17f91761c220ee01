//! Public keys as JSON Web Keys.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// The start of a SubjectPublicKeyInfo on P-256 (RFC 5480 section 2), up to the byte for the
/// point's form. Both coordinates follow, 32 bytes each (SEC 1 section 2.3.3).
const P256: &[u8] = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\
                      \x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";

/// A public key on P-256 for verifying signatures (RFC 7517, RFC 7518 section 6.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Jwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    y: String,
    #[serde(rename = "use")]
    purpose: &'static str,
    alg: &'static str,
    /// The key's thumbprint.
    pub(crate) kid: String,
}

/// The public keys that verify the gateway's assertions: a JWK Set (RFC 7517 section 5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeySet {
    pub(crate) keys: Vec<Jwk>,
}

impl Jwk {
    /// Converts a SubjectPublicKeyInfo. Returns `None` if its key is not on P-256.
    pub(crate) fn of(spki: &[u8]) -> Option<Self> {
        let (x, y) = spki.strip_prefix(P256)?.split_at_checked(32)?;
        let (x, y) = (text(x), text(<&[u8; 32]>::try_from(y).ok()?));
        // RFC 7638 section 3: the required members, in the order of their names.
        let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let kid = text(digest(&SHA256, members.as_bytes()).as_ref());
        Some(Self { kty: "EC", crv: "P-256", x, y, purpose: "sig", alg: "ES256", kid })
    }
}

/// Encodes bytes as JWS and JWK do (RFC 7515 section 2).
pub(crate) fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_written_and_named_as_elsewhere() {
        // The key of RFC 7517 appendix A.1, with the thumbprint that other libraries compute.
        let (x, y) = (
            "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        );
        let point = [x, y].map(|text| URL_SAFE_NO_PAD.decode(text).unwrap()).concat();
        let spki = [P256, &point].concat();
        let jwk = Jwk::of(&spki).unwrap();
        assert_eq!((&*jwk.x, &*jwk.y), (x, y));
        assert_eq!(jwk.kid, "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
        assert_eq!(
            serde_json::to_value(&jwk).unwrap(),
            serde_json::json!({
                "kty": "EC", "crv": "P-256", "x": x, "y": y, "use": "sig", "alg": "ES256",
                "kid": jwk.kid,
            })
        );
        for wrong in [&spki[..90], &[&spki[..], &[0]].concat(), &spki[1..], &[]] {
            assert_eq!(Jwk::of(wrong), None);
        }
    }
}
