//! The rows of subjects, and of their roles and groups.

use std::fmt::Display;
use std::str::FromStr;

use doorward_model::{Group, Role, Subject, SubjectId, Title};
use doorward_policies::{Member, Membership};
use jiff::Timestamp;

use crate::error::StoreError;
use crate::port::{Reading, StoredRow, Tx, values};

/// A subject that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The immutable number of the subject.
    pub id: SubjectId,
    /// Whether the subject is on. A name that was off when it was removed is off when it is added
    /// again.
    pub enabled: bool,
}

pub(crate) fn read_subject(row: &StoredRow) -> Result<Subject, StoreError> {
    let (kind, name): (String, String) = (row.get("kind")?, row.get("name")?);
    format!("{kind}/{name}").parse().map_err(|error| StoreError::Row(format!("subject: {error}")))
}

/// Returns the number of a present subject.
pub(crate) async fn number(
    reading: &mut Reading,
    subject: &Subject,
) -> Result<Option<SubjectId>, StoreError> {
    let row = reading
        .optional(
            "SELECT id FROM subjects WHERE kind = $1 AND name = $2 AND removed IS NULL",
            values![subject.kind().as_str(), subject.name().as_str()],
        )
        .await?;
    row.map(|row| row.get("id").map(SubjectId)).transpose()
}

pub(crate) async fn known(
    reading: &mut Reading,
    subject: &Subject,
) -> Result<SubjectId, StoreError> {
    let found = number(reading, subject).await?;
    found.ok_or_else(|| StoreError::NoSubject(subject.clone()))
}

pub(crate) async fn member(
    reading: &mut Reading,
    subject: &Subject,
) -> Result<Option<Member>, StoreError> {
    let found = reading
        .optional(
            "SELECT id, enabled FROM subjects \
         WHERE kind = $1 AND name = $2 AND removed IS NULL",
            values![subject.kind().as_str(), subject.name().as_str()],
        )
        .await?;
    let Some(row) = found else { return Ok(None) };
    let (id, enabled): (i64, bool) = (row.get("id")?, row.get("enabled")?);
    let roles = reading
        .all("SELECT role, until_time FROM roles WHERE subject = $1 ORDER BY role", values![id])
        .await?;
    let groups = reading
        .all(
            "SELECT group_name, until_time FROM device_groups \
             WHERE subject = $1 ORDER BY group_name",
            values![id],
        )
        .await?;
    Ok(Some(Member {
        id: SubjectId(id),
        enabled,
        roles: memberships(&roles, "role")?,
        groups: memberships(&groups, "group_name")?,
    }))
}

fn memberships<T>(
    rows: &[StoredRow],
    column: &'static str,
) -> Result<Vec<Membership<T>>, StoreError>
where
    T: FromStr,
    T::Err: Display,
{
    let read =
        |row: &StoredRow| Ok(Membership { of: row.parse(column)?, until: row.get("until_time")? });
    rows.iter().map(read).collect()
}

/// Returns the number of a subject that is still as it was `seen`: the same subject, with the same
/// memberships, and still on or off.
pub(crate) async fn unchanged(
    reading: &mut Reading,
    subject: &Subject,
    seen: &Member,
) -> Result<SubjectId, StoreError> {
    match member(reading, subject).await? {
        None => Err(StoreError::NoSubject(subject.clone())),
        Some(member) if member == *seen => Ok(member.id),
        Some(_) => Err(StoreError::SubjectChanged(subject.clone())),
    }
}

/// Returns whether the last removed subject of that name was on when it was removed; `None` if
/// there was none.
pub(crate) async fn last_removed(
    reading: &mut Reading,
    subject: &Subject,
) -> Result<Option<bool>, StoreError> {
    let row = reading
        .optional(
            "SELECT enabled FROM subjects WHERE kind = $1 AND name = $2 AND removed IS NOT NULL \
             ORDER BY id DESC LIMIT 1",
            values![subject.kind().as_str(), subject.name().as_str()],
        )
        .await?;
    row.map(|row| row.get("enabled")).transpose()
}

/// Adds a subject. It is off if the last subject of that name was off when it was removed, so that
/// nobody can turn a subject on by removing and adding it again.
pub(crate) async fn insert(
    tx: &mut Tx,
    subject: &Subject,
    agentless: bool,
    now: Timestamp,
) -> Result<Added, StoreError> {
    if number(tx, subject).await?.is_some() {
        return Err(StoreError::SubjectExists(subject.clone()));
    }
    let enabled = last_removed(tx, subject).await?.unwrap_or(true);
    let id = insert_row(tx, subject, agentless, enabled, now).await?;
    Ok(Added { id, enabled })
}

/// Stores the row of a new subject. The index of names refuses a name that is taken, whatever the
/// caller has read.
pub(crate) async fn insert_row(
    tx: &mut Tx,
    subject: &Subject,
    agentless: bool,
    enabled: bool,
    now: Timestamp,
) -> Result<SubjectId, StoreError> {
    let row = tx
        .one(
            "INSERT INTO subjects (kind, name, agentless, enabled, created) \
             VALUES ($1, $2, $3, $4, $5) RETURNING id",
            values![subject.kind().as_str(), subject.name().as_str(), agentless, enabled, now],
        )
        .await
        .map_err(|error| error.or_taken(|| StoreError::SubjectExists(subject.clone())))?;
    Ok(SubjectId(row.get("id")?))
}

/// Stores what people call a subject.
pub(crate) async fn set_title(
    tx: &mut Tx,
    id: SubjectId,
    title: Option<&Title>,
) -> Result<(), StoreError> {
    tx.run(
        "UPDATE subjects SET title = $1 WHERE id = $2",
        values![title.map(ToString::to_string), id.0],
    )
    .await?;
    Ok(())
}

pub(crate) async fn grant(
    tx: &mut Tx,
    id: SubjectId,
    role: &Role,
    until: Option<Timestamp>,
) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO roles (subject, role, until_time) VALUES ($1, $2, $3) \
         ON CONFLICT (subject, role) DO UPDATE SET until_time = excluded.until_time",
        values![id.0, role.to_string(), until],
    )
    .await?;
    Ok(())
}

pub(crate) async fn join(tx: &mut Tx, id: SubjectId, group: &Group) -> Result<(), StoreError> {
    tx.run(
        "INSERT INTO device_groups (subject, group_name) VALUES ($1, $2) \
         ON CONFLICT (subject, group_name) DO NOTHING",
        values![id.0, group.to_string()],
    )
    .await?;
    Ok(())
}
