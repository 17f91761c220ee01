//! Why a request is not forwarded.

use http::StatusCode;

use super::path::Misspelt;
use super::query::Unclear;

/// Why a request is not forwarded. None of the grounds tells what there is behind the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HttpRefusal {
    /// The method is none that this gateway knows.
    #[error("The method is not known here.")]
    Method,
    /// The method is TRACE, or a CONNECT that is no upgrade. The answer needs
    /// [`HttpRefusal::ALLOW`] (RFC 9110 section 15.5.6).
    #[error("The method is not served here.")]
    NotAllowed,
    /// Neither HTTP/1.0, HTTP/1.1 nor HTTP/2.
    #[error("The version of HTTP is not served here.")]
    Version,
    /// The target is `*`, an authority, or of a scheme that is not HTTP's.
    #[error("The target has no path.")]
    Target,
    /// The path has no spelling that can be decided.
    #[error("The path {0}.")]
    Path(Misspelt),
    /// A character in the query that must be escaped.
    #[error("The query has a character that must be escaped.")]
    Query,
    /// A part of the query is decided here, and what it says is not clear.
    #[error("The query {0}.")]
    Operand(Unclear),
    /// A part of the query is decided here, and the path ends as if it was that part.
    #[error(
        "The last segment of the path begins with @, which stands for a part of the query here."
    )]
    Mark,
    /// The query names a method, and it is not clear which, or it is none that is served here.
    #[error(
        "The query names a method (_method) that cannot be decided here. Make the request with \
         that method instead."
    )]
    Override,
    /// The path or the query is longer than what can be decided.
    #[error("The target is too long.")]
    TooLong,
    /// Not exactly one host, not in the form of one, or two that disagree.
    #[error("A request names one host, once.")]
    Host,
    /// The host is not this door's: on another connection it may be right (RFC 9110 section
    /// 15.5.20).
    #[error("The host is not the one of this connection.")]
    Misdirected,
    /// More header fields, or longer ones, than [`FIELDS`](super::FIELDS) and
    /// [`FIELD_BYTES`](super::FIELD_BYTES).
    #[error("The header is too large.")]
    TooManyFields,
    /// Where the content ends can be read in two ways, or fields are there that the version does
    /// not have.
    #[error("The framing of the request is not sound.")]
    Framing,
    /// A transfer coding other than chunked.
    #[error("The transfer coding is not known here.")]
    Coding,
    /// GET or HEAD with content, which has no meaning (RFC 9110 section 9.3.1).
    #[error("The method has no content.")]
    Content,
    /// More content than the interface takes.
    #[error("The content is too large.")]
    TooLarge,
    /// An expectation other than 100-continue.
    #[error("The expectation cannot be met.")]
    Expectation,
    /// An upgrade by another method than GET, with content, or to several protocols at once.
    #[error("An upgrade is a GET without content, and to one protocol.")]
    Upgrade,
    /// An extended CONNECT to HTTP itself, or to what is no protocol's name.
    #[error("The protocol is not known here.")]
    Protocol,
    /// A browser says that a page of another origin has made the request.
    #[error(
        "A page of another origin made this request. Open the interface's own page; or, if that \
         page is to act here, add its origin to the interface's URL, as in \
         origins=https://ha.example."
    )]
    CrossOrigin,
    /// It is not permitted. Whether there is such a thing is not said.
    #[error("No such thing, or no right to it.")]
    Forbidden,
    /// More requests than the interface takes.
    #[error("Too many requests.")]
    TooFast,
}

impl HttpRefusal {
    /// The field `Allow` of an answer to [`HttpRefusal::NotAllowed`].
    pub const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

    /// The status with which it is answered.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Method | Self::Coding | Self::Protocol => StatusCode::NOT_IMPLEMENTED,
            Self::NotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::TooLong => StatusCode::URI_TOO_LONG,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Expectation => StatusCode::EXPECTATION_FAILED,
            Self::CrossOrigin | Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooFast => StatusCode::TOO_MANY_REQUESTS,
            Self::Target
            | Self::Path(_)
            | Self::Query
            | Self::Operand(_)
            | Self::Mark
            | Self::Override
            | Self::Host
            | Self::Framing
            | Self::Content
            | Self::Upgrade => StatusCode::BAD_REQUEST,
        }
    }

    /// The ground in a word, for the record.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Method | Self::NotAllowed => "method",
            Self::Version => "version",
            Self::Target => "target",
            Self::Path(_) | Self::Mark => "path",
            Self::Query | Self::Operand(_) | Self::Override => "query",
            Self::TooLong => "target-too-long",
            Self::Host => "host",
            Self::Misdirected => "misdirected",
            Self::TooManyFields => "header-too-large",
            Self::Framing | Self::Coding => "framing",
            Self::Content => "content",
            Self::TooLarge => "content-too-large",
            Self::Expectation => "expectation",
            Self::Upgrade | Self::Protocol => "upgrade",
            Self::CrossOrigin => "cross-origin",
            Self::Forbidden => "forbidden",
            Self::TooFast => "too-many-requests",
        }
    }
}

impl From<Unclear> for HttpRefusal {
    fn from(unclear: Unclear) -> Self {
        Self::Operand(unclear)
    }
}

impl From<Misspelt> for HttpRefusal {
    fn from(misspelt: Misspelt) -> Self {
        Self::Path(misspelt)
    }
}
