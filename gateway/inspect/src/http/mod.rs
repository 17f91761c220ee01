//! HTTP: reads what the head of a request asks for, and decides which parts of requests and answers
//! are forwarded (RFC 9110, 9112, 9113).
//!
//! # The name of a request
//!
//! A request for `/a/b` at the interface `web` is its method's action on `web/a/b`; one for `/` is
//! on `web/`. An upgrade is `connect` and `get`. The path is decided in the one spelling that
//! [`doorward_model::spelt_path`] returns, still percent-encoded. It is forwarded byte for byte in
//! this spelling, below the interface's base. A path without such a spelling is refused. A backend
//! may read a path in several ways (`/a%40` and `/A@`, `/a;x/` and `/a/`): deny rules meet each
//! ([`doorward_model::Path::http_readings`]), and a path with too many is refused. In an allow rule
//! `%25` stands for the percent sign of an escape: `web/caf%25C3%25A9`.
//!
//! If an interface decides a parameter of the query (`operand=query:cmd`), the parameter is one
//! more segment: `/a?cmd=on` is `web/a/@cmd=on`. No path may end like that there.
//!
//! If a query names another method (`?_method=DELETE`), the action of that method must be permitted
//! as well.
//!
//! # What pages may do
//!
//! A browser sends its certificate for any page that it displays. So requests from pages of other
//! origins are refused without asking the judge ([`comes_from_elsewhere`]).
//!
//! # What is not decided
//!
//! The rest of the query, the fields and the content are forwarded unread, except fields that are
//! known to make a backend do something else. A backend that takes its method from a form in the
//! content, or its path from the query, must not be trusted to do only what was decided.
//!
//! # What is not forwarded
//!
//! - Of a request: fields between neighbours, claims of a client about itself or its connection
//!   (`Forwarded`, `X-Forwarded-*`, `Remote-User`, `Doorward-*` …), and fields that override the
//!   method or the target, in every spelling that backends fold into these. An interface may keep a
//!   claim (`keep=`).
//! - Of an answer: fields between neighbours, `Doorward-*`, `Alt-Svc`, the domain of cookies, and
//!   the backend's own name in `Location`.

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
mod query;
mod refusal;
mod request;
mod served_host;
#[cfg(test)]
mod tests;
mod upgrade;

pub use backend::HttpBackend;
pub use bounds::{Content, Rate};
pub use elsewhere::{Scheme, comes_from_elsewhere};
pub use fields::{FIELD_BYTES, FIELDS, may_be_kept};
pub use forward::Forwarded;
pub use interface::HttpInterface;
pub use query::{Unclear, recorded};
pub use refusal::HttpRefusal;
pub use request::{PermittedRequest, UnjudgedRequest};
pub use served_host::ServedHost;
pub use upgrade::Extended;
