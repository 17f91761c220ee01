//! Reads the audit log.

use doorward_model::FlowId;
use doorward_policies::Record;
use serde::Serialize;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::AuditLog;
use crate::error::StoreError;

/// Selects the records of all flows, and those without a flow.
const OF_ALL: &str = "SELECT seq, record FROM records WHERE seq > ? ORDER BY seq LIMIT ?";

/// Selects the records of one flow, in their order, by the index of flows.
pub(super) const OF_FLOW: &str =
    "SELECT seq, record FROM records WHERE flow = ? AND seq > ? ORDER BY seq LIMIT ?";

/// A record with its number in the log.
#[derive(Clone, Debug, PartialEq, Serialize, serde::Deserialize)]
pub struct Numbered {
    /// The number. It grows by one with each record.
    pub seq: i64,
    /// The record.
    #[serde(flatten)]
    pub record: Record,
}

impl AuditLog {
    /// Returns up to `limit` records with numbers above `after`, the oldest first; only those of
    /// `flow`, if it is given.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn read_after(
        &self,
        after: i64,
        flow: Option<FlowId>,
        limit: u32,
    ) -> Result<Vec<Numbered>, StoreError> {
        let query = match flow {
            Some(flow) => sqlx::query(OF_FLOW).bind(flow.to_string()),
            None => sqlx::query(OF_ALL),
        };
        let rows = query.bind(after).bind(limit).fetch_all(&self.readers).await?;
        rows.iter().map(numbered).collect()
    }

    /// Returns the number before that of the last `count` records.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn before_last(&self, count: u32) -> Result<i64, StoreError> {
        let seq: Option<i64> = sqlx::query_scalar(
            "SELECT min(seq) FROM (SELECT seq FROM records ORDER BY seq DESC LIMIT ?)",
        )
        .bind(count)
        .fetch_one(&self.readers)
        .await?;
        Ok(match seq {
            Some(first) if count > 0 => first - 1,
            _ => *self.last.borrow(),
        })
    }
}

fn numbered(row: &SqliteRow) -> Result<Numbered, StoreError> {
    let json: String = row.try_get("record")?;
    let record = serde_json::from_str(&json)
        .map_err(|error| StoreError::Row(format!("an audit record: {error}")))?;
    Ok(Numbered { seq: row.try_get("seq")?, record })
}
