//! Subjects, for lists.

use doorward_model::{Group, Kind, Role, Subject, SubjectId};
use jiff::Timestamp;
use sqlx::Row as _;

use crate::database::{micros, timestamp, word};
use crate::error::StoreError;
use crate::load::read_subject;
use crate::open::Store;

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
        let mut connection = self.list().await?;
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
