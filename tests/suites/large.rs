//! A bundle of very many rules: the gateway answers while it reads it, decides by it, is edited,
//! and keeps within its memory. `LARGE_RULES=1000000` tries more of them than suit a short run,
//! and `--nocapture` shows what was measured.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use doorward_policies::Shape;
use doorward_tests::backend::GREETING;
use doorward_tests::client::{Client, PATIENCE};
use doorward_tests::forge::Credentials;
use doorward_tests::{Backend, Gateway, Kind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// What a rule may take in memory, in bytes.
const A_RULE: u64 = 250;
/// What else it may have grown by, in bytes: the system's allocator keeps what was needed to read
/// a bundle for the next one, for each thread that has read one. How many have is chance: twelve
/// runs on two cores ended between 117 and 172 MiB in all.
const THE_REST: u64 = 128 << 20;

fn rules() -> usize {
    let asked = std::env::var("LARGE_RULES").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(200_000)
}

/// A gateway with a large bundle in a directory, not yet in force.
struct World {
    gateway: Gateway,
    bundle: PathBuf,
    policy: String,
    _backend: Backend,
}

impl World {
    fn new() -> Self {
        let many = Shape::Spread.text(rules()).policy;
        // A rule of them that is to be seen at work, and who may by it.
        let line = many.lines().find(|line| line.ends_with(", group/g0, ssh, *, , allow")).unwrap();
        let role = line.split([',', '/']).nth(2).unwrap();
        let gateway = Gateway::start();
        gateway.enrol("user/alice", &["--role", "operator"]);
        gateway.enrol("user/bob", &["--role", role]);
        let backend = Backend::tcp(Kind::Echo);
        gateway.declare("box/tcp", backend.url());
        gateway.declare("shelf/ssh", backend.url());
        gateway.owner(&["device", "set", "shelf", "--group", "g0"]);
        let bundle = gateway.dir().join("bundle");
        gateway.owner(&["policy", "show", "--out", bundle.to_str().unwrap()]);
        let policy = fs::read_to_string(bundle.join("policy.csv")).unwrap();
        let policy = policy + many.as_str();
        let world = Self { gateway, bundle, policy, _backend: backend };
        world.write("");
        world
    }

    /// Writes the bundle, with one line more.
    fn write(&self, line: &str) {
        fs::write(self.bundle.join("policy.csv"), format!("{}{line}", self.policy)).unwrap();
    }

    fn dir(&self) -> &str {
        self.bundle.to_str().unwrap()
    }

    fn client(&self, who: &str) -> Client {
        let dir = self.gateway.identity(who);
        Client::new(self.gateway.listen, &dir.join("ca.pem"), Some(Credentials::read(&dir)))
    }

    /// A flow to an interface, if it says hello.
    async fn flow(&self, who: &str, interface: &str) -> Option<TlsStream<TcpStream>> {
        let name = format!("{interface}.doorward.home.arpa");
        let mut stream = self.client(who).connect(&name).await.unwrap();
        let mut hello = vec![0; GREETING.len()];
        let read = stream.read_exact(&mut hello);
        let read = tokio::time::timeout(PATIENCE, read).await.unwrap();
        read.is_ok().then_some(stream)
    }

    /// What the gateway holds in memory, in bytes: now, and at its most.
    fn memory(&self) -> (u64, u64) {
        let file = format!("/proc/{}/status", self.gateway.process().id());
        let status = fs::read_to_string(file).unwrap();
        let of = |name: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }

    /// Applies the bundle. Meanwhile `live` echoes, Alice reaches the box anew, and the owner's
    /// questions are answered: returns how often, and shows how long the slowest took.
    async fn apply(&self, live: &mut TlsStream<TcpStream>) -> (usize, String) {
        let begun = Instant::now();
        let mut apply = self.gateway.command("owner", &["policy", "apply", self.dir()]);
        let apply = apply.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let apply = tokio::task::spawn_blocking(move || apply.wait_with_output().unwrap());
        let (mut served, mut slowest) = (0, Duration::ZERO);
        while !apply.is_finished() {
            let asked = Instant::now();
            live.write_all(b"x").await.unwrap();
            assert_eq!(live.read_u8().await.unwrap(), b'x');
            assert!(self.flow("alice", "tcp--box").await.is_some());
            self.gateway.owner(&["status"]);
            slowest = slowest.max(asked.elapsed());
            served += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let applied = doorward_tests::gateway::Ran::of(apply.await.unwrap()).ok();
        let (now, most) = self.memory();
        eprintln!(
            "{} rules: applied in {:?}, {served} rounds served meanwhile, the slowest in \
             {slowest:?}; {} MiB now, {} MiB at most",
            rules(),
            begun.elapsed(),
            now >> 20,
            most >> 20,
        );
        (served, applied)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_read_while_others_are_served_and_keeps_within_its_memory() {
    let mut world = World::new();
    let bound = rules() as u64 * A_RULE + THE_REST;
    let mut live = world.flow("alice", "tcp--box").await.unwrap();
    assert!(world.flow("bob", "ssh--shelf").await.is_none(), "by the rules that are to come");
    let (before, _) = world.memory();

    let (served, applied) = world.apply(&mut live).await;
    assert!(served > 1, "nobody was served meanwhile");
    assert!(applied.contains(&format!("rules added ({})", rules())), "{applied}");
    let within = |world: &World, what: &str| {
        let (now, _) = world.memory();
        assert!(now < before + bound, "{what}: {before} bytes became {now}");
    };
    within(&world, "applied");

    // Decided by it, and edited: one rule more takes the flow that it is about, and no other.
    for _ in 0..3 {
        let mut bob = world.flow("bob", "ssh--shelf").await.expect("a rule allows it");
        world.write("p, user/bob, group/g0, **, *, , deny\n");
        let (_, applied) = world.apply(&mut live).await;
        assert!(applied.contains("rules added (1)"), "{applied}");
        assert!(bob.read_u8().await.is_err(), "the flow goes on");
        assert!(world.flow("bob", "ssh--shelf").await.is_none());
        world.write("");
        let (_, applied) = world.apply(&mut live).await;
        assert!(applied.contains("rules removed (1)"), "{applied}");
        within(&world, "edited");
    }
    assert!(world.flow("bob", "ssh--shelf").await.is_some());

    // And it is there again after a fall.
    drop(live);
    world.gateway.kill();
    let begun = Instant::now();
    world.gateway.serve();
    eprintln!("started again in {:?}", begun.elapsed());
    within(&world, "read at the start");
    assert!(world.flow("bob", "ssh--shelf").await.is_some());
    assert!(world.flow("alice", "tcp--box").await.is_some());
}
