//! Dry runs: what a change would open, close and narrow, and the live flows that it would end.

use std::sync::Arc;

use doorward_api::ChangePreview;
use doorward_model::Action;
use doorward_policies::{GrantChanges, Snapshot};

use crate::gate::{Denied, Gate};
use crate::grants::changes_view;
use crate::request::AdminRequest;

/// How a change is asked for.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// Nothing is changed: the answer says what would be.
    pub(crate) dry_run: bool,
    /// The change may leave nobody who can change the policy.
    pub(crate) force_lockout: bool,
}

impl AdminRequest<'_> {
    /// Records that a change is only tried, and returns what it would do. `next` is the present
    /// state with the change. The answer shows what others may do and have open, so the asker must
    /// have the right to read both.
    pub(crate) async fn preview(
        &self,
        gate: &mut Gate,
        detail: &str,
        present: Arc<Snapshot>,
        next: Snapshot,
        warnings: Vec<String>,
    ) -> Result<ChangePreview, Denied> {
        for part in ["policies", "sessions"] {
            gate.ask(Action::Read, part, self.now()).await?;
        }
        gate.record(Some(&format!("preview: {detail}"))).await?;
        let (leases, now, own) = (self.parts.leases.clone(), self.now(), self.id);
        self.with_question_permit(move || {
            let changes = changes_view(GrantChanges::between(&present, &next, now));
            let mut ending = leases.would_end(&next);
            ending.retain(|one| one.flow.id != own);
            Ok(ChangePreview { changes, ending, warnings })
        })
        .await
    }
}
