//! The socket through which `doorward-agent status` queries the running agent: `agent.sock` in the
//! identity directory. It answers with one line of JSON, and only its owner can open it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_sdk::{State, Status};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::client_opener::SOFTWARE;
use crate::failure::Failure;
use crate::local_listener::{ListenAddress, LocalListener};
use crate::local_stream::LocalStream;

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer, in bytes.
const LONGEST: u64 = 1024 * 1024;

fn path(dir: &Path) -> PathBuf {
    dir.join("agent.sock")
}

/// Listens for status queries.
pub(super) fn open(dir: &Path) -> Result<LocalListener, Failure> {
    LocalListener::bind(&ListenAddress::Unix(path(dir)))
}

/// Returns the agent's status as JSON.
pub(super) fn view(status: &Status, last_error: Option<&str>) -> Value {
    let offers: serde_json::Map<String, Value> = status
        .offers
        .iter()
        .map(|(name, taken)| {
            let why = taken.as_ref().err();
            (name.to_string(), json!({ "taken": taken.is_ok(), "why": why }))
        })
        .collect();
    let state = match &status.state {
        State::Connecting => json!({ "is": "connecting" }),
        State::Up { carrier, session, since } => {
            json!({ "is": "up", "carrier": carrier, "session": session, "since": since })
        }
        State::Waiting { until, why } => json!({ "is": "waiting", "until": until, "why": why }),
        State::Ended { why } => json!({ "is": "ended", "why": why }),
    };
    let posture = status
        .posture
        .as_ref()
        .map(|noted| json!({ "noted": noted.is_ok(), "why": noted.as_ref().err() }));
    json!({
        "process": std::process::id(),
        "software": SOFTWARE,
        "state": state,
        "offers": offers,
        "posture": posture,
        "renewal": status.renewal,
        "renewal_problem": status.renewal_problem,
        "clock_behind": status.clock_behind,
        "last_error": last_error,
    })
}

/// Sends the status to a client.
pub(super) async fn answer(mut local: LocalStream, view: Value) {
    let shown = async {
        local.write_all(format!("{view}\n").as_bytes()).await?;
        local.shutdown().await
    };
    // Does not wait for a client that does not read.
    drop(timeout(PATIENCE, shown).await);
}

/// Queries the agent that runs with the identity in `dir`. Returns `None` if there is none.
pub(crate) async fn query(dir: &Path) -> Option<Value> {
    let received = async {
        #[expect(clippy::disallowed_methods, reason = "asks the agent of the same owner")]
        let stream = UnixStream::connect(path(dir)).await.ok()?;
        let mut text = String::new();
        stream.take(LONGEST).read_to_string(&mut text).await.ok()?;
        serde_json::from_str(&text).ok()
    };
    timeout(PATIENCE, received).await.ok().flatten()
}

/// Formats a status as lines for people.
pub(crate) fn lines(view: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let at = |pointer: &str| view.pointer(pointer).and_then(text);
    let state = match at("/state/is").as_deref() {
        Some("up") => format!(
            "connected by {} since {}, session {}",
            at("/state/carrier").unwrap_or_default(),
            at("/state/since").unwrap_or_default(),
            at("/state/session").unwrap_or_default()
        ),
        Some("waiting") => format!(
            "not connected: {}; tried again at {}",
            at("/state/why").unwrap_or_default(),
            at("/state/until").unwrap_or_default()
        ),
        Some("ended") => format!("given up: {}", at("/state/why").unwrap_or_default()),
        _ => "connecting".to_owned(),
    };
    let process = view.pointer("/process").map(ToString::to_string).unwrap_or_default();
    let mut lines = vec![
        ("agent".to_owned(), format!("runs as process {process}")),
        ("connection".to_owned(), state),
    ];
    for (name, offer) in view.pointer("/offers").and_then(Value::as_object).into_iter().flatten() {
        let shown = match offer.get("why").and_then(text) {
            Some(why) => format!("{name}: declined: {why}"),
            None => name.clone(),
        };
        lines.push(("offers".to_owned(), shown));
    }
    for (name, pointer) in [
        ("next renewal", "/renewal"),
        ("not renewed", "/renewal_problem"),
        ("not noted", "/posture/why"),
        ("last error", "/last_error"),
    ] {
        lines.extend(at(pointer).map(|shown| (name.to_owned(), shown)));
    }
    if let Some(seconds) = view.pointer("/clock_behind").and_then(Value::as_i64)
        && seconds.abs() > 60
    {
        lines.push(("clock".to_owned(), format!("{seconds} s behind the gateway's")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_shown_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(query(dir.path()).await, None);
        let listener = open(dir.path()).unwrap();
        let view = json!({
            "process": 7,
            "state": { "is": "up", "carrier": "quic", "session": "s1", "since": "today" },
            "offers": { "ssh": { "taken": true, "why": null }, "x": { "taken": false, "why": "no" } },
            "last_error": "it was",
            "clock_behind": -3600,
        });
        let shown = view.clone();
        let serving = tokio::spawn(async move {
            answer(listener.accept().await.unwrap(), shown).await;
        });
        let received = query(dir.path()).await.unwrap();
        serving.await.unwrap();
        assert_eq!(received, view);
        let lines = lines(&received);
        for (name, says) in [
            ("agent", "process 7"),
            ("connection", "connected by quic since today, session s1"),
            ("offers", "x: declined: no"),
            ("last error", "it was"),
            ("clock", "-3600 s"),
        ] {
            let found = |(one, shown): &(String, String)| one == name && shown.contains(says);
            assert!(lines.iter().any(found), "{name}: {lines:?}");
        }
    }
}
