//! `doorward ca`.

use std::path::Path;

use doorward_api::{AuthorityCertificate, AuthorityView, endpoint};
use doorward_model::escape;
use serde_json::json;

use super::args::CaCommand;
use super::client::{AdminClient, when};
use super::end::not_built;
use super::output::Output;
use crate::assemble::import;
use crate::clock::SystemClock;
use crate::config::{Config, Overrides};
use crate::failure::CommandFailure;
use crate::host;

pub(crate) async fn run(
    command: CaCommand,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    match command {
        CaCommand::Show => {
            let answer = client.call::<endpoint::ShowAuthority>(&[], &()).await?;
            out.print(&answer, |answer| show(answer, out))
        }
        // Other programs read the JWK Set from a file, so it is JSON with and without --json.
        CaCommand::Jwks => {
            let keys = client.call::<endpoint::ShowKeySet>(&[], &()).await?;
            Output::new(true).print(&keys, |_| String::new())
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
) -> Result<(), CommandFailure> {
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

fn show(authority: &AuthorityView, out: &Output) -> String {
    let row = |what: &str, one: &AuthorityCertificate| {
        let name = escape(&one.name).to_string();
        vec![what.to_owned(), name, when(one.not_after), one.fingerprint.to_string()]
    };
    let mut rows = vec![row("root", &authority.root)];
    rows.extend(authority.intermediates.iter().map(|one| row("intermediate", one)));
    rows.push(row("issuing", &authority.issuing));
    out.table(&["AUTHORITY", "NAME", "UNTIL", "SHA-256"], &rows)
}
