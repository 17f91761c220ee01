//! The arguments of `doorward audit`.

use std::path::PathBuf;

use clap::Subcommand;
use doorward_model::FlowId;
use jiff::Timestamp;

use super::values::past_instant;

#[derive(Subcommand)]
pub(crate) enum AuditCommand {
    /// Show the last records
    #[command(after_help = "Example: doorward audit tail -n 50 --follow")]
    Tail {
        /// The number of records
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: u64,
        /// Keep printing new records until interrupted
        #[arg(short, long)]
        follow: bool,
        /// Show only the records of this flow or request, as Doorward-Request-Id names it
        #[arg(long, value_name = "ID")]
        flow: Option<FlowId>,
    },
    /// Write all records as lines of JSON
    #[command(after_help = "Example: doorward audit export --out audit.jsonl")]
    Export {
        /// Write only the records after this sequence number
        #[arg(long, value_name = "SEQ", default_value_t = 0)]
        after: u64,
        /// The file to write (default: standard output)
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Delete old records to free disk space
    #[command(after_help = "\
Examples:\n\
\x20 doorward audit prune --before 90d\n\
\x20 doorward audit prune --before 2027-01-01T00:00:00Z")]
    Prune {
        /// Delete the records before this instant, or those that are older than this time
        #[arg(long, value_name = "TIME", value_parser = past_instant)]
        before: Timestamp,
    },
    /// Prove that no record was edited (not built yet)
    #[command(after_help = "Example: doorward audit verify")]
    Verify {
        /// A checkpoint
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
}
