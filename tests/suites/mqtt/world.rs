//! A broker, those who come to it, and what they may do.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use doorward_tests::Gateway;
use doorward_tests::gateway::Ran;
use doorward_tests::port;
use doorward_tests::running::{Patient, Running, line, number, wait_until};
use doorward_tests::tools::{program, python, script};
use serde_json::{Value, json};

/// The name of the interface `plc/mqtt`.
pub(super) const NAME: &str = "mqtt--plc.doorward.home.arpa";

pub(super) const RULES: &str = "p, user/alice, plc, mqtt, connect, , allow\n\
    p, user/alice, plc, mqtt/room/**, publish|subscribe, , allow\n\
    p, user/alice, plc, mqtt/alice/**, publish|subscribe, , allow\n\
    p, user/alice, plc, mqtt/room/vault/**, publish|subscribe, , deny\n\
    p, user/bob, plc, mqtt, connect, , allow\n\
    p, user/bob, plc, mqtt/**, publish|subscribe, , allow\n\
    p, user/bob, plc, mqtt/secrets/**, publish|subscribe, , deny";

/// mosquitto, whose log is what has reached it.
pub(super) struct Broker {
    _running: Running,
    log: PathBuf,
    pub(super) at: SocketAddr,
}

impl Broker {
    pub(super) fn start(gateway: &Gateway) -> Self {
        let (dir, at) = (gateway.dir().join("broker"), port::reserve());
        std::fs::create_dir(&dir).unwrap();
        let log = dir.join("log");
        let user = Ran::of(Command::new("id").arg("-un").output().unwrap()).ok();
        let (config, place) = (dir.join("mosquitto.conf"), dir.display());
        let text = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nuser {user}\nlog_type all\n\
             log_dest file {place}/log\nlog_timestamp false\npersistence true\n\
             persistence_location {place}/\n",
            at.port(),
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(program("mosquitto"));
        command.arg("-c").arg(config);
        let running = Running::start(&mut command, dir.join("errors"));
        wait_until("the broker", || port::listens(at));
        Self { _running: running, log, at }
    }

    /// The lines of its log.
    pub(super) fn log(&self) -> Vec<String> {
        let log = std::fs::read(&self.log).unwrap();
        String::from_utf8_lossy(&log).lines().map(ToOwned::to_owned).collect()
    }

    /// The clients that have connected, in their order.
    pub(super) fn clients(&self) -> Vec<String> {
        let named = |line: String| {
            let (_, name) = line.strip_prefix("New client connected from ")?.split_once(" as ")?;
            Some(name.split(' ').next()?.to_owned())
        };
        self.log().into_iter().filter_map(named).collect()
    }

    /// What was published by a client, in the order of its arrival.
    pub(super) fn published(&self, by: &str) -> Vec<String> {
        let topic = |line: String| {
            let rest = line.strip_prefix("Received PUBLISH from ")?.strip_prefix(by)?;
            Some(rest.strip_prefix(" (")?.split('\'').nth(1)?.to_owned())
        };
        self.log().into_iter().filter_map(topic).collect()
    }

    /// The filters that a client has subscribed to.
    pub(super) fn subscribed(&self, by: &str) -> Vec<String> {
        let filter = |line: String| {
            let mut words = line.strip_prefix(by)?.strip_prefix(' ')?.split(' ');
            words.next()?.parse::<u8>().ok()?;
            Some(words.next()?.to_owned())
        };
        self.log().into_iter().filter_map(filter).collect()
    }

    /// Waits until that is a line of its log.
    #[track_caller]
    pub(super) fn await_line(&self, line: &str) {
        wait_until(line, || self.log().iter().any(|one| one == line));
    }
}

/// A gateway with a broker behind it, and people.
pub(super) struct World {
    pub(super) broker: Broker,
    pub(super) gateway: Gateway,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// With that behind the interface's URL.
    pub(super) fn with(options: &str) -> Self {
        Self::at(Gateway::start(), options)
    }

    /// At that gateway.
    pub(super) fn at(gateway: Gateway, options: &str) -> Self {
        let broker = Broker::start(&gateway);
        gateway.declare("plc/mqtt", &format!("mqtt://{}{options}", broker.at));
        for who in ["alice", "bob", "mallory"] {
            gateway.enrol(&format!("user/{who}"), &[]);
        }
        gateway.rules(RULES);
        Self { broker, gateway }
    }

