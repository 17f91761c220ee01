//! Operations that devices and users have in common.

use std::time::Duration;

use doorward_api::{
    CertificateView, ChangeAnswer, Changed, IssuedCode, List, Nothing, RevokedAnswer, RoleView,
    SubjectView, WarnedAnswer,
};
use doorward_ca::enrolment::LONGEST;
use doorward_model::{Action, Device, Group, Kind, Role, Subject, SubjectId, Title};
use doorward_policies::{Interface, Member, Snapshot};
use doorward_store::{
    IssuanceRow, NewCode, NewSubject, StoreError, SubjectChanges, SubjectRow, TitleChange,
};
use jiff::Timestamp;

use crate::codes::DEFAULT_LIFE;
use crate::gate::{Denied, Gate, failed};
use crate::lockout::keep_the_last_administrator;
use crate::preview::Manner;
use crate::request::AdminRequest;
use crate::response::{actor, changed, denied, refused, wrong};

/// Returns a warning for a subject that was off when it was removed, and is off again now.
fn still_off_warning(subject: &Subject, enabled: bool) -> Option<String> {
    let (kind, name) = (subject.kind(), subject.name());
    (!enabled).then(|| {
        format!(
            "{subject} was off when it was removed, so it is off now; turn it on with \
             `doorward {kind} enable {name}`"
        )
    })
}

/// Returns the change of a title that a request asks for.
pub(crate) fn title_change(title: Option<Title>, remove: bool) -> Result<TitleChange, Denied> {
    match (title, remove) {
        (None, false) => Ok(TitleChange::Keep),
        (Some(title), false) => Ok(TitleChange::Set(title)),
        (None, true) => Ok(TitleChange::Remove),
        (Some(_), true) => Err(wrong("A title cannot be set and taken away at once.")),
    }
}

/// Describes a certificate, with its state at `now`.
fn certificate(row: IssuanceRow, now: Timestamp) -> CertificateView {
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
    CertificateView { serial, key, not_before, not_after, issued, revoked, state: state.to_owned() }
}

