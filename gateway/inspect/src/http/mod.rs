//! HTTP: what the head of a request asks for, and what of it, and of the answer's, is forwarded
//! (RFC 9110, 9112, 9113).
//!
//! # What a request is called
//!
//! A request for `/a/b` at the interface `web` is its method's action on `web/a/b`; one for `/` is
//! on `web/`. An upgrade is `connect` besides `get`. The path is decided in the one spelling that
//! [`normal`] gives, still percent-encoded, and forwarded byte for byte so, below the interface's
//! base. What has no such spelling is refused. Where a backend may read a path in several ways
//! (`%40` and `@`, `/a;x/` and `/a/`), each is asked about and all must be permitted. A rule writes
//! `%25` for the percent sign of an escape: `web/caf%25C3%25A9`.
//!
//! Where an interface decides a parameter of the query (`operand=query:cmd`), it is one more segment:
//! `/a?cmd=on` is `web/a/@cmd=on`. No path ends like that there.
//!
//! Where a query names another method (`?_method=DELETE`), the action of that method is asked about
//! as well.
//!
//! # What pages may do
//!
//! A browser sends its certificate for whatever page it shows, so requests that pages of other
//! origins make are refused without a question ([`comes_from_elsewhere`]).
//!
//! # What is not decided
//!
//! The rest of the query, the fields and the content are forwarded and not looked at, but for fields
//! that are known to make a backend do something else. A backend that takes its method from a form
//! in the content, or its path from the query, must not be trusted to do only what was decided. Nor
//! can it be known here whether a backend tells `/a` from `/A`: rules that allow are safe there,
//! rules that deny are not.
//!
//! # What does not come through
//!
//! - Of a request: what is only between neighbours, what a client claims of its way or of itself
//!   (`Forwarded`, `X-Forwarded-*`, `Remote-User`, `Doorward-*` …), what overrides the method or the
//!   target, in every spelling that backends fold into these. An interface may keep a claim (`keep=`).
//! - Of an answer: what is only between neighbours, `Doorward-*`, `Alt-Svc`, the domain of cookies,
//!   and the backend's own name in `Location`.

mod answer;
mod authority;
mod backend;
mod bounds;
mod claims;
mod elsewhere;
mod fields;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod interface;
mod path;
mod query;
mod refusal;
mod request;
#[cfg(test)]
mod tests;
mod upgrade;

pub use authority::ServedHost;
pub use backend::HttpBackend;
pub use bounds::{Content, Rate};
pub use elsewhere::{Scheme, comes_from_elsewhere};
pub use fields::{FIELD_BYTES, FIELDS, may_be_kept};
pub use forward::Forwarded;
pub use interface::HttpInterface;
pub use path::{Misspelt, normal};
pub use query::{Unclear, recorded};
pub use refusal::HttpRefusal;
pub use request::{PermittedRequest, UnjudgedRequest};
pub use upgrade::Extended;