    /// paho, at that door.
    pub(super) fn peer(&self, version: &str, door: Door, who: &str) -> Peer {
        let mut command = Command::new(python());
        command.arg(script("mqtt_client.py")).arg(version);
        let listener = match door {
            Door::Sni => {
                command.args(["tls", NAME, &self.gateway.listen.port().to_string()]);
                command.arg(self.gateway.identity(who));
                None
            }
            Door::Connect => {
                let (running, at) = self.gateway.listening(who, "plc/mqtt");
                command.args(["tcp", "-", &at.port().to_string(), "-"]);
                Some(running)
            }
            Door::Behind => {
                command.args(["tcp", "-", &self.broker.at.port().to_string(), "-"]);
                None
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let errors = self.gateway.dir().join(format!("{who}-{}.err", number()));
        let mut running = Running::start(&mut command, errors);
        let (input, output) = (running.input(), running.output());
        Peer { running, _listener: listener, input, output }
    }

    /// paho, connected with an id.
    #[track_caller]
    pub(super) fn joined(&self, version: &str, door: Door, who: &str, id: &str) -> Peer {
        let mut peer = self.peer(version, door, who);
        let told = peer.connect(json!({ "id": id }));
        assert_eq!(told["code"], 0, "{told}");
        peer
    }

    /// Somebody past the gateway who hears everything.
    #[track_caller]
    pub(super) fn watcher(&self) -> Peer {
        let mut watcher = self.joined("5", Door::Behind, "watcher", "watcher");
        assert_eq!(watcher.subscribe(&["# 2"]), [2]);
        watcher
    }

    /// `mosquitto_pub` or `mosquitto_sub` by the interface's name.
    pub(super) fn mosquitto(&self, tool: &str, who: &str, options: &[&str]) -> Command {
        let mut command = Command::new(program(tool));
        for (option, file) in [("--cafile", "ca.pem"), ("--cert", "cert.pem"), ("--key", "key.pem")]
        {
            command.arg(option).arg(self.gateway.identity(who).join(file));
        }
        let socks = format!("socks5h://127.0.0.1:{}", resolver(self.gateway.listen).port());
        command.args(["-h", NAME, "-p", "8883", "--proxy", &socks]).args(options);
        command
    }
}

/// By which door a client comes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Door {
    Sni,
    Connect,
    /// Past the gateway.
    Behind,
}

pub(super) const VERSIONS: [&str; 2] = ["3.1.1", "5"];
/// Each version, at each door of the gateway.
pub(super) const WAYS: [(&str, Door); 4] =
    [("3.1.1", Door::Sni), ("3.1.1", Door::Connect), ("5", Door::Sni), ("5", Door::Connect)];

/// paho.
pub(super) struct Peer {
    pub(super) running: Running,
    _listener: Option<Running>,
    input: ChildStdin,
    output: BufReader<Patient<ChildStdout>>,
}

impl Peer {
    /// Has it do something that it answers later.
    pub(super) fn begin(&mut self, method: &str, arguments: &Value) {
        writeln!(self.input, "{method} {arguments}").unwrap();
    }

    /// What it answers.
    #[track_caller]
    pub(super) fn answer(&mut self) -> Value {
        let said = line(&mut self.output);
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("paho said {said:?}"))
    }

    #[track_caller]
    fn ask(&mut self, method: &str, arguments: &Value) -> Value {
        self.begin(method, arguments);
        self.answer()
    }

    #[track_caller]
    pub(super) fn connect(&mut self, arguments: Value) -> Value {
        self.ask("connect", &arguments)
    }

    /// Publishes, and answers with the reason code, or with nothing if the connection has ended.
    #[track_caller]
    pub(super) fn publish(&mut self, topic: &str, qos: u8, payload: &str) -> Option<u64> {
        let told = self.ask("publish", &json!({ "topic": topic, "qos": qos, "payload": payload }));
        assert!(told["error"].is_null(), "{told}");
        told["code"].as_u64()
    }

    #[track_caller]
    pub(super) fn publish_so(&mut self, arguments: Value) -> Value {
        self.ask("publish", &arguments)
    }

    /// Subscribes at QoS 1 or as is said behind a filter, and answers with the codes.
    #[track_caller]
    pub(super) fn subscribe(&mut self, filters: &[&str]) -> Vec<u64> {
        let filters: Vec<(&str, u8)> = filters
            .iter()
            .map(|text| {
                text.split_once(' ').map_or((*text, 1), |(text, qos)| (text, qos.parse().unwrap()))
            })
            .collect();
        let told = self.ask("subscribe", &json!({ "filters": filters }));
        let codes = told.as_array().unwrap_or_else(|| panic!("{told}"));
        codes.iter().map(|code| code.as_u64().unwrap()).collect()
    }

    /// The next message.
    #[track_caller]
    pub(super) fn message(&mut self) -> Value {
        self.ask("hear", &json!({}))
    }

    /// The next message: its topic and what it says.
    #[track_caller]
    pub(super) fn hears(&mut self) -> String {
        let message = self.message();
        let [topic, payload] = ["topic", "payload"]
            .map(|key| message[key].as_str().unwrap_or_else(|| panic!("{message}")));
        format!("{topic} {payload}")
    }

    /// Waits until its connection has ended.
    #[track_caller]
    pub(super) fn ends(&mut self) {
        let told = self.ask("end", &json!({}));
        assert!(!told["ended"].is_null(), "{told}");
    }

    #[track_caller]
    pub(super) fn disconnect(&mut self) {
        self.ask("disconnect", &json!({}));
    }
}

/// A SOCKS proxy for which every name is at one place, as a DNS would have it.
fn resolver(at: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut head = [0; 2];
                client.read_exact(&mut head)?;
                client.read_exact(&mut vec![0; head[1].into()])?;
                client.write_all(&[5, 0])?;
                let mut request = [0; 5];
                client.read_exact(&mut request)?;
                client.read_exact(&mut vec![0; usize::from(request[4]) + 2])?;
                let mut server = TcpStream::connect(at)?;
                client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])?;
                let (mut up, mut down) = (client.try_clone()?, server.try_clone()?);
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut down, &mut client);
                    client.shutdown(Shutdown::Both)
                });
                std::io::copy(&mut up, &mut server)?;
                server.shutdown(Shutdown::Write)
            });
        }
    });
    here
}
