//! `doorward ca`.

use std::path::Path;

use serde_json::{Value, json};

use super::args::CaCommand;
use super::client::{Client, items, text, when};
use super::not_built;
use super::output::Output;
use crate::assemble::import;
use crate::clock::SystemClock;
use crate::config::{Config, Overrides};
use crate::failure::Failure;
use crate::host;

pub(crate) async fn run(
    command: CaCommand,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    match command {
        CaCommand::Show => {
            let answer = client.get("/v1/ca").await?;
            out.print(&answer, |answer| show(answer, out))
        }
        // For files of other programs, so it is the same with --json and without.
        CaCommand::Jwks => {
            Output::new(true).print(&client.get("/v1/ca/jwks").await?, |_| String::new())
        }
        CaCommand::Import { data, config, cert, key, root } => {
            let overrides = Overrides { data, ..Overrides::default() };
            let config = Config::read(config.as_deref(), overrides, host::machine())?;
            imported(&config, &cert, &key, &root, out)
        }
        CaCommand::Crl => Err(not_built("ca crl")),
        CaCommand::Rotate => Err(not_built("ca rotate")),
    }
}

fn imported(
    config: &Config,
    cert: &Path,
    key: &Path,
    root: &Path,
    out: &Output,
) -> Result<(), Failure> {
    let public = import(config, cert, key, root, &SystemClock)?;
    let anchor = public.anchor();
    let answer = json!({ "data": config.data.display().to_string(), "anchor": anchor });
    out.print(&answer, |_| {
        format!(
            "the authority is in {}; `doorward serve` with that --data directory founds a gateway \
             on it.\nfingerprint of the root: {}",
            config.data.display(),
            anchor.grouped()
        )
    })
}

fn show(answer: &Value, out: &Output) -> String {
    let mut rows = Vec::new();
    let mut row = |what: &str, one: &Value| {
        rows.push(vec![
            what.to_owned(),
            text(one, "name"),
            when(one, "not_after"),
            text(one, "fingerprint"),
        ]);
    };
    row("root", answer.get("root").unwrap_or(&Value::Null));
    items(answer, "intermediates").iter().for_each(|one| row("intermediate", one));
    row("issuing", answer.get("issuing").unwrap_or(&Value::Null));
    out.table(&["AUTHORITY", "NAME", "UNTIL", "SHA-256"], &rows)
}
