//! HTTP through an interface, from the text of a request to the forwarded head.

mod answers;
mod elsewhere;
mod fuzz;
mod hostile;
mod http2;
mod operand;
mod properties;
mod ways;

use doorward_model::{Action, Path};
use http::header::{HOST, HeaderName, HeaderValue, VIA};
use http::{HeaderMap, Method, Request, Uri, Version};

use super::{Extended, HttpBackend, HttpInterface, HttpRefusal, ServedHost};
use crate::Judge;

const NAME: &str = "web--plc.gw.example";

/// A judge that permits everything.
struct Yes;

impl Judge for Yes {
    fn may(&mut self, _: Action, _: &Path) -> bool {
        true
    }
}

fn interface(base: &str) -> HttpInterface {
    let backend = HttpBackend::new(&"plc.lan".parse().unwrap(), 8080, base).unwrap();
    HttpInterface::new("web".parse().unwrap(), backend, ServedHost::named(NAME))
}

fn tunnel() -> HttpInterface {
    HttpInterface { served_host: ServedHost::tunnel(NAME), ..interface("") }
}

/// Returns the bytes of a request. `$` stands for the right Host, and lines get their proper ends.
fn sent(text: &str) -> String {
    let head = text.replace('$', "Host: web--plc.gw.example").replace('\n', "\r\n");
    format!("{head}\r\n\r\n")
}

/// Returns a request as an HTTP library reads it from `text`. `None` if the library refuses it.
fn parse(text: &str) -> Option<http::request::Parts> {
    let mut fields = [httparse::EMPTY_HEADER; 256];
    let mut read = httparse::Request::new(&mut fields);
    if !read.parse(text.as_bytes()).ok()?.is_complete() {
        return None;
    }
    let (mut head, ()) = Request::new(()).into_parts();
    head.method = Method::from_bytes(read.method?.as_bytes()).ok()?;
    head.uri = Uri::try_from(read.path?).ok()?;
    head.version = if read.version? == 1 { Version::HTTP_11 } else { Version::HTTP_10 };
    for field in read.headers {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(head)
}

/// Returns the result of a request: its questions, and the forwarded head without `Host` and `Via`;
/// or the status and the word of the refusal.
fn outcome(
    interface: &HttpInterface,
    head: http::request::Parts,
    extended: Option<Extended<'_>>,
) -> String {
    let refused =
        |refusal: HttpRefusal| format!("{} {}", refusal.status().as_u16(), refusal.word());
    let asked = match interface.read(head, extended, false) {
        Ok(asked) => asked,
        Err(refusal) => return refused(refusal),
    };
    let asks: Vec<String> = asked.asks().map(|(action, path)| format!("{action} {path}")).collect();
    let permitted = match asked.judge(&mut Yes) {
        Ok(permitted) => permitted,
        Err(refusal) => return refused(refusal),
    };
    let (head, _) = interface.forward(permitted);
    assert_eq!(head.headers[HOST], "plc.lan:8080");
    assert!(
        head.headers
            .get_all(VIA)
            .iter()
            .next_back()
            .unwrap()
            .to_str()
            .unwrap()
            .ends_with(" doorward")
    );
    let line = format!("{} {}", head.method, head.uri);
    let target = head.uri.path_and_query().unwrap();
    assert_eq!(target.as_str(), head.uri.to_string());
    let fields = shown(head.headers, &["host", "via"]);
    [&[asks.join(", "), line][..], &fields].concat().join(" | ")
}

/// Returns the fields sorted by name, without some.
fn shown(fields: HeaderMap, without: &[&str]) -> Vec<String> {
    let shown = fields.iter().filter(|(name, _)| !without.contains(&name.as_str()));
    let mut shown: Vec<String> = shown
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    shown.sort();
    shown
}
