//! Rules that were compiled together, with the names in their first two columns and their conditions.

use std::sync::Arc;

use super::conditions::Conditions;
use super::layer::Layer;
use super::texts::Texts;

/// Rules that were compiled together, with the names in their first two columns and their conditions.
#[derive(Debug)]
pub(crate) struct CompiledPart {
    pub(super) names: RuleNames,
    pub(super) conditions: Arc<Conditions>,
    pub(super) layer: Layer,
}

/// The names in the first two columns of the rules.
#[derive(Clone, Debug)]
pub(crate) struct RuleNames {
    pub(crate) whos: Arc<Texts>,
    pub(crate) ons: Arc<Texts>,
}
