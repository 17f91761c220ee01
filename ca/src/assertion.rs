//! Signed assertions that tell a backend which subject a request is from: JSON Web Tokens that
//! are valid for one minute.

use std::sync::Arc;
use std::time::Duration;

use doorward_model::{Domain, DoorName, FlowId, SpiffeId, Subject};
use jiff::Timestamp;
use serde::Serialize;

use crate::jwk::{Jwk, KeySet, text};
use crate::ports::{Algorithm, KeyError, Keys, Signer, Slot};
use crate::signature::fixed;

/// How long an assertion is valid.
const LIFE: Duration = Duration::from_secs(60);

/// The signer of assertions, which tell a backend which subject a request is from. They are JSON
/// Web Tokens (RFC 7519) under a key that has no other use. A backend verifies them with the
/// [`KeySet`].
pub struct Assertions {
    signer: Arc<dyn Signer>,
    domain: Domain,
    issuer: SpiffeId,
    /// The encoded header, which is the same for all assertions.
    head: String,
    keys: KeySet,
}

/// The content of an assertion.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    /// The subject that the request is from.
    pub subject: &'a Subject,
    /// The interface that the request is for. Other backends must not accept the assertion.
    pub door: &'a DoorName,
    /// The flow's id in the audit log.
    pub flow: FlowId,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: &'a str,
}

impl Assertions {
    /// Opens the signer of `gateway` with the key in the slot `Assertion`, or creates that key.
    ///
    /// # Errors
    /// Fails when the key cannot be opened or created, or is not ECDSA P-256.
    pub fn open(keys: &dyn Keys, domain: Domain, gateway: Subject) -> Result<Self, KeyError> {
        let signer = match keys.open(Slot::Assertion)? {
            Some(signer) => signer,
            None => keys.create(Slot::Assertion, Algorithm::P256)?,
        };
        let jwk = Jwk::of(signer.public_key()).ok_or_else(|| {
            let slot = Slot::Assertion;
            KeyError::Place(format!("the {slot} key is not {}", Algorithm::P256))
        })?;
        let head = text(format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{}"}}"#, jwk.kid).as_bytes());
        let issuer = SpiffeId::new(domain.clone(), gateway);
        Ok(Self { signer, domain, issuer, head, keys: KeySet { keys: vec![jwk] } })
    }

    /// Returns the keys that verify the assertions.
    #[must_use]
    pub fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Signs an assertion at `now`. Returns it as a JWS in compact form (RFC 7515 section 7.1),
    /// with the end of its validity.
    ///
    /// # Errors
    /// Fails when the key cannot sign.
    pub fn sign(
        &self,
        assertion: &Assertion<'_>,
        now: Timestamp,
    ) -> Result<(String, Timestamp), KeyError> {
        const WHAT: &str = "sign an assertion";
        let Assertion { subject, door, flow } = assertion;
        let issued = now.as_second();
        let until = Timestamp::from_second(issued).and_then(|issued| issued.checked_add(LIFE));
        let until = until.map_err(|_| KeyError::Crypto(WHAT))?;
        let claims = serde_json::to_vec(&Claims {
            iss: &self.issuer.to_string(),
            sub: &SpiffeId::new(self.domain.clone(), Subject::clone(subject)).to_string(),
            aud: &format!("{}/{}", door.device, door.interface),
            iat: issued,
            exp: until.as_second(),
            jti: &flow.to_string(),
        });
        let claims = claims.map_err(|_| KeyError::Crypto(WHAT))?;
        let signed = format!("{}.{}", self.head, text(&claims));
        let signature = self.signer.sign(signed.as_bytes())?;
        let signature = fixed(&signature).ok_or(KeyError::Crypto(WHAT))?;
        Ok((format!("{signed}.{}", text(&signature)), until))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_ASN1_SIGNING,
        EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
    };
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    /// A key that can be told to refuse signing.
    struct Key(EcdsaKeyPair, Vec<u8>, Mutex<bool>);

    impl Key {
        fn new(algorithm: Algorithm) -> Arc<Self> {
            let curve = match algorithm {
                Algorithm::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
                Algorithm::P384 | Algorithm::Ed25519 | Algorithm::Rsa => {
                    &ECDSA_P384_SHA384_ASN1_SIGNING
                }
            };
            let pair = EcdsaKeyPair::generate(curve).unwrap();
            let public = pair.public_key().as_der().unwrap().as_ref().to_vec();
            Arc::new(Self(pair, public, Mutex::new(true)))
        }
    }

    impl Signer for Key {
        fn algorithm(&self) -> Algorithm {
            Algorithm::P256
        }

        fn public_key(&self) -> &[u8] {
            &self.1
        }

        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
            if !*self.2.lock().unwrap() {
                return Err(KeyError::Crypto("sign"));
            }
            Ok(self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec())
        }
    }

