//! Subjects, for lists.

use std::collections::HashMap;

use doorward_model::{Group, Kind, Role, Subject, SubjectId, Title};
use jiff::Timestamp;

use crate::error::StoreError;
use crate::port::{Reading, StoredRow, values};
use crate::rows::subjects::{member, read_subject};
use crate::store::Store;

/// A subject, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRow {
    /// The immutable number of the subject.
    pub id: SubjectId,
    /// The kind and name.
    pub subject: Subject,
    /// What people call the subject.
    pub title: Option<Title>,
    /// Whether it is a device without an agent.
    pub agentless: bool,
    /// Whether the subject may act, and be acted on.
    pub enabled: bool,
    /// When the subject was added.
    pub created: Timestamp,
    /// The roles, each with the instant at which the membership ends.
    pub roles: Vec<(Role, Option<Timestamp>)>,
    /// The groups.
    pub groups: Vec<Group>,
    /// When the last live certificate expires; `None` if there is none.
    pub identity_until: Option<Timestamp>,
}

/// The statement that returns the row of each present subject of a kind, with the end of its last
/// live certificate.
macro_rules! subjects_of_kind {
    ($end:literal) => {
        concat!(
            "SELECT s.*, (SELECT max(not_after) FROM issuances i WHERE i.subject = s.id \
                 AND i.revoked IS NULL AND i.not_after >= $1) AS identity_until \
             FROM subjects s WHERE s.kind = $2 AND s.removed IS NULL",
            $end
        )
    };
}

/// Reads the row of a subject, without its memberships.
fn read(row: &StoredRow) -> Result<SubjectRow, StoreError> {
    let title: Option<String> = row.get("title")?;
    Ok(SubjectRow {
        id: SubjectId(row.get("id")?),
        subject: read_subject(row)?,
        title: title.map(|_| row.parse("title")).transpose()?,
        agentless: row.get("agentless")?,
        enabled: row.get("enabled")?,
        created: row.get("created")?,
        roles: vec![],
        groups: vec![],
        identity_until: row.get("identity_until")?,
    })
}

/// Adds the memberships that a statement returns for a kind of subjects, each to its subject.
async fn add(
    reading: &mut Reading,
    memberships: &'static str,
    kind: Kind,
    subjects: &mut [SubjectRow],
    push: impl Fn(&mut SubjectRow, &StoredRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let rows = reading.all(memberships, values![kind.as_str()]).await?;
    let mut by_id: HashMap<SubjectId, &mut SubjectRow> =
        subjects.iter_mut().map(|subject| (subject.id, subject)).collect();
    for row in &rows {
        // A subject that came meanwhile is in the next list.
        if let Some(subject) = by_id.get_mut(&SubjectId(row.get("subject")?)) {
            push(subject, row)?;
        }
    }
    Ok(())
}

impl Store {
    /// Returns the subjects of a kind, by name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn subjects(&self, kind: Kind) -> Result<Vec<SubjectRow>, StoreError> {
        let mut reading = self.list().await?;
        let rows = reading
            .all(subjects_of_kind!(" ORDER BY s.name"), values![self.now(), kind.as_str()])
            .await?;
        let mut subjects: Vec<SubjectRow> = rows.iter().map(read).collect::<Result<_, _>>()?;
        let roles = "SELECT m.* FROM roles m JOIN subjects s ON s.id = m.subject \
                     WHERE s.kind = $1 AND s.removed IS NULL ORDER BY m.role";
        add(&mut reading, roles, kind, &mut subjects, |subject, row| {
            subject.roles.push((row.parse("role")?, row.get("until_time")?));
            Ok(())
        })
        .await?;
        let groups = "SELECT m.* FROM device_groups m JOIN subjects s ON s.id = m.subject \
                      WHERE s.kind = $1 AND s.removed IS NULL ORDER BY m.group_name";
        add(&mut reading, groups, kind, &mut subjects, |subject, row| {
            subject.groups.push(row.parse("group_name")?);
            Ok(())
        })
        .await?;
        Ok(subjects)
    }

    /// Returns one subject.
    ///
    /// # Errors
    /// When there is no such subject, or the database refuses.
    pub async fn subject(&self, subject: &Subject) -> Result<SubjectRow, StoreError> {
        let mut reading = self.list().await?;
        let unknown = || StoreError::NoSubject(subject.clone());
        let row = reading
            .optional(
                subjects_of_kind!(" AND s.name = $3"),
                values![self.now(), subject.kind().as_str(), subject.name().as_str()],
            )
            .await?;
        let found = read(&row.ok_or_else(unknown)?)?;
        let member = member(&mut reading, subject).await?.ok_or_else(unknown)?;
        let roles = member.roles.into_iter().map(|role| (role.of, role.until)).collect();
        let groups = member.groups.into_iter().map(|group| group.of).collect();
        Ok(SubjectRow { roles, groups, ..found })
    }
}
