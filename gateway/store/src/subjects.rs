use std::fmt;

use doorward_model::{Group, Kind, Role, Subject, SubjectId};
use doorward_policies::Touched;
use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use crate::change::{Actor, Committed, change};
use crate::codes::{self, NewCode};
use crate::database::{micros, timestamp, word};
use crate::error::StoreError;
use crate::issuances;
use crate::load::read_subject;
use crate::open::Store;

/// A subject to be added.
#[derive(Clone, Debug)]
pub struct NewSubject {
    /// Its kind and name.
    pub subject: Subject,
    /// Whether it is a device without an agent, which the gateway fronts.
    pub agentless: bool,
    /// The roles that it is a member of from the start.
    pub roles: Vec<Role>,
    /// The groups that it is a member of from the start.
    pub groups: Vec<Group>,
    /// The code that it will enrol with.
    pub code: Option<NewCode>,
}

/// What is to change about a subject. The default changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectChanges {
    /// Turns it on or off: off, it cannot act, nor be acted on if it is a device.
    pub enabled: Option<bool>,
    /// Roles to make it a member of, each until an instant (excluded) or for good.
    pub grant: Vec<(Role, Option<Timestamp>)>,
    /// Roles to take away. Not being a member is no error.
    pub take: Vec<Role>,
    /// Groups to make the device a member of.
    pub join: Vec<Group>,
    /// Groups to take the device out of. Not being a member is no error.
    pub leave: Vec<Group>,
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
    /// Whether they take rights away and give none: they must be possible on a full disk.
    #[must_use]
    pub fn take_away(&self) -> bool {
        let Self { enabled, grant, take, join, leave } = self;
        let gives =
            *enabled == Some(true) || !grant.is_empty() || !join.is_empty() || !leave.is_empty();
        !gives && (*enabled == Some(false) || !take.is_empty())
    }
}

/// A subject as lists show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRow {
    /// The number behind its name.
    pub id: SubjectId,
    /// Its kind and name.
    pub subject: Subject,
    /// Whether it is a device without an agent.
    pub agentless: bool,
    /// Whether it may act, and be acted on.
    pub enabled: bool,
    /// Since when it is known.
    pub created: Timestamp,
    /// Its roles, each with the instant at which it ends.
    pub roles: Vec<(Role, Option<Timestamp>)>,
    /// Its groups.
    pub groups: Vec<Group>,
    /// When the last of its live certificates ends; `None` if it has none.
    pub identity_until: Option<Timestamp>,
}