    /// A store for a single key.
    #[derive(Default)]
    struct SingleKeyStore(Mutex<Option<Arc<Key>>>);

    impl Keys for SingleKeyStore {
        fn create(&self, slot: Slot, algorithm: Algorithm) -> Result<Arc<dyn Signer>, KeyError> {
            assert_eq!(slot, Slot::Assertion);
            let key = Key::new(algorithm);
            *self.0.lock().unwrap() = Some(Arc::clone(&key));
            Ok(key)
        }

        fn open(&self, slot: Slot) -> Result<Option<Arc<dyn Signer>>, KeyError> {
            assert_eq!(slot, Slot::Assertion);
            Ok(self.0.lock().unwrap().clone().map(|key| key as Arc<dyn Signer>))
        }
    }

    fn open(store: &SingleKeyStore) -> Result<Assertions, KeyError> {
        let domain = "doorward.home.arpa".parse().unwrap();
        Assertions::open(store, domain, "gateway/main".parse().unwrap())
    }

    fn decoded(part: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(part).unwrap()
    }

    #[test]
    fn an_assertion_says_who_to_whom_and_for_how_long() {
        let store = SingleKeyStore::default();
        let assertions = open(&store).unwrap();
        let subject = "user/alice".parse().unwrap();
        let door = "web--box".parse().unwrap();
        let flow = FlowId::new(Timestamp::UNIX_EPOCH, [7; 10]);
        let now: Timestamp = "2026-11-23T12:00:00.9Z".parse().unwrap();
        let assertion = Assertion { subject: &subject, door: &door, flow };
        // Repeated, since a number in a signature is sometimes shorter than 32 bytes.
        for _ in 0..500 {
            let (token, until) = assertions.sign(&assertion, now).unwrap();
            assert_eq!(until, "2026-11-23T12:01:00Z".parse().unwrap());
            let parts: Vec<&str> = token.split('.').collect();
            let [head, claims, signature] = parts[..] else { panic!("{token}") };
            let head: Value = serde_json::from_slice(&decoded(head)).unwrap();
            let kid = &assertions.keys().keys[0].kid;
            assert_eq!(head, json!({ "alg": "ES256", "typ": "JWT", "kid": kid }));
            let claims: Value = serde_json::from_slice(&decoded(claims)).unwrap();
            assert_eq!(
                claims,
                json!({
                    "iss": "spiffe://doorward.home.arpa/gateway/main",
                    "sub": "spiffe://doorward.home.arpa/user/alice",
                    "aud": "box/web",
                    "iat": now.as_second(),
                    "exp": now.as_second() + 60,
                    "jti": flow.to_string(),
                })
            );
            let key = store.0.lock().unwrap().clone().unwrap();
            let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.1);
            let signed = token.rsplit_once('.').unwrap().0;
            public.verify(signed.as_bytes(), &decoded(signature)).unwrap();
        }
    }

    #[test]
    fn the_key_is_made_once_and_is_of_one_kind() {
        let store = SingleKeyStore::default();
        let first = open(&store).unwrap().keys().clone();
        assert_eq!(open(&store).unwrap().keys(), &first);
        assert_ne!(open(&SingleKeyStore::default()).unwrap().keys(), &first);
        *store.0.lock().unwrap() = Some(Key::new(Algorithm::P384));
        let error = open(&store).err().unwrap().to_string();
        assert_eq!(error, "the assertion key is not ECDSA P-256");
    }

    #[test]
    fn nothing_is_said_that_cannot_be_signed() {
        let store = SingleKeyStore::default();
        let assertions = open(&store).unwrap();
        *store.0.lock().unwrap().as_ref().unwrap().2.lock().unwrap() = false;
        let subject = "user/alice".parse().unwrap();
        let door = "web--box".parse().unwrap();
        let flow = FlowId::new(Timestamp::UNIX_EPOCH, [7; 10]);
        let assertion = Assertion { subject: &subject, door: &door, flow };
        assert!(assertions.sign(&assertion, Timestamp::UNIX_EPOCH).is_err());
        // Nor can an assertion whose end is beyond the last instant.
        *store.0.lock().unwrap().as_ref().unwrap().2.lock().unwrap() = true;
        assert!(assertions.sign(&assertion, Timestamp::MAX).is_err());
    }
}
