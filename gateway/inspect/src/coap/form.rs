//! Which options are recognised, in what form (RFC 7252, sections 5.4 and 5.10).

use std::ops::RangeInclusive;

use super::option::Field;

/// The form that a recognised option has.
struct Form {
    lengths: RangeInclusive<usize>,
    repeatable: bool,
}

fn once(shortest: usize, longest: usize) -> Option<Form> {
    Some(Form { lengths: shortest..=longest, repeatable: false })
}

fn many(shortest: usize, longest: usize) -> Option<Form> {
    Some(Form { lengths: shortest..=longest, repeatable: true })
}

/// In requests. OSCORE (RFC 8613) is not among them: it hides what is asked for. Nor is Q-Block
/// (RFC 9177): to one request it brings many responses.
fn request(number: u16) -> Option<Form> {
    match number {
        1 => many(0, 8),       // If-Match
        3 => once(1, 255),     // Uri-Host
        4 => many(1, 8),       // ETag
        5 => once(0, 0),       // If-None-Match
        6 => once(0, 3),       // Observe (RFC 7641)
        7 => once(0, 2),       // Uri-Port
        11 => many(0, 255),    // Uri-Path
        12 => once(0, 2),      // Content-Format
        15 => many(0, 255),    // Uri-Query
        16 => once(1, 1),      // Hop-Limit (RFC 8768)
        17 => once(0, 2),      // Accept
        23 | 27 => once(0, 3), // Block2, Block1 (RFC 7959)
        28 | 60 => once(0, 4), // Size2, Size1
        252 => once(1, 40),    // Echo (RFC 9175)
        258 => once(0, 1),     // No-Response (RFC 7967)
        292 => many(0, 8),     // Request-Tag (RFC 9175)
        _ => None,
    }
}

fn response(number: u16) -> Option<Form> {
    match number {
        4 => once(1, 8),        // ETag
        6 => once(0, 3),        // Observe
        8 | 20 => many(0, 255), // Location-Path, Location-Query
        12 => once(0, 2),       // Content-Format
        14 => once(0, 4),       // Max-Age
        23 | 27 => once(0, 3),  // Block2, Block1
        28 | 60 => once(0, 4),  // Size2, Size1
        252 => once(1, 40),     // Echo
        _ => None,
    }
}

/// One that is too short, too long or there too often is as one that nobody knows (RFC 7252,
/// sections 5.4.3 and 5.4.5).
fn recognised(form: Option<Form>, field: &Field<'_>) -> bool {
    form.is_some_and(|form| {
        form.lengths.contains(&field.value.len()) && (form.repeatable || !field.again)
    })
}

/// Whether a request with this option may be forwarded. One that is not recognised must not be
/// critical, because it could change what is asked for, nor unsafe to forward (section 5.7.1).
pub(super) fn passes_in_request(field: &Field<'_>) -> bool {
    recognised(request(field.number), field) || field.number & 0b11 == 0
}

/// Whether a response with this option may be forwarded. One that is not recognised must not be
/// unsafe to forward (section 5.7.1).
pub(super) fn passes_in_response(field: &Field<'_>) -> bool {
    recognised(response(field.number), field) || field.number & 0b10 == 0
}
