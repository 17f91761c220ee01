//! A local proxy that reaches every interface by its host name: HTTP CONNECT and SOCKS 5 on one
//! port.
//!
//! Invariants
//! - The proxy resolves no names and dials no addresses. A host name is an interface of the
//!   gateway's domain, or it is refused.
//! - A TCP port is a loopback port, and every program needs the token, unless `--open` is set.
//! - A flow that was cut ends with a reset for the program.

mod answer;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod header;
mod http;
mod owner;
mod relay;
mod socks;
mod token;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use doorward_model::{Domain, DoorName, escape};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::command::tell;
use crate::doors::{self, Doors, Refusal};
use crate::failure::Failure;
use crate::listener::{Listener, Place};
use crate::local::Local;
use crate::signals::Stop;
use http::{Head, Problem};
use socks::{Command, Reply, Socks, Step};
use token::{Kept, Token};

/// The default address.
pub(crate) const USUAL: &str = "127.0.0.1:1080";
/// How many programs are served at once. Further ones wait to be accepted.
const CONNECTIONS: usize = 512;
/// How long a program may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state that all connections of the proxy share.
struct Proxy {
    doors: Arc<dyn Doors>,
    domain: Domain,
    /// The token that programs need. Without one, every program may use the proxy.
    token: Option<Token>,
    /// Whether datagrams are relayed. At a Unix socket they are not: only its owner can open it,
    /// but every user could send to the relay's UDP port.
    relays: bool,
}

impl Proxy {
    /// Returns the interface that a host name stands for.
    fn door(&self, host: &str) -> Option<DoorName> {
        self.domain.read_door(host.strip_suffix('.').unwrap_or(host))
    }
}

/// A proxy that is bound to its address and not serving yet.
pub(crate) struct Bound {
    listener: Listener,
    token: Option<Token>,
    relays: bool,
}

impl Bound {
    /// Listens at `address`. Only its owner can open a Unix socket. A TCP port requires a token,
    /// unless it is `open`.
    pub(crate) fn bind(address: &str, open: bool) -> Result<Self, Failure> {
        let place = Place::parse(address)?;
        let tcp = matches!(place, Place::Tcp(_));
        let token = if tcp && !open { Some(Token::new()?) } else { None };
        Ok(Self { listener: Listener::bind(&place)?, token, relays: tcp })
    }

    /// Writes the token, if there is one, into the identity directory. Dropping the result removes
    /// the file.
    pub(crate) fn keep_token(&self, dir: &Path) -> Result<Option<Kept>, Failure> {
        self.token.as_ref().map(|token| token.keep(dir)).transpose()
    }

    /// Returns the proxy's address in the form that programs take.
    pub(crate) fn shown(&self) -> String {
        let at = self.listener.shown();
        match (&self.token, &self.listener) {
            (Some(token), _) => format!("http://doorward:{}@{at}", token.expose()),
            (None, Listener::Tcp(_)) => format!("http://{at}"),
            (None, Listener::Unix(..)) => at,
        }
    }

    /// Serves programs until the agent is told to stop.
    pub(crate) async fn serve(self, doors: Arc<dyn Doors>, domain: Domain, mut stop: Stop) {
        let Self { listener, token, relays } = self;
        let proxy = Arc::new(Proxy { doors, domain, token, relays });
        let mut programs = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.told() => return,
                Some(_) = programs.join_next(), if !programs.is_empty() => {}
                accepted = listener.accept(), if programs.len() < CONNECTIONS => match accepted {
                    Ok(local) => {
                        programs.spawn(serve(local, Arc::clone(&proxy)));
                    }
                    Err(error) => {
                        tell(&format!("doorward: could not accept a connection: {error}"));
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
            }
        }
    }
}

async fn serve(local: Local, proxy: Arc<Proxy>) {
    if let Err(error) = program(local, &proxy).await {
        tell(&format!("doorward: {error}"));
    }
}

fn lost(error: io::Error) -> Failure {
    Failure::Local { what: "the local program".to_owned(), error }
}

async fn program(mut local: Local, proxy: &Proxy) -> Result<(), Failure> {
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut first = vec![0; 1];
    match tokio::time::timeout_at(until, local.read(&mut first)).await {
        Ok(Ok(1..)) => {}
        Ok(Err(error)) => return Err(lost(error)),
        // The program closed the connection or sent nothing in time.
        _ => return Ok(()),
    }
    if first.first() == Some(&socks::VERSION) {
        return by_socks(local, first, proxy, until).await;
    }
    by_http(local, first, proxy, until).await
}

