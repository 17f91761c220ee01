//! The arguments that Casbin is asked with.

use std::sync::Arc;

use casbin::EnforceArgs;
use casbin::rhai::Dynamic;
use doorward_model::Path;

use crate::question::{Context, Question};

/// The path of the resource, and its other names.
#[derive(Clone)]
pub(super) struct AskedPaths {
    pub(super) path: Path,
    pub(super) aliases: Arc<[Path]>,
}

/// The arguments of one question. Those that are more than text keep their types.
#[derive(Clone)]
pub(crate) struct EnforceArguments(Vec<Dynamic>);

impl EnforceArguments {
    pub(crate) fn of((question, aliases): (&Question, &[Path]), context: &Context) -> Self {
        let path = question.resource.path.clone();
        Self(vec![
            question.subject.to_string().into(),
            question.resource.device.to_string().into(),
            Dynamic::from(AskedPaths { path, aliases: aliases.into() }),
            Dynamic::from(question.action),
            Dynamic::from(context.clone()),
        ])
    }
}

impl EnforceArgs for EnforceArguments {
    fn try_into_vec(self) -> casbin::Result<Vec<Dynamic>> {
        Ok(self.0)
    }

    /// Casbin's own cache is off, since it identifies questions by 64 bits.
    fn cache_key(&self) -> u64 {
        0
    }
}
