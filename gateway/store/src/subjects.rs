//! Changes of subjects, their roles and their groups.

use std::fmt;

use doorward_model::{Group, Kind, Role, Subject, SubjectId, Title};
use doorward_policies::{Interface, Member, Membership, Touched};
use jiff::Timestamp;

use crate::change::{Actor, Committed, change};
use crate::error::StoreError;
use crate::port::values;
use crate::rows::codes::{self, NewCode};
use crate::rows::subjects::{Added, grant, insert, join, last_removed, set_title, unchanged};
use crate::rows::{interfaces, issuances};
use crate::store::Store;

/// A subject to be added.
#[derive(Clone, Debug)]
pub struct NewSubject {
    /// The kind and name.
    pub subject: Subject,
    /// Whether it is a device without an agent, which the gateway fronts.
    pub agentless: bool,
    /// What people call the subject.
    pub title: Option<Title>,
    /// The roles of the subject from the start, each until an instant (exclusive) or for good.
    pub roles: Vec<(Role, Option<Timestamp>)>,
    /// The groups of the device from the start.
    pub groups: Vec<Group>,
    /// The code that the subject will enrol with.
    pub code: Option<NewCode>,
    /// Whether the actor may make an identity for a name that was used before: see
    /// [`Store::was_removed`].
    pub may_return: bool,
}

/// A change of what people call a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TitleChange {
    /// The title stays.
    #[default]
    Keep,
    /// It becomes this one.
    Set(Title),
    /// It goes.
    Remove,
}

/// The changes of one subject. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectChanges {
    /// Turns the subject on or off. While it is off, it cannot act, and a device cannot be acted
    /// on.
    pub enabled: Option<bool>,
    /// What people call the subject from then on.
    pub title: TitleChange,
    /// Roles to grant, each until an instant (exclusive) or for good. For a role that the subject
    /// has already, the instant becomes this one, be it later or earlier.
    pub grant: Vec<(Role, Option<Timestamp>)>,
    /// Roles to take away. A role that the subject does not have is no error.
    pub take: Vec<Role>,
    /// Groups that the device joins.
    pub join: Vec<Group>,
    /// Groups that the device leaves. A group that the device is not in is no error.
    pub leave: Vec<Group>,
}

impl SubjectChanges {
    /// Returns whether a grant of `role` until that instant shortens a role that `member` holds for
    /// longer. The present instant does not matter, so the answer is always the same.
    #[must_use]
    pub fn shortens(member: &Member, role: &Role, until: Option<Timestamp>) -> bool {
        let held = member.roles.iter().find(|held| held.of == *role);
        match (held.map(|held| held.until), until) {
            (None, _) | (Some(_), None) => false,
            (Some(None), Some(_)) => true,
            (Some(Some(held)), Some(until)) => until < held,
        }
    }

    /// Returns the subject as the change makes it.
    #[must_use]
    pub fn applied_to(&self, member: &Member) -> Member {
        let Self { enabled, grant, take, join, leave, title: _ } = self;
        let Member { id, mut roles, mut groups, .. } = member.clone();
        for (role, until) in grant {
            match roles.iter_mut().find(|held| held.of == *role) {
                Some(held) => held.until = *until,
                None => roles.push(Membership { of: role.clone(), until: *until }),
            }
        }
        for group in join {
            if groups.iter().all(|one| one.of != *group) {
                groups.push(Membership { of: group.clone(), until: None });
            }
        }
        roles.retain(|held| !take.contains(&held.of));
        groups.retain(|one| !leave.contains(&one.of));
        roles.sort_by(|one, other| one.of.cmp(&other.of));
        groups.sort_by(|one, other| one.of.cmp(&other.of));
        Member { id, enabled: enabled.unwrap_or(member.enabled), roles, groups }
    }

    /// Returns whether `member` may do more after the change than before.
    #[must_use]
    pub fn gives_more(&self, member: &Member) -> bool {
        let given =
            |(role, until): &(Role, Option<Timestamp>)| !Self::shortens(member, role, *until);
        self.enabled == Some(true) || self.grant.iter().any(given)
    }
}

