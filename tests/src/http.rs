//! An HTTP backend that writes down what reaches it, and the doors that lead to it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::gateway::{Gateway, Ran};
use crate::port;
use crate::running::{Running, wait_until};
use crate::tools::{program, python, script};

/// The domain of gateways that say nothing else.
pub const DOMAIN: &str = "doorward.home.arpa";

/// Alice may nearly everything at `web`, and Bob reads what is public.
pub const RULES: &str = "p, user/alice, group/devices, web/**, *, , allow\n\
                     p, user/alice, group/devices, web/secret/**, *, , deny\n\
                     p, user/bob, group/devices, web/pub/**, get|head, , allow";

/// `tests/clients/http_backend.py`, while it runs.
pub struct HttpBackend {
    _running: Running,
    log: PathBuf,
    at: SocketAddr,
}

impl HttpBackend {
    /// Starts it.
    pub fn start(gateway: &Gateway) -> Self {
        let at = port::reserve();
        let log = gateway.dir().join(format!("http-{}.log", at.port()));
        std::fs::write(&log, "").unwrap();
        let mut command = Command::new(python());
        command.arg(script("http_backend.py")).arg(at.port().to_string()).arg(&log);
        let running = Running::start(&mut command, log.with_extension("err"));
        wait_until("the backend", || port::listens(at));
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

/// A gateway with an HTTP interface, `box/web`, and with Alice, Bob and Mallory.
pub struct World {
    /// What is behind the interface. Its log is in the gateway's directory.
    pub backend: HttpBackend,
    /// What is before it.
    pub gateway: Gateway,
}

impl World {
    /// With an interface that has no options.
    #[allow(clippy::new_without_default, reason = "it starts programs")]
    pub fn new() -> Self {
        Self::with("")
    }

    /// With those options of the interface.
    pub fn with(options: &str) -> Self {
        let gateway = Gateway::start();
        let backend = HttpBackend::start(&gateway);
        gateway.declare("box/web", &format!("{}{options}", backend.url()));
        for who in ["alice", "bob", "mallory"] {
            gateway.enrol(&format!("user/{who}"), &[]);
        }
        gateway.rules(RULES);
        Self { backend, gateway }
    }

    /// curl by the interface's own name.
    pub fn curl(&self, who: &str, path: &str) -> Command {
        self.curl_at("web--box", who, path)
    }

    /// curl by the name of an interface.
    pub fn curl_at(&self, door: &str, who: &str, path: &str) -> Command {
        let mut curl = Command::new(program("curl"));
        curl.args([
            "-sS",
            "-m",
            "100",
            "--path-as-is",
            "--connect-to",
            &format!("::{}", self.gateway.listen),
        ]);
        let identity = self.gateway.identity(who);
        for (option, name) in [("--cert", "cert.pem"), ("--key", "key.pem"), ("--cacert", "ca.pem")]
        {
            curl.arg(option).arg(identity.join(name));
        }
        curl.arg(format!("https://{door}.{DOMAIN}{path}"));
        curl
    }

    /// curl through the gateway as an HTTPS proxy.
    pub fn proxied(&self, who: &str, path: &str) -> Command {
        let mut curl = Command::new(program("curl"));
        let proxy = format!("https://{}", self.gateway.listen);
        curl.args(["-sS", "-m", "100", "--path-as-is", "--proxytunnel", "--proxy", &proxy]);
        let identity = self.gateway.identity(who);
        for (option, name) in
            [("--proxy-cert", "cert.pem"), ("--proxy-key", "key.pem"), ("--proxy-cacert", "ca.pem")]
        {
            curl.arg(option).arg(identity.join(name));
        }
        curl.arg(format!("http://web--box.{DOMAIN}{path}"));
        curl
    }

    /// A loopback port from which `doorward-agent connect` leads to the interface.
    pub fn listening(&self, who: &str) -> (Running, SocketAddr) {
        self.gateway.listening(who, "box/web")
    }

    /// The request lines that reached the backend since then.
    pub fn since(&self, before: usize) -> Vec<String> {
        self.backend.lines().split_off(before)
    }
}

/// curl at a loopback port.
pub fn local(at: SocketAddr, path: &str) -> Command {
    let mut curl = Command::new(program("curl"));
    curl.args(["-sS", "-m", "100", "--path-as-is", &format!("http://{at}{path}")]);
    curl
}

/// The same command with more options.
pub fn with(mut command: Command, options: &[&str]) -> Command {
    command.args(options);
    command
}

/// Runs it to its end.
pub fn run(mut command: Command) -> Ran {
    Ran::of(command.output().unwrap())
}
