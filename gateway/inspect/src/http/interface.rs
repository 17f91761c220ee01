//! An HTTP interface, as one connection uses it.

use doorward_model::{FieldName, HttpOptions, Name, Operand, Origin, Several};

use super::backend::HttpBackend;
use super::fields::may_be_kept;
use super::served_host::ServedHost;

/// An HTTP interface, as one connection uses it. For each request:
///
/// 1. [`HttpInterface::read`] reads what the request asks for, or refuses it.
/// 2. [`UnjudgedRequest::judge`](super::UnjudgedRequest::judge) asks whether that is permitted.
/// 3. [`HttpInterface::forward`] makes the head for the backend.
/// 4. [`HttpInterface::answer`] makes the head for the client from the backend's answer.
///
/// On both sides an HTTP library parses and writes the bytes, so a head is never written in another
/// way than it was read.
#[derive(Clone, Debug)]
pub struct HttpInterface {
    pub(super) interface: Name,
    pub(super) backend: HttpBackend,
    pub(super) served_host: ServedHost,
    pub(super) largest: Option<u64>,
    pub(super) operand: Option<Operand>,
    pub(super) exact_paths: bool,
    pub(super) origins: Option<Several<Origin>>,
    pub(super) keep: Option<Several<FieldName>>,
}

impl HttpInterface {
    /// Returns an interface, for clients that name it as `served_host` allows.
    #[must_use]
    pub fn new(interface: Name, backend: HttpBackend, served_host: ServedHost) -> Self {
        let (operand, origins, keep) = (None, None, None);
        let (largest, exact_paths) = (None, false);
        Self { interface, backend, served_host, largest, operand, exact_paths, origins, keep }
    }

    /// Applies the interface's options: how much content a request may have, which part of a query
    /// is decided, whether the backend reads paths exactly, whose pages may act, and which claims of
    /// clients are forwarded.
    ///
    /// Too much declared content is refused; undeclared content is counted by
    /// [`Content`](super::Content).
    #[must_use]
    pub fn with(mut self, options: &HttpOptions) -> Self {
        self.largest = options.body;
        self.operand.clone_from(&options.operand);
        self.exact_paths = options.exact_paths;
        self.origins.clone_from(&options.origins);
        self.keep.clone_from(&options.keep);
        self
    }

    /// Returns whether a client's field is forwarded although similar fields are not. Only in this
    /// spelling.
    pub(super) fn keeps(&self, name: &str) -> bool {
        let mut kept = self.keep.iter().flat_map(Several::iter);
        may_be_kept(name) && kept.any(|kept| kept.as_str() == name)
    }
}
