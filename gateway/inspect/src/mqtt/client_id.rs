//! Binds client identifiers to subjects.

use std::borrow::Cow;

use doorward_model::ClientIds;

use super::connect::Connect;
use super::packet::Version;

/// The client identifiers of one subject.
#[derive(Debug)]
pub(super) struct Binding {
    /// There is no colon in it: two subjects never come to the same identifier.
    pub(super) subject: Box<str>,
    pub(super) ids: ClientIds,
    /// What stands for an empty one.
    pub(super) fresh: Box<str>,
}

impl Binding {
    /// What the server is told, if the client may use its identifier.
    pub(super) fn bind<'b>(&self, connect: &Connect<'b>) -> Option<Cow<'b, str>> {
        let id = connect.id;
        // Nobody can find a session again that has no name (3.1.1 section 3.1.3.1). MQTT 5.0 assigns
        // one instead.
        if id.is_empty() && !connect.clean && connect.version == Version::V311 {
            return None;
        }
        match self.ids {
            ClientIds::Bound => {
                let id = if id.is_empty() { &self.fresh } else { id };
                let bound = format!("{}:{id}", self.subject);
                (bound.len() <= usize::from(u16::MAX)).then_some(Cow::Owned(bound))
            }
            ClientIds::Strict => match id.strip_prefix(&*self.subject) {
                Some(rest) if rest.is_empty() || rest.starts_with(':') => Some(Cow::Borrowed(id)),
                _ => None,
            },
            ClientIds::Off => Some(Cow::Borrowed(id)),
        }
    }

    /// The identifier of a client that has given none, as the client is told of it. Otherwise the
    /// server makes one up.
    pub(super) fn made_up(&self) -> Option<&str> {
        (self.ids == ClientIds::Bound).then_some(&self.fresh)
    }

    /// What the client is told of an identifier that the server has assigned, so that it comes to
    /// the same one with it again.
    pub(super) fn unbind<'b>(&self, id: &'b str) -> &'b str {
        let own = id.strip_prefix(&*self.subject).and_then(|rest| rest.strip_prefix(':'));
        match self.ids {
            ClientIds::Bound => own.unwrap_or(id),
            ClientIds::Strict | ClientIds::Off => id,
        }
    }
}
