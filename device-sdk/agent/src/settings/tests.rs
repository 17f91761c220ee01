//! What errors say about settings of the wrong type or range, and about texts that are not TOML.

use super::*;

/// Reads settings of every type from a file.
fn read(text: &str) -> Result<(), String> {
    let file = SettingsFile::new(Path::new("/etc/a.toml"), text);
    let read = || -> Result<(), SettingsError> {
        let mut top = file.parse()?;
        top.text("text")?;
        top.path("path")?;
        top.choice("choice", &[("this", 1), ("that", 2)])?;
        top.texts("texts")?;
        let mut table = top.table("table")?;
        table.whole("count", 1..=9_usize)?;
        table.whole("rate", 1..=u32::MAX)?;
        table.time("time", Duration::from_secs(1)..=Duration::from_secs(3600))?;
        table.end()?;
        top.end()
    };
    read().map_err(|error| error.to_string())
}

#[test]
fn an_error_says_where_and_what_was_found_and_what_to_write() {
    for (text, says) in [
        ("text = 5", "line 1: text: found the number 5; write a text in quotes"),
        ("\n\ntext = true", "line 3: text: found true; write a text in quotes"),
        ("text.x = 1", "line 1: text: found a table; write a text in quotes"),
        ("path = \"\"", "line 1: path: found the text \"\"; write a path in quotes"),
        ("path = \"a\\u0000\"", "found the text \"a\\u{0}\"; write a path in quotes"),
        ("choice = \"x\"", "line 1: choice: found the text \"x\"; write \"this\" or \"that\""),
        ("choice = []", "line 1: choice: found a list; write \"this\" or \"that\""),
        ("texts = \"a\"", "line 1: texts: found the text \"a\"; write a list of texts in quotes"),
        ("texts = [\n\"a\",\n5,\n]", "line 3: texts: found the number 5 in the list; write a list"),
        ("table = 5", "line 1: table: found the number 5; write a table [table]"),
        ("[[table]]", "line 1: table: found a list; write a table [table]"),
        ("[table]\ncount = 0", "line 2: table.count: found the number 0; write a whole number"),
        (
            "[table]\ncount = -1",
            "table.count: found the number -1; write a whole number from 1 to 9",
        ),
        ("table.count = 10", "found the number 10; write a whole number from 1 to 9"),
        ("table.count = 0x10", "found the number 0x10; write"),
        ("table.count = 1.5", "found the number 1.5; write"),
        ("table.count = 2026-01-01", "found the date 2026-01-01; write"),
        (
            "table.count = 99999999999999999999999",
            "found the number 99999999999999999999999; write",
        ),
        ("table.rate = 4294967296", "write a whole number from 1 to 4294967295"),
        ("table.time = 5", "found the number 5; write a time in quotes, from \"1s\" to \"1h\""),
        ("table.time = \"0s\"", "found the text \"0s\"; write a time in quotes, from \"1s\""),
        ("table.time = \"soon\"", "found the text \"soon\"; write a time in quotes"),
        ("table.time = \"584542046090y\"", "found the text \"584542046090y\"; write a time"),
        ("txt = 5", "line 1: txt: there is no setting of this name; did you mean text?; write one"),
        ("[table]\nx = 5", "line 2: table.x: there is no setting of this name; write one of count"),
        ("\ntext = a", "line 2: this is not TOML ("),
        ("text = \"a\ntext", "line 1: this is not TOML ("),
        ("[table\n", "line 1: this is not TOML ("),
        ("text = \"a\"\ntext = \"b\"", "line 2: this is not TOML (duplicate key)"),
        ("\"a\\nb\" = 5", "line 1: a\\u{a}b: there is no setting"),
    ] {
        let error = read(text).unwrap_err();
        assert!(error.starts_with("/etc/a.toml, "), "{error}");
        assert!(error.contains(says), "{text}: {error}");
        assert!(doorward_model::is_printable(&error) && !error.contains('^'), "{error}");
    }
    let long = format!("text = [\"{}\"]\ntexts = {}", "x".repeat(5000), "[".repeat(5000));
    assert!(read(&long).unwrap_err().len() < 300);
}

#[test]
fn settings_at_their_bounds_are_read() {
    assert_eq!(read(""), Ok(()));
    for text in [
        "table.count = 1",
        "table.count = 0b1001",
        "table.rate = 4_294_967_295",
        "table.time = \"1s\"",
        "table.time = \"60m\"",
        "texts = []",
        "choice = \"that\"",
    ] {
        assert_eq!(read(text), Ok(()), "{text}");
    }
}

#[test]
fn a_file_that_is_no_text_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("a.toml");
    let refused = || SettingsFile::read(&file).unwrap_err().to_string();
    assert!(refused().contains("a.toml: No such file"));
    std::fs::write(&file, b"text = \"a\"\n# caf\xe9\n").unwrap();
    assert!(
        refused().ends_with("a.toml, line 2: the line is not UTF-8 text; save the file as UTF-8")
    );
    std::fs::write(&file, "#".repeat(1024 * 1024 + 1)).unwrap();
    assert!(refused().contains("longer than 1048576 bytes"));
}

#[test]
fn a_time_is_shown_in_its_largest_unit() {
    for (seconds, shown) in [(0, "0s"), (1, "1s"), (90, "90s"), (3600, "1h"), (86400 * 825, "825d")]
    {
        assert_eq!(shown_time(Duration::from_secs(seconds)), shown);
    }
    assert_eq!(shown_time(Duration::from_millis(1500)), "1500ms");
}
