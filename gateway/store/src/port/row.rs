//! A row that a statement returns.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;

use super::StoredValue;
use crate::error::StoreError;
use crate::sqlite;

/// A row that a statement returns.
pub(crate) enum StoredRow {
    Sqlite(sqlite::DriverRow),
}

impl StoredRow {
    /// Reads a column.
    pub(crate) fn get<T: FromStored>(&self, column: &'static str) -> Result<T, StoreError> {
        let value = match self {
            Self::Sqlite(row) => sqlite::value(row, column)?,
        };
        T::from_stored(value)
            .ok_or_else(|| StoreError::Row(format!("{column} has a value of another type")))
    }

    /// Reads a column of text, and parses it.
    pub(crate) fn parse<T>(&self, column: &'static str) -> Result<T, StoreError>
    where
        T: FromStr,
        T::Err: Display,
    {
        let text: String = self.get(column)?;
        text.parse().map_err(|error| StoreError::Row(format!("{column}: {error}")))
    }
}

/// Leaves out what a row holds if it cannot be read, with a warning. Only for rows without which the
/// gateway denies more: one such row must not keep it from starting.
pub(crate) fn readable<T>(
    read: Result<T, StoreError>,
    what: impl FnOnce() -> String,
) -> Result<Option<T>, StoreError> {
    if let Err(StoreError::Row(why)) = &read {
        tracing::warn!(what = what(), %why, "a stored value cannot be read, so it is left out");
        return Ok(None);
    }
    read.map(Some)
}

/// A type that columns are read as.
pub(crate) trait FromStored: Sized {
    /// Returns the value in this type; `None` if it is of another type.
    fn from_stored(value: StoredValue) -> Option<Self>;
}

impl FromStored for i64 {
    fn from_stored(value: StoredValue) -> Option<Self> {
        match value {
            StoredValue::Integer(value) => Some(value),
            StoredValue::Text(_)
            | StoredValue::Bytes(_)
            | StoredValue::Flag(_)
            | StoredValue::None => None,
        }
    }
}

/// A database without a type for flags stores 0 and 1.
impl FromStored for bool {
    fn from_stored(value: StoredValue) -> Option<Self> {
        match value {
            StoredValue::Flag(value) => Some(value),
            StoredValue::Integer(0) => Some(false),
            StoredValue::Integer(1) => Some(true),
            StoredValue::Integer(_)
            | StoredValue::Text(_)
            | StoredValue::Bytes(_)
            | StoredValue::None => None,
        }
    }
}

impl FromStored for String {
    fn from_stored(value: StoredValue) -> Option<Self> {
        match value {
            StoredValue::Text(value) => Some(value),
            StoredValue::Integer(_)
            | StoredValue::Bytes(_)
            | StoredValue::Flag(_)
            | StoredValue::None => None,
        }
    }
}

impl FromStored for Vec<u8> {
    fn from_stored(value: StoredValue) -> Option<Self> {
        match value {
            StoredValue::Bytes(value) => Some(value),
            StoredValue::Integer(_)
            | StoredValue::Text(_)
            | StoredValue::Flag(_)
            | StoredValue::None => None,
        }
    }
}

/// Instants are stored as microseconds since 1970.
impl FromStored for Timestamp {
    fn from_stored(value: StoredValue) -> Option<Self> {
        Self::from_microsecond(i64::from_stored(value)?).ok()
    }
}

impl<T: FromStored> FromStored for Option<T> {
    fn from_stored(value: StoredValue) -> Option<Self> {
        match value {
            StoredValue::None => Some(None),
            value @ (StoredValue::Integer(_)
            | StoredValue::Text(_)
            | StoredValue::Bytes(_)
            | StoredValue::Flag(_)) => T::from_stored(value).map(Some),
        }
    }
}
