//! A setting with the place where somebody gave it, the error about it, and how that shows values.

use std::fmt::Display;
use std::io;
use std::time::Duration;

use doorward_model::escape;
use thiserror::Error;
use toml::de::DeValue;

/// Why a settings file is refused. The operator is at fault.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("{file}: {error}")]
    Unreadable {
        /// The path of the file.
        file: String,
        /// The system's error.
        error: io::Error,
    },
    /// A line or a setting is wrong: one sentence that names it.
    #[error("{0}")]
    Wrong(String),
}

/// Where a setting is: file, line and key, or an option of the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingPlace(String);

/// A setting, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenSetting<T> {
    /// The value.
    pub value: T,
    place: SettingPlace,
}

impl SettingPlace {
    /// Returns a place with that description.
    #[must_use]
    pub fn new(description: impl Into<String>) -> Self {
        Self(description.into())
    }

    /// Returns an error at this place. Escapes what the operator wrote, so that the error is one
    /// line.
    #[must_use]
    pub fn wrong(&self, why: impl Display) -> SettingsError {
        SettingsError::Wrong(escape(&format!("{}: {why}", self.0)).to_string())
    }

    pub(super) fn expected(&self, value: &DeValue<'_>, expected: impl Display) -> SettingsError {
        self.wrong(format!("found {}; write {expected}", found(value)))
    }
}

impl<T> GivenSetting<T> {
    /// Returns a setting at that place.
    #[must_use]
    pub fn new(place: SettingPlace, value: T) -> Self {
        Self { value, place }
    }

    /// Returns an error about this setting.
    #[must_use]
    pub fn wrong(&self, why: impl Display) -> SettingsError {
        self.place.wrong(why)
    }

    pub(super) fn map<U>(self, change: impl FnOnce(T) -> U) -> GivenSetting<U> {
        GivenSetting { value: change(self.value), place: self.place }
    }
}

impl GivenSetting<String> {
    /// Reads the text as a value of the type.
    ///
    /// # Errors
    /// The operator is at fault: it is no such value.
    pub fn parse<T>(&self) -> Result<T, SettingsError>
    where
        T: std::str::FromStr,
        T::Err: Display,
    {
        self.value.parse().map_err(|error: T::Err| self.wrong(error))
    }

    /// Returns the error that another text is expected here.
    #[must_use]
    pub fn expected(&self, expected: impl Display) -> SettingsError {
        self.wrong(format!("found {}; write {expected}", found_text(&self.value)))
    }
}

/// Returns a description of a value, for errors.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => found_text(text),
        DeValue::Integer(number) => format!("the number {}", shortened(&number.to_string())),
        DeValue::Float(number) => format!("the number {}", shortened(number.as_str())),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn found_text(text: &str) -> String {
    format!("the text \"{}\"", shortened(text))
}

/// Returns the beginning of a long text.
fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    let begin: String = text.chars().take(MOST).collect();
    if begin.len() < text.len() { format!("{begin}…") } else { begin }
}

/// Returns a time in the largest unit that divides it, as it is written in a file.
pub(super) fn shown_time(time: Duration) -> String {
    let milliseconds = time.as_millis();
    let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)];
    let unit =
        units.iter().find(|(_, length)| milliseconds.is_multiple_of(*length) && milliseconds > 0);
    match unit {
        Some((unit, length)) => format!("{}{unit}", milliseconds / length),
        None if milliseconds == 0 => "0s".to_owned(),
        None => format!("{milliseconds}ms"),
    }
}