/// The number of a subject that is there.
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

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    subject: &Subject,
    agentless: bool,
    now: Timestamp,
) -> Result<SubjectId, StoreError> {
    if number(connection, subject).await?.is_some() {
        return Err(StoreError::SubjectExists(subject.clone()));
    }
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO subjects (kind, name, agentless, created) VALUES (?, ?, ?, ?) RETURNING id",
    )
    .bind(subject.kind().as_str())
    .bind(subject.name().as_str())
    .bind(agentless)
    .bind(micros(now))
    .fetch_one(connection)
    .await?;
    Ok(SubjectId(id))
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
    /// Adds a subject, its memberships and its code, all or nothing.
    ///
    /// # Errors
    /// When the name is taken, or the database refuses.
    pub async fn add_subject(
        &self,
        actor: Actor,
        new: NewSubject,
    ) -> Result<Committed<SubjectId>, StoreError> {
        let now = self.now();
        let what = format!("add {}", new.subject);
        let maker = actor.clone();
        let add = change!(|connection| {
            let NewSubject { subject, agentless, roles, groups, code } = new;
            let id = insert(connection, &subject, agentless, now).await?;
            for role in &roles {
                grant(connection, id, role, None).await?;
            }
            for group in &groups {
                join(connection, id, group).await?;
            }
            if let Some(code) = code {
                codes::insert(connection, Some(id), &maker, &code, now).await?;
            }
            Ok((id, touching(&subject)))
        });
        self.commit(actor, what, add).await
    }

    /// Changes a subject's memberships and whether it is on, all or nothing. Returns how many
    /// codes that somebody else had made for it were cancelled, because it has got more rights.
    ///
    /// # Errors
    /// When there is no such subject, or the database refuses.
    pub async fn change_subject(
        &self,
        actor: Actor,
        subject: Subject,
        changes: SubjectChanges,
    ) -> Result<Committed<u64>, StoreError> {
        let what = format!("change {subject}: {changes}");
        let (now, granter, urgent) = (self.now(), actor.clone(), changes.take_away());
        let change = change!(|connection| {
            let id = known(connection, &subject).await?;
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
            let cancelled = match grants.is_empty() && enabled != Some(true) {
                true => 0,
                false => codes::cancel_of_others(connection, id, &granter, now).await?,
            };
            Ok((cancelled, touching(&subject)))
        });
        match urgent {
            true => self.commit_urgently(actor, what, change).await,
            false => self.commit(actor, what, change).await,
        }
    }

    /// Ends a subject's identity: every certificate of its is revoked and every code
    /// cancelled. Returns how many certificates.
    ///
    /// # Errors
    /// When there is no such subject, or the database refuses.
    pub async fn revoke(
        &self,
        actor: Actor,
        subject: Subject,
    ) -> Result<Committed<usize>, StoreError> {
        let now = self.now();
        let what = format!("revoke {subject}");
        let change = change!(|connection| {
            let id = known(connection, &subject).await?;
            let certificates = issuances::revoke_all(connection, id, now).await?;
            codes::cancel_all(connection, Some(id)).await?;
            let count = certificates.len();
            Ok((count, Touched { certificates, ..touching(&subject) }))
        });
        self.commit_urgently(actor, what, change).await
    }

    /// Removes a subject with all that is its own, and answers its number. Its name is free
    /// again; its number is not.
    ///
    /// # Errors
    /// When there is no such subject, or the database refuses.
    pub async fn remove_subject(
        &self,
        actor: Actor,
        subject: Subject,
    ) -> Result<Committed<SubjectId>, StoreError> {
        let now = self.now();
        let what = format!("remove {subject}");
        let change = change!(|connection| {
            let id = known(connection, &subject).await?;
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
                _ => vec![],
            };
            Ok((id, Touched { certificates, devices, ..touching(&subject) }))
        });
        self.commit_urgently(actor, what, change).await
    }

    /// The subjects of a kind, by name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn subjects(&self, kind: Kind) -> Result<Vec<SubjectRow>, StoreError> {
        let mut connection = self.read().await?;
        let rows = sqlx::query(
            "SELECT s.*, (SELECT max(not_after) FROM issuances i WHERE i.subject = s.id \
               AND i.revoked IS NULL AND i.not_after >= ?) AS identity_until \
             FROM subjects s WHERE s.kind = ? AND s.removed IS NULL ORDER BY s.name",
        )
        .bind(micros(self.now()))
        .bind(kind.as_str())
        .fetch_all(&mut *connection)
        .await?;
        let mut subjects = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: i64 = row.try_get("id")?;
            let until: Option<i64> = row.try_get("identity_until")?;
            let roles =
                sqlx::query("SELECT role, until_time FROM roles WHERE subject = ? ORDER BY role")
                    .bind(id)
                    .fetch_all(&mut *connection)
                    .await?;
            let role = |row: &sqlx::sqlite::SqliteRow| {
                let until: Option<i64> = row.try_get("until_time")?;
                Ok::<_, StoreError>((word(row, "role")?, until.map(timestamp).transpose()?))
            };
            let groups = sqlx::query(
                "SELECT group_name FROM device_groups WHERE subject = ? ORDER BY group_name",
            )
            .bind(id)
            .fetch_all(&mut *connection)
            .await?;
            subjects.push(SubjectRow {
                id: SubjectId(id),
                subject: read_subject(row)?,
                agentless: row.try_get("agentless")?,
                enabled: row.try_get("enabled")?,
                created: timestamp(row.try_get("created")?)?,
                roles: roles.iter().map(role).collect::<Result<_, _>>()?,
                groups: groups
                    .iter()
                    .map(|row| word(row, "group_name"))
                    .collect::<Result<_, _>>()?,
                identity_until: until.map(timestamp).transpose()?,
            });
        }
        Ok(subjects)
    }
}
