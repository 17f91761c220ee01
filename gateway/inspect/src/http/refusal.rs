//! Why a request is not forwarded.

use doorward_model::Misspelt;
use http::StatusCode;

use super::query::Unclear;

/// Why a request is not forwarded. No reason tells what exists at the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum HttpRefusal {
    /// The gateway does not know the method.
    #[error("The method is not known here.")]
    Method,
    /// The method is TRACE, or a CONNECT that is no upgrade. The answer needs
    /// [`HttpRefusal::ALLOW`] (RFC 9110 section 15.5.6).
    #[error("The method is not served here.")]
    NotAllowed,
    /// The version is not HTTP/1.0, HTTP/1.1 or HTTP/2.
    #[error("The version of HTTP is not served here.")]
    Version,
    /// The target is `*`, an authority, or has a scheme other than HTTP's.
    #[error("The target has no path.")]
    Target,
    /// The path has no spelling that can be decided.
    #[error("The path {0}.")]
    Path(Misspelt),
    /// A character in the query must be escaped.
    #[error("The query has a character that must be escaped.")]
    Query,
    /// The query is decided here, and is ambiguous.
    #[error("The query {0}.")]
    Operand(Unclear),
    /// The query is decided here, and the path ends like a decided parameter.
    #[error(
        "The last segment of the path begins with @, which stands for a part of the query here."
    )]
    Mark,
    /// The query names a method that is ambiguous or not served here.
    #[error(
        "The query names a method (_method) that cannot be decided here. Make the request with \
         that method instead."
    )]
    Override,
    /// The path or the query is too long.
    #[error("The target is too long.")]
    TooLong,
    /// The request has no host, several hosts, an invalid host, or two that differ.
    #[error("A request names one host, once.")]
    Host,
    /// The host is not the one of this interface; on another connection it may be right (RFC 9110
    /// section 15.5.20).
    #[error("The host is not the one of this connection.")]
    Misdirected,
    /// The header fields exceed [`FIELDS`](super::FIELDS) or [`FIELD_BYTES`](super::FIELD_BYTES).
    #[error("The header is too large.")]
    TooManyFields,
    /// The end of the content can be read in two ways, or the version does not have a field.
    #[error("The framing of the request is not sound.")]
    Framing,
    /// The transfer coding is not chunked.
    #[error("The transfer coding is not known here.")]
    Coding,
    /// GET or HEAD has content, which has no meaning (RFC 9110 section 9.3.1).
    #[error("The method has no content.")]
    Content,
    /// The content is larger than the interface allows.
    #[error("The content is too large.")]
    TooLarge,
    /// The expectation is not 100-continue.
    #[error("The expectation cannot be met.")]
    Expectation,
    /// An upgrade has a method other than GET, has content, or names several protocols.
    #[error("An upgrade is a GET without content, and to one protocol.")]
    Upgrade,
    /// An extended CONNECT is for HTTP itself, or for an invalid protocol.
    #[error("The protocol is not known here.")]
    Protocol,
    /// A browser says that a page of another origin makes the request.
    #[error(
        "A page of another origin made this request. Open the interface's own page; or, if that \
         page is to act here, add its origin to the interface's URL, as in \
         origins=https://ha.example."
    )]
    CrossOrigin,
    /// The request is not permitted. The text does not say whether the resource exists.
    #[error("No such thing, or no right to it.")]
    Forbidden,
    /// The interface gets too many requests.
    #[error("Too many requests.")]
    TooFast,
}

impl HttpRefusal {
    /// The field `Allow` for [`HttpRefusal::NotAllowed`].
    pub const ALLOW: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

    /// Returns the status of the answer.
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

    /// Returns the reason in a word, for the record.
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