impl fmt::Display for SubjectChanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        words.extend(self.enabled.map(|on| if on { "enable" } else { "disable" }.to_owned()));
        match &self.title {
            TitleChange::Keep => {}
            TitleChange::Set(title) => words.push(format!("title '{title}'")),
            TitleChange::Remove => words.push("no title".to_owned()),
        }
        words.extend(self.grant.iter().map(|(role, until)| match until {
            Some(until) => format!("grant {role} until {until}"),
            None => format!("grant {role}"),
        }));
        words.extend(self.take.iter().map(|role| format!("take {role}")));
        words.extend(self.join.iter().map(|group| format!("join {group}")));
        words.extend(self.leave.iter().map(|group| format!("leave {group}")));
        f.write_str(&words.join(", "))
    }
}

impl SubjectChanges {
    /// Returns whether the changes take rights away and give none. Such changes must be possible on
    /// a full disk.
    #[must_use]
    pub fn take_away(&self) -> bool {
        let Self { enabled, title, grant, take, join, leave } = self;
        let gives =
            *enabled == Some(true) || !grant.is_empty() || !join.is_empty() || !leave.is_empty();
        !gives && *title == TitleChange::Keep && (*enabled == Some(false) || !take.is_empty())
    }
}

fn touching(subject: &Subject) -> Touched {
    Touched { subjects: vec![subject.clone()], ..Touched::default() }
}

