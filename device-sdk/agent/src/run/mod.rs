//! The agent as a service. It renews the identity, offers interfaces, and reports about the device.
//!
//! Invariants
//! - Only one agent runs with an identity directory.
//! - A configuration file with an error changes nothing.

pub(crate) mod config;
mod lock;
mod offers;
mod system;
pub(crate) mod window;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use doorward_model::{Clock, Kind, escape};
use doorward_sdk::{Client, IdentityDir, Offered, State, Status, SystemCollector};
use tokio::signal::unix::SignalKind;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::failure::Failure;
use crate::listener::Listener;
use crate::local::Local;
use crate::signals::{Stop, listen};
use crate::through::{SOFTWARE, start};
use config::Config;
use lock::Lock;
use offers::Offers;
use system::System;

/// How long to wait for the first connection before systemd is told that the agent is ready.
const FIRST: Duration = Duration::from_secs(10);
/// How many clients may query the status at once.
const LOOKING: usize = 8;
/// The watchdog interval where systemd asks for none: long enough never to matter.
const EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Writes a line to the log.
pub(super) fn say(line: &str) {
    // A closed log is no reason to stop.
    drop(writeln!(std::io::stderr().lock(), "doorward-agent: {line}"));
}

/// Runs the agent until it is told to stop.
pub(crate) async fn run(
    dir: &IdentityDir,
    file: Option<PathBuf>,
    clock: Arc<dyn Clock>,
) -> Result<(), Failure> {
    let config = read(file.as_deref())?;
    let facts = dir.load()?.gateway().clone();
    let _lock = Lock::take(dir.path())?;
    let (stop, hangups) = (Stop::new()?, listen(SignalKind::hangup())?);
    let window = window::open(dir.path())
        .inspect_err(|error| {
            say(&format!("`doorward-agent status` will not see this agent: {error}"))
        })
        .ok();
    let client = start(dir, config.transport, clock)?;
    let reports = facts.subject.kind() == Kind::Device;
    let mut agent = Agent {
        client: client.clone(),
        file,
        config,
        reports,
        offers: Offers::new(),
        system: System::new(),
        said: String::new(),
        last_error: None,
    };
    let ended = agent.run(stop, hangups, window.as_ref()).await;
    System::stopping();
    client.stop().await;
    ended
}

fn read(file: Option<&Path>) -> Result<Config, Failure> {
    file.map_or_else(|| Ok(Config::default()), Config::read)
}

async fn accept(window: Option<&Listener>) -> std::io::Result<Local> {
    match window {
        Some(window) => window.accept().await,
        None => std::future::pending().await,
    }
}

struct Agent {
    client: Client,
    file: Option<PathBuf>,
    config: Config,
    /// Whether this agent reports about the device. Only a device's identity does.
    reports: bool,
    offers: Offers<Offered>,
    system: System,
    /// The last log line about the connection.
    said: String,
    last_error: Option<String>,
}

impl Agent {
    async fn run(
        &mut self,
        mut stop: Stop,
        mut hangups: tokio::signal::unix::Signal,
        window: Option<&Listener>,
    ) -> Result<(), Failure> {
        self.offers.apply(&self.client, &self.config.interfaces)?;
        self.report();
        let mut status = self.client.status();
        let mut looking = JoinSet::new();
        let patience = Instant::now() + FIRST;
        let every = System::watchdog().unwrap_or(EVER);
        let mut alive = tokio::time::interval(every);
        status.mark_changed();
        loop {
            tokio::select! {
                () = stop.told() => return Ok(()),
                Some(()) = hangups.recv() => self.reload(),
                changed = status.changed() => {
                    if changed.is_err() {
                        return Err(doorward_sdk::Error::Stopped.into());
                    }
                    let now = status.borrow_and_update().clone();
                    self.note(&now);
                }
                () = sleep_until(patience), if !self.system.is_ready() => self.system.ready(),
                _ = alive.tick() => System::lives(),
                Some(_) = looking.join_next(), if !looking.is_empty() => {}
                looks = accept(window), if looking.len() < LOOKING => {
                    self.show(looks, &status.borrow().clone(), &mut looking).await;
                }
            }
        }
    }

    async fn show(
        &self,
        looks: std::io::Result<Local>,
        status: &Status,
        looking: &mut JoinSet<()>,
    ) {
        match looks {
            Ok(local) => {
                let view = window::view(status, self.last_error.as_deref());
                looking.spawn(window::show(local, view));
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
        let mut said = match &status.state {
            State::Connecting => "connecting".to_owned(),
            State::Up { carrier, session, .. } => {
                self.system.ready();
                format!("connected by {carrier}, session {}", escape(session))
            }
            State::Waiting { why, .. } | State::Ended { why } => {
                self.last_error = Some(why.clone());
                format!("not connected: {}", escape(why))
            }
        };
        if let Some(problem) = &status.renewal_problem {
            self.last_error = Some(problem.clone());
            said.push_str(&format!("; the identity was not renewed: {}", escape(problem)));
        }
        let declined = status.offers.iter().filter_map(|(name, taken)| {
            taken.as_ref().err().map(|why| format!("; {name} is declined: {}", escape(why)))
        });
        said.extend(declined);
        self.system.status(&said);
        // A retry with the same outcome is not logged again.
        if said != self.said && status.state != State::Connecting {
            say(&said);
            self.said = said;
        }
    }

    /// Reads the configuration file again. A file with an error changes nothing.
    fn reload(&mut self) {
        self.system.reloading();
        match self.try_reload() {
            Ok(()) => say("the configuration was reloaded"),
            Err(error) => {
                self.last_error = Some(error.to_string());
                say(&format!("the configuration stays as it was: {error}"));
            }
        }
        self.system.ready();
    }

    fn try_reload(&mut self) -> Result<(), Failure> {
        let config = read(self.file.as_deref())?;
        if config.transport != self.config.transport {
            say("the new transport takes effect after a restart of the agent");
        }
        self.offers.apply(&self.client, &config.interfaces)?;
        self.config = config;
        self.report();
        Ok(())
    }
}
