//! The agent as a service. It renews the identity, offers interfaces, and reports about the device.
//!
//! Invariants
//! - Only one agent runs with an identity directory.
//! - A configuration file with an error changes nothing.

pub(crate) mod config;
mod lock;
mod log;
mod offers;
pub(crate) mod status_socket;
mod systemd;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use doorward_model::{Clock, Kind, escape};
use doorward_sdk::{Client, IdentityDir, Offered, State, Status, SystemCollector};
use tokio::signal::unix::SignalKind;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::client_opener::{SOFTWARE, start};
use crate::failure::Failure;
use crate::local_listener::LocalListener;
use crate::local_stream::LocalStream;
use crate::signals::{StopSignals, listen};
use config::AgentConfig;
use lock::Lock;
use log::log;
use offers::ConfiguredOffers;
use systemd::Systemd;

/// How long to wait for the first connection before systemd is told that the agent is ready.
const FIRST: Duration = Duration::from_secs(10);
/// How many clients may query the status at once.
const STATUS_QUERIES: usize = 8;
/// The watchdog interval where systemd asks for none: long enough never to matter.
const NO_WATCHDOG: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Runs the agent until it is told to stop.
pub(crate) async fn run(
    dir: &IdentityDir,
    file: Option<PathBuf>,
    clock: Arc<dyn Clock>,
) -> Result<(), Failure> {
    let config = read(file.as_deref())?;
    let facts = dir.load()?.gateway().clone();
    let _lock = Lock::take(dir.path())?;
    let (stop, hangups) = (StopSignals::new()?, listen(SignalKind::hangup())?);
    let socket = status_socket::open(dir.path())
        .inspect_err(|error| {
            log(&format!("`doorward-agent status` will not see this agent: {error}"))
        })
        .ok();
    let client = start(dir, config.transport, clock)?;
    let reports = facts.subject.kind() == Kind::Device;
    let mut agent = Agent {
        client: client.clone(),
        file,
        config,
        reports,
        offers: ConfiguredOffers::new(),
        systemd: Systemd::new(),
        last_logged: String::new(),
        last_error: None,
    };
    let ended = agent.run(stop, hangups, socket.as_ref()).await;
    Systemd::stopping();
    client.stop().await;
    ended
}

fn read(file: Option<&Path>) -> Result<AgentConfig, Failure> {
    file.map_or_else(|| Ok(AgentConfig::default()), AgentConfig::read)
}

async fn accept(socket: Option<&LocalListener>) -> std::io::Result<LocalStream> {
    match socket {
        Some(socket) => socket.accept().await,
        None => std::future::pending().await,
    }
}

struct Agent {
    client: Client,
    file: Option<PathBuf>,
    config: AgentConfig,
    /// Whether this agent reports about the device. Only a device's identity does.
    reports: bool,
    offers: ConfiguredOffers<Offered>,
    systemd: Systemd,
    /// The last log line about the connection.
    last_logged: String,
    last_error: Option<String>,
}

impl Agent {
    async fn run(
        &mut self,
        mut stop: StopSignals,
        mut hangups: tokio::signal::unix::Signal,
        socket: Option<&LocalListener>,
    ) -> Result<(), Failure> {
        self.offers.apply(&self.client, &self.config.interfaces)?;
        self.report();
        let mut status = self.client.status();
        let mut queries = JoinSet::new();
        let patience = Instant::now() + FIRST;
        let every = Systemd::watchdog().unwrap_or(NO_WATCHDOG);
        let mut alive = tokio::time::interval(every);
        status.mark_changed();
        loop {
            tokio::select! {
                () = stop.received() => return Ok(()),
                Some(()) = hangups.recv() => self.reload(),
                changed = status.changed() => {
                    if changed.is_err() {
                        return Err(doorward_sdk::Error::Stopped.into());
                    }
                    let now = status.borrow_and_update().clone();
                    self.note(&now);
                }
                () = sleep_until(patience), if !self.systemd.is_ready() => self.systemd.ready(),
                _ = alive.tick() => Systemd::lives(),
                Some(_) = queries.join_next(), if !queries.is_empty() => {}
                accepted = accept(socket), if queries.len() < STATUS_QUERIES => {
                    self.answer_query(accepted, &status.borrow().clone(), &mut queries).await;
                }
            }
        }
    }

    async fn answer_query(
        &self,
        accepted: std::io::Result<LocalStream>,
        status: &Status,
        queries: &mut JoinSet<()>,
    ) {
        match accepted {
            Ok(local) => {
                let view = status_socket::view(status, self.last_error.as_deref());
                queries.spawn(status_socket::answer(local, view));
            }
            // There is no free file descriptor. Try again later.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }

    fn report(&self) {
        if self.reports {
            let firmware = self.config.firmware.clone();
            let collector = Arc::new(SystemCollector::new(SOFTWARE, firmware));
            self.client.report(collector, self.config.posture_every);
        }
    }

    /// Logs the state of the connection and the offers if it has changed.
    fn note(&mut self, status: &Status) {
        let mut line = match &status.state {
            State::Connecting => "connecting".to_owned(),
            State::Up { carrier, session, .. } => {
                self.systemd.ready();
                format!("connected by {carrier}, session {}", escape(session))
            }
            State::Waiting { why, .. } | State::Ended { why } => {
                self.last_error = Some(why.clone());
                format!("not connected: {}", escape(why))
            }
        };
        if let Some(problem) = &status.renewal_problem {
            self.last_error = Some(problem.clone());
            line.push_str(&format!("; the identity was not renewed: {}", escape(problem)));
        }
        let declined = status.offers.iter().filter_map(|(name, taken)| {
            taken.as_ref().err().map(|why| format!("; {name} is declined: {}", escape(why)))
        });
        line.extend(declined);
        self.systemd.status(&line);
        // A retry with the same outcome is not logged again.
        if line != self.last_logged && status.state != State::Connecting {
            log(&line);
            self.last_logged = line;
        }
    }

    /// Reads the configuration file again. A file with an error changes nothing.
    fn reload(&mut self) {
        self.systemd.reloading();
        match self.try_reload() {
            Ok(()) => log("the configuration was reloaded"),
            Err(error) => {
                self.last_error = Some(error.to_string());
                log(&format!("the configuration stays as it was: {error}"));
            }
        }
        self.systemd.ready();
    }

    fn try_reload(&mut self) -> Result<(), Failure> {
        let config = read(self.file.as_deref())?;
        if config.transport != self.config.transport {
            log("the new transport takes effect after a restart of the agent");
        }
        self.offers.apply(&self.client, &config.interfaces)?;
        self.config = config;
        self.report();
        Ok(())
    }
}
