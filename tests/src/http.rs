//! An HTTP backend that writes down what reaches it, and what to look it up with.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::gateway::{Gateway, free};
use crate::running::{Running, wait_until};
use crate::tools::{python, script};

/// `tests/clients/http_backend.py`, while it runs.
pub struct HttpBackend {
    _running: Running,
    log: PathBuf,
    at: SocketAddr,
}

impl HttpBackend {
    /// Starts it.
    pub fn start(gateway: &Gateway) -> Self {
        let at = free();
        let log = gateway.dir().join(format!("http-{}.log", at.port()));
        std::fs::write(&log, "").unwrap();
        let mut command = Command::new(python());
        command.arg(script("http_backend.py")).arg(at.port().to_string()).arg(&log);
        let running = Running::start(&mut command, log.with_extension("err"));
        wait_until("the backend", || TcpListener::bind(at).is_err());
        Self { _running: running, log, at }
    }

    /// The URL of the interface.
    pub fn url(&self) -> String {
        format!("http://{}", self.at)
    }

    /// Where it listens.
    pub fn at(&self) -> SocketAddr {
        self.at
    }

    /// All that it has written down.
    pub fn notes(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The requests that have reached it.
    pub fn requests(&self) -> Vec<Value> {
        self.notes().into_iter().filter(|note| !note["head"].is_null()).collect()
    }

    /// Their request lines, without the version.
    pub fn lines(&self) -> Vec<String> {
        let line = |note: &Value| {
            let head = note["head"].as_str().unwrap();
            head.split(" HTTP/1.1\r\n").next().unwrap().to_owned()
        };
        self.requests().iter().map(line).collect()
    }

    /// How connections have ended.
    pub fn ends(&self) -> Vec<String> {
        let ends = self.notes().into_iter();
        ends.filter_map(|note| note["end"].as_str().map(str::to_owned)).collect()
    }
}
