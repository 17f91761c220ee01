//! Many agents in this process: each an SDK client with an identity of its own.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use doorward_bench::Failure;
use doorward_model::{Clock, Code};
use doorward_sdk::{Client, Error, Identity, IdentityDir, Settings, State, Transport, enrol};
use http::Method;
use jiff::Timestamp;
use quinn::{Endpoint, EndpointConfig, TokioRuntime};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use doorward_bench::gateway::Administrator;

/// How many devices are enrolled at the same time.
const AT_ONCE: usize = 32;

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "a clock has to ask the system")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The agents, and the directories of their identities.
pub(crate) struct Fleet {
    dirs: Vec<IdentityDir>,
    clients: Vec<Client>,
}

/// When the agents were connected, counted from the beginning.
pub(crate) struct Connected {
    /// Each, in no order.
    pub(crate) after: Vec<Duration>,
    /// How many by QUIC.
    pub(crate) quic: usize,
}

impl Fleet {
    /// Devices in `dir`. Those that have an identity there keep it; how many were enrolled.
    pub(crate) async fn enrol(
        dir: &Path,
        count: usize,
        administrator: Arc<Administrator>,
    ) -> Result<(Self, usize), Failure> {
        let dirs: Vec<_> = (0..count).map(|number| identity_dir(dir, number)).collect();
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let (mut tasks, mut enrolled) = (JoinSet::new(), 0);
        for (number, dir) in dirs.iter().enumerate() {
            if dir.load().is_ok() {
                continue;
            }
            enrolled += 1;
            let (dir, administrator) = (dir.clone(), Arc::clone(&administrator));
            let place = Arc::clone(&places).acquire_owned().await?;
            tasks.spawn(async move {
                let code = code(&administrator, number).await?;
                enrol(&dir, &code, true).await?;
                drop(place);
                Ok::<_, Error>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok((Self { dirs, clients: vec![] }, enrolled))
    }

    /// The identities as they are on disk.
    pub(crate) fn identities(&self) -> Result<Vec<Identity>, Failure> {
        Ok(self.dirs.iter().map(IdentityDir::load).collect::<Result<_, _>>()?)
    }

    /// Starts all agents, on one UDP socket.
    pub(crate) fn start(&mut self, transport: Transport) -> Result<(), Failure> {
        let mut settings = Settings::new(Arc::new(SystemClock));
        settings.software = "agents-bench".to_owned();
        settings.transport = transport;
        settings.endpoint = Some(endpoint()?);
        for dir in &self.dirs {
            self.clients.push(Client::start(dir.clone(), settings.clone())?);
        }
        Ok(())
    }

    /// The sessions on which they stand now; nothing for those that do not.
    pub(crate) fn sessions(&self) -> Vec<Option<String>> {
        let session = |client: &Client| match &client.status().borrow().state {
            State::Up { session, .. } => Some(session.clone()),
            _ => None,
        };
        self.clients.iter().map(session).collect()
    }

    /// Waits until each stands on a session that is not the one in `former`.
    pub(crate) async fn connected(
        &self,
        former: &[Option<String>],
        begin: Instant,
        patience: Duration,
    ) -> Result<Connected, Failure> {
        let mut tasks = JoinSet::new();
        for (number, client) in self.clients.iter().enumerate() {
            let (mut status, former) = (client.status(), former.get(number).cloned().flatten());
            tasks.spawn(async move {
                let stands = status.wait_for(|status| match &status.state {
                    State::Up { session, .. } => Some(session) != former.as_ref(),
                    _ => false,
                });
                let carrier = match &stands.await.ok()?.state {
                    State::Up { carrier, .. } => *carrier,
                    _ => "",
                };
                Some((begin.elapsed(), carrier))
            });
        }
        let all = async {
            let mut connected = Connected { after: vec![], quic: 0 };
            while let Some(done) = tasks.join_next().await {
                let (after, carrier) = done?.ok_or("an agent has stopped")?;
                connected.after.push(after);
                connected.quic += usize::from(carrier == "quic");
            }
            Ok::<_, Failure>(connected)
        };
        let slow = |_| {
            let state = |client: &Client| client.status().borrow().state.clone();
            let mut missing = self.clients.iter().map(state);
            let missing = missing.find(|state| !matches!(state, State::Up { .. }));
            format!("not all agents connected in {} s: {missing:?}", patience.as_secs())
        };
        timeout(patience, all).await.map_err(slow)?
    }

    /// Stops all of them.
    pub(crate) async fn stop(self) {
        let mut tasks = JoinSet::new();
        for client in self.clients {
            tasks.spawn(async move { client.stop().await });
        }
        while tasks.join_next().await.is_some() {}
    }
}

fn identity_dir(dir: &Path, number: usize) -> IdentityDir {
    let path: PathBuf = dir.join(name(number));
    IdentityDir::new(path)
}

fn name(number: usize) -> String {
    format!("agent-{number:05}")
}

/// A code for a device, which is added if it is not there.
async fn code(administrator: &Administrator, number: usize) -> Result<Code, Error> {
    let path = format!("/v1/devices/{}", name(number));
    let answer = match administrator.ask(Method::POST, &path, Some(&json!({}))).await {
        Err(Error::Refused { status: 409, .. }) => {
            let path = format!("{path}/identity");
            administrator.ask(Method::POST, &path, Some(&json!({}))).await
        }
        other => other,
    }?;
    let code = answer.get("code").and_then(|code| code.as_str()).unwrap_or_default();
    code.parse().map_err(|error| Error::Answer(format!("no code: {error}")))
}

fn endpoint() -> Result<Endpoint, Failure> {
    let socket = UdpSocket::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?;
    Ok(Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?)
}
