//! What was measured, and how it is shown.

use std::io::{Write as _, stdout};
use std::time::Duration;

use doorward_bench::Failure;
use jiff::Timestamp;
use serde::Serialize;

use crate::fleet::Connected;
use doorward_bench::process::Holding;

/// How long it took until the agents were connected.
#[derive(Debug, Serialize)]
pub(crate) struct Connecting {
    /// Half of them, in seconds.
    pub(crate) half_s: f64,
    /// All but one in a hundred.
    pub(crate) p99_s: f64,
    /// All.
    pub(crate) all_s: f64,
    /// How many came by QUIC; the others by TLS.
    pub(crate) quic: usize,
    /// Sessions that the gateway has opened meanwhile. More than there are agents: some came
    /// twice.
    pub(crate) sessions: usize,
    /// The most of them within one second, wherever it begins.
    pub(crate) busiest_second: usize,
    /// On average from the first to the last, in a second.
    pub(crate) rate: f64,
    /// Processors' seconds of the gateway meanwhile.
    pub(crate) gateway_cpu_s: f64,
    /// The same of the agents.
    pub(crate) agents_cpu_s: f64,
}

impl Connecting {
    /// Of when each agent was connected, and when the gateway has opened sessions.
    pub(crate) fn of(connected: Connected, mut opened: Vec<Timestamp>, cpu: [f64; 2]) -> Self {
        let Connected { mut after, quic } = connected;
        after.sort_unstable();
        opened.sort_unstable();
        let at = |part: usize| {
            let last = after.len().saturating_sub(1);
            after.get((after.len() * part / 100).min(last)).map_or(0.0, Duration::as_secs_f64)
        };
        let [gateway_cpu_s, agents_cpu_s] = cpu;
        Self {
            half_s: at(50),
            p99_s: at(99),
            all_s: at(100),
            quic,
            sessions: opened.len(),
            busiest_second: busiest_second(&opened),
            rate: rate(&opened),
            gateway_cpu_s,
            agents_cpu_s,
        }
    }
}

/// The most instants that lie within one second. They are in order.
fn busiest_second(instants: &[Timestamp]) -> usize {
    let (mut most, mut first) = (0, 0);
    for (at, instant) in instants.iter().enumerate() {
        while instants
            .get(first)
            .is_some_and(|early| instant.duration_since(*early).as_millis() >= 1000)
        {
            first += 1;
        }
        most = most.max(at + 1 - first);
    }
    most
}

fn rate(instants: &[Timestamp]) -> f64 {
    let ends = instants.first().zip(instants.last());
    let took = ends.map_or(0.0, |(first, last)| last.duration_since(*first).as_secs_f64());
    instants.len() as f64 / took.max(1.0)
}

/// A process without agents, and with all of them at rest.
#[derive(Debug, Serialize)]
pub(crate) struct AtRest {
    /// Before.
    pub(crate) before: Holding,
    /// At the end of the rest.
    pub(crate) with: Holding,
    /// Resident memory for each agent, in KiB.
    pub(crate) kib_per_agent: f64,
    /// Of one processor, while nothing happens.
    pub(crate) cpu_percent: f64,
    /// Seconds of processors for each agent in an hour.
    pub(crate) cpu_s_per_agent_hour: f64,
}

impl AtRest {
    /// Of one process: before, at the beginning of the rest, and at its end.
    pub(crate) fn of(holdings: [Holding; 3], rest: Duration, agents: usize) -> Self {
        let [before, begin, with] = holdings;
        let grown = with.rss_kib.saturating_sub(before.rss_kib) as f64;
        let busy = (with.cpu_s - begin.cpu_s) / rest.as_secs_f64();
        Self {
            before,
            with,
            kib_per_agent: grown / agents as f64,
            cpu_percent: busy * 100.0,
            cpu_s_per_agent_hour: busy * 3600.0 / agents as f64,
        }
    }
}

/// All of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// How many agents.
    pub(crate) agents: usize,
    /// On what they travel.
    pub(crate) transport: String,
    /// The gateway's `limits.handshake-rate`.
    pub(crate) handshake_rate: u32,
    /// What of that one address gets: all agents come from one.
    pub(crate) rate_of_one_address: u32,
    /// How many had to be enrolled for this run.
    pub(crate) enrolled: usize,
    /// How long that took.
    pub(crate) enrolling_s: f64,
    /// The first time.
    pub(crate) connecting: Connecting,
    /// The gateway.
    pub(crate) gateway: AtRest,
    /// This process.
    pub(crate) client: AtRest,
    /// After the gateway was killed and started again, counted from the kill.
    pub(crate) again: Connecting,
    /// Agents whose identity is not the one that they had, or that is gone.
    pub(crate) identities_lost: usize,
}

impl Report {
    /// As tables.
    pub(crate) fn show(&self) -> Result<(), Failure> {
        let mut out = stdout();
        let Self { agents, transport, handshake_rate, rate_of_one_address, .. } = self;
        writeln!(
            out,
            "{agents} agents by {transport}, all from one address. handshake-rate is \
             {handshake_rate}; one address\ngets {rate_of_one_address} of it in a second, and a \
             burst of as many. Enrolled: {}, in {:.1} s.\n",
            self.enrolled, self.enrolling_s
        )?;
        writeln!(
            out,
            "| | half, s | p99, s | all, s | by QUIC | sessions | busiest second | on average | \
             gateway CPU, s | agents CPU, s |\n{}|",
            "| --- ".repeat(10)
        )?;
        for (name, row) in [("connect", &self.connecting), ("again", &self.again)] {
            writeln!(
                out,
                "| {name} | {:.1} | {:.1} | {:.1} | {} | {} | {} | {:.0} | {:.1} | {:.1} |",
                row.half_s,
                row.p99_s,
                row.all_s,
                row.quic,
                row.sessions,
                row.busiest_second,
                row.rate,
                row.gateway_cpu_s,
                row.agents_cpu_s
            )?;
        }
        writeln!(
            out,
            "\n| at rest | RSS before, KiB | with | PSS before, KiB | with | KiB per agent | CPU, \
             % of one | CPU s per agent and hour | files before | with |\n{}|",
            "| --- ".repeat(10)
        )?;
        for (name, row) in [("gateway", &self.gateway), ("agents", &self.client)] {
            writeln!(
                out,
                "| {name} | {} | {} | {} | {} | {:.1} | {:.2} | {:.3} | {} | {} |",
                row.before.rss_kib,
                row.with.rss_kib,
                row.before.pss_kib,
                row.with.pss_kib,
                row.kib_per_agent,
                row.cpu_percent,
                row.cpu_s_per_agent_hour,
                row.before.files,
                row.with.files
            )?;
        }
        writeln!(out, "\nIdentities lost: {}", self.identities_lost)?;
        Ok(())
    }

    /// What is not as it must be.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = vec![];
        let most = 2 * self.rate_of_one_address as usize;
        for (name, row) in [("connect", &self.connecting), ("again", &self.again)] {
            if row.busiest_second > most {
                let found = row.busiest_second;
                faults.push(format!("{name}: {found} sessions in a second; {most} at most"));
            }
        }
        if self.identities_lost > 0 {
            faults.push(format!("{} agents lost their identity", self.identities_lost));
        }
        faults
    }
}