impl AdminRequest<'_> {
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
            title: row.title,
            id: row.id,
            enabled: row.enabled,
            created: row.created,
            identity_until: row.identity_until,
            roles: row.roles.into_iter().map(role).collect(),
            groups: is_device.then_some(row.groups),
            agentless: is_device.then_some(row.agentless),
            interfaces,
            certificates: None,
            posture: None,
        }
    }

    pub(crate) async fn list_subjects(
        &self,
        gate: &mut Gate,
        kind: Kind,
    ) -> Result<List<SubjectView>, Denied> {
        gate.record(None).await?;
        let rows = self.parts.store.subjects(kind).await.map_err(refused)?;
        let views: Vec<SubjectView> = rows.into_iter().map(|row| self.view(row)).collect();
        self.page(views, |view| view.name.clone())
    }

    pub(crate) async fn show_subject(
        &self,
        gate: &mut Gate,
        subject: Subject,
    ) -> Result<SubjectView, Denied> {
        gate.record(None).await?;
        let store = &self.parts.store;
        let certificates = store.certificates(&subject).await.map_err(refused)?;
        let row = store.subject(&subject).await.map_err(refused)?;
        let mut view = self.view(row);
        let now = self.now();
        let certificates = certificates.into_iter().map(|row| certificate(row, now));
        view.certificates = Some(certificates.collect());
        view.posture =
            self.parts.leases.snapshot().posture(&subject).map(|posture| (**posture).clone());
        Ok(view)
    }

    /// Returns a subject as it is at `present`. The rights that a change needs follow from this
    /// state, and the store makes the change only while the subject still has this state.
    fn member(&self, present: &Snapshot, subject: &Subject) -> Result<Member, Denied> {
        let member = present.member(subject).cloned();
        member.ok_or_else(|| refused(StoreError::NoSubject(subject.clone())))
    }

    /// Returns warnings about what a subject is given: roles and groups that no rule names, and roles
    /// that have ended already.
    fn doubts(&self, subject: &Subject, given: &SubjectChanges) -> Vec<String> {
        let (snapshot, now) = (self.parts.leases.snapshot(), self.now());
        let mut doubts = Vec::new();
        for (role, until) in &given.grant {
            if !snapshot.bundle().names_role(role) {
                doubts.push(format!("no rule speaks of {role} yet, so it grants nothing"));
            }
            if let Some(until) = until.filter(|until| *until <= now) {
                doubts.push(format!("{until} is over, so {subject} does not have {role}"));
            }
        }
        let unknown = given.join.iter().filter(|group| !snapshot.bundle().names_group(group));
        let unknown =
            unknown.map(|group| format!("no rule speaks of {group} yet, so it changes nothing"));
        doubts.extend(unknown);
        doubts
    }

    async fn ask_for_role(
        &self,
        gate: &mut Gate,
        action: Action,
        role: &Role,
    ) -> Result<(), Denied> {
        gate.ask(action, &format!("roles/{}", role.name()), self.now()).await
    }

    async fn ask_for_group(
        &self,
        gate: &mut Gate,
        action: Action,
        group: &Group,
    ) -> Result<(), Denied> {
        gate.ask(action, &format!("groups/{}", group.name()), self.now()).await
    }

    /// Asks for the right to every role that the subject has. An administrator who makes an
    /// identity for the subject could act with its roles, so that needs the right to grant them
    /// (`create`). Ending the identity takes the roles out of use, so that needs the right to take
    /// them away (`delete`).
    async fn ask_for_its_roles(
        &self,
        gate: &mut Gate,
        action: Action,
        seen: &Member,
    ) -> Result<(), Denied> {
        let now = self.now();
        let live = seen.roles.iter().filter(|held| held.until.is_none_or(|until| now < until));
        for held in live {
            self.ask_for_role(gate, action, &held.of).await?;
        }
        Ok(())
    }

    /// Returns whether a subject of this name was removed before. Rules may still name it. A code
    /// for the new subject is then a new identity for the old name, so the gate also asks for the
    /// right to make that identity.
    async fn ask_to_return(&self, gate: &mut Gate, subject: &Subject) -> Result<bool, Denied> {
        let again = self.parts.store.was_removed(subject).await.map_err(refused)?;
        if again {
            let part = format!("{}s/{}/identity", subject.kind(), subject.name());
            gate.ask(Action::Create, &part, self.now()).await?;
        }
        Ok(again)
    }

    /// Adds a subject with what it is given, which changes that alone, and with a code that is good
    /// for some seconds.
    pub(crate) async fn add_subject(
        &self,
        gate: &mut Gate,
        subject: Subject,
        agentless: bool,
        (given, ttl): (SubjectChanges, Option<u64>),
        dry_run: bool,
    ) -> Result<ChangeAnswer<IssuedCode>, Denied> {
        for (role, _) in &given.grant {
            self.ask_for_role(gate, Action::Create, role).await?;
        }
        for group in &given.join {
            self.ask_for_group(gate, Action::Create, group).await?;
        }
        let may_return = agentless || self.ask_to_return(gate, &subject).await?;
        let detail = match given.to_string() {
            nothing if nothing.is_empty() => format!("add {subject}"),
            given => format!("add {subject}: {given}"),
        };
        let mut warnings = self.doubts(&subject, &given);
        if agentless && !given.grant.is_empty() {
            warnings.push(format!("{subject} has no agent that could make use of its roles"));
        }
        let store = &self.parts.store;
        if dry_run {
            let present = self.parts.leases.snapshot();
            if present.member(&subject).is_some() {
                return Err(refused(StoreError::SubjectExists(subject)));
            }
            let enabled = !store.would_be_off(&subject).await.map_err(refused)?;
            warnings.extend(still_off_warning(&subject, enabled));
            let (id, roles, groups) = (SubjectId(0), vec![], vec![]);
            let new = given.applied_to(&Member { id, enabled, roles, groups });
            let next = Snapshot::clone(&present).with_changed_member(&subject, new);
            let preview = self.preview(gate, &detail, present, next, warnings).await?;
            return Ok(ChangeAnswer::Previewed(preview));
        }
        gate.record(Some(&detail)).await?;
        let made = if agentless { None } else { Some(self.make_code(ttl)?) };
        let (code, row) = made.unzip();
        let expires = row.as_ref().map(|row| row.expires);
        let SubjectChanges { title, grant: roles, join: groups, .. } = given;
        let title = match title {
            TitleChange::Set(title) => Some(title),
            TitleChange::Keep | TitleChange::Remove => None,
        };
        let new = NewSubject {
            subject: subject.clone(),
            agentless,
            title,
            roles,
            groups,
            code: row,
            may_return,
        };
        gate.check_permits()?;
        let added = store.add_subject(actor(gate), new).await.map_err(refused)?;
        warnings.extend(still_off_warning(&subject, added.value.enabled));
        let issued = IssuedCode { subject, code, expires, warnings };
        Ok(ChangeAnswer::Made(changed(&added, issued)))
    }

    pub(crate) async fn change_subject(
        &self,
        gate: &mut Gate,
        subject: Subject,
        changes: SubjectChanges,
        manner: Manner,
    ) -> Result<ChangeAnswer<WarnedAnswer>, Denied> {
        if changes == SubjectChanges::default() {
            return Err(wrong("Nothing to change was given."));
        }
        let mut warnings = self.doubts(&subject, &changes);
        let present = self.parts.leases.snapshot();
        let seen = self.member(&present, &subject)?;
        let granted = changes.grant.iter().map(|(role, until)| {
            // A grant that ends earlier than the present one takes time away, so it needs the right
            // to take the role away.
            match SubjectChanges::shortens(&seen, role, *until) {
                true => (Action::Delete, role),
                false => (Action::Create, role),
            }
        });
        let taken = changes.take.iter().map(|role| (Action::Delete, role));
        for (action, role) in granted.chain(taken) {
            self.ask_for_role(gate, action, role).await?;
        }
        let joined = changes.join.iter().map(|group| (Action::Create, group));
        let left = changes.leave.iter().map(|group| (Action::Delete, group));
        for (action, group) in joined.chain(left) {
            self.ask_for_group(gate, action, group).await?;
        }
        if let Some(on) = changes.enabled {
            let action = if on { Action::Create } else { Action::Delete };
            self.ask_for_its_roles(gate, action, &seen).await?;
        }
        let next =
            Snapshot::clone(&present).with_changed_member(&subject, changes.applied_to(&seen));
        if !manner.force_lockout {
            keep_the_last_administrator(&present, &next, &subject, self.now())?;
        }
        let detail = changes.to_string();
        if manner.dry_run {
            let preview = self.preview(gate, &detail, present, next, warnings).await?;
            return Ok(ChangeAnswer::Previewed(preview));
        }
        match changes.take_away() {
            true => gate.record_urgently(&detail).await?,
            false => gate.record(Some(&detail)).await?,
        }
        gate.check_permits()?;
        let more = changes.gives_more(&seen);
        let store = &self.parts.store;
        let done = store.change_subject(actor(gate), subject.clone(), seen, changes).await;
        let done = done.map_err(refused)?;
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
                     who holds them, revoke them and make a new code"
                ));
            }
        }
        Ok(ChangeAnswer::Made(changed(&done, WarnedAnswer { warnings })))
    }

    /// Makes a code. Returns its text for the administrator, and its row for the store.
    pub(crate) fn make_code(&self, ttl: Option<u64>) -> Result<(String, NewCode), Denied> {
        let life = ttl.map_or(DEFAULT_LIFE, Duration::from_secs);
        if life.is_zero() || life > LONGEST {
            let days = LONGEST.as_secs() / (24 * 60 * 60);
            return Err(wrong(format!("A code is good for 1 second to {days} days.")));
        }
        let made = self.parts.codes.enrolment(life, self.now());
        let (code, row) = made.map_err(|error| {
            tracing::error!(%error, "no enrolment code could be made");
            denied(failed())
        })?;
        Ok((code.reveal(), row))
    }

    pub(crate) async fn new_code(
        &self,
        gate: &mut Gate,
        subject: Subject,
        ttl: Option<u64>,
    ) -> Result<Changed<IssuedCode>, Denied> {
        let seen = self.member(&self.parts.leases.snapshot(), &subject)?;
        self.ask_for_its_roles(gate, Action::Create, &seen).await?;
        gate.record(Some("a new code")).await?;
        let (code, row) = self.make_code(ttl)?;
        gate.check_permits()?;
        let expires = row.expires;
        let made = self.parts.store.new_code(actor(gate), subject.clone(), seen, row).await;
        let made = made.map_err(refused)?;
        let (code, expires, warnings) = (Some(code), Some(expires), vec![]);
        Ok(changed(&made, IssuedCode { subject, code, expires, warnings }))
    }

    pub(crate) async fn revoke_subject(
        &self,
        gate: &mut Gate,
        subject: Subject,
    ) -> Result<Changed<RevokedAnswer>, Denied> {
        let seen = self.member(&self.parts.leases.snapshot(), &subject)?;
        self.ask_for_its_roles(gate, Action::Delete, &seen).await?;
        gate.record_urgently("revoke").await?;
        gate.check_permits()?;
        let done = self.parts.store.revoke(actor(gate), subject, seen).await.map_err(refused)?;
        Ok(changed(&done, RevokedAnswer { revoked: done.value }))
    }

    /// Removes a subject. This takes its roles away, removes its interfaces and takes it out of its
    /// groups, so it needs the right to each of these.
    pub(crate) async fn remove_subject(
        &self,
        gate: &mut Gate,
        subject: Subject,
        manner: Manner,
    ) -> Result<ChangeAnswer<Nothing>, Denied> {
        let present = self.parts.leases.snapshot();
        let seen = self.member(&present, &subject)?;
        let interfaces: Vec<Interface> = match subject.kind() {
            Kind::Device => present.interfaces(subject.name()).to_vec(),
            Kind::User | Kind::Gateway => vec![],
        };
        let mut next = Snapshot::clone(&present).with_member(subject.clone(), None);
        if subject.kind() == Kind::Device {
            next = next.with_interfaces(subject.name().clone(), vec![]);
        }
        self.ask_for_its_roles(gate, Action::Delete, &seen).await?;
        for group in &seen.groups {
            self.ask_for_group(gate, Action::Delete, &group.of).await?;
        }
        for interface in &interfaces {
            let part = format!("interfaces/{}/{}", subject.name(), interface.name);
            gate.ask(Action::Delete, &part, self.now()).await?;
        }
        if !manner.force_lockout {
            keep_the_last_administrator(&present, &next, &subject, self.now())?;
        }
        if manner.dry_run {
            let preview = self.preview(gate, "remove", present, next, vec![]).await?;
            return Ok(ChangeAnswer::Previewed(preview));
        }
        gate.record_urgently("remove").await?;
        gate.check_permits()?;
        let store = &self.parts.store;
        let done = store.remove_subject(actor(gate), subject, seen, interfaces).await;
        let done = done.map_err(refused)?;
        Ok(ChangeAnswer::Made(changed(&done, Nothing {})))
    }
}
