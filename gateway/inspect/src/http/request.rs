//! Reads what a request asks for.

use std::borrow::Cow;

use doorward_model::{Action, Path, segment_readings, spelt_path};
use http::header::{CONTENT_LENGTH, EXPECT, HeaderMap, ORIGIN, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Version};
use smallvec::{SmallVec, smallvec};

use super::authority::named_authority;
use super::elsewhere::comes_from_elsewhere;
use super::fields::{Folded, are_bounded};
use super::interface::HttpInterface;
use super::query::{decided_part, method};
use super::refusal::HttpRefusal;
use super::upgrade::{Extended, Upgrade};
use crate::Judge;

/// The longest query, in bytes.
const QUERY: usize = 8192;

/// A request that was read, and may not be forwarded yet.
#[derive(Debug)]
#[must_use = "a request that was read is judged"]
pub struct UnjudgedRequest {
    pub(super) head: Parts,
    /// The target for the backend: the base, the path as it is decided, and the query.
    pub(super) target: PathAndQuery,
    pub(super) upgrade: Option<Upgrade>,
    pub(super) content: bool,
    /// Whether a page of this interface sent it (`Origin`, RFC 6454 section 7).
    pub(super) from_here: bool,
    /// Whether a page of another origin sent it, and may not.
    from_elsewhere: bool,
    action: Action,
    /// The action of another method that the query names.
    named: Option<Action>,
    paths: SmallVec<[Path; 1]>,
}

/// A request that may be forwarded now.
#[derive(Debug)]
#[must_use = "a request that is permitted is forwarded"]
pub struct PermittedRequest(pub(super) UnjudgedRequest);

impl UnjudgedRequest {
    /// Yields what the request asks for; all of it must be permitted. It is nearly always one
    /// action on one path. An upgrade is `connect` and `get`. If the query names another method,
    /// its action is added, since a backend may use it. Each reading of the decided part of the
    /// query is asked about (at most three).
    pub fn asks(&self) -> impl Iterator<Item = (Action, &Path)> {
        let upgrade = self.upgrade.as_ref().map(|_| Action::Connect);
        let actions = std::iter::once(self.action).chain(self.named).chain(upgrade);
        actions.flat_map(|action| self.paths.iter().map(move |path| (action, path)))
    }

    /// Returns why the request is refused without asking the judge.
    #[must_use]
    pub fn objection(&self) -> Option<HttpRefusal> {
        self.from_elsewhere.then_some(HttpRefusal::CrossOrigin)
    }

    /// Asks the judge, in the order of [`UnjudgedRequest::asks`] and up to the first refusal.
    ///
    /// # Errors
    /// [`HttpRefusal::Forbidden`] when the judge refuses; and the refusal of
    /// [`UnjudgedRequest::objection`], without asking the judge.
    pub fn judge(self, judge: &mut dyn Judge) -> Result<PermittedRequest, HttpRefusal> {
        if let Some(refusal) = self.objection() {
            return Err(refusal);
        }
        let permitted = self.asks().all(|(action, path)| judge.may(action, path));
        if permitted { Ok(PermittedRequest(self)) } else { Err(HttpRefusal::Forbidden) }
    }
}

