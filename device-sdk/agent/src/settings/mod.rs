//! Reads a settings file: TOML in which each setting has a type and a range. Every error is one
//! sentence that names the file, the line, the key, what was found, and what to write instead.

mod given;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_model::{did_you_mean, escape};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use given::{GivenSetting, SettingPlace, SettingsError};

use self::given::{found, shown_time};

/// The longest file, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// The text of a settings file, with its name for errors.
#[derive(Clone, Debug, Default)]
pub struct SettingsFile {
    name: String,
    text: String,
}

/// A table of a settings file. Each reader takes one setting out of it; `end` refuses the settings
/// that are left.
#[derive(Debug)]
pub struct SettingsTable<'a> {
    file: &'a SettingsFile,
    place: SettingPlace,
    /// The key of the table with a dot behind it, or nothing for the whole file.
    prefix: String,
    left: BTreeMap<String, (usize, Spanned<DeValue<'a>>)>,
    known: Vec<String>,
}

impl SettingsFile {
    /// Reads a file of at most one mebibyte.
    ///
    /// # Errors
    /// The operator is at fault: the file cannot be read, is too long, or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let name = escape(&path.display().to_string()).to_string();
        let mut bytes = Vec::new();
        let read = std::fs::File::open(path)
            .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            return Err(SettingsError::Unreadable { file: name, error });
        }
        if bytes.len() as u64 > LONGEST {
            let why = format!("{name}: the file is longer than {LONGEST} bytes; shorten it");
            return Err(SettingsError::Wrong(why));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => {
                let sound = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
                let line = sound.filter(|byte| **byte == b'\n').count() + 1;
                let why = "the line is not UTF-8 text; save the file as UTF-8";
                Err(SettingsError::Wrong(format!("{name}, line {line}: {why}")))
            }
        }
    }

    /// Returns a file of that name and text.
    #[must_use]
    pub fn new(name: &Path, text: &str) -> Self {
        let name = escape(&name.display().to_string()).to_string();
        Self { name, text: text.to_owned() }
    }

    /// Parses the text. Returns the settings outside any table, and the tables among them.
    ///
    /// # Errors
    /// The operator is at fault: the text is not TOML.
    pub fn parse(&self) -> Result<SettingsTable<'_>, SettingsError> {
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        let begin = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
        // What follows the first error is often wrong only because of it.
        if let Some(first) = errors.iter().min_by_key(|error| begin(error)) {
            let line = self.line(begin(first));
            let place = SettingPlace::new(format!("{}, line {line}", self.name));
            return Err(place.wrong(format!(
                "this is not TOML ({}); write each setting as `key = value`, and texts in quotes",
                first.message()
            )));
        }
        let place = SettingPlace::new(self.name.clone());
        Ok(SettingsTable::new(self, place, String::new(), table.into_inner()))
    }

    /// Returns the number of the line that the byte at `offset` is in.
    fn line(&self, offset: usize) -> usize {
        self.text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
    }
}

impl<'a> SettingsTable<'a> {
    fn new(
        file: &'a SettingsFile,
        place: SettingPlace,
        prefix: String,
        table: DeTable<'a>,
    ) -> Self {
        let entry = |(key, value): (Spanned<_>, _)| {
            let line = file.line(key.span().start);
            (std::borrow::Cow::into_owned(key.into_inner()), (line, value))
        };
        let left = table.into_iter().map(entry).collect();
        Self { file, place, prefix, left, known: Vec::new() }
    }

    /// Returns where the table begins.
    #[must_use]
    pub fn place(&self) -> &SettingPlace {
        &self.place
    }

