//! `doorward session`.

use http::Method;
use serde_json::Value;

use super::args::SessionCommand;
use super::client::{Client, items, text, when};
use super::output::Output;
use crate::failure::Failure;

pub(crate) async fn run(
    command: SessionCommand,
    client: &Client<'_>,
    out: &Output,
) -> Result<(), Failure> {
    match command {
        SessionCommand::List => {
            let answer = client.get("/v1/sessions").await?;
            out.print(&answer, |answer| list(answer, out))
        }
        SessionCommand::Cut { id } => {
            if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(Failure::new("an id has 26 letters and digits; see `session list`"));
            }
            let answer =
                client.request(Method::DELETE, &format!("/v1/sessions/{id}"), None).await?;
            out.print(&answer, |_| format!("{id} is cut"))
        }
    }
}

fn list(answer: &Value, out: &Output) -> String {
    let mut rows = Vec::new();
    for session in answer.as_array().into_iter().flatten() {
        rows.push(vec![
            text(session, "id"),
            text(session, "subject"),
            text(session, "source"),
            text(session, "door"),
            when(session, "since"),
            String::new(),
        ]);
        for flow in items(session, "flows") {
            let moved = format!("{} up, {} down", text(flow, "bytes_up"), text(flow, "bytes_down"));
            rows.push(vec![
                format!("  {}", text(flow, "id")),
                format!(
                    "  {} {}/{}",
                    text(flow, "action"),
                    text(flow, "device"),
                    text(flow, "path")
                ),
                String::new(),
                String::new(),
                when(flow, "since"),
                moved,
            ]);
        }
    }
    out.table(&["SESSION", "SUBJECT", "FROM", "DOOR", "SINCE", "BYTES"], &rows)
}