impl HttpInterface {
    /// Reads the head of a request. `extended` is given for an extended CONNECT; `content` says
    /// whether content follows, or may follow.
    ///
    /// # Errors
    /// When the request cannot be named, has two readings, or exceeds the interface's bounds.
    pub fn read(
        &self,
        head: Parts,
        extended: Option<Extended<'_>>,
        content: bool,
    ) -> Result<UnjudgedRequest, HttpRefusal> {
        if !matches!(head.version, Version::HTTP_10 | Version::HTTP_11 | Version::HTTP_2) {
            return Err(HttpRefusal::Version);
        }
        if !are_bounded(&head.headers) {
            return Err(HttpRefusal::TooManyFields);
        }
        let (action, upgrade) = match extended {
            None => {
                let action = action(&head.method)?;
                (action, Upgrade::read(&head.method, head.version, &head.headers)?)
            }
            Some(extended) if head.version == Version::HTTP_2 && head.method == Method::CONNECT => {
                (Action::Get, Some(Upgrade::extended(extended)?))
            }
            Some(_) => return Err(HttpRefusal::Upgrade),
        };
        let authority = named_authority(&head)?;
        let mut from_here = false;
        if let Some(authority) = authority {
            self.served_host.admits(authority)?;
            let origin = head.headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
            let scheme = self.served_host.scheme();
            from_here = origin.is_some_and(|origin| scheme.is_origin(origin, authority));
        }
        let (scheme, admitted) = (self.served_host.scheme(), self.origins.as_ref());
        let from_elsewhere = comes_from_elsewhere(&head, upgrade.is_some(), scheme, admitted);
        let content = self.framing(&head, content && extended.is_none())?;
        if content && matches!(head.method, Method::GET | Method::HEAD | Method::CONNECT) {
            return Err(HttpRefusal::Content);
        }
        expectation(&head.headers)?;
        let (target, paths) = self.target(&head)?;
        let named = named(head.uri.query())?.filter(|named| *named != action);
        Ok(UnjudgedRequest {
            head,
            target,
            upgrade,
            content,
            from_here,
            from_elsewhere,
            action,
            named,
            paths,
        })
    }

    /// Returns the target for the backend, and the paths to ask about.
    fn target(&self, head: &Parts) -> Result<(PathAndQuery, SmallVec<[Path; 1]>), HttpRefusal> {
        let uri = &head.uri;
        let form = match uri.scheme_str() {
            // An authority without a scheme is the form of CONNECT (RFC 9112 section 3.2.3).
            None => uri.authority().is_none(),
            Some(scheme) => ["http", "https"].iter().any(|http| scheme.eq_ignore_ascii_case(http)),
        };
        let whole = uri.path_and_query().filter(|_| form && uri.path().starts_with('/'));
        let whole = whole.ok_or(HttpRefusal::Target)?;
        let query = whole.query();
        if query.is_some_and(|query| query.len() > QUERY) {
            return Err(HttpRefusal::TooLong);
        }
        // The library has removed a fragment, which only the client uses.
        if !query.unwrap_or_default().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(HttpRefusal::Query);
        }
        let path = spelt_path(whole.path())?;
        let paths = self.paths(&path, query)?;
        let base = self.backend.base();
        // The library returns nothing for an omitted root, as in `http://host?query`.
        let as_is = base.is_empty() && path.len() > 1 && matches!(path, Cow::Borrowed(_));
        let target = if as_is {
            whole.clone()
        } else {
            let mark = if query.is_some() { "?" } else { "" };
            let target = [base, &path, mark, query.unwrap_or_default()].concat();
            PathAndQuery::try_from(target).map_err(|_| HttpRefusal::Target)?
        };
        Ok((target, paths))
    }

    /// Returns the paths to ask about: the path, with each reading of the decided part of the query
    /// as last segment.
    fn paths(&self, path: &str, query: Option<&str>) -> Result<SmallVec<[Path; 1]>, HttpRefusal> {
        let beneath = |operand: &str| {
            let path = Path::beneath(&self.interface, operand);
            let path = path.map_err(|_| HttpRefusal::TooLong)?;
            // Deny rules could not be compared with so many readings, or with dot segments.
            if !self.exact_paths {
                path.http_readings()?;
            }
            Ok(path)
        };
        let operand = path.strip_prefix('/').unwrap_or_default();
        let named = beneath(operand)?;
        let Some(decided) = &self.operand else { return Ok(smallvec![named]) };
        // Otherwise a path could pass for a decided parameter.
        if path.rsplit('/').next().is_some_and(may_be_mark) {
            return Err(HttpRefusal::Mark);
        }
        let parts = decided_part(query.unwrap_or_default(), decided.key())?;
        let path = |part: Option<String>| match part {
            Some(part) => beneath(&format!("{operand}/{part}")),
            None => Ok(named.clone()),
        };
        parts.into_iter().map(path).collect()
    }

    /// Checks the fields that frame the content (RFC 9112 section 6). Returns whether content
    /// follows.
    ///
    /// The HTTP library has framed the content by the same fields. This refuses what another
    /// program could frame in another way.
    fn framing(&self, head: &Parts, content: bool) -> Result<bool, HttpRefusal> {
        let fields = &head.headers;
        // HTTP/2 does not have these fields (RFC 9113 section 8.2.2).
        let hop = ["connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding"];
        if head.version == Version::HTTP_2 && hop.iter().any(|name| fields.contains_key(*name)) {
            return Err(HttpRefusal::Framing);
        }
        let length = length(fields).map_err(|_| HttpRefusal::Framing)?;
        let mut codings = fields.get_all(TRANSFER_ENCODING).into_iter();
        let chunked = match codings.next() {
            None => false,
            Some(_) if length.is_some() || head.version != Version::HTTP_11 => {
                return Err(HttpRefusal::Framing);
            }
            Some(coding) => {
                let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked");
                if !chunked || codings.next().is_some() {
                    return Err(HttpRefusal::Coding);
                }
                true
            }
        };
        if length.zip(self.largest).is_some_and(|(length, largest)| length > largest) {
            return Err(HttpRefusal::TooLarge);
        }
        Ok(content || chunked || length.is_some_and(|length| length > 0))
    }
}

