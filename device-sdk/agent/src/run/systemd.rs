//! Notifies systemd, if it has started the agent.

use std::time::Duration;

use sd_notify::NotifyState;

use super::log::log;

/// The agent's state as last sent to systemd.
pub(super) struct Systemd {
    ready: bool,
    reloading: bool,
    shown: String,
}

impl Systemd {
    pub(super) fn new() -> Self {
        Self { ready: false, reloading: false, shown: String::new() }
    }

    /// Returns how often to notify the watchdog: twice within its timeout.
    pub(super) fn watchdog() -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|time| time / 2)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready
    }

    pub(super) fn ready(&mut self) {
        if !self.ready || self.reloading {
            (self.ready, self.reloading) = (true, false);
            notify(&[NotifyState::Ready]);
        }
    }

    pub(super) fn reloading(&mut self) {
        self.reloading = true;
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(_) => notify(&[NotifyState::Reloading]),
        }
    }

    pub(super) fn status(&mut self, text: &str) {
        if self.shown != text {
            text.clone_into(&mut self.shown);
            notify(&[NotifyState::Status(text)]);
        }
    }

    pub(super) fn lives() {
        notify(&[NotifyState::Watchdog]);
    }

    pub(super) fn stopping() {
        notify(&[NotifyState::Stopping]);
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log(&format!("could not notify systemd: {error}"));
    }
}
