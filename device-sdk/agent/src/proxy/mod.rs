//! A local proxy that reaches every interface by its host name: HTTP CONNECT and SOCKS 5 on one
//! port.
//!
//! Invariants
//! - The proxy resolves no names and dials no addresses. A host name is an interface of the
//!   gateway's domain, or it is refused.
//! - A TCP port is a loopback port, and every program needs the token, unless `--open` is set.
//! - A flow that was cut ends with a reset for the program.

mod command;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod header;
mod http;
mod owner;
mod refusal;
mod relay;
mod shared;
mod socks;
mod token;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::{Domain, DoorName, escape};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::local_listener::{ListenAddress, LocalListener};
use crate::local_stream::LocalStream;
use crate::notices::Notices;
use crate::opener::{self, ByteFlow, FlowOpener};
use crate::signals::StopSignals;
use http::{ConnectHead, ProxyRefusal};
use shared::{LocalProxy, local_failure};
use socks::{Socks, SocksCommand, SocksReply, SocksStep};
use token::{ProxyToken, TokenFile};

pub use command::ProxyArgs;

/// The default address.
const DEFAULT_ADDRESS: &str = "127.0.0.1:1080";
/// How many programs are served at once. Further ones wait to be accepted.
const CONNECTIONS: usize = 512;
/// How long a program may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// A proxy that is bound to its address and not serving yet.
pub(crate) struct ProxyListener {
    listener: LocalListener,
    token: Option<ProxyToken>,
    relays: bool,
}

impl ProxyListener {
    /// Listens at `address`. Only its owner can open a Unix socket. A TCP port requires a token,
    /// unless it is `open`.
    pub(crate) fn bind(address: &str, open: bool) -> Result<Self, Failure> {
        let address = ListenAddress::parse(address)?;
        let tcp = matches!(address, ListenAddress::Tcp(_));
        let token = if tcp && !open { Some(ProxyToken::new()?) } else { None };
        Ok(Self { listener: LocalListener::bind(&address)?, token, relays: tcp })
    }

    /// Writes the token, if there is one, into the identity directory. Dropping the result removes
    /// the file.
    pub(crate) fn keep_token(&self, dir: &Path) -> Result<Option<TokenFile>, Failure> {
        self.token.as_ref().map(|token| token.keep(dir)).transpose()
    }

    /// Returns the proxy's address in the form that programs take; with the token, if there is one
    /// and `shows_token`.
    pub(crate) fn shown(&self, shows_token: bool) -> String {
        let at = self.listener.shown();
        match (&self.token, &self.listener) {
            (Some(token), _) if shows_token => format!("http://doorward:{}@{at}", token.expose()),
            (Some(_), _) | (None, LocalListener::Tcp(_)) => format!("http://{at}"),
            (None, LocalListener::Unix(..)) => at,
        }
    }

