//! What devices and users have in common.

use std::time::Duration;

use doorward_model::{Device, Fingerprint, Group, Kind, Role, Serial, Subject, SubjectId};
use doorward_session::json;
use doorward_store::{IssuanceRow, NewCode, SubjectRow};
use jiff::Timestamp;
use serde::Serialize;

use crate::admin::{Answer, Call, Changed, Nothing, actor, denied, refused};
use crate::codes::USUAL;
use crate::gate::{Denied, Gate, failed};

/// A subject as commands show it.
#[derive(Serialize)]
pub(crate) struct SubjectView {
    pub(crate) name: String,
    pub(crate) subject: Subject,
    pub(crate) id: SubjectId,
    pub(crate) enabled: bool,
    pub(crate) created: Timestamp,
    /// When its last live certificate ends.
    pub(crate) identity_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) roles: Option<Vec<RoleView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) groups: Option<Vec<Group>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agentless: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) interfaces: Option<Vec<crate::interfaces::InterfaceView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) certificates: Option<Vec<CertificateView>>,
}

#[derive(Serialize)]
pub(crate) struct RoleView {
    role: Role,
    until: Option<Timestamp>,
}

/// A certificate as commands show it.
#[derive(Serialize)]
pub(crate) struct CertificateView {
    serial: Serial,
    key: Fingerprint,
    not_before: Timestamp,
    not_after: Timestamp,
    issued: Timestamp,
    revoked: Option<Timestamp>,
    state: &'static str,
}

/// A code as its maker gets it: once, and never again.
#[derive(Serialize)]
pub(crate) struct CodeView {
    pub(crate) subject: Subject,
    pub(crate) code: Option<String>,
    pub(crate) expires: Option<Timestamp>,
    /// What the maker should know, such as a role that no rule speaks of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) warnings: Vec<String>,
}

impl CertificateView {
    fn of(row: IssuanceRow, now: Timestamp) -> Self {
        let state = if row.revoked.is_some() {
            "revoked"
        } else if now > row.not_after {
            "expired"
        } else if now < row.not_before {
            "not yet valid"
        } else {
            "live"
        };
        let IssuanceRow { serial, key, not_before, not_after, issued, revoked, .. } = row;
        Self { serial, key, not_before, not_after, issued, revoked, state }
    }
}

impl Call<'_> {
    pub(crate) fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    pub(crate) fn view(&self, row: SubjectRow) -> SubjectView {
        let is_device = row.subject.kind() == Kind::Device;
        let name = row.subject.name().clone();
        let role = |(role, until)| RoleView { role, until };
        let interfaces = is_device.then(|| self.interfaces_of(&Device::Named(name.clone())));
        SubjectView {
            name: name.to_string(),
            subject: row.subject,
            id: row.id,
            enabled: row.enabled,
            created: row.created,
            identity_until: row.identity_until,
            roles: (!is_device).then(|| row.roles.into_iter().map(role).collect()),
            groups: is_device.then_some(row.groups),
            agentless: is_device.then_some(row.agentless),
            interfaces,
            certificates: None,
        }
    }

    pub(crate) async fn list_subjects(&self, gate: &mut Gate, kind: Kind) -> Answer {
        gate.record(None).await?;
        let rows = self.parts.store.subjects(kind).await.map_err(refused)?;
        let views: Vec<SubjectView> = rows.into_iter().map(|row| self.view(row)).collect();
        Ok(json(&views))
    }

    pub(crate) async fn show_subject(&self, gate: &mut Gate, subject: Subject) -> Answer {
        gate.record(None).await?;
        let store = &self.parts.store;
        let certificates = store.certificates(&subject).await.map_err(refused)?;
        let rows = store.subjects(subject.kind()).await.map_err(refused)?;
        let row = rows.into_iter().find(|row| row.subject == subject);
        let row = row.ok_or_else(|| denied(failed()))?;
        let mut view = self.view(row);
        let now = self.now();
        let certificates = certificates.into_iter().map(|row| CertificateView::of(row, now));
        view.certificates = Some(certificates.collect());
        Ok(json(&view))
    }

    /// A code for a new subject or a new identity, as it is shown and as it is kept.
    pub(crate) fn make_code(&self, ttl: Option<u64>) -> Result<(String, NewCode), Denied> {
        let life = ttl.map_or(USUAL, Duration::from_secs);
        let made = self.parts.codes.enrolment(life, self.now());
        let (code, row) = made.map_err(|error| {
            tracing::error!(%error, "no code");
            denied(failed())
        })?;
        Ok((code.reveal(), row))
    }

    pub(crate) async fn new_code(
        &self,
        gate: &mut Gate,
        subject: Subject,
        ttl: Option<u64>,
    ) -> Answer {
        gate.record(Some("a new code")).await?;
        let (code, row) = self.make_code(ttl)?;
        gate.stands()?;
        let expires = row.expires;
        let made = self.parts.store.new_code(actor(gate), subject.clone(), row).await;
        let made = made.map_err(refused)?;
        let (code, expires, warnings) = (Some(code), Some(expires), vec![]);
        Ok(Changed::of(&made, CodeView { subject, code, expires, warnings }))
    }

    pub(crate) async fn revoke_subject(&self, gate: &mut Gate, subject: Subject) -> Answer {
        #[derive(Serialize)]
        struct Revoked {
            revoked: usize,
        }
        gate.record(Some("revoke")).await?;
        gate.stands()?;
        let done = self.parts.store.revoke(actor(gate), subject).await.map_err(refused)?;
        Ok(Changed::of(&done, Revoked { revoked: done.value }))
    }

    pub(crate) async fn remove_subject(&self, gate: &mut Gate, subject: Subject) -> Answer {
        gate.record(Some("remove")).await?;
        gate.stands()?;
        let done = self.parts.store.remove_subject(actor(gate), subject).await.map_err(refused)?;
        Ok(Changed::of(&done, Nothing {}))
    }
}
