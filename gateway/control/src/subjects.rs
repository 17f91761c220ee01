//! What devices and users have in common.

use std::time::Duration;

use doorward_model::{Action, Device, Fingerprint, Group, Kind, Role, Serial, Subject, SubjectId};
use doorward_session::json;
use doorward_store::{IssuanceRow, NewCode, SubjectChanges, SubjectRow};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::admin::{Answer, Call, Changed, Nothing, actor, denied, refused, wrong};
use crate::codes::USUAL;
use crate::gate::{Denied, Gate, failed};
use crate::posture::PostureView;

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
    /// What it has last reported about itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) posture: Option<PostureView>,
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

/// What is asked of a new code.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ForCode {
    pub(crate) ttl_seconds: Option<u64>,
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
            posture: None,
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
        view.posture = self.parts.postures.of(view.id);
        Ok(json(&view))
    }

    /// Asks for the right to every role that the subject has. Whoever makes its identity could
    /// act as it, and whoever ends that identity takes its roles out of use, so both need no
    /// less than granting those roles (`create`) or taking them away (`delete`) does.
    async fn ask_for_its_roles(
        &self,
        gate: &mut Gate,
        action: Action,
        subject: &Subject,
    ) -> Result<Vec<Role>, Denied> {
        let now = self.now();
        let snapshot = self.parts.leases.snapshot();
        let roles = snapshot.member(subject).map_or(&[][..], |member| &member.roles);
        let live = roles.iter().filter(|held| held.until.is_none_or(|until| now < until));
        let live: Vec<Role> = live.map(|held| held.of.clone()).collect();
        for role in &live {
            gate.ask(action, &format!("roles/{}", role.name()), now).await?;
        }
        Ok(live)
    }

    pub(crate) async fn change_subject(
        &self,
        gate: &mut Gate,
        subject: Subject,
        changes: SubjectChanges,
        warnings: Vec<String>,
    ) -> Answer {
        #[derive(Serialize)]
        struct Warned {
            #[serde(skip_serializing_if = "Vec::is_empty")]
            warnings: Vec<String>,
        }
        if changes == SubjectChanges::default() {
            return Err(wrong("Nothing to change was given."));
        }
        let granted = changes.grant.iter().map(|(role, _)| (Action::Create, role));
        let taken = changes.take.iter().map(|role| (Action::Delete, role));
        for (action, role) in granted.chain(taken) {
            gate.ask(action, &format!("roles/{}", role.name()), self.now()).await?;
        }
        let joined = changes.join.iter().map(|group| (Action::Create, group));
        let left = changes.leave.iter().map(|group| (Action::Delete, group));
        for (action, group) in joined.chain(left) {
            gate.ask(action, &format!("groups/{}", group.name()), self.now()).await?;
        }
        if let Some(on) = changes.enabled {
            let action = if on { Action::Create } else { Action::Delete };
            self.ask_for_its_roles(gate, action, &subject).await?;
        }
        match changes.take_away() {
            true => gate.record_urgently(&changes.to_string()).await?,
            false => gate.record(Some(&changes.to_string())).await?,
        }
        gate.stands()?;
        let more = !changes.grant.is_empty() || changes.enabled == Some(true);
        let store = &self.parts.store;
        let done = store.change_subject(actor(gate), subject.clone(), changes).await;
        let done = done.map_err(refused)?;
        let mut warnings = warnings;
        if done.value > 0 {
            warnings.push(format!(
                "a code that somebody else had made for {subject} is cancelled; make a new one"
            ));
        }
        if more {
            let now = self.now();
            let rows = store.certificates(&subject).await.map_err(refused)?.into_iter();
            let live = rows.filter(|row| row.revoked.is_none() && now <= row.not_after).count();
            if live > 0 {
                warnings.push(format!(
                    "live certificates of {subject} from before this: {live}; if you do not know \
                     in whose hands they are, revoke them and make a new code"
                ));
            }
        }
        Ok(Changed::of(&done, Warned { warnings }))
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
        let roles = self.ask_for_its_roles(gate, Action::Create, &subject).await?;
        gate.record(Some("a new code")).await?;
        let (code, row) = self.make_code(ttl)?;
        gate.stands()?;
        let expires = row.expires;
        let made = self.parts.store.new_code(actor(gate), subject.clone(), roles, row).await;
        let made = made.map_err(refused)?;
        let (code, expires, warnings) = (Some(code), Some(expires), vec![]);
        Ok(Changed::of(&made, CodeView { subject, code, expires, warnings }))
    }

    pub(crate) async fn revoke_subject(&self, gate: &mut Gate, subject: Subject) -> Answer {
        #[derive(Serialize)]
        struct Revoked {
            revoked: usize,
        }
        self.ask_for_its_roles(gate, Action::Delete, &subject).await?;
        gate.record_urgently("revoke").await?;
        gate.stands()?;
        let done = self.parts.store.revoke(actor(gate), subject).await.map_err(refused)?;
        Ok(Changed::of(&done, Revoked { revoked: done.value }))
    }

    pub(crate) async fn remove_subject(&self, gate: &mut Gate, subject: Subject) -> Answer {
        self.ask_for_its_roles(gate, Action::Delete, &subject).await?;
        gate.record_urgently("remove").await?;
        gate.stands()?;
        let done = self.parts.store.remove_subject(actor(gate), subject).await.map_err(refused)?;
        self.parts.postures.forget(done.value);
        Ok(Changed::of(&done, Nothing {}))
    }
}
