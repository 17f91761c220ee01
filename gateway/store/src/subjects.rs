//! Subjects with their roles and groups in the state.

use std::fmt;

use doorward_model::{Group, Kind, Role, Subject, SubjectId};
use doorward_policies::{Interface, Member, Touched};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

use crate::change::{Actor, Committed, change};
use crate::codes::{self, NewCode};
use crate::database::micros;
use crate::error::StoreError;
use crate::interfaces;
use crate::issuances;
use crate::load;
use crate::open::Store;

/// A subject to be added.
#[derive(Clone, Debug)]
pub struct NewSubject {
    /// The kind and name.
    pub subject: Subject,
    /// Whether it is a device without an agent, which the gateway fronts.
    pub agentless: bool,
    /// The roles of the subject from the start.
    pub roles: Vec<Role>,
    /// The groups of the device from the start.
    pub groups: Vec<Group>,
    /// The code that the subject will enrol with.
    pub code: Option<NewCode>,
    /// Whether the actor may make an identity for a name that was used before: see
    /// [`Store::was_removed`].
    pub may_return: bool,
}

/// A subject that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The immutable number of the subject.
    pub id: SubjectId,
    /// Whether the subject is on. A name that was off when it was removed is off when it is added
    /// again.
    pub enabled: bool,
}

/// The changes of one subject. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectChanges {
    /// Turns the subject on or off. While it is off, it cannot act, and a device cannot be acted
    /// on.
    pub enabled: Option<bool>,
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
        let Self { enabled, grant, take, join, leave } = self;
        let gives =
            *enabled == Some(true) || !grant.is_empty() || !join.is_empty() || !leave.is_empty();
        !gives && (*enabled == Some(false) || !take.is_empty())
    }
}

/// Returns the number of a present subject.
pub(crate) async fn number(
    connection: &mut SqliteConnection,
    subject: &Subject,
) -> Result<Option<SubjectId>, StoreError> {
    let id: Option<i64> = sqlx::query_scalar(
        "SELECT id FROM subjects WHERE kind = ? AND name = ? AND removed IS NULL",
    )
    .bind(subject.kind().as_str())
    .bind(subject.name().as_str())
    .fetch_optional(connection)
    .await?;
    Ok(id.map(SubjectId))
}

pub(crate) async fn known(
    connection: &mut SqliteConnection,
    subject: &Subject,
) -> Result<SubjectId, StoreError> {
    let found = number(connection, subject).await?;
    found.ok_or_else(|| StoreError::NoSubject(subject.clone()))
}

/// Returns the number of a subject that is still as it was `seen`: the same subject, with the same
/// memberships, and still on or off.
pub(crate) async fn unchanged(
    connection: &mut SqliteConnection,
    subject: &Subject,
    seen: &Member,
) -> Result<SubjectId, StoreError> {
    match load::member(connection, subject).await? {
        None => Err(StoreError::NoSubject(subject.clone())),
        Some(member) if member == *seen => Ok(member.id),
        Some(_) => Err(StoreError::SubjectChanged(subject.clone())),
    }
}

/// Returns whether the last removed subject of that name was on when it was removed; `None` if
/// there was none.
async fn last_removed(
    connection: &mut SqliteConnection,
    subject: &Subject,
) -> Result<Option<bool>, StoreError> {
    let enabled = sqlx::query_scalar(
        "SELECT enabled FROM subjects WHERE kind = ? AND name = ? AND removed IS NOT NULL \
         ORDER BY id DESC LIMIT 1",
    )
    .bind(subject.kind().as_str())
    .bind(subject.name().as_str())
    .fetch_optional(connection)
    .await?;
    Ok(enabled)
}

/// Adds a subject. It is off if the last subject of that name was off when it was removed, so that
/// nobody can turn a subject on by removing and adding it again.
pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    subject: &Subject,
    agentless: bool,
    now: Timestamp,
) -> Result<Added, StoreError> {
    if number(connection, subject).await?.is_some() {
        return Err(StoreError::SubjectExists(subject.clone()));
    }
    let enabled = last_removed(connection, subject).await?.unwrap_or(true);
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO subjects (kind, name, agentless, enabled, created) VALUES (?, ?, ?, ?, ?) \
         RETURNING id",
    )
    .bind(subject.kind().as_str())
    .bind(subject.name().as_str())
    .bind(agentless)
    .bind(enabled)
    .bind(micros(now))
    .fetch_one(connection)
    .await?;
    Ok(Added { id: SubjectId(id), enabled })
}

