//! Requests about the authority: its certificates and its published keys.

use doorward_api::{AuthorityCertificate, AuthorityView, endpoint};
use doorward_ca::{Description, describe};

use crate::gate::{Gate, failed};
use crate::request::AdminRequest;
use crate::response::{EndpointResult, denied};

/// Describes a certificate of the authority. Returns `None` if the certificate cannot be parsed,
/// which is a bug of the gateway.
fn certificate(der: &[u8]) -> Option<AuthorityCertificate> {
    let Description { name, fingerprint, key, not_before, not_after } = describe(der)?;
    let pem = doorward_ca::pem_certificate(der);
    Some(AuthorityCertificate { name, fingerprint, key, not_before, not_after, pem })
}

impl AdminRequest<'_> {
    pub(crate) async fn show_authority(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ShowAuthority> {
        gate.record(None).await?;
        let public = self.parts.authority.public();
        let view = |der: &[u8]| certificate(der).ok_or_else(|| denied(failed()));
        Ok(AuthorityView {
            domain: self.parts.domain.clone(),
            root: view(&public.root)?,
            intermediates: public
                .intermediates
                .iter()
                .map(|der| view(der))
                .collect::<Result<_, _>>()?,
            issuing: view(&public.certificate)?,
        })
    }

    pub(crate) async fn show_key_set(
        self,
        gate: &mut Gate,
    ) -> EndpointResult<endpoint::ShowKeySet> {
        gate.record(None).await?;
        serde_json::to_value(self.parts.assertions.keys()).map_err(|error| {
            tracing::error!(%error, "the published keys cannot be written as JSON");
            denied(failed())
        })
    }
}
