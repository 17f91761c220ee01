//! Signs the tokens that name a client to a backend. The proxy has no access to keys.

use std::sync::Arc;

use doorward_ca::{Assertion, Assertions};
use doorward_proxy::{IdentifiedAsker, NotVouched, Vouch, Vouched};
use jiff::Timestamp;

/// Signs with the gateway's assertion key.
pub(super) struct AssertionSigner(pub(super) Arc<Assertions>);

impl Vouch for AssertionSigner {
    fn vouch(&self, asker: &IdentifiedAsker<'_>, now: Timestamp) -> Result<Vouched, NotVouched> {
        let &IdentifiedAsker { subject, door, flow } = asker;
        let signed = self.0.sign(&Assertion { subject, door, flow }, now);
        let (words, until) = signed.map_err(|error| NotVouched(error.to_string()))?;
        Ok(Vouched { words, until })
    }
}
