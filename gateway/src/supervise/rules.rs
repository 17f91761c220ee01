//! Says at the start which rules match nothing at the interfaces that they name.

use std::sync::Arc;

use doorward_policies::{Mismatches, Snapshot};

use crate::failure::CommandFailure;

/// Writes a line to the log for each deny rule that denies nothing, and one for all others. The
/// gateway serves all the same.
pub(super) async fn report(snapshot: Arc<Snapshot>) -> Result<(), CommandFailure> {
    let found = tokio::task::spawn_blocking(move || snapshot.mismatches(None)).await;
    let Mismatches { denying, others } = found.unwrap_or_default();
    for rule in denying.places() {
        tracing::warn!(%rule, "a rule of the policy in force denies nothing");
    }
    if !others.is_empty() {
        tracing::warn!(
            count = others.count(),
            "rules of the policy in force match nothing; see `doorward policy lint`"
        );
    }
    Ok(())
}
