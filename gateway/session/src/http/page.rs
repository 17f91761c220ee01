//! Refusals as pages for people.

use doorward_model::FlowId;
use http::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderValue, Response};

use super::handler::mark;
use super::payload::{Payload, full};
use super::problem::Problem;

/// How a client wants to read refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalForm {
    /// A problem document (RFC 9457).
    Document,
    /// A page of HTML, for a person.
    Page,
}

impl RefusalForm {
    /// Returns the form that the client of a request asks for: a page if it names `text/html` and
    /// would not rather have JSON (RFC 9110 section 12.5.1).
    #[must_use]
    pub fn asked_by(fields: &HeaderMap) -> Self {
        let (mut page, mut document) = (0.0_f32, 0.0_f32);
        let values = fields.get_all(ACCEPT).into_iter().filter_map(|value| value.to_str().ok());
        for range in values.flat_map(|value| value.split(',')) {
            let range = range.to_ascii_lowercase();
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let weight =
                parts.filter_map(|part| part.split_once('=')).find_map(|(name, weight)| {
                    // What is no weight is none.
                    (name.trim() == "q").then(|| weight.trim().parse().unwrap_or_default())
                });
            let weight: f32 = weight.map_or(1.0, |weight: f32| weight.clamp(0.0, 1.0));
            match kind {
                "text/html" => page = weight,
                "application/problem+json" | "application/json" => document = document.max(weight),
                _ => {}
            }
        }
        if page > 0.0 && page >= document { Self::Page } else { Self::Document }
    }
}

/// Marks a response with the request's id in the audit log, and gives a refusal the form that the
/// client asks for.
#[must_use]
pub fn present(
    mut response: Response<Payload>,
    id: FlowId,
    form: RefusalForm,
) -> Response<Payload> {
    mark(&mut response, id);
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return response };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept"));
    match form {
        RefusalForm::Document => {}
        RefusalForm::Page => {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            headers.insert(CONTENT_TYPE, html);
            // The page needs nothing but its own style.
            let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            *response.body_mut() = full(page(&problem, id).into());
        }
    }
    response
}

fn page(problem: &Problem, id: FlowId) -> String {
    let (title, detail) = (escaped(problem.title()), escaped(problem.detail()));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>body {{ font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto; \
         padding: 0 1rem; color-scheme: light dark }} code {{ overflow-wrap: anywhere }}</style>\n\
         <h1>{title}</h1>\n<p>{detail}</p>\n\
         <p>If you should be able to open this page, send this id to whoever administers the \
         gateway:</p>\n<p><code>{id}</code></p>\n\
         <p>They find the reason with <code>doorward audit tail --flow {id}</code>.</p>\n"
    )
}

/// Returns a text with the characters escaped that mean something in HTML.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use doorward_api::ProblemKind;

    #[test]
    fn a_page_is_for_whoever_asks_for_one() {
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        for (accept, form) in [
            ("", RefusalForm::Document),
            ("*/*", RefusalForm::Document),
            ("application/json", RefusalForm::Document),
            ("text/html;q=0", RefusalForm::Document),
            ("text/html;q=x", RefusalForm::Document),
            ("text/html;Q=0", RefusalForm::Document),
            ("text/html; q = 0", RefusalForm::Document),
            ("text/html;q=NaN", RefusalForm::Document),
            ("application/json, text/html;q=0.9", RefusalForm::Document),
            (browser, RefusalForm::Page),
            ("TEXT/HTML; charset=utf-8; q=0.5", RefusalForm::Page),
            ("application/problem+json;q=0.2, text/html;q=0.25", RefusalForm::Page),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(RefusalForm::asked_by(&fields), form, "{accept}");
        }
        assert_eq!(RefusalForm::asked_by(&HeaderMap::new()), RefusalForm::Document);
    }

    #[test]
    fn what_a_page_says_is_no_markup() {
        let problem = Problem::new(ProblemKind::Forbidden, "No <script> & \"more\"");
        let page = page(&problem, FlowId::new(jiff::Timestamp::UNIX_EPOCH, [7; 10]));
        assert!(page.contains("No &lt;script&gt; &amp; &quot;more&quot;"), "{page}");
    }
}
