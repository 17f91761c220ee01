//! One record as it stands in the log: a line of JSON.

use doorward_policies::{Class, Record};
use jiff::Timestamp;
use sqlx::sqlite::SqliteConnection;

use crate::database::micros;
use crate::error::StoreError;

/// What a row takes besides its text: its number, its time and its places in two indices.
const BESIDES: u64 = 96;

/// A record that is ready to be written.
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

    /// Whether it may use the room on the disk that is kept.
    pub(super) fn is_rescue(&self) -> bool {
        self.is_rescue
    }

    /// About how many bytes it takes in the log.
    pub(super) fn length(&self) -> u64 {
        self.json.len() as u64 + BESIDES
    }

    /// Writes it, and answers its number.
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
