//! Subjects, for lists.

use doorward_model::{Group, Kind, Role, Subject, SubjectId};
use jiff::Timestamp;

use crate::error::StoreError;
use crate::port::{StoredRow, values};
use crate::rows::subjects::read_subject;
use crate::store::Store;

/// A subject, for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubjectRow {
    /// The immutable number of the subject.
    pub id: SubjectId,
    /// The kind and name.
    pub subject: Subject,
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

impl Store {
    /// Returns the subjects of a kind, by name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn subjects(&self, kind: Kind) -> Result<Vec<SubjectRow>, StoreError> {
        let mut reading = self.list().await?;
        let rows = reading
            .all(
                "SELECT s.*, (SELECT max(not_after) FROM issuances i WHERE i.subject = s.id \
                   AND i.revoked IS NULL AND i.not_after >= $1) AS identity_until \
                 FROM subjects s WHERE s.kind = $2 AND s.removed IS NULL ORDER BY s.name",
                values![self.now(), kind.as_str()],
            )
            .await?;
        let mut subjects = Vec::with_capacity(rows.len());
        for row in &rows {
            let id: i64 = row.get("id")?;
            let roles = reading
                .all(
                    "SELECT role, until_time FROM roles WHERE subject = $1 ORDER BY role",
                    values![id],
                )
                .await?;
            let role =
                |row: &StoredRow| Ok::<_, StoreError>((row.parse("role")?, row.get("until_time")?));
            let groups = reading
                .all(
                    "SELECT group_name FROM device_groups WHERE subject = $1 ORDER BY group_name",
                    values![id],
                )
                .await?;
            subjects.push(SubjectRow {
                id: SubjectId(id),
                subject: read_subject(row)?,
                agentless: row.get("agentless")?,
                enabled: row.get("enabled")?,
                created: row.get("created")?,
                roles: roles.iter().map(role).collect::<Result<_, _>>()?,
                groups: groups
                    .iter()
                    .map(|row| row.parse("group_name"))
                    .collect::<Result<_, _>>()?,
                identity_until: row.get("identity_until")?,
            });
        }
        Ok(subjects)
    }
}
