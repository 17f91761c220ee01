//! Prints answers: tables for people, JSON for programs.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::CommandFailure;

/// The form of the output: tables for people, or JSON for programs.
pub(crate) struct Output {
    json: bool,
    colour: bool,
}

/// Writes to standard output. A closed pipe is not an error.
pub(crate) fn write(bytes: &[u8]) -> Result<(), CommandFailure> {
    write_while_open(bytes).map(drop)
}

/// Writes to standard output. Returns false if the pipe is closed.
pub(crate) fn write_while_open(bytes: &[u8]) -> Result<bool, CommandFailure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(CommandFailure::new(format!("standard output: {error}"))),
    }
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let colour = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { json, colour }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints `answer`: as JSON with `--json`, otherwise as the text that `words` returns.
    pub(crate) fn print<T: Serialize>(
        &self,
        answer: &T,
        words: impl FnOnce(&T) -> String,
    ) -> Result<(), CommandFailure> {
        let mut text = if self.json {
            serde_json::to_string_pretty(answer)
                .map_err(|error| CommandFailure::new(error.to_string()))?
        } else {
            words(answer)
        };
        if !text.ends_with('\n') && !text.is_empty() {
            text.push('\n');
        }
        write(text.as_bytes())
    }

    /// Formats a heading in bold.
    pub(crate) fn bold(&self, text: &str) -> String {
        self.styled("1", text)
    }

    /// Formats a good state in green.
    pub(crate) fn good(&self, text: &str) -> String {
        self.styled("32", text)
    }

    /// Formats a state that needs attention in red.
    pub(crate) fn bad(&self, text: &str) -> String {
        self.styled("31", text)
    }

    fn styled(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Formats rows in columns under headings. The caller must have escaped texts from peers.
    pub(crate) fn table(&self, headings: &[&str], rows: &[Vec<String>]) -> String {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
            widest.max(headings.get(column).map_or(0, |heading| heading.len()))
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| {
                let gap = width.saturating_sub(cell.chars().count());
                format!("{cell}{}", " ".repeat(gap))
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let mut text = self.bold(&line(headings.to_vec()));
        for row in rows {
            text.push('\n');
            text.push_str(&line(row.iter().map(String::as_str).collect()));
        }
        text
    }
}

/// Prints a note on standard error.
pub(crate) fn warn(text: &str) {
    drop(writeln!(io::stderr().lock(), "doorward: note: {text}"));
}
