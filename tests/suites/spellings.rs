//! No spelling of a path reaches a page that a rule denies, whichever way the device reads paths.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use doorward_tests::Gateway;
use doorward_tests::running::PATIENCE;

/// How a device reads the path of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reader {
    /// As it is written, unescaped.
    Exact,
    /// The same, without the case of ASCII letters.
    Folding,
    /// Like a program that removes whatever it can.
    Normalising,
}

impl Reader {
    /// The segments that it reads.
    fn read(self, path: &str) -> Vec<String> {
        let once = unescaped(path);
        let text = match self {
            Self::Exact => once,
            Self::Folding => once.to_ascii_lowercase(),
            Self::Normalising => {
                unescaped(&once).to_ascii_lowercase().replace('+', " ").replace('\\', "/")
            }
        };
        let mut segments: Vec<String> = Vec::new();
        for segment in text.trim_start_matches('/').split('/') {
            if self != Self::Normalising {
                segments.push(segment.to_owned());
                continue;
            }
            let name = segment.split(';').next().unwrap().trim_end_matches(' ');
            match name {
                ".." => drop(segments.pop()),
                name => match name.trim_end_matches(['.', ' ']) {
                    "" => {}
                    name => segments.push(name.to_owned()),
                },
            }
        }
        segments
    }

    /// The page that it serves.
    fn page(self, path: &str) -> &'static str {
        let secret: &[&str] = match self {
            Self::Exact => &["admin", "Top Secret", "@home", "café"],
            Self::Folding | Self::Normalising => &["admin", "top secret", "@home", "café"],
        };
        let segments = self.read(path);
        if segments.first().is_some_and(|first| secret.contains(&first.as_str())) {
            "secret"
        } else {
            "public"
        }
    }

    /// Serves pages. Returns where.
    fn serve(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || self.answer(stream));
            }
        });
        at
    }

    fn answer(self, stream: TcpStream) {
        let mut writer = stream.try_clone().unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        while let Some(line) = lines.next() {
            let page = self.page(line.split(' ').nth(1).unwrap());
            let fields: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{page}");
            drop(writer.write_all(answer.as_bytes()));
            if fields.iter().any(|field| field.eq_ignore_ascii_case("connection: close")) {
                return;
            }
        }
    }
}

fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        let octet = match after {
            [high, low, ..] if *first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        match octet {
            Some((high, low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap());
                rest = &after[2..];
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The status and the content that a client gets.
fn get(at: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(at).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("{path}: {answer}"));
    let content = answer.split_once("\r\n\r\n").unwrap().1;
    (status.parse().unwrap(), content.to_owned())
}

/// What a client may have whatever the device is: 200, 403 if a rule denies it, 400 if the gateway
/// refuses the spelling.
const SPELLINGS: &[(&str, u16)] = &[
    ("/admin/x", 403),
    ("/admin", 403),
    ("/admin/", 403),
    ("/%61dmin/x", 403),
    // Case.
    ("/Admin/x", 403),
    ("/ADMIN/X", 403),
    ("/%41dmin/x", 403),
    ("/top%20secret/x", 403),
    // Parameters.
    ("/admin;v=1/x", 403),
    ("/admin;/x", 403),
    ("/admin%3Bv/x", 403),
    ("/Admin;a;b", 403),
    // A plus sign as a space.
    ("/Top%20Secret/x", 403),
    ("/Top+Secret/x", 403),
    ("/Top%2BSecret/x", 403),
    ("/TOP+SECRET;a=b/x", 403),
    // Dots and spaces at the end.
    ("/admin./x", 403),
    ("/admin../x", 403),
    ("/admin%20/x", 403),
    ("/admin+/x", 403),
    ("/admin%20.;v/x", 403),
    // Escapes that stay.
    ("/@home/x", 403),
    ("/%40home/x", 403),
    ("/%40HOME./x", 403),
    ("/caf%C3%A9/x", 403),
    ("/CAF%c3%a9/x", 403),
    // Segments that are left out.
    ("/%20/admin/x", 403),
    ("/+/admin/x", 403),
    ("/.%20/admin/x", 400),
    ("//admin/x", 400),
    ("/admin//x", 400),
    ("/;v/admin/x", 400),
    // Slashes in segments.
    ("/pub%2F..%2Fadmin/x", 400),
    ("/admin%2Fx", 400),
    ("/admin\\x", 400),
    ("/admin%5Cx", 400),
    // Dot segments.
    ("/./admin/x", 400),
    ("/pub/../admin/x", 400),
    ("/pub/%2e%2E/admin/x", 400),
    ("/pub/..;/admin/x", 400),
    ("/pub/..%20/admin/x", 400),
    ("/pub/..+/admin/x", 400),
    // Escapes in escapes, and what is no text.
    ("/%2561dmin/x", 400),
    ("/admin%00/x", 400),
    ("/%C1%A1dmin/x", 400),
    // Other pages.
    ("/", 200),
    ("/pub/x", 200),
    ("/Pub/X/", 200),
    ("/pub/admin", 200),
    ("/administrator/x", 200),
    ("/admin-x/y", 200),
    ("/xadmin", 200),
    ("/adm/in", 200),
    ("/pub/a%20b", 200),
    ("/pub/a+b", 200),
    ("/pub/a;admin", 200),
    ("/pub/%40", 200),
    ("/home/x", 200),
    ("/topsecret/x", 200),
    ("/Top/Secret", 200),
    ("/100%25", 200),
    ("/pub/..x/.y/a.b", 200),
];

#[test]
fn no_spelling_reaches_a_denied_page() {
    const _: () = assert!(SPELLINGS.len() >= 40, "few spellings");
    let gateway = Gateway::start();
    gateway.enrol("user/alice", &[]);
    let kinds =
        [("exact", Reader::Exact), ("folding", Reader::Folding), ("normal", Reader::Normalising)];
    let mut rules = Vec::new();
    for (name, kind) in kinds {
        gateway.declare(&format!("box/{name}"), &format!("http://{}", kind.serve()));
        rules.push(format!("p, user/alice, box, {name}/**, get, , allow"));
        for denied in ["admin", "Top%20Secret", "@home", "caf%C3%A9"] {
            rules.push(format!("p, user/alice, box, {name}/{denied}/**, *, , deny"));
        }
    }
    let written = format!("http://{}?paths=exact", Reader::Exact.serve());
    gateway.declare("box/written", &written);
    rules.push("p, user/alice, box, written/**, get, , allow".to_owned());
    rules.push("p, user/alice, box, written/admin/**, get, , deny".to_owned());
    gateway.rules(&rules.join("\n"));
    for (name, kind) in kinds {
        let (_listener, at) = gateway.listening("alice", &format!("box/{name}"));
        for (path, status) in SPELLINGS {
            let (answered, page) = get(at, path);
            assert_ne!(page, "secret", "{path} at {kind:?}");
            assert_eq!(answered, *status, "{path} at {kind:?}: {page}");
            // `policy check` says the same. `+` and the like are written as they are.
            let resource = format!("box/{name}{path}");
            let check = gateway.run("owner", &["policy", "check", "user/alice", "get", &resource]);
            let said = match *status {
                200 => Some(0),
                403 => Some(3),
                _ => Some(1),
            };
            assert_eq!(check.status, said, "{path}: {check:?}");
        }
    }
    // Each page that is denied is there.
    for (name, kind) in kinds {
        let gate = kind.serve();
        for path in ["/admin/x", "/Top%20Secret/x", "/@home/x", "/caf%C3%A9/x"] {
            assert_eq!(get(gate, path), (200, "secret".to_owned()), "{path} at {name}");
        }
    }
    assert_eq!(get(Reader::Normalising.serve(), "/pub/..%20/ADMIN;v./x").1, "secret");
    // A device that reads paths as they are written loses nothing.
    let (_listener, at) = gateway.listening("alice", "box/written");
    assert_eq!(get(at, "/admin/x").0, 403);
    for path in ["/Admin/x", "/admin;v=1/x", "/admin./x", "/admin+/x", "/...", "/..%20"] {
        assert_eq!(get(at, path), (200, "public".to_owned()), "{path}");
    }
}
