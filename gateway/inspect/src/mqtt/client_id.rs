//! Binds client identifiers to subjects.

use std::borrow::Cow;

use doorward_model::ClientIds;

use super::connect::Connect;
use super::packet::Version;

/// The client identifiers of one subject.
#[derive(Debug)]
pub(super) struct Binding {
    /// The subject. It has no colon, so two subjects never get the same identifier.
    pub(super) subject: Box<str>,
    pub(super) ids: ClientIds,
    /// The identifier for a client that gives none.
    pub(super) fresh: Box<str>,
}

impl Binding {
    /// Returns the identifier for the server; `None` if the client may not use its own.
    pub(super) fn bind<'b>(&self, connect: &Connect<'b>) -> Option<Cow<'b, str>> {
        let id = connect.id;
        // A session without a name cannot be found again (3.1.1 section 3.1.3.1). MQTT 5.0 assigns
        // a name instead.
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

    /// Returns the made-up identifier for the client, if the gateway makes one. Otherwise the
    /// server does.
    pub(super) fn made_up(&self) -> Option<&str> {
        (self.ids == ClientIds::Bound).then_some(&self.fresh)
    }

    /// Returns an identifier that the server has assigned, as the client must write it to get the
    /// same one again.
    pub(super) fn unbind<'b>(&self, id: &'b str) -> &'b str {
        let own = id.strip_prefix(&*self.subject).and_then(|rest| rest.strip_prefix(':'));
        match self.ids {
            ClientIds::Bound => own.unwrap_or(id),
            ClientIds::Strict | ClientIds::Off => id,
        }
    }
}
