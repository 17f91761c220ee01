//! Says in plain words what the TLS library reports. No other file prints its errors.

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

/// Says what an error of the TLS library means.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add variants")]
pub(crate) fn words(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(problem) => certificate_words(problem),
        Error::AlertReceived(alert) => format!("the other side says: {}", alert_words(*alert)),
        Error::NoCertificatesPresented => "the other side shows no certificate".to_owned(),
        Error::NoApplicationProtocol => {
            "the other side speaks none of the protocols that this program offers".to_owned()
        }
        Error::PeerIncompatible(_) => {
            "the two sides have no version or algorithm of TLS in common".to_owned()
        }
        Error::InvalidMessage(_)
        | Error::InappropriateMessage { .. }
        | Error::InappropriateHandshakeMessage { .. }
        | Error::PeerMisbehaved(_)
        | Error::PeerSentOversizedRecord
        | Error::DecryptError => {
            "the other side does not speak TLS properly; is it another server, or is something in \
             between?"
                .to_owned()
        }
        Error::InconsistentKeys(_) => "the key does not belong to the certificate".to_owned(),
        Error::FailedToGetCurrentTime => "the system does not tell the time".to_owned(),
        Error::FailedToGetRandomBytes => "the system has no random numbers".to_owned(),
        Error::General(text) => text.clone(),
        _ => "the TLS library failed".to_owned(),
    }
}

/// Says what is wrong with a certificate.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add variants")]
pub(crate) fn certificate_words(problem: &CertificateError) -> String {
    let fixed = match problem {
        CertificateError::ExpiredContext { not_after, .. } => {
            return format!("its certificate has expired: it ended at {}", instant(*not_after));
        }
        CertificateError::NotValidYetContext { not_before, .. } => {
            return format!(
                "its certificate is not valid yet: it begins at {}",
                instant(*not_before)
            );
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names = match presented.is_empty() {
                true => "no name".to_owned(),
                false => presented.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", "),
            };
            let expected = expected.to_str();
            return format!("its certificate is for {names}, not for {expected}");
        }
        CertificateError::Expired => "its certificate has expired",
        CertificateError::NotValidYet => "its certificate is not valid yet",
        CertificateError::NotValidForName => "its certificate is for another name",
        CertificateError::UnknownIssuer => "its certificate is of an authority that is not trusted",
        CertificateError::BadSignature => "its certificate is not signed by a trusted authority",
        CertificateError::BadEncoding => "its certificate cannot be read",
        CertificateError::Revoked => "its certificate is revoked",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is for another purpose: a client's where a server's is needed, or the \
             other way round"
        }
        CertificateError::UnhandledCriticalExtension => {
            "its certificate has a critical extension that is not known here"
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "its certificate is signed by an algorithm that is not used here"
        }
        CertificateError::UnknownRevocationStatus
        | CertificateError::ExpiredRevocationList
        | CertificateError::ExpiredRevocationListContext { .. }
        | CertificateError::InvalidOcspResponse => {
            "it is not known whether its certificate is revoked"
        }
        _ => "its certificate is not accepted",
    };
    fixed.to_owned()
}

/// Says what a TLS alert (RFC 8446 section 6) means.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library may add variants")]
pub(crate) fn alert_words(alert: AlertDescription) -> String {
    let fixed = match alert {
        AlertDescription::BadCertificate => "the certificate cannot be used",
        AlertDescription::UnsupportedCertificate => {
            "the certificate is of a kind that it does not use"
        }
        AlertDescription::CertificateRevoked => "the certificate is revoked",
        AlertDescription::CertificateExpired => "the certificate has expired, or is not valid yet",
        AlertDescription::CertificateUnknown => "the certificate is not accepted",
        AlertDescription::UnknownCA => "the certificate is of an authority that it does not trust",
        AlertDescription::AccessDenied => "access is denied",
        AlertDescription::CertificateRequired => "a certificate is required",
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity => {
            "the two sides have no version or algorithm of TLS in common"
        }
        AlertDescription::NoApplicationProtocol => "it does not speak the protocol that is offered",
        AlertDescription::UnrecognisedName => "it does not know the name that it was called by",
        AlertDescription::DecryptError => "a signature is not right",
        AlertDescription::InternalError => "it failed",
        other => return format!("TLS alert {}", u8::from(other)),
    };
    fixed.to_owned()
}

