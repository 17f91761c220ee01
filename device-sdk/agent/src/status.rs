//! The command `status`: the identity, whether the gateway accepts it, and the agent that runs with
//! it.

use std::time::Duration;

use doorward_model::Clock;
use doorward_sdk::{Api, Error, Identity, IdentityDir, Method};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::report::ErrorReport;
use crate::run::status_socket;
use crate::terminal::print;

/// How long the gateway may take to say whether it accepts the identity.
const PATIENCE: Duration = Duration::from_secs(5);

/// Prints the status of the identity in `dir`. Fails if the identity is expired or refused.
pub(crate) async fn run(
    dir: &IdentityDir,
    as_json: bool,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let found = dir.load()?;
    let (id, validity, facts) = (found.spiffe_id()?, found.validity()?, found.gateway());
    let agent = status_socket::query(dir.path()).await;
    let state = if clock.now() > validity.not_after {
        "expired"
    } else if is_refused(&found, agent.as_ref()).await {
        "refused"
    } else {
        "live"
    };
    if as_json {
        let answer = json!({
            "subject": facts.subject,
            "spiffe_id": id,
            "state": state,
            "not_before": validity.not_before,
            "not_after": validity.not_after,
            "renewal": validity.renewal(),
            "gateway": facts.url,
            "domain": facts.domain,
            "identity": dir.path().display().to_string(),
            "agent": agent,
        });
        print(&answer.to_string())?;
        return ended(state, dir);
    }
    let identity = [
        ("subject", facts.subject.to_string()),
        ("SPIFFE ID", id),
        ("state", state.to_owned()),
        ("good until", validity.not_after.to_string()),
        ("renewal from", validity.renewal().to_string()),
        ("gateway", facts.url.clone()),
        ("identity", dir.path().display().to_string()),
    ];
    let agent = match &agent {
        Some(view) => status_socket::lines(view),
        None => vec![("agent".to_owned(), "not running".to_owned())],
    };
    let identity = identity.into_iter().map(|(name, value)| (name.to_owned(), value));
    for (name, value) in identity.chain(agent) {
        print(&format!("{name:<13}{}", doorward_model::escape(&value)))?;
    }
    ended(state, dir)
}

/// Returns whether the gateway refuses the identity: as the running agent knows, or else as the
/// gateway says. If the gateway is not reached, the identity counts as accepted.
async fn is_refused(identity: &Identity, agent: Option<&Value>) -> bool {
    if let Some(agent) = agent {
        return agent.pointer("/state/is").and_then(Value::as_str) == Some("ended");
    }
    let api = Api::new(&identity.gateway().url, identity);
    let asked = tokio::time::timeout(PATIENCE, api.request(Method::GET, "/v1/self", None)).await;
    matches!(asked, Ok(Err(Error::Refused { status: 401 | 403, .. })))
}

fn ended(state: &str, dir: &IdentityDir) -> Result<(), Failure> {
    let (kind, why) = match state {
        "expired" => ("expired", "has expired"),
        "refused" => ("not-accepted", "is not accepted by the gateway: revoked, or disabled"),
        _ => return Ok(()),
    };
    let message = format!("the identity in {} {why}", dir.path().display());
    let report = ErrorReport::new(kind, message);
    Err(Failure::Reported(report.with_next(
        "ask the administrator for a new code, and redeem it with doorward-agent enroll --replace",
    )))
}
