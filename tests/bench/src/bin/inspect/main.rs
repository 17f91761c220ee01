//! `inspect`: what it costs that each operation is decided. The gateway is the real one, in release.
//! Clients of the SDK in this process reach one and the same backend by an interface that is
//! inspected and by a raw one, in turns.

mod backends;
mod clients;
mod requests;

use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use doorward_bench::Failure;
use doorward_bench::gateway::{self, Gateway};
use doorward_bench::process::holding;
use http::Method;
use serde::Serialize;
use serde_json::json;

use clients::{Clients, Load};

/// Measures what the inspectors cost: operations in a second, and processor time of the gateway for
/// each, with and without them.
#[derive(Parser)]
#[command(name = "inspect")]
struct Args {
    /// Which protocols; all, if none is named
    #[arg(value_enum)]
    protocols: Vec<Protocol>,
    /// How many clients at once, each with one operation at a time
    #[arg(long, value_name = "N", default_value_t = 8)]
    clients: usize,
    /// How many registers, topics or paths each client goes through
    #[arg(long, value_name = "N", default_value_t = 1)]
    operands: u16,
    /// How long each turn takes, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    turn: u64,
    /// How many turns each way
    #[arg(long, value_name = "N", default_value_t = 5)]
    turns: usize,
    /// The gateway; without it, it is built
    #[arg(long, value_name = "PROGRAM")]
    gateway: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Protocol {
    /// Ten registers are read
    Modbus,
    /// 64 bytes are published, at least once
    Mqtt,
    /// 64 bytes are got
    Http,
    /// 64 bytes are got, unconfirmed
    Coap,
}

impl Protocol {
    const ALL: [Self; 4] = [Self::Modbus, Self::Mqtt, Self::Http, Self::Coap];

    fn scheme(self) -> &'static str {
        match self {
            Self::Modbus => "modbus",
            Self::Mqtt => "mqtt",
            Self::Http => "http",
            Self::Coap => "coap",
        }
    }

    fn raw(self) -> &'static str {
        if self == Self::Coap { "udp" } else { "tcp" }
    }
}

/// One way, in the middle of its turns.
#[derive(Clone, Copy, Debug, Serialize)]
struct Way {
    operations_s: f64,
    cpu_us: f64,
}

#[derive(Debug, Serialize)]
struct Row {
    protocol: Protocol,
    raw: Way,
    inspected: Way,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(measure(&args))?;
    if args.json {
        writeln!(stdout(), "{}", serde_json::to_string_pretty(&rows)?)?;
        return Ok(());
    }
    let head = "protocol   raw op/s   µs/op   inspected op/s   µs/op   inspection µs/op";
    writeln!(stdout(), "{head}")?;
    for Row { protocol, raw, inspected } in rows {
        writeln!(
            stdout(),
            "{:<9} {:>9.0} {:>7.1} {:>16.0} {:>7.1} {:>18.1}",
            protocol.scheme(),
            raw.operations_s,
            raw.cpu_us,
            inspected.operations_s,
            inspected.cpu_us,
            inspected.cpu_us - raw.cpu_us,
        )?;
    }
    Ok(())
}

async fn measure(args: &Args) -> Result<Vec<Row>, Failure> {
    let temp = tempfile::Builder::new().prefix("doorward-inspect-").tempdir()?;
    let program = match &args.gateway {
        Some(program) => program.canonicalize()?,
        None => gateway::build()?,
    };
    let mut gateway = Gateway::new(program, temp.path().join("gateway"))?;
    gateway.start("").await?;
    gateway.claim().await?;
    let owner = gateway.administrator()?;
    owner.ask(Method::POST, "/v1/devices/plc", Some(&json!({ "agentless": true }))).await?;
    let mut clients = Clients::enrol(temp.path(), &owner).await?;
    let chosen =
        if args.protocols.is_empty() { Protocol::ALL.to_vec() } else { args.protocols.clone() };
    let (time, operands) = (Duration::from_secs(args.turn), args.operands);
    let load = Load { clients: args.clients, time, operands };
    let mut rows = Vec::new();
    for protocol in chosen {
        writeln!(stderr(), "{}", protocol.scheme())?;
        let place = backends::start(protocol).await?;
        for (name, scheme) in [("raw", protocol.raw()), ("inspected", protocol.scheme())] {
            let path = format!("/v1/interfaces/plc/{}-{name}", protocol.scheme());
            let url = json!({ "url": format!("{scheme}://{place}") });
            owner.ask(Method::POST, &path, Some(&url)).await?;
        }
        let (mut raw, mut inspected) = (Vec::new(), Vec::new());
        for turn in 0..=args.turns {
            for (name, ways) in [("raw", &mut raw), ("inspected", &mut inspected)] {
                let door = format!("plc/{}-{name}", protocol.scheme());
                let begun = (Instant::now(), holding(gateway.id()?)?.cpu_s);
                let done = clients.run(protocol, &door, &load).await?;
                let (took, cpu) = (begun.0.elapsed(), holding(gateway.id()?)?.cpu_s - begun.1);
                // The first turn warms up.
                if turn > 0 {
                    let operations_s = done as f64 / took.as_secs_f64();
                    ways.push(Way { operations_s, cpu_us: cpu * 1e6 / done as f64 });
                }
            }
        }
        rows.push(Row { protocol, raw: middle(raw)?, inspected: middle(inspected)? });
    }
    clients.stop().await;
    Ok(rows)
}

/// The middle of each figure.
fn middle(ways: Vec<Way>) -> Result<Way, Failure> {
    let middle = |of: fn(&Way) -> f64| -> Result<f64, Failure> {
        let mut all: Vec<f64> = ways.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        Ok(*all.get(all.len() / 2).ok_or("no turns")?)
    };
    Ok(Way { operations_s: middle(|way| way.operations_s)?, cpu_us: middle(|way| way.cpu_us)? })
}
