//! What backends are told of who asks, for the proxy, which knows no keys.

use std::sync::Arc;

use doorward_ca::{Assertion, Assertions};
use doorward_proxy::{IdentifiedAsker, NotVouched, Vouch, Vouched};
use jiff::Timestamp;

pub(super) struct Signed(pub(super) Arc<Assertions>);

impl Vouch for Signed {
    fn vouch(&self, asker: &IdentifiedAsker<'_>, now: Timestamp) -> Result<Vouched, NotVouched> {
        let &IdentifiedAsker { subject, door, flow } = asker;
        let signed = self.0.sign(&Assertion { subject, door, flow }, now);
        let (words, until) = signed.map_err(|error| NotVouched(error.to_string()))?;
        Ok(Vouched { words, until })
    }
}
