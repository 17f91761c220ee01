//! Runs the referee, which checks decisions of the compiled form with Casbin.

use std::pin::Pin;
use std::sync::Arc;

use doorward_model::Revision;
use doorward_session::Suspend;
use doorward_store::Store;

use crate::assemble::Gateway;
use crate::failure::CommandFailure;

/// Suspends rules in the store.
struct RuleSuspender(Store);

impl Suspend for RuleSuspender {
    fn suspend(
        &self,
        revision: Revision,
        lines: Vec<usize>,
    ) -> Pin<Box<dyn Future<Output = usize> + Send + '_>> {
        Box::pin(async move {
            match self.0.suspend(revision, lines).await {
                Ok(ended) => ended,
                Err(error) => {
                    tracing::error!(%error, "rules that the compiled form and Casbin decide differently could not be suspended");
                    0
                }
            }
        })
    }
}

/// Runs the referee.
pub(super) async fn keep(referee: Option<doorward_session::Referee>) -> Result<(), CommandFailure> {
    match referee {
        Some(referee) => {
            referee.run().await;
            Ok(())
        }
        None => Err(CommandFailure::new("the leases have a referee already".to_owned())),
    }
}

/// Returns the referee of a gateway, or `None` if it has been taken already.
pub(super) fn of(gateway: &Gateway) -> Option<doorward_session::Referee> {
    let rules = Arc::new(RuleSuspender(gateway.store.clone()));
    gateway.leases.referee(rules, Arc::clone(&gateway.journal))
}
