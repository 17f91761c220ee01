//! One record as the log stores it: a line of JSON.

use doorward_policies::{Class, Record};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

use crate::error::StoreError;
use crate::sqlite::micros;

/// The size of a row besides its text, in bytes: its number, its time and its entries in two
/// indices.
const BESIDES: u64 = 96;

/// A serialized record.
#[derive(Debug)]
pub(super) struct LogLine {
    at: Timestamp,
    flow: Option<String>,
    json: String,
    is_rescue: bool,
}

impl LogLine {
    pub(super) fn of(record: &Record) -> Result<Self, serde_json::Error> {
        let flow = record.flow.map(|flow| flow.to_string());
        let is_rescue = record.bound().class == Class::Rescue;
        Ok(Self { at: record.at, flow, json: serde_json::to_string(record)?, is_rescue })
    }

    /// Returns whether the record may use the reserved disk space.
    pub(super) fn is_rescue(&self) -> bool {
        self.is_rescue
    }

    /// Returns about how many bytes the record takes in the log.
    pub(super) fn length(&self) -> u64 {
        self.json.len() as u64 + BESIDES
    }

    /// Writes the record, and returns its number.
    pub(super) async fn insert(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<i64, StoreError> {
        let insert = "INSERT INTO records (at, flow, record) VALUES (?, ?, ?) RETURNING seq";
        let seq = sqlx::query_scalar(insert)
            .bind(micros(self.at))
            .bind(self.flow.as_deref())
            .bind(self.json.as_str())
            .fetch_one(connection)
            .await?;
        Ok(seq)
    }
}
