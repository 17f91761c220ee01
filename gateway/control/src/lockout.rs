//! Refuses changes after which nobody could change the policy any more.

use std::collections::BTreeSet;

use doorward_api::ProblemKind;
use doorward_model::{Action, Device, Kind, Subject};
use doorward_policies::{Member, Snapshot};
use doorward_session::Problem;
use jiff::Timestamp;

use crate::gate::Denied;
use crate::response::denied;

/// Returns whether a subject may change the policy at an instant.
fn may_change_policy(snapshot: &Snapshot, subject: &Subject, at: Timestamp) -> bool {
    let question =
        snapshot.question(subject.clone(), Action::Update, Device::Gateway, "policies", None);
    // A rule may demand a recent handshake. A user can reconnect to meet it, so suppose one.
    question.is_ok_and(|mut question| {
        question.circumstances.proven = Some(at);
        snapshot.opinion(&question, at).permits()
    })
}

/// Refuses a state in which no user may change the policy. `change` is what leads there.
pub(crate) fn keep_an_administrator(
    next: &Snapshot,
    at: Timestamp,
    change: &str,
) -> Result<(), Denied> {
    let mut people = next.members().filter(|(subject, _)| subject.kind() == Kind::User);
    if people.any(|(subject, _)| may_change_policy(next, subject, at)) {
        return Ok(());
    }
    Err(denied(Problem::new(
        ProblemKind::WouldLockOut,
        format!(
            "{change} nobody could change the policy any more: no user may update \
             gateway/policies. Nothing was changed. If you mean it, add --force-lockout."
        ),
    )))
}

/// Refuses a change of one subject by which the last user who may change the policy could not do
/// so any more, now or when a role of this user, or of another who may now, ends.
pub(crate) fn keep_the_last_administrator(
    present: &Snapshot,
    next: &Snapshot,
    subject: &Subject,
    now: Timestamp,
) -> Result<(), Denied> {
    if subject.kind() != Kind::User {
        return Ok(());
    }
    // Ends of roles that give no such right do not matter, and there may be very many.
    let matters = |one: &Subject, member: &Member| {
        let ends = member.roles.iter().any(|role| role.until.is_some_and(|end| now < end));
        ends && (one == subject || may_change_policy(next, one, now))
    };
    let administrators =
        next.members().filter(|(one, member)| one.kind() == Kind::User && matters(one, member));
    let ends =
        administrators.flat_map(|(_, member)| member.roles.iter().filter_map(|role| role.until));
    let instants: BTreeSet<Timestamp> = ends.filter(|end| now < *end).chain([now]).collect();
    for at in instants {
        if may_change_policy(present, subject, at) {
            keep_an_administrator(next, at, "After this change")?;
        }
    }
    Ok(())
}