/// Returns a name from a certificate without what a debug format adds.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')'));
    doorward_model::escape(inner.trim_matches('"')).to_string()
}

fn instant(time: UnixTime) -> String {
    let second = i64::try_from(time.as_secs()).ok();
    let instant = second.and_then(|second| Timestamp::from_second(second).ok());
    instant.map_or_else(|| "an unknown time".to_owned(), |instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::ServerName;
    use rustls::{
        ContentType, ExtendedKeyPurpose, InvalidMessage, PeerIncompatible, PeerMisbehaved,
    };

    use super::*;

    /// Returns whether a text has a word such as `BadEncoding`, or braces.
    fn has_debug_text(text: &str) -> bool {
        let mut words = text.split(|c: char| !c.is_alphanumeric());
        text.contains(['{', '}', '[', ']', '"'])
            || words.any(|word| {
                let capitals = word.chars().filter(char::is_ascii_uppercase).count();
                capitals > 1 && word.chars().any(|c| c.is_ascii_lowercase())
            })
    }

    #[test]
    fn no_variant_shows_its_name() {
        assert!(has_debug_text("NotValidYetContext { time: 1 }") && has_debug_text("BadEncoding"));
        let at = |second| UnixTime::since_unix_epoch(Duration::from_secs(second));
        let (client, server) = (ExtendedKeyPurpose::ClientAuth, ExtendedKeyPurpose::ServerAuth);
        let certificate = [
            CertificateError::BadEncoding,
            CertificateError::Expired,
            CertificateError::ExpiredContext { time: at(9), not_after: at(1) },
            CertificateError::NotValidYet,
            CertificateError::NotValidYetContext { time: at(1), not_before: at(1_767_225_600) },
            CertificateError::Revoked,
            CertificateError::UnhandledCriticalExtension,
            CertificateError::UnknownIssuer,
            CertificateError::UnknownRevocationStatus,
            CertificateError::ExpiredRevocationList,
            CertificateError::ExpiredRevocationListContext { time: at(1), next_update: at(2) },
            CertificateError::BadSignature,
            CertificateError::UnsupportedSignatureAlgorithmContext {
                signature_algorithm_id: vec![1],
                supported_algorithms: vec![],
            },
            CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
                signature_algorithm_id: vec![1],
                public_key_algorithm_id: vec![2],
            },
            CertificateError::NotValidForName,
            CertificateError::NotValidForNameContext {
                expected: ServerName::try_from("gateway.lan").unwrap(),
                presented: vec!["DnsName(\"other.lan\")".to_owned()],
            },
            CertificateError::InvalidPurpose,
            CertificateError::InvalidPurposeContext { required: server, presented: vec![client] },
            CertificateError::InvalidOcspResponse,
            CertificateError::ApplicationVerificationFailure,
        ];
        let certificate = certificate.map(Error::InvalidCertificate);
        let alerts = (0..=u8::MAX).map(|code| Error::AlertReceived(AlertDescription::from(code)));
        let others = [
            Error::InappropriateMessage {
                expect_types: vec![ContentType::Alert],
                got_type: ContentType::Handshake,
            },
            Error::InvalidMessage(InvalidMessage::InvalidContentType),
            Error::NoCertificatesPresented,
            Error::DecryptError,
            Error::EncryptError,
            Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
            Error::PeerMisbehaved(PeerMisbehaved::TooMuchEarlyDataReceived),
            Error::PeerSentOversizedRecord,
            Error::HandshakeNotComplete,
            Error::NoApplicationProtocol,
            Error::FailedToGetCurrentTime,
            Error::FailedToGetRandomBytes,
            Error::BadMaxFragmentSize,
        ];
        for error in certificate.into_iter().chain(alerts).chain(others) {
            let text = words(&error);
            assert!(!has_debug_text(&text.replace("TLS", "")), "{error:?}: {text}");
        }
        let early = CertificateError::NotValidYetContext { time: at(1), not_before: at(0) };
        let text = "its certificate is not valid yet: it begins at 1970-01-01T00:00:00Z";
        assert_eq!(certificate_words(&early), text);
    }
}
