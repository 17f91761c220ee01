//! How long certificates of each kind of subject live.

use std::time::Duration;

use doorward_model::Kind;
use thiserror::Error;

/// For how long certificates of one kind of subject live. Bounds are checked once, here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    life: Duration,
}

/// Why a configured life is refused. The operator's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a certificate lives from 5 seconds to 825 days")]
pub struct ProfileError;

impl Profile {
    const DAY: u64 = 24 * 60 * 60;
    const SHORTEST: Duration = Duration::from_secs(5);
    const LONGEST: Duration = Duration::from_secs(825 * Self::DAY);

    /// A profile whose certificates live for `life`.
    ///
    /// # Errors
    /// When that is shorter than 5 seconds or longer than 825 days.
    pub fn new(life: Duration) -> Result<Self, ProfileError> {
        if life < Self::SHORTEST || life > Self::LONGEST {
            return Err(ProfileError);
        }
        Ok(Self { life })
    }

    const fn days(days: u64) -> Self {
        Self { life: Duration::from_secs(days * Self::DAY) }
    }

    /// How long a certificate lives.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.life
    }

    /// How far before its issuance a certificate begins, for clocks that run behind: five
    /// minutes, and less for certificates that live less than an hour.
    #[must_use]
    pub fn backdate(&self) -> Duration {
        (self.life / 12).min(Duration::from_secs(300))
    }
}

/// The profiles of all kinds of subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profiles {
    /// Devices that hold a key of their own: 24 hours unless configured.
    pub device: Profile,
    /// People: 90 days unless configured.
    pub user: Profile,
    /// The gateway's own certificates: 90 days unless configured.
    pub gateway: Profile,
}

impl Profiles {
    /// The profile for subjects of that kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &Profile {
        match kind {
            Kind::Device => &self.device,
            Kind::User => &self.user,
            Kind::Gateway => &self.gateway,
        }
    }
}

impl Default for Profiles {
    fn default() -> Self {
        Self { device: Profile::days(1), user: Profile::days(90), gateway: Profile::days(90) }
    }
}