pub(crate) async fn grant(
    connection: &mut SqliteConnection,
    id: SubjectId,
    role: &Role,
    until: Option<Timestamp>,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO roles (subject, role, until_time) VALUES (?, ?, ?) \
         ON CONFLICT (subject, role) DO UPDATE SET until_time = excluded.until_time",
    )
    .bind(id.0)
    .bind(role.to_string())
    .bind(until.map(micros))
    .execute(connection)
    .await?;
    Ok(())
}

async fn join(
    connection: &mut SqliteConnection,
    id: SubjectId,
    group: &Group,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO device_groups (subject, group_name) VALUES (?, ?) \
         ON CONFLICT (subject, group_name) DO NOTHING",
    )
    .bind(id.0)
    .bind(group.to_string())
    .execute(connection)
    .await?;
    Ok(())
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
        Ok(last_removed(&mut *self.read().await?, subject).await?.is_some())
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
        let add = change!(|connection| {
            let NewSubject { subject, agentless, roles, groups, code, may_return } = new;
            let added = insert(connection, &subject, agentless, now).await?;
            let id = added.id;
            if code.is_some() && !may_return && last_removed(connection, &subject).await?.is_some()
            {
                return Err(StoreError::SubjectChanged(subject));
            }
            for role in &roles {
                grant(connection, id, role, None).await?;
            }
            for group in &groups {
                join(connection, id, group).await?;
            }
            if let Some(code) = code {
                codes::insert(connection, Some(id), &maker, &code, now).await?;
            }
            Ok((added, touching(&subject)))
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
        let change = change!(|connection| {
            let id = unchanged(connection, &subject, &seen).await?;
            let more = changes.gives_more(&seen);
            let SubjectChanges { enabled, grant: grants, take, join: joins, leave } = changes;
            for (role, until) in &grants {
                grant(connection, id, role, *until).await?;
            }
            for role in &take {
                sqlx::query("DELETE FROM roles WHERE subject = ? AND role = ?")
                    .bind(id.0)
                    .bind(role.to_string())
                    .execute(&mut *connection)
                    .await?;
            }
            for group in &joins {
                join(connection, id, group).await?;
            }
            for group in &leave {
                sqlx::query("DELETE FROM device_groups WHERE subject = ? AND group_name = ?")
                    .bind(id.0)
                    .bind(group.to_string())
                    .execute(&mut *connection)
                    .await?;
            }
            if let Some(enabled) = enabled {
                sqlx::query("UPDATE subjects SET enabled = ? WHERE id = ?")
                    .bind(enabled)
                    .bind(id.0)
                    .execute(&mut *connection)
                    .await?;
            }
            let cancelled = match more {
                true => codes::cancel_of_others(connection, id, &granter, now).await?,
                false => 0,
            };
            Ok((cancelled, touching(&subject)))
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
        let change = change!(|connection| {
            let id = unchanged(connection, &subject, &seen).await?;
            let certificates = issuances::revoke_all(connection, id, now).await?;
            codes::cancel_all(connection, Some(id)).await?;
            let count = certificates.len();
            Ok((count, Touched { certificates, ..touching(&subject) }))
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
        let change = change!(|connection| {
            let id = unchanged(connection, &subject, &seen).await?;
            if subject.kind() == Kind::Device {
                if load::interfaces(connection, subject.name()).await? != interfaces {
                    return Err(StoreError::SubjectChanged(subject));
                }
                for interface in interfaces.iter().filter(|interface| !interface.enabled) {
                    let name = &interface.name;
                    interfaces::remember_off(connection, subject.name(), name).await?;
                }
            }
            let certificates = issuances::revoke_all(connection, id, now).await?;
            codes::cancel_all(connection, Some(id)).await?;
            for delete in [
                "DELETE FROM interfaces WHERE device = ?",
                "DELETE FROM roles WHERE subject = ?",
                "DELETE FROM device_groups WHERE subject = ?",
            ] {
                sqlx::query(delete).bind(id.0).execute(&mut *connection).await?;
            }
            sqlx::query("UPDATE subjects SET removed = ? WHERE id = ?")
                .bind(micros(now))
                .bind(id.0)
                .execute(&mut *connection)
                .await?;
            let devices = match subject.kind() {
                Kind::Device => vec![subject.name().clone()],
                Kind::User | Kind::Gateway => vec![],
            };
            Ok((id, Touched { certificates, devices, ..touching(&subject) }))
        });
        self.commit_urgently(actor, what, change).await
    }
}
