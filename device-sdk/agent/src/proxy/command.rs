//! The command `proxy`.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use doorward_model::Clock;
use doorward_sdk::{IdentityDir, Transport};
use serde_json::json;

use super::{DEFAULT_ADDRESS, ProxyListener};
use crate::client_opener::{ClientOpener, not_accepted, start};
use crate::failure::Failure;
use crate::notices::Notices;
use crate::signals::StopSignals;

/// The arguments of `proxy`.
#[derive(Args, Clone, Debug)]
pub struct ProxyArgs {
    /// The identity directory (default: --identity)
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Where to listen: a loopback ADDR:PORT, or unix:PATH (open to its owner only)
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_ADDRESS)]
    listen: String,
    /// Require no token, so that every user and program of this machine can use the proxy
    #[arg(long)]
    open: bool,
    /// Listen on although the gateway does not accept the identity, or is not reached
    #[arg(long)]
    keep: bool,
}

impl ProxyArgs {
    /// Serves local programs until the agent is told to stop, or the identity is not accepted any
    /// more.
    pub(crate) async fn run(
        self,
        dir: &IdentityDir,
        as_json: bool,
        clock: Arc<dyn Clock>,
    ) -> Result<(), Failure> {
        let domain = dir.load()?.gateway().domain.clone();
        let bound = ProxyListener::bind(&self.listen, self.open)?;
        let token = bound.keep_token(dir.path())?;
        let mut stop = StopSignals::new()?;
        let client = start(dir, Transport::Auto, clock)?;
        // A refused interface leaves the others.
        let notices = Notices::new(as_json, true);
        let connected = tokio::select! {
            () = stop.received() => return Ok(()),
            connected = client.connected() => connected,
        };
        match connected {
            Err(error) if self.keep => notices.failed(None, error.into()),
            connected => connected?,
        }
        let place = token.as_ref().map(|token| token.path().display().to_string());
        // Only a person at a terminal sees the token: other outputs are often logs.
        let address = bound.shown(std::io::stdout().is_terminal() && !as_json);
        let hint = place.as_ref().map(|place| format!("; its token is in {place}"));
        let sentence = format!("the proxy is {address}{}", hint.unwrap_or_default());
        notices.listening(&sentence, json!({ "address": address, "token": place }))?;
        let opener = Arc::new(ClientOpener::new(client.clone(), Vec::new()));
        let ended = tokio::select! {
            () = bound.serve(opener, notices, domain, stop) => Ok(()),
            over = not_accepted(&client), if !self.keep => Err(over),
        };
        client.stop().await;
        ended
    }
}
