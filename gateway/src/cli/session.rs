//! `doorward session`.

use doorward_api::{FlowView, SessionView, endpoint};

use super::args::SessionCommand;
use super::client::{AdminClient, when};
use super::output::Output;
use crate::failure::CommandFailure;

pub(crate) async fn run(
    command: SessionCommand,
    client: &AdminClient<'_>,
    out: &Output,
) -> Result<(), CommandFailure> {
    match command {
        SessionCommand::List => {
            let sessions = client.list::<endpoint::ListSessions, _>().await?;
            out.print(&sessions, |sessions| list(sessions, out))
        }
        SessionCommand::Cut { id } => {
            if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(CommandFailure::new(
                    "an id has 26 letters and digits; see `session list`",
                ));
            }
            let answer = client.call::<endpoint::CutSession>(&[&id], &()).await?;
            out.print(&answer, |_| format!("{id} is cut"))
        }
    }
}

fn list(sessions: &[SessionView], out: &Output) -> String {
    let mut rows = Vec::new();
    for session in sessions {
        rows.push(vec![
            session.id.to_string(),
            session.subject.to_string(),
            session.source.to_string(),
            session.door.clone(),
            when(session.since),
            String::new(),
        ]);
        rows.extend(session.flows.iter().map(flow));
    }
    out.table(&["SESSION", "SUBJECT", "FROM", "DOOR", "SINCE", "BYTES"], &rows)
}

fn flow(flow: &FlowView) -> Vec<String> {
    vec![
        format!("  {}", flow.id),
        format!("  {} {}/{}", flow.action, flow.device, flow.path),
        String::new(),
        String::new(),
        when(flow.since),
        format!("{} up, {} down", flow.bytes_up, flow.bytes_down),
    ]
}
