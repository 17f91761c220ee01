//! Makes the answer for the client from a backend's answer.

use std::borrow::Cow;

use http::header::{CONTENT_LENGTH, CONTENT_LOCATION, LOCATION, SET_COOKIE, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::fields::{are_bounded, is_not_for_client, remove};
use super::forward::Forwarded;
use super::interface::HttpInterface;
use super::request::length;
use super::upgrade::Upgrade;
use crate::{Fault, Sender};

impl HttpInterface {
    /// Returns the head for the client, from the backend's answer to a forwarded request.
    ///
    /// An upgrade has happened if, and only if, the status was 101 and this returns no error. The
    /// answer to an extended CONNECT is then 200 (RFC 8441 section 5).
    ///
    /// # Errors
    /// When it is no valid answer. The client then gets a 502.
    pub fn answer(&self, to: &Forwarded, mut head: Parts) -> Result<Parts, Fault> {
        let fault = |what| Fault { by: Sender::Device, what };
        let fields = &mut head.headers;
        if !are_bounded(fields) {
            return Err(fault("answers with a header that is too large"));
        }
        let length = length(fields).map_err(|_| fault("declares two lengths of one answer"))?;
        let switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let agreed = to.upgrade.as_ref().filter(|upgrade| switched && upgrade.is_agreed(fields));
        if switched && agreed.is_none() {
            return Err(fault("switches to what was not asked for"));
        }
        let extended = to.upgrade.as_ref().is_some_and(Upgrade::is_extended);
        match head.status.as_u16() {
            100..200 if !switched => return Err(fault("gives no final answer")),
            // The client would take it for the upgrade.
            200..300 if extended => return Err(fault("does not upgrade")),
            101..600 => {}
            _ => return Err(fault("answers with an invalid status")),
        }
        // Chunked content ends where its last chunk says, whatever other fields say (RFC 9112
        // section 6.3).
        let chunked = fields.contains_key(TRANSFER_ENCODING);
        remove(fields, is_not_for_client);
        if length.is_some() && (chunked || switched) {
            fields.remove(CONTENT_LENGTH);
        }
        self.references(fields, LOCATION);
        self.references(fields, CONTENT_LOCATION);
        self.cookies(fields);
        if let Some(upgrade) = agreed {
            upgrade.agree(fields);
            if extended {
                head.status = StatusCode::OK;
            }
        }
        Ok(head)
    }

    /// Rewrites a field with a reference. It is removed if it occurs twice or leads nowhere.
    fn references(&self, fields: &mut HeaderMap, name: HeaderName) {
        let mut values = fields.get_all(&name).into_iter();
        let Some(value) = values.next() else { return };
        let told = self.backend.reference(value).filter(|_| values.next().is_none());
        match told {
            Some(Cow::Borrowed(_)) => {}
            Some(Cow::Owned(told)) => {
                fields.insert(name, told);
            }
            None => {
                fields.remove(name);
            }
        }
    }

    fn cookies(&self, fields: &mut HeaderMap) {
        let cookies = fields.get_all(SET_COOKIE).into_iter();
        let told: Vec<HeaderValue> =
            cookies.filter_map(|cookie| self.backend.cookie(cookie)).collect();
        fields.remove(SET_COOKIE);
        for cookie in told {
            fields.append(SET_COOKIE, cookie);
        }
    }
}
