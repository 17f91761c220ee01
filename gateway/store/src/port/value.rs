//! The values that statements take and rows have.

use jiff::Timestamp;

/// A value of a row, or of a statement's parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoredValue {
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
    Flag(bool),
    None,
}

impl From<i64> for StoredValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<u32> for StoredValue {
    fn from(value: u32) -> Self {
        Self::Integer(value.into())
    }
}

impl From<bool> for StoredValue {
    fn from(value: bool) -> Self {
        Self::Flag(value)
    }
}

impl From<&str> for StoredValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for StoredValue {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for StoredValue {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

/// Instants are stored as microseconds since 1970.
impl From<Timestamp> for StoredValue {
    fn from(value: Timestamp) -> Self {
        Self::Integer(value.as_microsecond())
    }
}

impl<T: Into<StoredValue>> From<Option<T>> for StoredValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::None, Into::into)
    }
}

/// Lists the values of a statement's parameters.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::port::StoredValue::from($value)),*]
    };
}
pub(crate) use values;