    /// Serves programs until the agent is told to stop.
    pub(crate) async fn serve(
        self,
        opener: Arc<dyn FlowOpener>,
        notices: Notices,
        domain: Domain,
        mut stop: StopSignals,
    ) {
        let Self { listener, token, relays } = self;
        let proxy = Arc::new(LocalProxy { opener, notices, domain, token, relays });
        let mut programs = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.received() => return,
                Some(_) = programs.join_next(), if !programs.is_empty() => {}
                accepted = listener.accept(), if programs.len() < CONNECTIONS => match accepted {
                    Ok(local) => {
                        programs.spawn(serve(local, Arc::clone(&proxy)));
                    }
                    Err(error) => {
                        proxy.notices.warn(format!("could not accept a connection: {error}"));
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
    }
}

async fn serve(local: LocalStream, proxy: Arc<LocalProxy>) {
    if let Err(failure) = program(local, &proxy).await {
        proxy.notices.failed(None, failure);
    }
}

async fn program(mut local: LocalStream, proxy: &LocalProxy) -> Result<(), Failure> {
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut first = vec![0; 1];
    match tokio::time::timeout_at(until, local.read(&mut first)).await {
        Ok(Ok(1..)) => {}
        Ok(Err(error)) => return Err(local_failure(error)),
        // The program closed the connection or sent nothing in time.
        _ => return Ok(()),
    }
    if first.first() == Some(&socks::VERSION) {
        return serve_socks(local, first, proxy, until).await;
    }
    serve_http(local, first, proxy, until).await
}

async fn serve_http(
    mut local: LocalStream,
    mut bytes: Vec<u8>,
    proxy: &LocalProxy,
    until: tokio::time::Instant,
) -> Result<(), Failure> {
    let mut chunk = vec![0; 4096];
    let (host, length) = loop {
        match http::read(&bytes, proxy.token.as_ref()) {
            ConnectHead::Connect(host, length) => break (host, length),
            ConnectHead::Refuse(problem) => return send_and_close(local, &problem.encode()).await,
            ConnectHead::More => match tokio::time::timeout_at(until, local.read(&mut chunk)).await
            {
                Ok(read) => match read.map_err(local_failure)? {
                    0 => return Ok(()),
                    count => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                },
                Err(_) => {
                    let problem =
                        ProxyRefusal::new(408, "the request did not arrive within 10 seconds");
                    return send_and_close(local, &problem.encode()).await;
                }
            },
        }
    };
    let Some(interface) = proxy.interface(&host) else {
        let detail = format!("'{}' is {}", escape(&host), not_an_interface(&proxy.domain));
        proxy.notices.warn(detail.clone());
        return send_and_close(local, &ProxyRefusal::new(403, detail).encode()).await;
    };
    match opener::stream(&*proxy.opener, &interface).await {
        Ok(flow) => {
            local.write_all(http::GRANTED).await.map_err(local_failure)?;
            carry(local, &interface, flow, bytes.split_off(length), proxy).await
        }
        Err(refusal) => {
            proxy.notices.refused(&interface, &refusal);
            send_and_close(local, &refusal::http_refusal(&refusal).encode()).await
        }
    }
}

/// Carries a flow, and says if it was cut.
async fn carry(
    local: LocalStream,
    interface: &DoorName,
    mut flow: Box<dyn ByteFlow>,
    already: Vec<u8>,
    proxy: &LocalProxy,
) -> Result<(), Failure> {
    if let Err(failure) = local.carry(&mut *flow, already).await {
        let failure = opener::explained(failure, &*flow).await;
        proxy.notices.failed(Some(interface), failure);
    }
    Ok(())
}

fn not_an_interface(domain: &Domain) -> String {
    format!(
        "no interface of this gateway; they are called INTERFACE--DEVICE or INTERFACE--DEVICE.{domain}"
    )
}

async fn serve_socks(
    mut local: LocalStream,
    first: Vec<u8>,
    proxy: &LocalProxy,
    until: tokio::time::Instant,
) -> Result<(), Failure> {
    let mut socks = Socks::new(proxy.token.as_ref());
    let mut unread = first;
    let command = loop {
        let taken = socks.push(&unread);
        unread.drain(..taken);
        match socks.step() {
            SocksStep::Do(command) => break command,
            SocksStep::Refuse(bytes) => return send_and_close(local, &bytes).await,
            SocksStep::Send(bytes) => local.write_all(&bytes).await.map_err(local_failure)?,
            // Cannot happen: after the earlier messages there is always room.
            SocksStep::More if !unread.is_empty() => return Ok(()),
            SocksStep::More => {
                let mut chunk = vec![0; 512];
                match tokio::time::timeout_at(until, local.read(&mut chunk)).await {
                    Ok(read) => match read.map_err(local_failure)? {
                        0 => return Ok(()),
                        count => unread.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                    },
                    Err(_) => return Ok(()),
                }
            }
        }
    };
    let mut already = socks.rest();
    already.append(&mut unread);
    match command {
        SocksCommand::Connect(host) => {
            let Some(interface) = proxy.interface(&host) else {
                let what = not_an_interface(&proxy.domain);
                proxy.notices.warn(format!("'{}' is {what}", escape(&host)));
                return send_and_close(local, &SocksReply::Forbidden.encode(None)).await;
            };
            match opener::stream(&*proxy.opener, &interface).await {
                Ok(flow) => {
                    local
                        .write_all(&SocksReply::Granted.encode(None))
                        .await
                        .map_err(local_failure)?;
                    carry(local, &interface, flow, already, proxy).await
                }
                Err(refusal) => {
                    proxy.notices.refused(&interface, &refusal);
                    send_and_close(local, &refusal::socks_reply(&refusal).encode(None)).await
                }
            }
        }
        SocksCommand::Associate(_) if !proxy.relays => {
            send_and_close(local, &SocksReply::NoSuchCommand.encode(None)).await
        }
        SocksCommand::Associate(port) => relay::serve(local, port, proxy).await,
    }
}

/// Sends a last answer and ends the connection so that the answer arrives. It reads what the
/// program still sends, since unread bytes would turn the end into a reset.
async fn send_and_close(mut local: LocalStream, bytes: &[u8]) -> Result<(), Failure> {
    local.write_all(bytes).await.map_err(local_failure)?;
    local.shutdown().await.map_err(local_failure)?;
    let rest = async {
        let mut chunk = vec![0; 4096];
        for _ in 0..16 {
            match local.read(&mut chunk).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
    };
    // Bounded, since the program may send forever.
    drop(timeout(Duration::from_secs(1), rest).await);
    Ok(())
}

#[cfg(test)]
mod tests;
