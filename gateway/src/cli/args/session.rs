//! The arguments of `doorward session`.

use clap::Subcommand;

use super::values::session;

#[derive(Subcommand)]
pub(crate) enum SessionCommand {
    /// List the sessions with their flows
    #[command(after_help = "Example: doorward session list")]
    List,
    /// Cut a session, or one flow
    #[command(after_help = "Example: doorward session cut ID")]
    Cut {
        /// The id of the session or flow, as `session list` prints it
        #[arg(value_parser = session)]
        id: String,
    },
}
