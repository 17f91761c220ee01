//! Decides which options may be forwarded (RFC 7252, sections 5.4 and 5.7.1).

use std::ops::RangeInclusive;

use super::option::CoapOption;

/// The form in which an option is recognised.
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

/// Returns the forms of options in requests that are critical or unsafe to forward. OSCORE (RFC
/// 8613) is not among them, because it hides the request. Q-Block (RFC 9177) is not, because it
/// gets several responses to one request.
fn request(number: u16) -> Option<Form> {
    match number {
        1 => many(0, 8),       // If-Match
        3 => once(1, 255),     // Uri-Host
        5 => once(0, 0),       // If-None-Match
        6 => once(0, 3),       // Observe (RFC 7641)
        7 => once(0, 2),       // Uri-Port
        11 => many(0, 255),    // Uri-Path
        15 => many(0, 255),    // Uri-Query
        17 => once(0, 2),      // Accept
        23 | 27 => once(0, 3), // Block2, Block1 (RFC 7959)
        258 => once(0, 1),     // No-Response (RFC 7967)
        _ => None,
    }
}

/// Returns the forms of options in responses that are unsafe to forward.
fn response(number: u16) -> Option<Form> {
    match number {
        6 => once(0, 3),       // Observe
        14 => once(0, 4),      // Max-Age
        23 | 27 => once(0, 3), // Block2, Block1
        _ => None,
    }
}

/// Returns whether an option is recognised. One that is too short, too long or repeated without
/// need counts as unknown (sections 5.4.3 and 5.4.5).
fn recognised(form: Option<Form>, field: &CoapOption<'_>) -> bool {
    form.is_some_and(|form| {
        form.lengths.contains(&field.value.len()) && (form.repeatable || !field.again)
    })
}

/// Returns whether a request with this option may be forwarded. An option that is not recognised
/// must be neither critical, because it could change what is asked for, nor unsafe to forward.
pub(super) fn passes_in_request(field: &CoapOption<'_>) -> bool {
    field.number & 0b11 == 0 || recognised(request(field.number), field)
}

/// Returns whether a response with this option may be forwarded. An option that is not recognised
/// must not be unsafe to forward.
pub(super) fn passes_in_response(field: &CoapOption<'_>) -> bool {
    field.number & 0b10 == 0 || recognised(response(field.number), field)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Passes = fn(&CoapOption<'_>) -> bool;

    /// Returns the lengths that may be forwarded, of an option that is there once or again.
    fn lengths(passes: Passes, number: u16, again: bool) -> Option<(usize, usize)> {
        let value = [0; 300];
        let passes =
            |length: &usize| passes(&CoapOption { number, value: &value[..*length], again });
        let all: Vec<usize> = (0..300).filter(passes).collect();
        let (first, last) = (*all.first()?, *all.last()?);
        assert_eq!(all.len(), last - first + 1);
        Some((first, last))
    }

    #[test]
    fn options_have_their_lengths_and_some_may_be_repeated() {
        // Number, shortest, longest, repeatable: the tables of RFC 7252 (section 5.10), RFC 7641,
        // RFC 7959 (section 2.1) and RFC 7967.
        let requests = [
            (1, 0, 8, true),
            (3, 1, 255, false),
            (5, 0, 0, false),
            (6, 0, 3, false),
            (7, 0, 2, false),
            (11, 0, 255, true),
            (15, 0, 255, true),
            (17, 0, 2, false),
            (23, 0, 3, false),
            (27, 0, 3, false),
            (258, 0, 1, false),
        ];
        let responses = [(6, 0, 3, false), (14, 0, 4, false), (23, 0, 3, false), (27, 0, 3, false)];
        let sides: [(Passes, u16, &[_]); 2] =
            [(passes_in_request, 0b11, &requests), (passes_in_response, 0b10, &responses)];
        for (passes, matters, table) in sides {
            for number in 0..=u16::MAX {
                let known = table.iter().find(|one| one.0 == number);
                let (once, again) = match known {
                    Some(&(_, first, last, true)) => (Some((first, last)), Some((first, last))),
                    Some(&(_, first, last, false)) => (Some((first, last)), None),
                    None if number & matters == 0 => (Some((0, 299)), Some((0, 299))),
                    None => (None, None),
                };
                if known.is_none() && number > 400 && number % 1000 > 4 {
                    continue;
                }
                assert_eq!(lengths(passes, number, false), once, "{number}");
                assert_eq!(lengths(passes, number, true), again, "{number}");
            }
        }
    }
}
