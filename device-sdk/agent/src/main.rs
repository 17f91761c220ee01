//! The program `doorward-agent`; see `doorward-agent --help`.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser, Subcommand};
use doorward_agent::{AgentCommand, ErrorReport, IdentityArgs, TWO_PROGRAMS, arguments, run};
use doorward_model::Clock;

/// Holds the identity of a device or a person, and opens interfaces through its gateway.
#[derive(Parser)]
#[command(name = "doorward-agent", version, after_help = TWO_PROGRAMS)]
struct Cli {
    #[command(flatten)]
    identity: IdentityArgs,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Agent(AgentCommand),
    /// Print a script that completes commands in a shell
    #[command(after_help = "Example: doorward-agent completions bash > doorward-agent.bash")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
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
    let command = match cli.command {
        Command::Agent(command) => command,
        Command::Completions { shell } => return completions(shell, json),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&ErrorReport::new("failed", error.to_string()), json),
    };
    let ended = runtime.block_on(run(command, &cli.identity, json, Arc::new(SystemClock)));
    // A pending read of standard input cannot be cancelled and must not keep the program alive.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error.into(), json),
    }
}

fn completions(shell: clap_complete::Shell, json: bool) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "doorward-agent", &mut script);
    let mut out = std::io::stdout().lock();
    match out.write_all(&script).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            failed(&ErrorReport::new("local", format!("standard output: {error}")), json)
        }
        _ => ExitCode::SUCCESS,
    }
}

fn failed(error: &ErrorReport, json: bool) -> ExitCode {
    error.print("doorward-agent", json);
    ExitCode::from(error.status())
}
