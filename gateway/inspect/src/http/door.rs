use doorward_model::Name;

use super::authority::Way;
use super::backend::Backend;

/// An HTTP interface as one connection sees it. Of each request:
///
/// 1. [`Door::read`] says what it asks for, or refuses it.
/// 2. [`Asked::judge`](super::Asked::judge) asks whether that is permitted.
/// 3. [`Door::forward`] makes the head for the backend.
/// 4. [`Door::answer`] makes the head for the client of the backend's.
///
/// Whoever parses and writes the bytes is an HTTP library, on both sides; a head that was read in
/// one way is never written in another.
#[derive(Clone, Debug)]
pub struct Door {
    pub(super) interface: Name,
    pub(super) backend: Backend,
    pub(super) way: Way,
    pub(super) largest: Option<u64>,
}

impl Door {
    /// The door of `interface`, to which clients came by `way`.
    #[must_use]
    pub fn new(interface: Name, backend: Backend, way: Way) -> Self {
        Self { interface, backend, way, largest: None }
    }

    /// Takes at most `largest` bytes of content with a request. What is declared to be more is
    /// refused; what comes undeclared is counted by [`Content`](super::Content).
    #[must_use]
    pub fn taking(mut self, largest: u64) -> Self {
        self.largest = Some(largest);
        self
    }
}
