//! Statements with the port's values, through SQLite's driver.

use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{Decode, Row as _, TypeInfo as _, ValueRef as _};

use crate::error::StoreError;
use crate::port::StoredValue;

/// Prepares a statement. The driver finds each value by the number in `$1`, `$2` and so on, and
/// keeps the prepared statement for the next time.
pub(super) fn bound(
    sql: &'static str,
    values: Vec<StoredValue>,
) -> Query<'static, Sqlite, SqliteArguments> {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        StoredValue::Integer(value) => query.bind(value),
        StoredValue::Text(value) => query.bind(value),
        StoredValue::Bytes(value) => query.bind(value),
        StoredValue::Flag(value) => query.bind(value),
        StoredValue::None => query.bind(None::<i64>),
    })
}

/// Reads a column of a row. SQLite has no type for flags, so a flag is read as an integer.
pub(crate) fn value(row: &SqliteRow, column: &'static str) -> Result<StoredValue, StoreError> {
    let found = row.try_get_raw(column)?;
    if found.is_null() {
        return Ok(StoredValue::None);
    }
    let kind = found.type_info().name().to_owned();
    let wrong = |error| StoreError::Row(format!("{column}: {error}"));
    match kind.as_str() {
        "INTEGER" => Decode::<Sqlite>::decode(found).map(StoredValue::Integer).map_err(wrong),
        "TEXT" => Decode::<Sqlite>::decode(found).map(StoredValue::Text).map_err(wrong),
        "BLOB" => Decode::<Sqlite>::decode(found).map(StoredValue::Bytes).map_err(wrong),
        other => Err(StoreError::Row(format!("{column} has the type {other}"))),
    }
}
