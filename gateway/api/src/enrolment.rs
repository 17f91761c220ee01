//! How a subject gets an identity and renews it.

use doorward_model::{Domain, Serial, Subject};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Redeems a code.
#[derive(Clone, Serialize, Deserialize)]
pub struct RedeemRequest {
    /// The secret of the code, base64url.
    pub secret: String,
    /// The certificate request (PKCS #10), PEM.
    pub csr: String,
}

/// Renews an identity by its live certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RenewRequest {
    /// The certificate request (PKCS #10), PEM.
    pub csr: String,
}

/// Renews an identity whose certificate has ended, by its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecoverRequest {
    /// The certificate that has ended, PEM.
    pub certificate: String,
    /// The certificate request (PKCS #10), PEM.
    pub csr: String,
    /// A signature by the key of that certificate over this connection and the request, base64url.
    pub signature: String,
}

/// A new identity, as its holder stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedIdentity {
    /// Whose it is.
    pub subject: Subject,
    /// The serial number of the certificate.
    pub serial: Serial,
    /// When the certificate ends.
    pub not_after: Timestamp,
    /// The certificate and those of the authority that issued it, PEM.
    pub certificate: String,
    /// The trust anchors, PEM.
    pub anchors: String,
    /// The domain of the gateway.
    pub domain: Domain,
    /// The gateway.
    pub gateway: Subject,
    /// Where the gateway is administered, as `https://HOST:PORT`.
    pub management: String,
}

/// What a live certificate says of its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveIdentity {
    /// The holder.
    pub subject: Subject,
    /// The serial number of the certificate that proves it, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Serial>,
    /// When the proof of the identity ends.
    pub not_after: Timestamp,
    /// The instant of this answer, by the gateway's clock.
    pub time: Timestamp,
}

/// The secret stays out of debug output.
impl std::fmt::Debug for RedeemRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedeemRequest").field("csr", &self.csr).finish_non_exhaustive()
    }
}
