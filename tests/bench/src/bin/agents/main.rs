//! `agents`: what many agents cost that do nothing, and how they come back when the gateway was
//! away. The gateway is the real one, in release; the agents are clients of the SDK in this
//! process.

mod fleet;
mod report;

use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use doorward_bench::Failure;
use doorward_sdk::{Identity, Transport};
use jiff::Timestamp;
use tokio::time::sleep;

use doorward_bench::gateway::{self, Administrator, Gateway};
use doorward_bench::process::holding;
use fleet::Fleet;
use report::{AtRest, Connecting, Report};

/// Measures a gateway with many agents that do nothing, and kills it once.
#[derive(Parser)]
#[command(name = "agents")]
struct Args {
    /// How many agents
    #[arg(long, value_name = "N", default_value_t = 5000)]
    agents: usize,
    /// What they travel on; with auto, TLS is tried where QUIC has not answered after 3 s
    #[arg(long, value_enum, default_value_t = On::Auto)]
    transport: On,
    /// The gateway's limits.handshake-rate. All agents come from one address, and one address
    /// gets a quarter
    #[arg(long, value_name = "N", default_value_t = 1000)]
    handshake_rate: u32,
    /// How long the agents are at rest while it is measured, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    rest: u64,
    /// Where the gateway's state and the identities are kept for the next run [default: nowhere]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// The gateway's program [default: it is built]
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum On {
    Auto,
    Quic,
    Tls,
}

/// How long all agents may take to connect.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long what has just connected is left alone before it is measured.
const SETTLING: Duration = Duration::from_secs(20);

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(measure(&args))?;
    if args.json {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        report.show()?;
    }
    match report.faults() {
        faults if faults.is_empty() => Ok(()),
        faults => Err(faults.join("; ").into()),
    }
}

fn say(text: &str) -> Result<(), Failure> {
    Ok(writeln!(stderr(), "{text}")?)
}

async fn measure(args: &Args) -> Result<Report, Failure> {
    let temp = tempfile::Builder::new().prefix("doorward-agents-").tempdir()?;
    let dir = args.keep.clone().unwrap_or_else(|| temp.path().to_owned());
    let program = match &args.gateway {
        Some(program) => program.canonicalize()?,
        None => gateway::build()?,
    };
    let mut gateway = Gateway::new(program, dir.join("gateway"))?;

    say("enrolling")?;
    let begin = Instant::now();
    gateway.start(&config(args, 1_000_000)).await?;
    gateway.claim().await?;
    let administrator = Arc::new(gateway.administrator()?);
    let (mut fleet, enrolled) =
        Fleet::enrol(&dir.join("agents"), args.agents, Arc::clone(&administrator)).await?;
    let enrolling_s = begin.elapsed().as_secs_f64();
    let identities = fleet.identities()?;
    gateway.kill()?;

    say("connecting")?;
    gateway.start(&config(args, args.handshake_rate)).await?;
    let (own, peer) = (std::process::id(), gateway.id()?);
    let last = administrator.last_record().await?;
    // What it does for its first seconds is not the agents' doing.
    sleep(Duration::from_secs(3)).await;
    let before = (holding(peer)?, holding(own)?);
    let begin = Instant::now();
    fleet.start(args.transport.of())?;
    let connected = fleet.connected(&[], begin, PATIENCE).await?;
    let cpu = [holding(peer)?.cpu_s - before.0.cpu_s, holding(own)?.cpu_s - before.1.cpu_s];
    let opened = opened(&administrator, last).await?;
    let connecting = Connecting::of(connected, opened, cpu);

    say("at rest")?;
    sleep(SETTLING).await;
    let begun = (holding(peer)?, holding(own)?);
    let rest = Instant::now();
    sleep(Duration::from_secs(args.rest)).await;
    let (with, rest) = ((holding(peer)?, holding(own)?), rest.elapsed());

    say("killing the gateway")?;
    let (last, former) = (administrator.last_record().await?, fleet.sessions());
    let begin = Instant::now();
    gateway.kill()?;
    gateway.start(&config(args, args.handshake_rate)).await?;
    let connected = fleet.connected(&former, begin, PATIENCE).await?;
    let cpu = [holding(gateway.id()?)?.cpu_s, holding(own)?.cpu_s - with.1.cpu_s];
    let again = Connecting::of(connected, self::opened(&administrator, last).await?, cpu);

    let now = fleet.identities()?;
    let same = identities.iter().zip(&now).filter(|(former, now)| is_same(former, now));
    let identities_lost = identities.len() - same.count();
    fleet.stop().await;
    Ok(Report {
        agents: args.agents,
        transport: args.transport.name().to_owned(),
        handshake_rate: args.handshake_rate,
        rate_of_one_address: (args.handshake_rate / 4).max(1),
        enrolled,
        enrolling_s,
        connecting,
        gateway: AtRest::of([before.0, begun.0, with.0], rest, args.agents),
        client: AtRest::of([before.1, begun.1, with.1], rest, args.agents),
        again,
        identities_lost,
    })
}

fn is_same(one: &Identity, other: &Identity) -> bool {
    let name = |identity: &Identity| identity.spiffe_id().ok();
    let validity = |identity: &Identity| identity.validity().ok();
    name(one) == name(other) && validity(one).is_some() && validity(one) == validity(other)
}

/// When the gateway has opened sessions for agents, after that record.
async fn opened(administrator: &Administrator, after: u64) -> Result<Vec<Timestamp>, Failure> {
    let records = administrator.audit(after).await?;
    let text = |record: &serde_json::Value, key: &str| {
        record.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    let opened = records.iter().filter(|record| {
        text(record, "event") == "session-open"
            && matches!(text(record, "door").as_str(), "quic" | "tls")
    });
    Ok(opened.map(|record| text(record, "at").parse()).collect::<Result<_, _>>()?)
}

/// Of the limits, the rates are the measurement's; what else is set is only there so that many
/// agents of one address find room, and a run of yesterday can be used again.
fn config(args: &Args, rate: u32) -> String {
    let sessions = 16384.max(args.agents * 2);
    // A quarter of the places before authentication is one address's; the enrolment, which is
    // not measured, takes some of all of them.
    format!(
        "[limits]\nhandshake-rate = {rate}\nunauthenticated-rate = {rate}\nsessions = {sessions}\n\
         [certificates]\ndevice = \"90d\"\n"
    )
}

impl On {
    fn of(self) -> Transport {
        match self {
            Self::Auto => Transport::Auto,
            Self::Quic => Transport::Quic,
            Self::Tls => Transport::Tls,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Quic => "quic",
            Self::Tls => "tls",
        }
    }
}
