//! Requests about the authority: its certificates, its published keys.

use doorward_ca::{Description, describe};
use doorward_session::json;
use serde::Serialize;

use crate::admin::{Answer, Call, denied};
use crate::gate::{Gate, failed};

#[derive(Serialize)]
struct AuthorityView {
    domain: doorward_model::Domain,
    root: CertificateView,
    intermediates: Vec<CertificateView>,
    issuing: CertificateView,
}

#[derive(Serialize)]
struct CertificateView {
    name: String,
    fingerprint: doorward_model::Fingerprint,
    key: doorward_model::Fingerprint,
    not_before: jiff::Timestamp,
    not_after: jiff::Timestamp,
    pem: String,
}

impl CertificateView {
    fn of(der: &[u8]) -> Option<Self> {
        let Description { name, fingerprint, key, not_before, not_after } = describe(der)?;
        let pem = doorward_ca::pem_certificate(der);
        Some(Self { name, fingerprint, key, not_before, not_after, pem })
    }
}

impl Call<'_> {
    pub(crate) async fn show_authority(self, gate: &mut Gate) -> Answer {
        gate.record(None).await?;
        let public = self.parts.authority.public();
        let view = |der: &[u8]| CertificateView::of(der).ok_or_else(|| denied(failed()));
        Ok(json(&AuthorityView {
            domain: self.parts.domain.clone(),
            root: view(&public.root)?,
            intermediates: public
                .intermediates
                .iter()
                .map(|der| view(der))
                .collect::<Result<_, _>>()?,
            issuing: view(&public.certificate)?,
        }))
    }

    pub(crate) async fn show_key_set(self, gate: &mut Gate) -> Answer {
        gate.record(None).await?;
        Ok(json(self.parts.assertions.keys()))
    }
}
