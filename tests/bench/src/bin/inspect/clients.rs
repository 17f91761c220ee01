//! Clients of the SDK, one operation at a time.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use doorward_bench::Failure;
use doorward_bench::gateway::Administrator;
use doorward_model::{Clock, DoorName};
use doorward_sdk::{Client, Datagrams, IdentityDir, Settings, Stream, Transport, enrol};
use http::Method;
use jiff::Timestamp;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Protocol;
use crate::requests::write;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "a clock has to ask the system")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// One person, whose programs are many.
pub(crate) struct Clients {
    client: Arc<Client>,
}

impl Clients {
    pub(crate) async fn enrol(dir: &Path, owner: &Administrator) -> Result<Self, Failure> {
        let roles = json!({ "roles": ["role/operator"] });
        let added = owner.ask(Method::POST, "/v1/users/alice", Some(&roles)).await?;
        let code = added.get("code").and_then(|code| code.as_str()).ok_or("no code")?;
        let dir = IdentityDir::new(dir.join("alice"));
        enrol(&dir, &code.parse()?, false).await?;
        let mut settings = Settings::new(Arc::new(SystemClock));
        settings.transport = Transport::Tls;
        Ok(Self { client: Arc::new(Client::start(dir, settings)?) })
    }

    /// Does operations at an interface. How many were done.
    pub(crate) async fn run(
        &mut self,
        protocol: Protocol,
        door: &str,
        load: &Load,
    ) -> Result<u64, Failure> {
        let door = DoorName::of_path(door).ok_or("no door is called so")?;
        let (done, until) = (Arc::new(AtomicU64::new(0)), Instant::now() + load.time);
        let mut tasks = JoinSet::new();
        for _ in 0..load.clients {
            let (client, door) = (Arc::clone(&self.client), door.clone());
            let turns = Turns { until, done: Arc::clone(&done), operands: load.operands, asked: 0 };
            tasks.spawn(async move {
                let result = match protocol {
                    Protocol::Coap => datagrams(&client, &door, turns).await,
                    _ => stream(protocol, &client, &door, turns).await,
                };
                result.map_err(|error| error.to_string())
            });
        }
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        Ok(done.load(Ordering::Relaxed))
    }

    pub(crate) async fn stop(&mut self) {
        self.client.stop().await;
    }
}

/// What clients do at once.
pub(crate) struct Load {
    pub(crate) clients: usize,
    pub(crate) time: Duration,
    /// How many operands they go through.
    pub(crate) operands: u16,
}

/// One client's turns.
struct Turns {
    until: Instant,
    done: Arc<AtomicU64>,
    operands: u16,
    asked: u16,
}

impl Turns {
    /// Writes the next request, if there is time for one.
    fn next(&mut self, protocol: Protocol, into: &mut Vec<u8>) -> Result<bool, Failure> {
        self.asked = self.asked.wrapping_add(1);
        write(protocol, self.asked % self.operands.max(1), self.asked, into)?;
        Ok(Instant::now() < self.until)
    }

    fn done(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

async fn stream(
    protocol: Protocol,
    client: &Client,
    door: &DoorName,
    mut turns: Turns,
) -> Result<(), Failure> {
    let mut stream = timeout(PATIENCE, client.stream(door)).await??;
    if protocol == Protocol::Mqtt {
        let name = b"\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a";
        stream.write_all(&[&[0x10, 13][..], name].concat()).await?;
        read(&mut stream, 4).await?;
    }
    let (mut request, mut bytes) = (Vec::new(), vec![0; 4096]);
    while turns.next(protocol, &mut request)? {
        stream.write_all(&request).await?;
        match protocol {
            Protocol::Modbus => read(&mut stream, 29).await?,
            Protocol::Mqtt => read(&mut stream, 4).await?,
            _ => {
                // The gateway's head may be longer than the backend's; the content is the last.
                let mut length = 0;
                loop {
                    let room = bytes.get_mut(length..).ok_or("a long head")?;
                    length += timeout(PATIENCE, stream.read(room)).await??;
                    let got = bytes.get(..length).unwrap_or_default();
                    if !got.starts_with(b"HTTP/1.1 200") && length >= 12 {
                        return Err(String::from_utf8_lossy(got).into_owned().into());
                    }
                    let head = got.windows(4).position(|four| four == b"\r\n\r\n");
                    if head.is_some_and(|head| length == head + 4 + 64) {
                        break;
                    }
                }
            }
        }
        turns.done();
    }
    Ok(())
}

async fn read(stream: &mut Stream, count: usize) -> Result<(), Failure> {
    let mut bytes = vec![0; count];
    timeout(PATIENCE, stream.read_exact(&mut bytes)).await??;
    Ok(())
}

async fn datagrams(client: &Client, door: &DoorName, mut turns: Turns) -> Result<(), Failure> {
    let mut flow: Datagrams = timeout(PATIENCE, client.datagrams(door)).await??;
    let mut request = Vec::new();
    while turns.next(Protocol::Coap, &mut request)? {
        flow.send(&request);
        match timeout(Duration::from_secs(1), flow.receive()).await {
            Ok(received) => {
                received?.ok_or("the flow has ended")?;
                turns.done();
            }
            // A datagram may be lost.
            Err(_) => {}
        }
    }
    Ok(())
}
