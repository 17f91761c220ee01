//! Reads what a CoAP request asks for.

use doorward_model::{Action, Name, Path};

use super::code::CoapCode;
use super::form::passes_in_request;
use super::message::Message;
use super::option::{
    CoapOptions, HOP_LIMIT, OBSERVE, OptionWriter, PROXY_SCHEME, PROXY_URI, URI_HOST, URI_PATH,
    URI_PORT,
};

/// What a GET asks for in addition to the resource (RFC 7641, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Observe {
    /// 0: get notifications from now on.
    Register,
    /// 1: get no more notifications.
    Deregister,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CoapRequest {
    pub(super) action: Action,
    pub(super) path: Path,
    /// `None` also if the option has another value or another method, which has no meaning.
    pub(super) observe: Option<Observe>,
}

/// The answer to a request that is refused without asking the judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CoapRefusal {
    pub(super) code: CoapCode,
    /// The option that is the reason, for the diagnostic payload (RFC 7252, section 5.4.1).
    pub(super) option: Option<u16>,
}

impl From<CoapCode> for CoapRefusal {
    fn from(code: CoapCode) -> Self {
        Self { code, option: None }
    }
}

impl CoapRequest {
    /// Reads what a message with a method asks for at an interface. `text` is a buffer for the
    /// path.
    pub(super) fn read(
        message: &Message<'_>,
        interface: &Name,
        text: &mut String,
    ) -> Result<Self, CoapRefusal> {
        let action = match message.header.code {
            CoapCode::GET => Action::Get,
            CoapCode::POST => Action::Post,
            CoapCode::PUT => Action::Put,
            CoapCode::DELETE => Action::Delete,
            _ => return Err(CoapCode::METHOD_NOT_ALLOWED.into()),
        };
        text.clear();
        text.push_str(interface.as_str());
        let (mut observe, mut last) = (None, None);
        for field in message.options() {
            match (field.number, field.value) {
                (PROXY_URI | PROXY_SCHEME, _) => {
                    return Err(CoapCode::PROXYING_NOT_SUPPORTED.into());
                }
                (HOP_LIMIT, [1]) => return Err(CoapCode::HOP_LIMIT_REACHED.into()),
                (HOP_LIMIT, [2..=255]) => {}
                (HOP_LIMIT, _) => return Err(CoapCode::BAD_REQUEST.into()),
                _ if !passes_in_request(&field) => {
                    return Err(CoapRefusal {
                        code: CoapCode::BAD_OPTION,
                        option: Some(field.number),
                    });
                }
                (OBSERVE, _) if action == Action::Get => {
                    observe = match field.uint() {
                        0 => Some(Observe::Register),
                        1 => Some(Observe::Deregister),
                        _ => None,
                    };
                }
                (URI_PATH, value) => {
                    // Many servers drop an empty segment before others.
                    let segment = segment(value).filter(|_| last != Some(""));
                    let segment = segment.ok_or(CoapCode::BAD_REQUEST)?;
                    text.push('/');
                    text.push_str(segment);
                    last = Some(segment);
                }
                _ => {}
            }
        }
        if last.is_none() {
            text.push('/');
        }
        let path = Path::literal(text).map_err(|_| CoapCode::BAD_REQUEST)?;
        Ok(Self { action, path, observe })
    }
}

/// Returns a segment that every server reads in the same way. Dot segments do not occur (RFC 7252,
/// section 5.10.1). Servers that join the segments, as text or as a URL, would read another path if
/// a segment had a slash, a backslash, `?`, `#`, a control character or an escape.
fn segment(value: &[u8]) -> Option<&str> {
    let text = str::from_utf8(value).ok()?;
    let parts = |c: char| matches!(c, '/' | '\\' | '?' | '#') || c.is_control();
    let digit = |byte: &u8| byte.is_ascii_hexdigit();
    let escape = |three: &[u8]| matches!(three, [b'%', digits @ ..] if digits.iter().all(digit));
    let dots = matches!(text, "." | "..");
    (!dots && !text.contains(parts) && !value.windows(3).any(escape)).then_some(text)
}

/// Writes the options of a request for the device.
///
/// It leaves out host and port, since the client may use other names than the device. Observe has
/// the value that was decided. The hop limit is reduced (RFC 8768, section 3).
pub(super) fn write_options(options: CoapOptions<'_>, observe: Option<Observe>, out: &mut Vec<u8>) {
    let mut writer = OptionWriter::new(out);
    for field in options {
        match (field.number, field.value) {
            (URI_HOST | URI_PORT, _) => {}
            (OBSERVE, _) => match observe {
                Some(Observe::Register) => writer.option(OBSERVE, &[]),
                Some(Observe::Deregister) => writer.option(OBSERVE, &[1]),
                None => {}
            },
            (HOP_LIMIT, &[hops]) => writer.option(HOP_LIMIT, &[hops.saturating_sub(1)]),
            (number, value) => writer.option(number, value),
        }
    }
}
