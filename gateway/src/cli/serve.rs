//! `doorward serve` and `doorward recover`.

use doorward_control::CodeMaker;
use doorward_model::{Clock as _, Fingerprint};
use doorward_store::recover as keep_owner_code;
use serde_json::json;

use super::args;
use super::output::{Output, write};
use crate::assemble::{Gateway, assemble};
use crate::clock::SystemClock;
use crate::config::{Config, Overrides};
use crate::data_directory::check_owner;
use crate::demo;
use crate::failure::CommandFailure;
use crate::supervise::{self, announce};
use crate::{host, log};

/// Runs the gateway until it receives SIGINT or SIGTERM.
pub(crate) async fn run(serve: args::Serve) -> Result<(), CommandFailure> {
    let args::Serve { data, config, listen, management, domain, print_code, demo } = serve;
    let serial = vec![];
    let mut overrides = Overrides { data, listen, management, domain, print_code, serial };
    if !demo {
        let config = Config::read(config.as_deref(), overrides, host::machine())?;
        log::begin(config.log, "info")?;
        let gateway = assemble(config).await?;
        return supervise::run(gateway, true, async |gateway| greet(gateway)).await;
    }
    let demonstration = demo::Demonstration::start(&mut overrides).await?;
    let config = Config::read(config.as_deref(), overrides, host::machine())?;
    log::begin(config.log, "warn")?;
    let gateway = assemble(config).await?;
    supervise::run(gateway, false, async |gateway| {
        greet(gateway)?;
        demonstration.show(gateway).await
    })
    .await
}

/// Prints the gateway's version, name and addresses.
fn greet(gateway: &Gateway) -> Result<(), CommandFailure> {
    let at = &gateway.addresses;
    let text = format!(
        "doorward {}  {}  {}\n\
         interfaces   {} (for clients: {})\n\
         management   {}\n\
         data         {}\n",
        env!("CARGO_PKG_VERSION"),
        gateway.subject,
        gateway.domain,
        at.listen,
        at.advertise,
        at.management,
        gateway.data_directory.path().display(),
    );
    write(text.as_bytes())
}

/// Makes a new owner code, whether or not the gateway runs. Only the user that owns the data
/// directory may do this.
pub(crate) async fn recover(recover: args::Recover, out: &Output) -> Result<(), CommandFailure> {
    let args::Recover { data, config, print_code } = recover;
    let overrides = Overrides { data, ..Overrides::default() };
    let config = Config::read(config.as_deref(), overrides, host::machine())?;
    if !config.data.exists() {
        return Err(CommandFailure::new(format!(
            "there is no gateway in {}; name its data directory with --data",
            config.data.display()
        )));
    }
    check_owner(&config.data)?;
    let now = SystemClock.now();
    // The gateway's URL and fingerprint are in its state, which is read below.
    let maker = CodeMaker::new(String::new(), Fingerprint::new([0; 32]));
    let made = maker.owner_code(now)?;
    let found = keep_owner_code(&config.state(), &config.data, made.row, now).await?;
    let mut code = made.code;
    code.anchor = found.authority.anchor();
    code.url = match found.advertise.or(config.advertise) {
        Some(advertise) => format!("https://{advertise}"),
        None => {
            return Err(CommandFailure::new(
                "this gateway has never been started, so nobody can reach it; start it first",
            ));
        }
    };
    let file = config.data.join(supervise::CLAIM_FILE);
    if print_code && out.is_json() {
        let answer = json!({ "code": code.reveal(), "expires": code.expires });
        return out.print(&answer, |_| String::new());
    }
    if announce(&code, &file, print_code)? {
        return Ok(());
    }
    let answer = json!({ "file": file.display().to_string(), "expires": code.expires });
    out.print(&answer, |_| format!("the code is in {}", file.display()))
}
