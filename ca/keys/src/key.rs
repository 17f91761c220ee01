//! Private keys in memory, and signing with them.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use doorward_ca::{Algorithm, KeyError, Signer};
use zeroize::Zeroizing;

/// A private key in memory. The library wipes it when it is dropped.
pub(crate) struct Key {
    pair: Pair,
    algorithm: Algorithm,
    public_key: Vec<u8>,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(rsa::KeyPair),
}

fn refused<T, E>(result: Result<T, E>, what: &'static str) -> Result<T, KeyError> {
    result.map_err(|_| KeyError::Crypto(what))
}

impl Key {
    pub(crate) fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        const WHAT: &str = "make a key";
        let ecdsa = |curve| refused(EcdsaKeyPair::generate(curve), WHAT).map(Pair::Ecdsa);
        let pair = match algorithm {
            Algorithm::P256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)?,
            Algorithm::P384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING)?,
            Algorithm::Ed25519 => Pair::Ed25519(refused(Ed25519KeyPair::generate(), WHAT)?),
            Algorithm::Rsa => {
                Pair::Rsa(refused(rsa::KeyPair::generate(rsa::KeySize::Rsa3072), WHAT)?)
            }
        };
        Self::of(pair, algorithm)
    }

    fn of(pair: Pair, algorithm: Algorithm) -> Result<Self, KeyError> {
        const WHAT: &str = "encode a public key";
        let public_key = match &pair {
            Pair::Ecdsa(pair) => refused(pair.public_key().as_der(), WHAT)?,
            Pair::Ed25519(pair) => refused(pair.public_key().as_der(), WHAT)?,
            Pair::Rsa(pair) => refused(pair.public_key().as_der(), WHAT)?,
        };
        Ok(Self { pair, algorithm, public_key: public_key.as_ref().to_vec() })
    }

    /// Parses a key in DER: PKCS #8 (RFC 5208), SEC 1 (RFC 5915) or PKCS #1.
    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let curves: [(Algorithm, &'static EcdsaSigningAlgorithm); 2] = [
            (Algorithm::P256, &ECDSA_P256_SHA256_ASN1_SIGNING),
            (Algorithm::P384, &ECDSA_P384_SHA384_ASN1_SIGNING),
        ];
        for (algorithm, curve) in curves {
            let pair = EcdsaKeyPair::from_pkcs8(curve, der)
                .or_else(|_| EcdsaKeyPair::from_private_key_der(curve, der));
            if let Ok(pair) = pair {
                return Self::of(Pair::Ecdsa(pair), algorithm).ok();
            }
        }
        if let Ok(pair) = Ed25519KeyPair::from_pkcs8(der) {
            return Self::of(Pair::Ed25519(pair), Algorithm::Ed25519).ok();
        }
        let pair = rsa::KeyPair::from_pkcs8(der).or_else(|_| rsa::KeyPair::from_der(der)).ok()?;
        (256..=512).contains(&pair.public_modulus_len()).then_some(())?;
        Self::of(Pair::Rsa(pair), Algorithm::Rsa).ok()
    }

    /// Encodes the key as PKCS #8, for sealing.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        const WHAT: &str = "encode a private key";
        let bytes = match &self.pair {
            Pair::Ecdsa(pair) => refused(pair.to_pkcs8v1(), WHAT)?.as_ref().to_vec(),
            Pair::Ed25519(pair) => refused(pair.to_pkcs8v1(), WHAT)?.as_ref().to_vec(),
            Pair::Rsa(pair) => refused(pair.as_der(), WHAT)?.as_ref().to_vec(),
        };
        Ok(Zeroizing::new(bytes))
    }
}

impl Signer for Key {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        const WHAT: &str = "sign";
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ecdsa(pair) => Ok(refused(pair.sign(&random, message), WHAT)?.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                refused(pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature), WHAT)?;
                Ok(signature)
            }
        }
    }
}