impl Store {
    /// Returns whether a subject of that name was removed before. Rules that name the former
    /// subject also apply to the new one, so a code for the new one makes an identity for those
    /// rules.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn was_removed(&self, subject: &Subject) -> Result<bool, StoreError> {
        Ok(last_removed(&mut self.read().await?, subject).await?.is_some())
    }

    /// Returns whether a subject of that name would be off if it were added now: the last one was off
    /// when it was removed.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn would_be_off(&self, subject: &Subject) -> Result<bool, StoreError> {
        Ok(last_removed(&mut self.read().await?, subject).await? == Some(false))
    }

    /// Adds a subject with its memberships and its code, all or nothing.
    ///
    /// # Errors
    /// When the name is taken, when a code is made for a name that was used before and the actor
    /// may not do that, or when the database refuses.
    pub async fn add_subject(
        &self,
        actor: Actor,
        new: NewSubject,
    ) -> Result<Committed<Added>, StoreError> {
        let now = self.now();
        let what = format!("add {}", new.subject);
        let maker = actor.clone();
        let add = change!((new, maker, now), |tx| {
            let NewSubject { subject, agentless, title, roles, groups, code, may_return } = new;
            let added = insert(tx, subject, *agentless, *now).await?;
            let id = added.id;
            if code.is_some() && !may_return && last_removed(tx, subject).await?.is_some() {
                return Err(StoreError::SubjectChanged(subject.clone()));
            }
            if title.is_some() {
                set_title(tx, id, title.as_ref()).await?;
            }
            for (role, until) in roles {
                grant(tx, id, role, *until).await?;
            }
            for group in groups {
                join(tx, id, group).await?;
            }
            if let Some(code) = code {
                codes::insert(tx, Some(id), maker, code, *now).await?;
            }
            Ok((added, touching(subject)))
        });
        self.commit(actor, what, add).await
    }

    /// Changes a subject's memberships, and turns it on or off, all or nothing. `seen` is the
    /// subject as it was when the asker's rights were checked. If the subject gets more rights, the
    /// codes that others have made for it are cancelled. Returns how many.
    ///
    /// # Errors
    /// When there is no such subject, it differs from `seen`, or the database refuses.
    pub async fn change_subject(
        &self,
        actor: Actor,
        subject: Subject,
        seen: Member,
        changes: SubjectChanges,
    ) -> Result<Committed<u64>, StoreError> {
        let what = format!("change {subject}: {changes}");
        let (now, granter, urgent) = (self.now(), actor.clone(), changes.take_away());
        let change = change!((subject, seen, changes, granter, now), |tx| {
            let id = unchanged(tx, subject, seen).await?;
            let more = changes.gives_more(seen);
            let SubjectChanges { enabled, title, grant: grants, take, join: joins, leave } =
                changes;
            match title {
                TitleChange::Keep => {}
                TitleChange::Set(title) => set_title(tx, id, Some(title)).await?,
                TitleChange::Remove => set_title(tx, id, None).await?,
            }
            for (role, until) in grants {
                grant(tx, id, role, *until).await?;
            }
            for role in take {
                tx.run(
                    "DELETE FROM roles WHERE subject = $1 AND role = $2",
                    values![id.0, role.to_string()],
                )
                .await?;
            }
            for group in joins {
                join(tx, id, group).await?;
            }
            for group in leave {
                tx.run(
                    "DELETE FROM device_groups WHERE subject = $1 AND group_name = $2",
                    values![id.0, group.to_string()],
                )
                .await?;
            }
            if let Some(enabled) = enabled {
                tx.run("UPDATE subjects SET enabled = $1 WHERE id = $2", values![*enabled, id.0])
                    .await?;
            }
            let cancelled = match more {
                true => codes::cancel_of_others(tx, id, granter, *now).await?,
                false => 0,
            };
            Ok((cancelled, touching(subject)))
        });
        match urgent {
            true => self.commit_urgently(actor, what, change).await,
            false => self.commit(actor, what, change).await,
        }
    }

    /// Ends a subject's identity: revokes every certificate and cancels every code. `seen` is the
    /// subject as it was when the asker's rights were checked. Returns how many certificates were
    /// revoked.
    ///
    /// # Errors
    /// When there is no such subject, it differs from `seen`, or the database refuses.
    pub async fn revoke(
        &self,
        actor: Actor,
        subject: Subject,
        seen: Member,
    ) -> Result<Committed<usize>, StoreError> {
        let now = self.now();
        let what = format!("revoke {subject}");
        let change = change!((subject, seen, now), |tx| {
            let id = unchanged(tx, subject, seen).await?;
            let certificates = issuances::revoke_all(tx, id, *now).await?;
            codes::cancel_all(tx, Some(id)).await?;
            let count = certificates.len();
            Ok((count, Touched { certificates, ..touching(subject) }))
        });
        self.commit_urgently(actor, what, change).await
    }

    /// Removes a subject with everything that belongs to it, and returns its number. The name is
    /// free again, the number is not. `seen` is the subject as it was when the asker's rights were
    /// checked, and `interfaces` its interfaces at that time.
    ///
    /// # Errors
    /// When there is no such subject, it differs from `seen` or its interfaces from `interfaces`,
    /// or the database refuses.
    pub async fn remove_subject(
        &self,
        actor: Actor,
        subject: Subject,
        seen: Member,
        interfaces: Vec<Interface>,
    ) -> Result<Committed<SubjectId>, StoreError> {
        let now = self.now();
        let what = format!("remove {subject}");
        let change = change!((subject, seen, interfaces, now), |tx| {
            let id = unchanged(tx, subject, seen).await?;
            if subject.kind() == Kind::Device {
                if interfaces::of_device(tx, subject.name()).await? != *interfaces {
                    return Err(StoreError::SubjectChanged(subject.clone()));
                }
                for interface in interfaces.iter().filter(|interface| !interface.enabled) {
                    let name = &interface.name;
                    interfaces::remember_off(tx, subject.name(), name).await?;
                }
            }
            let certificates = issuances::revoke_all(tx, id, *now).await?;
            codes::cancel_all(tx, Some(id)).await?;
            for delete in [
                "DELETE FROM interfaces WHERE device = $1",
                "DELETE FROM postures WHERE subject = $1",
                "DELETE FROM roles WHERE subject = $1",
                "DELETE FROM device_groups WHERE subject = $1",
            ] {
                tx.run(delete, values![id.0]).await?;
            }
            tx.run("UPDATE subjects SET removed = $1 WHERE id = $2", values![*now, id.0]).await?;
            let devices = match subject.kind() {
                Kind::Device => vec![subject.name().clone()],
                Kind::User | Kind::Gateway => vec![],
            };
            Ok((id, Touched { certificates, devices, ..touching(subject) }))
        });
        self.commit_urgently(actor, what, change).await
    }
}