async fn by_http(
    mut local: Local,
    mut bytes: Vec<u8>,
    proxy: &Proxy,
    until: tokio::time::Instant,
) -> Result<(), Failure> {
    let mut chunk = vec![0; 4096];
    let (host, length) = loop {
        match http::read(&bytes, proxy.token.as_ref()) {
            Head::Connect(host, length) => break (host, length),
            Head::Refuse(problem) => return part(local, &problem.encode()).await,
            Head::More => match tokio::time::timeout_at(until, local.read(&mut chunk)).await {
                Ok(read) => match read.map_err(lost)? {
                    0 => return Ok(()),
                    count => bytes.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                },
                Err(_) => {
                    let problem = Problem::new(408, "the request did not arrive within 10 seconds");
                    return part(local, &problem.encode()).await;
                }
            },
        }
    };
    let Some(door) = proxy.door(&host) else {
        let detail = format!("'{}' is {}", escape(&host), no_door(&proxy.domain));
        return part(local, &Problem::new(403, detail).encode()).await;
    };
    match doors::stream(&*proxy.doors, &door).await {
        Ok(flow) => {
            local.write_all(http::GRANTED).await.map_err(lost)?;
            local.carry(flow, bytes.split_off(length)).await
        }
        Err(refusal) => part(local, &answer::problem(&refusal).encode()).await,
    }
}

fn no_door(domain: &Domain) -> String {
    format!(
        "no interface of this gateway; they are called INTERFACE--DEVICE or INTERFACE--DEVICE.{domain}"
    )
}

async fn by_socks(
    mut local: Local,
    first: Vec<u8>,
    proxy: &Proxy,
    until: tokio::time::Instant,
) -> Result<(), Failure> {
    let mut socks = Socks::new(proxy.token.as_ref());
    let mut over = first;
    let command = loop {
        let taken = socks.push(&over);
        over.drain(..taken);
        match socks.step() {
            Step::Do(command) => break command,
            Step::Refuse(said) => return part(local, &said).await,
            Step::Say(said) => local.write_all(&said).await.map_err(lost)?,
            // Cannot happen: after the earlier messages there is always room.
            Step::More if !over.is_empty() => return Ok(()),
            Step::More => {
                let mut chunk = vec![0; 512];
                match tokio::time::timeout_at(until, local.read(&mut chunk)).await {
                    Ok(read) => match read.map_err(lost)? {
                        0 => return Ok(()),
                        count => over.extend_from_slice(chunk.get(..count).unwrap_or_default()),
                    },
                    Err(_) => return Ok(()),
                }
            }
        }
    };
    let mut already = socks.rest();
    already.append(&mut over);
    match command {
        Command::Connect(host) => {
            let Some(door) = proxy.door(&host) else {
                tell(&format!("doorward: '{}' is {}", escape(&host), no_door(&proxy.domain)));
                return part(local, &Reply::Forbidden.encode(None)).await;
            };
            match doors::stream(&*proxy.doors, &door).await {
                Ok(flow) => {
                    local.write_all(&Reply::Granted.encode(None)).await.map_err(lost)?;
                    local.carry(flow, already).await
                }
                Err(refusal) => {
                    say(&door, &refusal);
                    part(local, &answer::reply(&refusal).encode(None)).await
                }
            }
        }
        Command::Associate(_) if !proxy.relays => {
            part(local, &Reply::NoSuchCommand.encode(None)).await
        }
        Command::Associate(port) => relay::serve(local, port, proxy).await,
    }
}

/// Tells the person at the terminal, since a SOCKS reply has no text.
fn say(door: &DoorName, refusal: &Refusal) {
    tell(&format!("doorward: {door}: {refusal}"));
}

/// Sends a last answer and ends the connection so that the answer arrives. It reads what the
/// program still sends, since unread bytes would turn the end into a reset.
async fn part(mut local: Local, said: &[u8]) -> Result<(), Failure> {
    local.write_all(said).await.map_err(lost)?;
    local.shutdown().await.map_err(lost)?;
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
