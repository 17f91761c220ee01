//! The parts that the administration works with.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use doorward_ca::{Assertions, Authority, Profiles};
use doorward_model::{Clock, Domain, Name, Subject, Target};
use doorward_policies::Journal;
use doorward_session::{Leases, Refusals};
use doorward_store::{AuditLog, Store};

use crate::codes::CodeMaker;
use crate::health::Health;
use crate::renewals::Renewals;
use crate::wrong_codes::WrongCodes;

/// The parts that the administration works with.
pub struct AdministrationParts {
    /// The state.
    pub store: Store,
    /// The audit log, for reading and pruning.
    pub audit: AuditLog,
    /// The audit log, for writing.
    pub journal: Arc<dyn Journal>,
    /// The sessions and flows.
    pub leases: Leases,
    /// The issuing authority.
    pub authority: Arc<Authority>,
    /// Signs the tokens that name a client to a backend.
    pub assertions: Arc<Assertions>,
    /// The lives of certificates.
    pub profiles: Profiles,
    /// Makes enrolment codes.
    pub codes: CodeMaker,
    /// Counts the requests that are refused before the peer has an identity.
    pub refusals: Refusals,
    /// The bounds of what the gateway may dial.
    pub bounds: Arc<dyn TargetBounds>,
    /// The conditions that need attention.
    pub health: Health,
    /// The present time.
    pub clock: Arc<dyn Clock>,
    /// The gateway's domain.
    pub domain: Domain,
    /// The gateway's own subject.
    pub gateway: Subject,
    /// The URL of the administration, as `https://HOST:PORT`.
    pub management: String,
    /// Delays networks that have recently tried wrong codes.
    pub wrong_codes: WrongCodes,
    /// The renewals in progress.
    pub renewals: Renewals,
    /// How long after its certificate has expired a subject may recover with its key.
    pub recovery: Duration,
}

/// The bounds of what the gateway may dial. The proxy implements it; the administration does not
/// know the proxy.
pub trait TargetBounds: Send + Sync {
    /// Returns the network in which an interface at `target` is declared: `wanted`, or else the
    /// network that contains the target now. Returns `None` if no network leads to the target.
    ///
    /// # Errors
    /// Fails if the target is outside the bounds of the local configuration, or if its network is
    /// ambiguous. The text says why, and what to do.
    fn declare<'a>(
        &'a self,
        target: &'a Target,
        wanted: Option<&'a Name>,
    ) -> Pin<Box<dyn Future<Output = Result<Option<Name>, String>> + Send + 'a>>;

    /// Returns why the present configuration forbids to dial a target that was declared in
    /// `network`, or `None` if the configuration permits it.
    fn doubts(&self, target: &Target, network: Option<&Name>) -> Option<String>;
}
