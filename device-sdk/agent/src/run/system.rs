//! Notifies systemd, if it has started the agent.

use std::time::Duration;

use sd_notify::NotifyState;

use super::say;

/// The agent's state as last sent to systemd.
pub(super) struct System {
    ready: bool,
    reloading: bool,
    shown: String,
}

impl System {
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
            tell(&[NotifyState::Ready]);
        }
    }

    pub(super) fn reloading(&mut self) {
        self.reloading = true;
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    pub(super) fn status(&mut self, text: &str) {
        if self.shown != text {
            text.clone_into(&mut self.shown);
            tell(&[NotifyState::Status(text)]);
        }
    }

    pub(super) fn lives() {
        tell(&[NotifyState::Watchdog]);
    }

    pub(super) fn stopping() {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        say(&format!("could not notify systemd: {error}"));
    }
}
