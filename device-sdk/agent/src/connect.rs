//! The command `connect`: one interface, on standard input and output or at a local port.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use doorward_model::{Action, Clock, DoorName, Name, escape};
use doorward_sdk::{Client, IdentityDir, Transport};

use crate::client_opener::{ClientOpener, not_accepted, start};
use crate::console::{self, is_line};
use crate::failure::Failure;
use crate::listen::{InterfaceListener, serve};
use crate::notices::Notices;
use crate::opener::{FlowOpener as _, OpenFlow};
use crate::signals::StopSignals;
use crate::stdio;

/// The arguments of `connect`.
#[derive(Args, Clone, Debug)]
pub struct ConnectArgs {
    /// The interface to open
    #[arg(value_name = "DEVICE/INTERFACE")]
    interface: String,
    /// The identity directory (default: --identity)
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Ask for read access only
    #[arg(long)]
    observe: bool,
    /// Carry standard input and output (the default)
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,
    /// Listen at unix:PATH (open to its owner only), or at a loopback ADDR:PORT with --open
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Let every user and program of this machine use the port
    #[arg(long, requires = "listen")]
    open: bool,
    /// Listen on although the gateway refuses the interface or the identity, or is not reached
    #[arg(long, requires = "listen")]
    keep: bool,
}

impl ConnectArgs {
    /// Opens the interface.
    pub(crate) async fn run(
        self,
        dir: &IdentityDir,
        as_json: bool,
        clock: Arc<dyn Clock>,
    ) -> Result<(), Failure> {
        let interface = read_interface(&self.interface)?;
        let notices = Notices::new(as_json, self.keep);
        let listen = self.listen.as_deref();
        let at = listen.map(|address| InterfaceListener::bind(address, self.open, &notices));
        let at = at.transpose()?;
        let mut stop = StopSignals::new()?;
        let client = start(dir, Transport::Auto, clock)?;
        let actions = if self.observe { vec![Action::Read] } else { Vec::new() };
        let opener = ClientOpener::new(client.clone(), actions);
        let ended = match at {
            Some(at) => {
                let listening = Listening { client: &client, opener, interface, notices };
                listening.run(at, stop, self.keep).await
            }
            None => tokio::select! {
                ended = carry(&opener, &interface, self.stdio) => ended,
                // Stops the client below, so that the gateway frees the flow's permit at once.
                () = stop.received() => Err(Failure::Cut(io::ErrorKind::Interrupted.into())),
            },
        };
        // Sends what is still in the client's buffers.
        client.stop().await;
        ended
    }
}

/// Carries one flow on standard input and output. A serial line on a terminal is interactive, unless
/// the bytes are to be carried as they are.
async fn carry(
    opener: &ClientOpener,
    interface: &DoorName,
    as_they_are: bool,
) -> Result<(), Failure> {
    let on_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let preview = match on_terminal && !as_they_are {
        // Of the actions at an interface, fewer than all do not tell what it is.
        true => opener.ask_for_all(interface).await?,
        false => None,
    };
    let is_line = preview.is_some_and(|preview| is_line(&preview.actions));
    match opener.open(interface, None).await? {
        OpenFlow::Stream(mut line) if is_line => console::serve(&mut *line, interface).await,
        flow @ (OpenFlow::Stream(_) | OpenFlow::Datagrams(_)) => stdio::serve(flow).await,
    }
}

/// What a listener for one interface works with.
struct Listening<'a> {
    client: &'a Client,
    opener: ClientOpener,
    interface: DoorName,
    notices: Notices,
}

impl Listening<'_> {
    /// Checks that the gateway permits the interface, and serves it. With `keep`, serves it anyway.
    async fn run(
        self,
        at: InterfaceListener,
        mut stop: StopSignals,
        keep: bool,
    ) -> Result<(), Failure> {
        let Self { client, opener, interface, notices } = self;
        let asked = tokio::select! {
            () = stop.received() => return Ok(()),
            asked = opener.ask(&interface) => asked,
        };
        match asked {
            Err(refusal) if keep => notices.refused(&interface, &refusal),
            asked => drop(asked?),
        }
        tokio::select! {
            ended = serve(at, Arc::new(opener), interface, notices, stop) => ended,
            over = not_accepted(client), if !keep => Err(over),
        }
    }
}

fn read_interface(text: &str) -> Result<DoorName, Failure> {
    let wrong = |why: String| Failure::Usage(format!("'{}': {why}", escape(text)));
    let (device, interface) = text
        .split_once('/')
        .ok_or_else(|| wrong("an interface is DEVICE/INTERFACE, such as plc-3/ssh".to_owned()))?;
    let interface: Name = interface.parse().map_err(|error| wrong(format!("{error}")))?;
    let device = device.parse().map_err(|error| wrong(format!("{error}")))?;
    Ok(DoorName { interface, device })
}
