//! The validity periods of certificates, by the kind of subject.

use std::time::Duration;

use doorward_model::Kind;
use thiserror::Error;

/// The validity period of certificates for one kind of subject, within its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    life: Duration,
}

/// Why a configured validity period is refused. The operator is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a certificate is valid for 5 seconds to 825 days")]
pub struct ProfileError;

impl Profile {
    const DAY: u64 = 24 * 60 * 60;
    /// The shortest time that a certificate can be valid.
    pub const SHORTEST: Duration = Duration::from_secs(5);
    /// The longest time that a certificate can be valid.
    pub const LONGEST: Duration = Duration::from_secs(825 * Self::DAY);

    /// Creates a profile whose certificates are valid for `life`.
    ///
    /// # Errors
    /// Fails when `life` is shorter than 5 seconds or longer than 825 days.
    pub fn new(life: Duration) -> Result<Self, ProfileError> {
        if life < Self::SHORTEST || life > Self::LONGEST {
            return Err(ProfileError);
        }
        Ok(Self { life })
    }

    const fn days(days: u64) -> Self {
        Self { life: Duration::from_secs(days * Self::DAY) }
    }

    /// Returns how long a certificate is valid.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.life
    }

    /// Returns how long before its issuance a certificate is valid, for clocks that run behind:
    /// five minutes, and less for certificates that are valid for less than an hour.
    #[must_use]
    pub fn backdate(&self) -> Duration {
        (self.life / 12).min(Duration::from_secs(300))
    }
}

/// The profiles of all kinds of subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profiles {
    /// Devices that hold their own key: 24 hours by default.
    pub device: Profile,
    /// People: 90 days by default.
    pub user: Profile,
    /// The gateway's own certificates: 90 days by default.
    pub gateway: Profile,
}

impl Profiles {
    /// Returns the profile for a kind of subject.
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