    /// Returns the names of the settings that nobody has taken yet.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.left.keys().cloned().collect()
    }

    /// Returns where a setting is that nobody has taken yet, or else where the table begins.
    #[must_use]
    pub fn place_of(&self, key: &str) -> SettingPlace {
        let line = self.left.get(key).map(|(line, _)| *line);
        line.map_or_else(|| self.place.clone(), |line| self.place_in(key, line))
    }

    /// Takes the table `key`. A missing table is an empty one.
    ///
    /// # Errors
    /// The operator is at fault: it is no table.
    pub fn table(&mut self, key: &str) -> Result<Self, SettingsError> {
        let prefix = format!("{}{key}.", self.prefix);
        let Some((place, value)) = self.take(key) else {
            return Ok(Self::new(self.file, self.place.clone(), prefix, DeTable::new()));
        };
        let value = value.into_inner();
        if let DeValue::Table(table) = value {
            return Ok(Self::new(self.file, place, prefix, table));
        }
        Err(place.expected(&value, format!("a table [{}{key}]", self.prefix)))
    }

    /// Takes a text.
    ///
    /// # Errors
    /// The operator is at fault: it is no text.
    pub fn text(&mut self, key: &str) -> Result<Option<GivenSetting<String>>, SettingsError> {
        self.text_as(key, "a text in quotes")
    }

    /// Takes a path.
    ///
    /// # Errors
    /// The operator is at fault: it is no text, or no file can have that path.
    pub fn path(&mut self, key: &str) -> Result<Option<GivenSetting<PathBuf>>, SettingsError> {
        const PATH: &str = "a path in quotes";
        let Some(given) = self.text_as(key, PATH)? else { return Ok(None) };
        if given.value.is_empty() || given.value.contains('\0') {
            return Err(given.expected(PATH));
        }
        Ok(Some(given.map(PathBuf::from)))
    }

    /// Takes a text, and reads it as a value of the type.
    ///
    /// # Errors
    /// The operator is at fault: it is no text, or no such value.
    pub fn parsed<T>(&mut self, key: &str) -> Result<Option<T>, SettingsError>
    where
        T: std::str::FromStr,
        T::Err: Display,
    {
        self.text(key)?.map(|given| given.parse()).transpose()
    }

    /// Takes a text that is one of a few, and returns the value beside it.
    ///
    /// # Errors
    /// The operator is at fault: it is none of them.
    pub fn choice<T: Copy>(
        &mut self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, SettingsError> {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let names = names.join(" or ");
        let Some(given) = self.text_as(key, &names)? else { return Ok(None) };
        match choices.iter().find(|(name, _)| *name == given.value) {
            Some((_, value)) => Ok(Some(*value)),
            None => Err(given.expected(&names)),
        }
    }

    /// Takes a whole number.
    ///
    /// # Errors
    /// The operator is at fault: it is no whole number within the range.
    pub fn whole<N>(
        &mut self,
        key: &str,
        range: RangeInclusive<N>,
    ) -> Result<Option<N>, SettingsError>
    where
        N: Copy + Display + PartialOrd + TryFrom<u64>,
    {
        let Some((place, value)) = self.take(key) else { return Ok(None) };
        let digits = value.get_ref().as_integer();
        let number = digits
            .and_then(|digits| u64::from_str_radix(digits.as_str(), digits.radix()).ok())
            .and_then(|number| N::try_from(number).ok());
        match number.filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (least, most) = (range.start(), range.end());
                let expected = format!("a whole number from {least} to {most}");
                Err(place.expected(value.get_ref(), expected))
            }
        }
    }

    /// Takes a length of time.
    ///
    /// # Errors
    /// The operator is at fault: it is no time within the range.
    pub fn time(
        &mut self,
        key: &str,
        range: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, SettingsError> {
        let (least, most) = (shown_time(*range.start()), shown_time(*range.end()));
        let expected = format!("a time in quotes, from \"{least}\" to \"{most}\"");
        let Some(given) = self.text_as(key, &expected)? else { return Ok(None) };
        match humantime::parse_duration(&given.value) {
            Ok(time) if range.contains(&time) => Ok(Some(time)),
            Ok(_) | Err(_) => Err(given.expected(&expected)),
        }
    }

    /// Takes a list of texts.
    ///
    /// # Errors
    /// The operator is at fault: it is no list, or something in it is no text.
    pub fn texts(&mut self, key: &str) -> Result<Option<Vec<GivenSetting<String>>>, SettingsError> {
        const TEXTS: &str = "a list of texts in quotes, such as [\"one\", \"two\"]";
        let Some((place, value)) = self.take(key) else { return Ok(None) };
        let Some(list) = value.get_ref().as_array() else {
            return Err(place.expected(value.get_ref(), TEXTS));
        };
        let mut texts = Vec::new();
        for value in list.iter() {
            let place = self.place_in(key, self.file.line(value.span().start));
            let Some(text) = value.get_ref().as_str() else {
                let found = found(value.get_ref());
                return Err(place.wrong(format!("found {found} in the list; write {TEXTS}")));
            };
            texts.push(GivenSetting::new(place, text.to_owned()));
        }
        Ok(Some(texts))
    }

    /// Refuses the settings that nobody has taken.
    ///
    /// # Errors
    /// The operator is at fault: there is a setting that does not exist.
    pub fn end(self) -> Result<(), SettingsError> {
        let Some((key, (line, _))) = self.left.iter().min_by_key(|(_, (line, _))| *line) else {
            return Ok(());
        };
        let known = self.known.iter().map(String::as_str);
        let why = format!(
            "there is no setting of this name{}; write one of {}",
            did_you_mean(key, known),
            self.known.join(", ")
        );
        Err(self.place_in(key, *line).wrong(why))
    }

    fn text_as(
        &mut self,
        key: &str,
        expected: &str,
    ) -> Result<Option<GivenSetting<String>>, SettingsError> {
        let Some((place, value)) = self.take(key) else { return Ok(None) };
        match value.get_ref().as_str() {
            Some(text) => Ok(Some(GivenSetting::new(place, text.to_owned()))),
            None => Err(place.expected(value.get_ref(), expected)),
        }
    }

    fn take(&mut self, key: &str) -> Option<(SettingPlace, Spanned<DeValue<'a>>)> {
        self.known.push(key.to_owned());
        let (line, value) = self.left.remove(key)?;
        Some((self.place_in(key, line), value))
    }

    fn place_in(&self, key: &str, line: usize) -> SettingPlace {
        SettingPlace::new(format!("{}, line {line}: {}{key}", self.file.name, self.prefix))
    }
}
