//! The program `doorward-agent`; see `doorward-agent --help`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use doorward_agent::{AgentCommand, ErrorReport, IdentityArgs, arguments, run};
use doorward_model::Clock;

/// Holds the identity of a device or a person, and opens interfaces through its gateway.
#[derive(Parser)]
#[command(name = "doorward-agent", version)]
struct Cli {
    #[command(flatten)]
    identity: IdentityArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: AgentCommand,
}

struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the only place where the program reads the system's clock"
    )]
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::now()
    }
}

fn main() -> ExitCode {
    if let Some(kept) = doorward_local::keep_programs(&[]) {
        return kept;
    }
    let cli: Cli = arguments();
    let json = cli.json;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&ErrorReport::new("failed", error.to_string()), json),
    };
    let ended = runtime.block_on(run(cli.command, &cli.identity, json, Arc::new(SystemClock)));
    // A pending read of standard input cannot be cancelled and must not keep the program alive.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.into(), json),
    }
}

fn failed(error: &ErrorReport, json: bool) -> ExitCode {
    error.print("doorward-agent", json);
    ExitCode::FAILURE
}