/// Returns whether a backend may read a segment like a decided part of the query.
fn may_be_mark(segment: &str) -> bool {
    segment_readings(segment).map_or(true, |all| all.iter().any(|one| one.starts_with('@')))
}

/// Returns the action of a method. Methods are case-sensitive (RFC 9110 section 9.1).
fn action(method: &Method) -> Result<Action, HttpRefusal> {
    match *method {
        Method::GET => Ok(Action::Get),
        Method::HEAD => Ok(Action::Head),
        Method::POST => Ok(Action::Post),
        Method::PUT => Ok(Action::Put),
        Method::PATCH => Ok(Action::Patch),
        Method::DELETE => Ok(Action::Delete),
        Method::OPTIONS => Ok(Action::Options),
        Method::TRACE | Method::CONNECT => Err(HttpRefusal::NotAllowed),
        _ => Err(HttpRefusal::Method),
    }
}

/// Returns the action of the method that a query names.
fn named(query: Option<&str>) -> Result<Option<Action>, HttpRefusal> {
    let method = method(query.unwrap_or_default()).map_err(|_| HttpRefusal::Override)?;
    method.map(|method| action(&method).map_err(|_| HttpRefusal::Override)).transpose()
}

/// Checks that the only expectation is 100-continue. The gateway handles it itself, and reads the
/// content after the request is permitted (RFC 9110 section 10.1.1).
fn expectation(fields: &HeaderMap) -> Result<(), HttpRefusal> {
    let met = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    let all = fields.iter().filter(|(name, _)| Folded::new(name.as_str()).is(EXPECT.as_str()));
    if all.map(|(_, value)| value).all(met) { Ok(()) } else { Err(HttpRefusal::Expectation) }
}

/// The error that `Content-Length` is not exactly one number (RFC 9110 section 8.6).
pub(super) struct NotOne;

/// Returns the declared length of the content.
pub(super) fn length(fields: &HeaderMap) -> Result<Option<u64>, NotOne> {
    let mut lengths = fields.get_all(CONTENT_LENGTH).into_iter();
    let Some(length) = lengths.next() else { return Ok(None) };
    let digits = length.to_str().map_err(|_| NotOne)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && lengths.next().is_none();
    let number = digits.parse().ok().filter(|_| plain);
    number.map(Some).ok_or(NotOne)
}
