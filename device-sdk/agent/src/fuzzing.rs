//! Fuzz targets for the parsers of this crate, as in [`doorward_wire::fuzzing`].

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

use std::path::Path;

use doorward_model::{Way, is_printable};
use doorward_wire::fuzzing::FuzzTarget;

use crate::proxy::fuzzing as proxy;
use crate::run::config::{AgentConfig, INTERFACES, POSTURE_MAX, POSTURE_MIN};
use crate::settings::SettingsFile;

pub use crate::proxy::fuzzing::{header, http, socks};

/// The targets of this crate.
pub const TARGETS: &[FuzzTarget] = &[
    FuzzTarget { name: "socks", run: socks, corpus: proxy::socks_corpus },
    FuzzTarget { name: "http", run: http, corpus: proxy::http_corpus },
    FuzzTarget { name: "header", run: header, corpus: proxy::header_corpus },
    FuzzTarget { name: "config", run: config, corpus: config_corpus },
];

/// Checks the configuration file: accepted values are within their bounds, and an error text is
/// printable.
pub fn config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match AgentConfig::of(&SettingsFile::new(Path::new("agent.toml"), &text)) {
        Ok(config) => {
            assert!((POSTURE_MIN..=POSTURE_MAX).contains(&config.posture_every));
            assert!(config.firmware.is_none_or(|firmware| firmware.is_absolute()));
            assert!(config.interfaces.len() <= INTERFACES);
            for target in config.interfaces.values() {
                assert!(!matches!(target, Way::Agent { .. }));
            }
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.starts_with("agent.toml, line "), "{text:?}");
            assert!(is_printable(&text), "one line: {text:?}");
        }
    }
}

fn config_corpus() -> Vec<Vec<u8>> {
    let shipped = include_str!("../../../deploy/agent.toml");
    let examples: String = shipped
        .lines()
        .filter_map(|line| line.strip_prefix("#- ").or(line.strip_prefix("#: ")))
        .map(|line| line.to_owned() + "\n")
        .collect();
    // Lines on their own too: among others, an error in one could hide an error in the next.
    let mut corpus: Vec<Vec<u8>> = examples.lines().map(|line| line.as_bytes().to_vec()).collect();
    corpus
        .push(b"[interfaces.console]\nurl = \"serial:/dev/ttyS0?baud=9600&parity=even\"\n".into());
    corpus.push(b"posture-every = \"1h 5m\"\ntransport = 'tls'\n".into());
    corpus.push(b"interfaces = { a = { url = \"unix:/run/a\" } }\n".into());
    corpus.push(examples.into_bytes());
    corpus
}

#[cfg(test)]
mod tests {
    use doorward_wire::fuzzing::share;

    use super::*;

    #[test]
    fn targets_stand_what_comes() {
        let faults = share(TARGETS, 40_000, |text| println!("{text}"));
        assert!(faults.is_empty(), "{faults:#?}");
    }
}
