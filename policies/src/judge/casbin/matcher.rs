//! The functions that Casbin's matcher calls.
//!
//! The columns of a rule arrive as text and are read anew, so that this judge shares only the
//! meaning of patterns and conditions with the compiled form. A column that cannot be read, which
//! no rule of a parsed bundle has, reaches nothing if the rule allows and everything if it denies.

use casbin::rhai::Dynamic;
use doorward_model::Action;

use super::arguments::AskedPaths;
use crate::pattern::Pattern;
use crate::question::Context;
use crate::rule::Effect;
use crate::when::When;

pub(super) fn reaches(asked: Dynamic, pattern: Dynamic, effect: Dynamic) -> Dynamic {
    let deny = is_deny(effect);
    let (Some(asked), Some(pattern)) = (asked.try_cast::<AskedPaths>(), read::<Pattern>(pattern))
    else {
        return deny.into();
    };
    let AskedPaths { path, aliases } = asked;
    // An allow rule must cover the path itself; a deny rule may meet any name.
    let meets = || pattern.overlaps(&path) || aliases.iter().any(|alias| pattern.overlaps(alias));
    if deny { meets().into() } else { pattern.covers(&path).into() }
}

pub(super) fn acts(asked: Dynamic, actions: Dynamic) -> Dynamic {
    let (Some(asked), Ok(actions)) = (asked.try_cast::<Action>(), actions.into_string()) else {
        return false.into();
    };
    (actions == "*" || actions.split('|').any(|one| one.trim() == asked.as_str())).into()
}

pub(super) fn holds(context: Dynamic, when: Dynamic, effect: Dynamic) -> Dynamic {
    let deny = is_deny(effect);
    let (Some(context), Some(when)) = (context.try_cast::<Context>(), read::<When>(when)) else {
        return deny.into();
    };
    when.holds(&context).applies(if deny { Effect::Deny } else { Effect::Allow }).into()
}

fn is_deny(effect: Dynamic) -> bool {
    effect.into_string().is_ok_and(|effect| effect == Effect::Deny.as_str())
}

fn read<T: std::str::FromStr>(column: Dynamic) -> Option<T> {
    column.into_string().ok()?.parse().ok()
}
