//! What a review asks for at one place and for one action.

use doorward_model::{Action, Path};

use super::error::ReviewError;
use super::place::Place;
use crate::pattern::Pattern;

/// What a review asks for at one place and for one action.
#[derive(Clone)]
pub(super) enum AskedOperand {
    /// Whatever this pattern of what follows the interface's name reaches.
    Pattern(Pattern),
    /// One operation.
    Operation {
        path: Path,
        /// The other names under which the device may read it.
        aliases: Vec<Path>,
    },
}

impl AskedOperand {
    /// Reads what follows a device's name, as it is meant at a place; `None` asks for everything.
    /// Returns `None` if nothing that a path with wildcards names can be done there.
    pub(super) fn at(
        place: &Place<'_>,
        action: Action,
        path: Option<&str>,
    ) -> Result<Option<Self>, ReviewError> {
        let nothing_follows = place.is_whole(action);
        let all = if nothing_follows { Pattern::nothing() } else { Pattern::everything() };
        let Some(text) = path else { return Ok(Some(Self::Pattern(all))) };
        if text.contains('*') {
            let Some(operand) = place.operand(&text.parse()?) else { return Ok(None) };
            let (segments, _) = operand.pieces();
            let alone = segments.count() == 0;
            return Ok(match (alone, nothing_follows) {
                (false, true) => None,
                // Whoever names the interface alone asks about all of it.
                (true, _) => Some(Self::Pattern(all)),
                (false, false) => place.fits(&operand, action).then_some(Self::Pattern(operand)),
            });
        }
        let is_interface = place.interface.is_some() && !text.contains('/');
        if is_interface {
            return Ok(Some(Self::Pattern(all)));
        }
        let path = Path::parse(place.protocol(), action, text)?;
        if let Some(why) = place.never(&path.raw().split('/').map(Some).collect::<Vec<_>>()) {
            return Err(ReviewError::Never(why));
        }
        let aliases = place.aliases(&path);
        Ok(Some(Self::Operation { path, aliases }))
    }
}
